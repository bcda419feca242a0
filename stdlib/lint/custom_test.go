package lint_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/lint"
)

func TestCustomRules(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"it's $(touch x).foo": "good", "bad.foo": "bad", "sub/deep.bar": "x"})
	l := lint.New(session(t), nil)
	add := func(r lint.Rule) {
		t.Helper()
		if err := l.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	add(lint.CommandRule("foo", []string{"*.foo"}, `echo {file}:7: name is {name}; grep -q good {file}`))
	add(lint.FunctionRule("bar", []string{"sub/**/*.bar"}, func(_ context.Context, path, text string) ([]lint.Problem, error) {
		return []lint.Problem{{Line: 3, Message: filepath.Base(path) + " holds " + text}}, nil
	}))
	want := "bad.foo:7: foo: name is bad\nsub/deep.bar:3: bar: deep.bar holds x"
	for range 2 {
		if res := check(t, l, dir); found(res) != want || res.Checked != 3 || res.Cached != 0 {
			t.Errorf("%+v", res)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a file's name was run")
	}
	add(lint.CommandRule("foo", []string{"*.foo"}, "no-such-program {file}"))
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a command that is not there: %v", err)
	}
	add(lint.FunctionRule("foo", []string{"*.foo"}, func(context.Context, string, string) ([]lint.Problem, error) {
		return nil, errors.New("oh")
	}))
	if _, err := l.Check(t.Context(), lint.Paths(dir), lint.Options{}); err == nil || err.Error() != "oh" {
		t.Errorf("a function that fails: %v", err)
	}
	for _, r := range []lint.Rule{lint.CommandRule("", []string{"*"}, "x"), lint.CommandRule("x", nil, "x"), lint.CommandRule("x", []string{"["}, "x")} {
		if err := l.Add(r); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
