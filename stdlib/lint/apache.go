package lint

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// apacheRule tests whole Apache configurations, with their own folder as the
// server's root. They depend on other files, so nothing is remembered.
func apacheRule() Rule {
	t := tool{names: []string{"apache2", "httpd"}, install: "apache2-bin"}
	r := toolRule("apache", []string{"apache2.conf", "httpd.conf"}, t, func(ctx context.Context, program string, j *job) error {
		if code := runsCode(filepath.Dir(j.path), j.top); code != "" {
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
			return apacheTest(ctx, program, filepath.Dir(j.path), path)
		})
		if err == nil && e.code != 0 {
			apacheReport(j, e)
		}
		return err
	})
	r.tool = unremembered(t)
	return r
}

// apacheTest tests a configuration. Logs, locks and the like, for which nodes have
// folders, get one of their own here.
func apacheTest(ctx context.Context, program, root, path string) (ending, error) {
	dir, err := os.MkdirTemp("", "rollsh-lint-")
	if err != nil {
		return ending{}, &nodes.Error{Kind: nodes.Failed, Message: "no temporary folder: " + reason(err), Cause: err}
	}
	defer os.RemoveAll(dir)
	// The variables are those of Debian's envvars, a script that is not run.
	env := []string{
		"APACHE_RUN_USER=#65534", "APACHE_RUN_GROUP=#65534", // anyone but root
		"APACHE_CONFDIR=" + root, "APACHE_PID_FILE=" + filepath.Join(dir, "pid"),
		"APACHE_RUN_DIR=" + dir, "APACHE_LOCK_DIR=" + dir, "APACHE_LOG_DIR=" + dir,
	}
	return invokeWith(ctx, root, env, program, "-t", "-d", root, "-C", "ErrorLog /dev/null", "-f", path)
}

// apacheError is where Apache found an error, and what; of a file that another took
// in the last one counts.
var apacheError = nodes.Pattern(`(?m)Syntax error on line (\d+) of ([^\n]+?):\s*([\s\S]*)$`)

// apacheElsewhere are complaints about folders that nodes have and this machine need
// not have.
var apacheElsewhere = nodes.Pattern(`(?m)^.*(?:AH0229[12]: Cannot access directory|AH00014: Configuration check failed|\[core:warn\]|AH00558:).*\n?`)

// apacheReport makes a problem of what Apache said.
func apacheReport(j *job, e ending) {
	e.output = strings.TrimSpace(apacheElsewhere().ReplaceAllString(e.output, ""))
	if e.output == "" && e.code == 1 {
		return
	}
	text, line, file := e.output, 0, ""
	for m := apacheError().FindStringSubmatch(text); m != nil; m = apacheError().FindStringSubmatch(text) {
		line, _ = strconv.Atoi(m[1]) // digits; 0 when there are too many
		file, text = m[2], strings.TrimSpace(m[3])
	}
	switch file {
	case "":
		reportOutput(j, e, "apache2 -t")
	case j.path:
		j.report(line, text)
	default:
		j.report(0, fmt.Sprintf("%s:%d: %s", file, line, text))
	}
}

var (
	apacheLoad = nodes.Pattern(`(?mi)^\s*(?:LoadModule\s+\S+|LoadFile)\s+"?([^\s"]+)`)
	apachePerl = nodes.Pattern(`(?mi)^\s*(<Perl\b|Perl[A-Z]\w*).*$`)
	// A macro whose parameter is part of a directive's name may make any directive.
	apacheMacro = nodes.Pattern(`(?mi)^\s*(?:</?)?[^\s#<]*[$%@]\S*(?:\s.*)?$`)
	apacheJoin  = nodes.Pattern(`\\\r?\n`)
	// Paths with variables are left to Apache.
	apacheLine = nodes.Pattern(`(?mi)^[ \t]*(Include(?:Optional)?|SSL(?:(?:CA)?Certificate(?:Key|Chain)?|CARevocation)File)[ \t]+("[^"\n$%]*"|[^\s"$%]+)[ \t]*$`)
)

var apacheLanguage = language{
	find: byLine(apacheLine, func(word string) reference {
		return reference{optional: word == "includeoptional", exists: strings.HasPrefix(word, "ssl")}
	}),
	within: func(main, _ string) string { return filepath.Dir(main) }, // the server's root
	write: func(r reference, files []string) string {
		switch len(files) {
		case 0:
			return ""
		case 1:
			return r.word + " " + quoted(files[0])
		}
		return r.word + " " + quoted(filepath.Dir(files[0])+"/*")
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
