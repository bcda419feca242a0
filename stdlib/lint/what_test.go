package lint_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// tree is a folder that says what changed in it.
type tree struct {
	root    string
	changes []nodes.Change
	from    *nodes.Revision
}

func (f tree) Root() string                                     { return f.root }
func (f tree) Revision(context.Context) (nodes.Revision, error) { return "9", nil }
func (f tree) Dated(context.Context) (nodes.Revision, map[string]time.Time, error) {
	return "9", nil, nil
}

func (f tree) At(context.Context, nodes.Revision) (nodes.Tree, func(), error) {
	return f, func() {}, nil
}

func (f tree) Files(_ context.Context, from, _ nodes.Revision) ([]nodes.Change, error) {
	if f.from != nil {
		*f.from = from
	}
	return f.changes, nil
}

// touched is a folder of which some paths matter.
type touched struct {
	root  string
	paths []string
}

func (f touched) Root() string                              { return f.root }
func (f touched) Touched(context.Context) ([]string, error) { return f.paths, nil }

// badTree is a folder whose every JSON file is bad, so that problems tell which
// files were looked at.
func badTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	for _, name := range []string{"a.json", "sub/b.json", "sub/deep/c.json", "new/d.json", ".svn/x.json", ".git/x.json", ".rollsh-www/x.json", "sub/.svn/y.json"} {
		files[name] = "["
	}
	write(t, dir, files)
	for link, target := range map[string]string{"link.json": "a.json", "linked": "sub", "out.json": "/etc/passwd", "away": "/etc"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func looked(t *testing.T, w lint.What, o lint.Options) string {
	t.Helper()
	s := session(t)
	s.Cache = ""
	res, err := lint.New(s, nil).Check(t.Context(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range res.Errors {
		names = append(names, p.File)
	}
	return strings.Join(names, " ")
}

func TestWhat(t *testing.T) {
	dir := badTree(t)
	all := "a.json new/d.json sub/b.json sub/deep/c.json"
	var from nodes.Revision
	changed := tree{dir, []nodes.Change{
		{Path: "a.json", Action: "M"},
		{Path: "gone.json", Action: "D"},
		{Path: "sub/b.json", Action: "D"},
		{Path: "new", Action: "A"},
		{Path: "sub", Action: "M"},
		{Path: "../a.json", Action: "M"},
		{Path: "link.json", Action: "A"},
	}, &from}
	paths := func(list ...string) []nodes.ChangedPath {
		var out []nodes.ChangedPath
		for _, p := range list {
			action, path, _ := strings.Cut(p, " ")
			out = append(out, nodes.ChangedPath{Path: path, Action: action})
		}
		return out
	}
	for name, c := range map[string]struct {
		what lint.What
		o    lint.Options
		want string
	}{
		"folder":  {lint.Paths(dir), lint.Options{}, all},
		"tree":    {lint.InTree(tree{root: dir}), lint.Options{}, all},
		"from to": {lint.InTree(changed), lint.Options{From: "3"}, "a.json new/d.json"},
		"touched": {lint.InTouched(touched{dir, []string{"sub/b.json", "sub", "gone.json", "../x", "linked/b.json", "away/passwd", "link.json", ".svn/x.json", "sub/b.json"}}), lint.Options{}, "sub/b.json linked/b.json"},
		"trunk": {lint.InTree(tree{root: dir}), lint.Options{Changes: nodes.Changesets{
			{Paths: paths("M /trunk/site/sub/b.json", "D /trunk/site/x.json", "M /trunk/site")},
			{Paths: paths("A /trunk/site/new", "M /trunk/site/sub")},
		}}, "sub/b.json new/d.json"},
		"none":      {lint.InTree(tree{root: dir}), lint.Options{Changes: nodes.Changesets{}}, ""},
		"elsewhere": {lint.InTree(tree{root: dir}), lint.Options{Changes: nodes.Changesets{{Paths: paths("M /other/z.json")}}}, ""},
	} {
		if got := looked(t, c.what, c.o); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if from != "3" {
		t.Errorf("asked for what changed since %q", from)
	}
	if got, want := looked(t, lint.Paths(filepath.Join(dir, "a.json"), filepath.Join(dir, "sub")), lint.Options{}), "a.json sub/b.json sub/deep/c.json"; strings.ReplaceAll(got, dir+"/", "") != want {
		t.Errorf("list: %q, want %q", got, want)
	}
}

func TestWhatMistakes(t *testing.T) {
	dir := badTree(t)
	l := lint.New(session(t), nil)
	for _, c := range []struct {
		what lint.What
		o    lint.Options
		kind nodes.Kind
	}{
		{lint.Paths(filepath.Join(dir, "nowhere.json")), lint.Options{}, nodes.NotFound},
		{lint.Paths(dir), lint.Options{From: "3"}, nodes.Usage},
		{lint.InTree(tree{root: dir}), lint.Options{From: "3", Changes: nodes.Changesets{}}, nodes.Usage},
		{lint.Paths("/dev/null"), lint.Options{}, nodes.Usage},
		{lint.InTouched(touched{dir + "/nowhere", []string{"a.json"}}), lint.Options{}, nodes.NotFound},
		{lint.InTree(tree{root: dir + "/nowhere"}), lint.Options{}, nodes.NotFound},
	} {
		if _, err := l.Check(t.Context(), c.what, c.o); nodes.KindOf(err) != c.kind {
			t.Errorf("%+v: %v, want kind %s", c.what, err, c.kind)
		}
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(filepath.Join(dir, "a.json"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{}); nodes.KindOf(err) != nodes.Permission {
			t.Errorf("a file that cannot be read: %v", err)
		}
	}
}
