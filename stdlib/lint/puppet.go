package lint

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// puppetFile finds the place in puppet's messages.
var puppetFile = nodes.Pattern(`^Error: (?:Could not parse for environment \S+: )?(.*) \(file: (.*?)(?:, line: (\d+))?(?:, column: \d+)?\)\s*$`)

// puppetBatch is how many manifests a puppet is given.
const puppetBatch = 100

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
				n := min(len(jobs), puppetBatch)
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
		m := puppetFile().FindStringSubmatch(line)
		for _, j := range jobs {
			if m != nil && j.path == m[2] {
				n, _ := strconv.Atoi(m[3]) // digits, or none
				j.report(n, m[1])
			}
		}
	}
}
