package lint

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

var (
	shTool         = tool{names: []string{"sh"}, install: "dash"}
	bashTool       = tool{names: []string{"bash"}, install: "bash"}
	shellcheckTool = tool{names: []string{"shellcheck"}, install: "shellcheck"}
	shFiles        = []string{"*.sh", "*.bash"}
)

// extension is what the verdict on a script depends on beside its text: without a
// first line that names a shell, it chooses.
func extension(f *file) string { return filepath.Ext(f.name) }

// shRule reads shell scripts with the shell that is to run them.
func shRule() Rule {
	return Rule{
		Name: "sh", Files: shFiles, beside: extension,
		tool: func(ctx context.Context) (string, error) {
			sh, err := shTool.version(ctx)
			if bash, missing := bashTool.version(ctx); missing == nil { // a script that needs it says so
				sh += "\n" + bash
			}
			return sh, err
		},
		check: func(ctx context.Context, jobs []*job, done func()) error {
			return parallel(ctx, len(jobs), func(i int) error {
				defer done()
				return shLint(ctx, jobs[i])
			})
		},
	}
}

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
		e := *nodes.AsError(err, nodes.NotFound)
		e.Message += ", which " + inLine(j.name) + " is for"
		return &e
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

// shellcheckParse are the lines by which shellcheck says that it cannot read a
// script; what the shell cannot read is told by the rule sh.
var shellcheckParse = nodes.Pattern(`(?m)^.*\[SC10(?:4[67]|5[0-9]|6[0-5]|7[023]|8[89])\]\n?`)

// shellcheckRule finds what shellcheck calls an error, no matters of style. The
// project's .shellcheckrc applies; sourced files are not followed.
func shellcheckRule() Rule {
	r := toolRule("shellcheck", shFiles, shellcheckTool, func(ctx context.Context, program string, j *job) error {
		shell := shellOf(j.path)
		switch shell {
		case "":
			shell = "sh"
		case "ash":
			shell = "dash"
		case "sh", "dash", "ksh", "bash":
		default:
			return nil
		}
		e, err := invoke(ctx, filepath.Dir(j.path), program, "--severity=error", "--format=gcc", "--shell="+shell, "--", j.path)
		e.output = strings.ReplaceAll(shellcheckParse().ReplaceAllString(j.unnamed(e.output), ""), ": error: ", ": ")
		if err == nil && (e.code > 1 || e.signal != "" || e.output != "") {
			reportOutput(j, e, "shellcheck")
		}
		return err
	})
	r.Optional = true
	r.beside = func(f *file) string { return extension(f) + shellcheckSettings(filepath.Dir(f.path)) }
	return r
}

// shellcheckSettings identifies the nearest .shellcheckrc in the folder or above
// it; empty when there is none.
func shellcheckSettings(dir string) string {
	for {
		for _, name := range []string{".shellcheckrc", "shellcheckrc"} {
			if id, err := identity(filepath.Join(dir, name)); err == nil {
				return id
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
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
