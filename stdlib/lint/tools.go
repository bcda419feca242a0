package lint

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// shRule reads shell scripts with the shell that is to run them.
func shRule() Rule {
	return Rule{
		Name: "sh", Files: []string{"*.sh", "*.bash"}, tool: shTool.version,
		check: func(ctx context.Context, jobs []*job, done func()) error {
			return parallel(ctx, len(jobs), func(i int) error {
				defer done()
				return shLint(ctx, jobs[i])
			})
		},
	}
}

var (
	shTool   = tool{names: []string{"sh"}, install: "dash"}
	bashTool = tool{names: []string{"bash"}, install: "bash"}
)

// shLint runs sh -n or bash -n. Scripts of other shells are left alone.
func shLint(ctx context.Context, j *job) error {
	shell := shellOf(j.path)
	t := shTool
	switch shell {
	case "bash":
		t = bashTool
	case "sh", "dash", "ash", "ksh", "":
	default:
		return nil
	}
	path, err := t.find()
	if err != nil {
		return err
	}
	e, err := invoke(ctx, "/", path, "-n", j.path)
	if err != nil {
		return err
	}
	if e.code != 0 {
		reportOutput(j, e, "sh -n")
	}
	return nil
}

// shellOf names the shell that the first line asks for; *.bash without one is
// bash's.
func shellOf(path string) string {
	shell := ""
	if filepath.Ext(path) == ".bash" {
		shell = "bash"
	}
	f, err := os.Open(path)
	if err != nil {
		return shell
	}
	defer f.Close()
	line, _ := bufio.NewReaderSize(f, 256).ReadSlice('\n')
	rest, ok := strings.CutPrefix(string(line), "#!")
	words := strings.Fields(rest)
	if !ok || len(words) == 0 {
		return shell
	}
	if filepath.Base(words[0]) == "env" {
		for words = words[1:]; len(words) > 0 && (strings.HasPrefix(words[0], "-") || strings.Contains(words[0], "=")); {
			words = words[1:]
		}
	}
	if len(words) == 0 {
		return shell
	}
	return filepath.Base(words[0])
}

// zoneRule reads DNS zones; the zone's name is the file's without .zone.
func zoneRule() Rule {
	t := tool{names: []string{"named-checkzone"}, install: "bind9-utils"}
	return Rule{
		Name: "zone", Files: []string{"*.zone"}, named: true, tool: t.version,
		check: func(ctx context.Context, jobs []*job, done func()) error {
			path, err := t.find()
			if err != nil {
				return err
			}
			return parallel(ctx, len(jobs), func(i int) error {
				defer done()
				j := jobs[i]
				if optionLike(j) {
					return nil
				}
				j.open = includes(j.path, "$INCLUDE")
				// -i local: no questions to other name servers.
				e, err := invoke(ctx, filepath.Dir(j.path), path, "-i", "local", zoneName(j.path), j.path)
				if err == nil && e.code != 0 {
					reportOutput(j, e, "named-checkzone")
				}
				return err
			})
		},
	}
}

func zoneName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".zone") }

// includes reports whether the file holds a word that takes other files in.
func includes(path, word string) bool {
	text, err := os.ReadFile(path)
	return err != nil || strings.Contains(strings.ToUpper(string(text)), word)
}

// puppetFile finds the place in puppet's messages.
var puppetFile = regexp.MustCompile(`^Error: (?:Could not parse for environment \S+: )?(.*) \(file: (.*?)(?:, line: (\d+))?(?:, column: \d+)?\)\s*$`)

// puppetRule hands all manifests to one puppet, as it takes seconds to start.
func puppetRule() Rule {
	t := tool{names: []string{"puppet"}, install: "puppet-agent"}
	return Rule{
		Name: "puppet", Files: []string{"*.pp"}, tool: t.version,
		check: func(ctx context.Context, jobs []*job, done func()) error {
			path, err := t.find()
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "rollsh-lint-")
			if err != nil {
				return &nodes.Error{Kind: nodes.Failed, Message: "no temporary folder: " + reason(err), Cause: err}
			}
			defer os.RemoveAll(dir)
			for len(jobs) > 0 {
				n := min(len(jobs), batchSize)
				if err := puppetLint(ctx, path, dir, jobs[:n]); err != nil {
					return err
				}
				for range n {
					done()
				}
				jobs = jobs[n:]
			}
			return nil
		},
	}
}

// puppetLint checks manifests until puppet has nothing against those that are
// left: only an exit code of 0 makes a manifest good. Where puppet does not say
// which is bad, halves are checked, down to one.
func puppetLint(ctx context.Context, path, dir string, jobs []*job) error {
	for len(jobs) > 0 {
		argv := []string{path, "parser", "validate", "--color=false", "--confdir", dir, "--vardir", filepath.Join(dir, "var")}
		for _, j := range jobs {
			argv = append(argv, j.path)
		}
		e, err := invoke(ctx, dir, argv...)
		if err != nil || e.code == 0 {
			return err
		}
		puppetErrors(e, jobs)
		left := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return len(j.problems) > 0 })
		if len(left) == len(jobs) && len(jobs) == 1 {
			reportOutput(jobs[0], e, "puppet parser validate")
			return nil
		}
		if half := len(jobs) / 2; len(left) == len(jobs) {
			if err := puppetLint(ctx, path, dir, jobs[:half]); err != nil {
				return err
			}
			left = jobs[half:]
		}
		jobs = left
	}
	return nil
}

// puppetErrors gives every message to the manifest that it names.
func puppetErrors(e ending, jobs []*job) {
	for line := range strings.Lines(e.output) {
		m := puppetFile.FindStringSubmatch(line)
		for _, j := range jobs {
			if m != nil && j.path == m[2] {
				n, _ := strconv.Atoi(m[3]) // digits, or none
				j.report(n, m[1])
			}
		}
	}
}

// apacheRule tests whole Apache configurations, with their own folder as the
// server's root.
func apacheRule() Rule {
	t := tool{names: []string{"apache2", "httpd"}, install: "apache2-bin"}
	return Rule{Name: "apache", Files: []string{"apache2.conf", "httpd.conf"}, tool: func(context.Context) (string, error) {
		_, err := t.find()
		return "", err // it includes other files: nothing is remembered
	}, check: func(ctx context.Context, jobs []*job, done func()) error {
		path, err := t.find()
		if err != nil {
			return err
		}
		return parallel(ctx, len(jobs), func(i int) error {
			defer done()
			j := jobs[i]
			root := filepath.Dir(j.path)
			if code := runsCode(root); code != "" {
				j.report(0, "not checked, as that would run it: "+code)
				return nil
			}
			e, err := invoke(ctx, root, path, "-t", "-d", root, "-f", j.path)
			if err == nil && e.code != 0 {
				reportOutput(j, e, "apache2 -t")
			}
			return err
		})
	}}
}

var (
	apacheLoad = regexp.MustCompile(`(?mi)^\s*(?:LoadModule\s+\S+|LoadFile)\s+"?([^\s"]+)`)
	apachePerl = regexp.MustCompile(`(?mi)^\s*(<Perl\b|Perl[A-Z]\w*).*$`)
)

// runsCode looks through a folder of Apache's configuration for what would run
// code of that folder when it is tested; empty when there is nothing.
func runsCode(root string) string {
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
		if m := apachePerl.Find(text); m != nil {
			found = string(m)
		}
		for _, m := range apacheLoad.FindAllSubmatch(text, -1) {
			module := string(m[1])
			if rel, err := filepath.Rel(root, module); !filepath.IsAbs(module) || err != nil || filepath.IsLocal(rel) {
				found = strings.TrimSpace(string(m[0]))
			}
		}
		if found != "" {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "its folder cannot be read: " + reason(err)
	}
	return found
}

// placed are the ways in which tools say where: FILE:LINE:[COLUMN:] text, and
// FILE: line LINE: text.
var (
	placed  = regexp.MustCompile(`^(?:[\w ]+: )?(\S.*?): ?(?:line )?(\d+):(?:\d+:)? *(.*)$`)
	onLine  = regexp.MustCompile(`(?i)\bline (\d+)\b`)
	nothing = "it said nothing"
)

// reportOutput makes problems of what a tool said about one file: the lines that
// name the file and a line, or else all that it said as one problem.
func reportOutput(j *job, e ending, toolName string) {
	for line := range strings.Lines(e.output) {
		m := placed.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[1] != j.path && filepath.Base(m[1]) != filepath.Base(j.path) {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err == nil && m[3] != "" && len(j.problems) < maxPerFile {
			j.report(n, m[3])
		}
	}
	if len(j.problems) > 0 {
		return
	}
	text := strings.TrimSpace(e.output)
	if text == "" {
		text = nothing
	}
	line := 0
	if m := onLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits; 0 when there are too many
	}
	j.report(line, fmt.Sprintf("%s %s: %s", toolName, e.how(), text))
	j.open = e.signal != ""
}

// maxPerFile is how many problems of one file a tool's output gives.
const maxPerFile = 100
