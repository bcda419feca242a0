package lint

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// namedRule reads configurations of BIND.
func namedRule() Rule {
	t := tool{names: []string{"named-checkconf"}, install: "bind9-utils"}
	r := toolRule("named", []string{"named.conf", "named.conf.*"}, t, func(ctx context.Context, program string, j *job) error {
		e, err := withIncluded(j, &namedLanguage, func(path string, _ *staged) (ending, error) {
			return invoke(ctx, filepath.Dir(j.path), program, path)
		})
		if err == nil && e.code != 0 {
			reportOutput(j, e, "named-checkconf")
		}
		return err
	})
	r.only = func(f *file) bool { return !template(f.name) }
	return r
}

var namedLanguage = language{
	find:   namedIncludes,
	within: func(main, _ string) string { return filepath.Dir(main) }, // named-checkconf is started there
	write: func(_ reference, files []string) string {
		var b strings.Builder
		for _, file := range files {
			b.WriteString("include " + quoted(file) + "; ")
		}
		return b.String()
	},
}

// namedToken is a comment, a text, a sign or a word in a configuration of BIND.
var namedToken = nodes.Pattern(`//[^\n]*|#[^\n]*|/\*[\s\S]*?\*/|"(?:\\[\s\S]|[^"\\])*"|[;{}]|(?:[^\s;{}"#/]|/[^*/])+|/`)

// namedIncludes finds the statements `include "PATH";`. What comes after `directory
// "PATH";` belongs to that folder, which this machine need not have: the statement is
// left out.
func namedIncludes(text string) []reference {
	var out []reference
	folder := ""
	words, starts := []string{";", ";", ";"}, []int{0, 0, 0} // the last ones
	for _, at := range namedToken().FindAllStringIndex(text, -1) {
		word := text[at[0]:at[1]]
		if strings.HasPrefix(word, "//") || strings.HasPrefix(word, "#") || strings.HasPrefix(word, "/*") {
			continue
		}
		if word == ";" && slices.Contains([]string{";", "{", "}"}, words[0]) {
			r := reference{start: starts[1], end: at[1], path: strings.Trim(words[2], `"`)}
			switch words[1] {
			case "directory":
				folder, r.none = r.path, true
				out = append(out, r)
			case "include":
				if filepath.IsAbs(folder) && !filepath.IsAbs(r.path) {
					r.path = filepath.Join(folder, r.path)
				}
				out = append(out, r)
			}
		}
		words, starts = append(words[1:], word), append(starts[1:], at[0])
	}
	return out
}

// template reports whether a file is the draft of a configuration, or left over.
func template(name string) bool {
	switch filepath.Ext(name) {
	case ".erb", ".epp", ".j2", ".tpl", ".tmpl", ".template", ".mustache", ".in", ".dist", ".orig", ".rej", ".bak", ".md", ".txt":
		return true
	}
	return strings.HasSuffix(name, "~")
}

// sudoersRule reads sudoers files. Who owns them and who may read them is not
// looked at: that is so on nodes, not in a tree.
func sudoersRule() Rule {
	t := tool{names: []string{"visudo"}, install: "sudo"}
	r := toolRule("sudoers", []string{"sudoers", "**/sudoers.d/*", "*.sudoers"}, t, func(ctx context.Context, program string, j *job) error {
		e, err := withIncluded(j, &sudoersLanguage, func(path string, _ *staged) (ending, error) {
			return invoke(ctx, filepath.Dir(j.path), program, "-c", "-f", path)
		})
		if err == nil && e.code != 0 {
			reportOutput(j, e, "visudo -c")
		}
		return err
	})
	r.only = func(f *file) bool {
		return filepath.Base(filepath.Dir(f.path)) != "sudoers.d" || !passedBySudo(filepath.Base(f.path))
	}
	return r
}

// passedBySudo reports whether sudo passes over a name in sudoers.d.
func passedBySudo(name string) bool {
	return strings.Contains(name, ".") || strings.HasSuffix(name, "~")
}

var sudoersLine = nodes.Pattern(`(?m)^[ \t]*([@#]include(?:dir)?)[ \t]+("[^"\n]*"|(?:\\.|[^\s\\])+)[ \t]*(?:#.*)?$`)

var sudoersLanguage = language{
	find:   byLine(sudoersLine, func(word string) reference { return reference{dir: strings.HasSuffix(word, "dir")} }),
	within: func(_, file string) string { return filepath.Dir(file) },
	skip:   passedBySudo,
	write: func(r reference, files []string) string {
		switch {
		case len(files) == 0:
			return ""
		case r.dir:
			return "@includedir " + filepath.Dir(files[0])
		}
		return "@include " + files[0]
	},
}
