package lint

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// apacheRule tests whole Apache configurations, with their own folder as the
// server's root. They depend on other files, so nothing is remembered.
func apacheRule() Rule {
	t := tool{names: []string{"apache2", "httpd"}, install: "apache2-bin"}
	r := toolRule("apache", []string{"apache2.conf", "httpd.conf"}, t, func(ctx context.Context, program string, j *job) error {
		root := filepath.Dir(j.path)
		if code := runsCode(root, j.top); code != "" {
			j.report(0, "not checked, as that would run it: "+code)
			return nil
		}
		e, err := withIncluded(j, &apacheLanguage, func(path string, s *staged) (ending, error) {
			for _, text := range s.texts {
				if code := codeIn([]byte(text), j.top); code != "" {
					j.report(0, "not checked, as that would run it: "+code)
					return ending{}, nil
				}
			}
			return invoke(ctx, root, program, "-t", "-d", root, "-f", path)
		})
		if err == nil && e.code != 0 {
			reportOutput(j, e, "apache2 -t")
		}
		return err
	})
	r.tool = unremembered(t)
	return r
}

var (
	apacheLoad = nodes.Pattern(`(?mi)^\s*(?:LoadModule\s+\S+|LoadFile)\s+"?([^\s"]+)`)
	apachePerl = nodes.Pattern(`(?mi)^\s*(<Perl\b|Perl[A-Z]\w*).*$`)
	// A macro whose parameter is part of a directive's name may make any directive.
	apacheMacro = nodes.Pattern(`(?mi)^\s*(?:</?)?[^\s#<]*[$%@]\S*(?:\s.*)?$`)
	apacheJoin  = nodes.Pattern(`\\\r?\n`)
	apacheLine  = nodes.Pattern(`(?mi)^[ \t]*(Include(?:Optional)?)[ \t]+("[^"\n$%]*"|[^\s"$%]+)[ \t]*$`) // variables are apache's
)

var apacheLanguage = language{
	find:   byLine(apacheLine, func(word string) reference { return reference{optional: strings.HasSuffix(word, "optional")} }),
	within: func(main, _ string) string { return filepath.Dir(main) }, // the server's root
	write: func(_ reference, files []string) string {
		switch len(files) {
		case 0:
			return ""
		case 1:
			return "Include " + quoted(files[0])
		}
		return "Include " + quoted(filepath.Dir(files[0])+"/*")
	},
}

// runsCode looks through a folder of Apache's configuration for what would run
// code of the tree when it is tested; empty when there is nothing.
func runsCode(root, top string) string {
	found := ""
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && skipped(d.Name()) || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() > 1<<20 {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if found = codeIn(text, top); found != "" {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "its folder cannot be read: " + reason(err)
	}
	return found
}

// codeIn gives what would run code of the tree at top in a text of Apache's
// configuration; empty when there is nothing.
func codeIn(text []byte, top string) string {
	text = apacheJoin().ReplaceAll(text, nil)
	if m := apachePerl().Find(text); m != nil {
		return string(m)
	}
	if m := apacheMacro().Find(text); m != nil && bytes.Contains(bytes.ToLower(text), []byte("<macro")) {
		return strings.TrimSpace(string(m))
	}
	for _, m := range apacheLoad().FindAllSubmatch(text, -1) {
		module := string(m[1])
		if rel, err := filepath.Rel(top, module); !filepath.IsAbs(module) || err != nil || filepath.IsLocal(rel) {
			return strings.TrimSpace(string(m[0]))
		}
	}
	return ""
}
