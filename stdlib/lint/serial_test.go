package lint_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// past is a tree that knows what its files were.
type past struct {
	tree
	was map[string]string
}

func (p past) Earlier(_ context.Context, path string, rev nodes.Revision) ([]byte, error) {
	text, ok := p.was[path+"@"+string(rev)]
	if !ok {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "no " + path}
	}
	return []byte(text), nil
}

func TestSerialGrows(t *testing.T) {
	nodetest.Need(t, "named-checkzone")
	at := func(serial int, more string) string {
		return fmt.Sprintf("$TTL 60\n@ IN SOA ns.roll.test. root.roll.test. (\n  %d 60 60 60 60 )\n@ IN NS ns\nns IN A 127.0.0.1\n%s", serial, more)
	}
	machine := filepath.Join(t.TempDir(), "hosts") // of this machine, and none of the tree's business
	write(t, filepath.Dir(machine), map[string]string{"hosts": "nonsense"})
	include := "$INCLUDE " + machine + " ; not in the tree\n$INCLUDE /rollsh-test/hosts\n"
	for name, c := range map[string]struct{ was, is, want string }{
		"included":   {at(7, include), at(7, include+"x IN A 127.0.0.2\n"), "a.zone:3: serial: the records changed, but the serial did not grow: it was 7 and is 7"},
		"only there": {at(7, "in IN A 127.0.0.3\n"), at(7, include), ""},
		"grown":      {at(7, ""), at(8, "x IN A 127.0.0.2\n"), ""},
		"same":       {at(7, ""), at(7, "x IN A 127.0.0.2\n"), "a.zone:3: serial: the records changed, but the serial did not grow: it was 7 and is 7"},
		"shrunk":     {at(2026113001, ""), at(2026113, "x IN A 127.0.0.2\n"), "a.zone:3: serial: the records changed, but the serial did not grow: it was 2026113001 and is 2026113"},
		"round":      {at(4294967295, ""), at(1, "x IN A 127.0.0.2\n"), ""},
		"comment":    {at(7, ""), at(7, "; only a comment\n"), ""},
		"was broken": {"nonsense", at(7, ""), ""},
		"new":        {"", at(7, ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"a.zone": c.is, "hosts": "in IN A 127.0.0.3\n"})
			was := map[string]string{}
			if c.was != "" {
				was["a.zone@3"] = c.was
			}
			changed := past{tree{dir, []nodes.Change{{Path: "a.zone", Action: "M"}}, nil}, was}
			l := lint.New(session(t), nil)
			check(t, l, dir) // what is remembered of the text says nothing of its past
			res, err := l.Check(t.Context(), lint.InTree(changed), lint.Options{From: "3"})
			if err != nil || found(res) != c.want {
				t.Errorf("%v, %v, want %s", found(res), err, c.want)
			}
		})
	}
}
