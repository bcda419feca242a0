package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Project is a scratch copy of the project: its recipes, lib and nodes files,
// with a journal of its own.
type Project struct {
	Path  string
	state string
	here  nodes.Conn
	given map[string]string // secrets of the environment
}

// parts are the folders of a project that a copy has.
var parts = []string{"recipes", "lib", "nodes"}

// Project copies the project of the session, writes a nodes file for each of
// sets, and files over what was copied: text by path, relative to the project.
func (s *Stand) Project(sets map[string]nodes.Set, files map[string]string) (*Project, error) {
	dir, err := s.folder("project")
	if err != nil {
		return nil, err
	}
	p := &Project{Path: filepath.Join(dir, "project"), state: filepath.Join(dir, "state"), here: s.session.Here, given: s.session.Secrets.Environment()}
	for _, d := range []string{p.Path, p.state} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	for _, part := range parts {
		from := filepath.Join(s.session.Project, part)
		if _, err := os.Stat(from); s.session.Project == "" || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.CopyFS(filepath.Join(p.Path, part), os.DirFS(from)); err != nil {
			return nil, err
		}
	}
	for name, set := range sets {
		if err := p.write(filepath.Join("nodes", name), nodesFile(set)); err != nil {
			return nil, err
		}
	}
	for name, text := range files {
		if err := p.write(name, text); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Project) write(name, text string) error {
	if !filepath.IsLocal(name) {
		return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("files: '%s' is not a path inside the project", nodes.Clean(name))}
	}
	at := filepath.Join(p.Path, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	return os.WriteFile(at, []byte(text), 0o600)
}

// nodesFile writes a set as a nodes file.
func nodesFile(set nodes.Set) string {
	var b strings.Builder
	tier := ""
	for _, n := range set.Nodes {
		if n.Tier != tier {
			tier = n.Tier
			fmt.Fprintf(&b, "[%s] at_once=%s\n", orElse(tier, "others"), nodes.Quote(n.AtOnce))
		}
		fmt.Fprintf(&b, "%s %s", n.Name, nodes.Quote(n.Address()))
		keys := [][2]string{
			{"user", n.User},
			{"key", n.Key},
			{"path", string(n.Path)},
			{"tags", strings.Join(n.Tags, ",")},
			{"drain", n.Drain},
			{"undrain", n.Undrain},
			{"check", n.Check},
		}
		if n.Port != 0 {
			keys = append(keys, [2]string{"port", strconv.Itoa(n.Port)})
		}
		for name, value := range n.Vars {
			keys = append(keys, [2]string{"x-" + name, value})
		}
		slices.SortFunc(keys, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
		for _, k := range keys {
			if k[1] != "" {
				b.WriteString(" " + k[0] + "=" + nodes.Quote(k[1]))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// Run runs a recipe of the copy in a rollsh of its own, as a person at a command
// line would, with --yes. How it ended is in the result; an error is that it
// could not be begun, or was cancelled.
func (p *Project) Run(ctx context.Context, words ...string) (nodes.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nodes.Result{}, err
	}
	argv := []string{self, "--yes", "--project", p.Path}
	if !slices.Contains(words, "--json") { // which excludes --plain
		argv = append(argv, "--plain")
	}
	env := map[string]string{"ROLLSH_STATE": p.state, Report: ""}
	maps.Copy(env, p.given)
	return p.here.Run(ctx, nodes.Cmd{Argv: append(argv, words...), Dir: nodes.RemotePath(p.Path), Env: env, Quiet: true})
}
