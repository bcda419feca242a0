package lint

import (
	"context"
	"errors"
)

// toolRule makes a rule of a program that is started for each file: one gets its
// path, and fails only where no verdict can be had.
func toolRule(name string, files []string, t tool, one func(ctx context.Context, program string, j *job) error) Rule {
	return Rule{
		Name: name, Files: files, tool: t.version,
		check: func(ctx context.Context, jobs []*job, done func()) error {
			program, err := t.find()
			if err != nil {
				return err
			}
			return parallel(ctx, len(jobs), func(i int) error {
				defer done()
				return one(ctx, program, jobs[i])
			})
		},
	}
}

// unremembered is the tool of a rule whose verdict depends on other files too.
func unremembered(t tool) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		_, err := t.find()
		return "", err
	}
}

// errMissing is the cause of an error that says that a tool is not there.
var errMissing = errors.New("a tool is not there")
