package lint

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// maxFunctionText is the largest file that is given to a function.
const maxFunctionText = 16 << 20

// CommandRule is a rule of a shell command, in which {file} stands for the
// file's path and {name} for its name without folder and extension, both quoted.
// An exit code other than 0 is a problem, or several where the output has lines
// of the form FILE:LINE: text. Its verdicts are not remembered, as nobody knows
// what else the command looks at.
func CommandRule(name string, files []string, command string) Rule {
	return Rule{
		Name: name, Files: files, tool: forgetful,
		check: func(ctx context.Context, jobs []*job, done func()) error {
			return parallel(ctx, len(jobs), func(i int) error {
				defer done()
				return commandLint(ctx, name, command, jobs[i])
			})
		},
	}
}

func forgetful(context.Context) (string, error) { return "", nil }

func commandLint(ctx context.Context, name, command string, j *job) error {
	if strings.Contains(command, "{name}") && optionLike(j) {
		return nil
	}
	base := filepath.Base(j.path)
	line := strings.NewReplacer("{file}", nodes.Quote(j.path),
		"{name}", nodes.Quote(strings.TrimSuffix(base, filepath.Ext(base)))).Replace(command)
	e, err := invoke(ctx, filepath.Dir(j.path), "/bin/sh", "-c", line)
	if err != nil {
		return err
	}
	if e.code == 127 || e.code == 126 {
		return &nodes.Error{
			Kind: nodes.NotFound, Message: "the rule " + name + " cannot run its command: " + nodes.Clean(lastLine(e.output)),
			Hint: "install what it runs, or leave the rule out with rules=", Cause: errMissing,
		}
	}
	if e.code != 0 {
		reportOutput(j, e, name)
	}
	return nil
}

// FunctionRule is a rule of a function, called for one file after the other. Its
// verdicts are not remembered.
func FunctionRule(name string, files []string, f func(ctx context.Context, path, text string) ([]Problem, error)) Rule {
	return Rule{
		Name: name, Files: files, tool: forgetful,
		check: func(ctx context.Context, jobs []*job, done func()) error {
			for _, j := range jobs {
				if err := functionLint(ctx, j, f); err != nil {
					return err
				}
				done()
			}
			return nil
		},
	}
}

func functionLint(ctx context.Context, j *job, f func(ctx context.Context, path, text string) ([]Problem, error)) error {
	if info, err := os.Lstat(j.path); err == nil && info.Size() > maxFunctionText {
		j.report(0, "too large to check")
		return nil
	}
	text, err := os.ReadFile(j.path)
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot read " + j.name + ": " + reason(err), Cause: err}
	}
	found, err := f(ctx, j.path, string(text))
	for _, p := range found {
		j.report(p.Line, p.Message)
	}
	return err
}
