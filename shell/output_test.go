package shell_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/shell"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func TestPlainOutput(t *testing.T) {
	t.Parallel()
	exit := &nodes.Error{Kind: nodes.Exit, Code: "2", Message: "exit 2"}
	for _, tc := range []struct {
		name   string
		events []nodes.Event
		want   string
	}{
		{"lines are prefixed and aligned", []nodes.Event{
			{Type: nodes.Started, ID: 1, Node: "cdn10", Op: "node:run", Time: at(0)},
			{Type: nodes.Started, ID: 2, Node: "web1", Op: "node:run", Time: at(0)},
			{Type: nodes.Output, ID: 1, Node: "cdn10", Text: "one"},
			{Type: nodes.Output, ID: 2, Node: "web1", Text: "oops", Stream: "stderr"},
			{Type: nodes.Output, ID: 1, Node: "cdn10", Text: "two\n\nthree\n"},
			{Type: nodes.Finished, ID: 1, Node: "cdn10", Time: at(0.1)},
			{Type: nodes.Finished, ID: 2, Node: "web1", Time: at(0.25), Err: exit},
		}, "cdn10 | one\nweb1  ! oops\ncdn10 | two\ncdn10 | \ncdn10 | three\nweb1  > failed node:run, exit 2, 0.2 s\n"},
		{"control sequences never arrive", []nodes.Event{
			{Type: nodes.Output, ID: 9, Node: "web1\x1b[2J", Text: "\x1b]0;owned\x07red\x1b[31m\x9b\xff\n"},
			{Type: nodes.Said, Text: "a\x1b[Hb"},
		}, ""},
		{"a carriage return overwrites", []nodes.Event{
			{Type: nodes.Output, ID: 1, Text: " 10%\r 50%\r100%\r\n"},
		}, "100%\n"},
		{"a long command tells its end", []nodes.Event{
			{Type: nodes.Started, ID: 1, Node: "web1", Op: "roll:step", Text: "make -C /srv/app cache", Time: at(0)},
			{Type: nodes.Finished, ID: 1, Node: "web1", Time: at(4)},
		}, "web1 > 'make -C /srv/app cache' took 4.0 s\n"},
		{"what has progress tells its end", []nodes.Event{
			{Type: nodes.Started, ID: 1, Node: "web1", Op: "sync.push", Time: at(0)},
			{Type: nodes.Progress, ID: 1, Node: "web1", Done: 1_000_000, Total: 4_000_000, Unit: "bytes", Time: at(1)},
			{Type: nodes.Progress, ID: 1, Node: "web1", Done: 2_000_000, Total: 4_000_000, Unit: "bytes", Time: at(11)},
			{Type: nodes.Finished, ID: 1, Node: "web1", Time: at(12)},
		}, "web1 > sync.push  50%, 100 kB/s, 11 s\nweb1 > done sync.push, 2.0 MB, 12 s\n"},
		{"one of a thing", []nodes.Event{
			{Type: nodes.Started, ID: 1, Op: "lint.check", Time: at(0)},
			{Type: nodes.Progress, ID: 1, Done: 1, Total: 1, Unit: "files", Time: at(1)},
			{Type: nodes.Finished, ID: 1, Time: at(1)},
		}, "done lint.check, 1 file, 1.0 s\n"},
		{"said, warned, state", []nodes.Event{
			{Type: nodes.Said, Text: "rolling r12"},
			{Type: nodes.Warned, Text: "no drain", Where: "recipes/prod.lua:3", Node: "web1"},
			{Type: nodes.State, Node: "web1", State: "drained", Text: "by haproxy"},
		}, "rolling r12\nwarning: recipes/prod.lua:3: web1: no drain\nweb1 > drained (by haproxy)\n"},
		{"the same warning of several nodes is one", []nodes.Event{
			{Type: nodes.Started, ID: 1, Node: "web1", Op: "sync.push", Where: "p:3", Time: at(0)},
			{Type: nodes.Started, ID: 2, Node: "web2", Op: "sync.push", Where: "p:3", Time: at(0)},
			{Type: nodes.Started, ID: 3, Node: "web3", Op: "sync.push", Where: "p:3", Time: at(0)},
			{Type: nodes.Warned, Text: "leaves a", Op: "sync.push", Where: "p:3", Node: "web2", Time: at(0)},
			{Type: nodes.Warned, Text: "leaves b", Op: "sync.push", Where: "p:3", Node: "web2", Time: at(0)},
			{Type: nodes.Warned, Text: "leaves b", Op: "sync.push", Where: "p:3", Node: "web2", Time: at(0)},
			{Type: nodes.Finished, ID: 2, Time: at(0)},
			{Type: nodes.Warned, Text: "leaves a", Op: "sync.push", Where: "p:3", Node: "web1", Time: at(0)},
			{Type: nodes.Warned, Text: "leaves 3 files", Own: []string{"3 files"}, Op: "sync.push", Where: "p:3", Node: "web1", Time: at(0)},
			{Type: nodes.Finished, ID: 1, Time: at(0)},
			{Type: nodes.Warned, Text: "leaves 4 files", Own: []string{"4 files"}, Op: "sync.push", Where: "p:3", Node: "web3", Time: at(0)},
			{Type: nodes.Said, Text: "others go on", Time: at(0.5)},
			{Type: nodes.Finished, ID: 3, Time: at(0)},
			{Type: nodes.Said, Text: "all are done"},
		}, "others go on\nwarning: p:3: web[1-2]: leaves a\nwarning: p:3: web[1,3]: leaves 3 files (and 1 more)\nwarning: p:3: web2: leaves b\nall are done\n"},
		{"a warning does not wait for long", []nodes.Event{
			{Type: nodes.Started, ID: 1, Node: "web1", Op: "sync.push", Time: at(0)},
			{Type: nodes.Started, ID: 2, Node: "web2", Op: "sync.push", Time: at(0)},
			{Type: nodes.Warned, Text: "leaves a", Op: "sync.push", Node: "web1", Time: at(0)},
			{Type: nodes.Finished, ID: 1, Time: at(1)},
			{Type: nodes.Progress, ID: 2, Done: 1, Unit: "bytes", Time: at(2)},
			{Type: nodes.Said, Text: "web2 takes long"},
			{Type: nodes.Warned, Text: "leaves a", Op: "sync.push", Node: "web2", Time: at(3)},
		}, "warning: web1: leaves a\nweb2 takes long\nwarning: web2: leaves a\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out, err bytes.Buffer
			s := shell.NewSink("plain", &out, &err, 80, 24)
			for _, e := range tc.events {
				s.Emit(e)
			}
			s.Flush()
			if tc.want == "" {
				if strings.ContainsAny(err.String(), "\x1b\x07\u009b") {
					t.Errorf("control characters in %q", err.String())
				}
				return
			}
			if d := cmp.Diff(tc.want, err.String()); d != "" {
				t.Errorf("stderr (-want +got):\n%s", d)
			}
			if out.Len() > 0 {
				t.Errorf("stdout has %q", out.String())
			}
		})
	}
}

// What rollsh says of a node is broken at blanks in a narrow terminal; what a node
// puts out is left as it is.
func TestNodeLinesFitTheTerminal(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	s := shell.NewSink("pretty", &out, &err, 40, 24)
	s.Emit(nodes.Event{Type: nodes.State, Node: "web1", State: "left-drained", Text: "its tree was switched, and its check fails"})
	s.Emit(nodes.Event{Type: nodes.Output, Node: "web1", Text: "a line of a command that is too long for it\n"})
	s.Flush()
	want := "web1 > left-drained (its tree was\n       switched, and its check fails)\nweb1 | a line of a command that is too long for it\n"
	if got := err.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestJSONOutputReadsBack(t *testing.T) {
	t.Parallel()
	sub := &nodes.Error{Kind: nodes.Space, Node: "web2", Message: "no space left"}
	var out, err bytes.Buffer
	s := shell.NewSink("json", &out, &err, 80, 24)
	s.Emit(nodes.Event{Time: at(1), Type: nodes.Output, ID: 7, Op: "node:run", Node: "web1", Text: "bad \xff\x1b[2J\u009b\n", Stream: "stdout"})
	s.Emit(nodes.Event{Time: at(2), Type: nodes.Finished, ID: 7, Err: &nodes.Error{Kind: nodes.Tasks, Message: "1 of 2 failed\n  web2: x", Errors: []error{sub}}})
	s.Flush()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || err.Len() > 0 {
		t.Fatalf("got %d lines, stderr %q", len(lines), err.String())
	}
	if strings.ContainsAny(out.String(), "\x1b\u009b") {
		t.Error("a control character is not escaped")
	}
	var first, second map[string]any
	for i, into := range []*map[string]any{&first, &second} {
		if err := json.Unmarshal([]byte(lines[i]), into); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]any{
		"time": "2026-11-22T12:00:01Z", "type": "output", "id": 7.0, "op": "node:run", "node": "web1",
		"text": "bad \ufffd\x1b[2J\u009b\n", "stream": "stdout",
	}
	if d := cmp.Diff(want, first); d != "" {
		t.Errorf("output event (-want +got):\n%s", d)
	}
	wantErr := map[string]any{
		"kind": "tasks", "message": "1 of 2 failed",
		"errors": []any{map[string]any{"kind": "space", "message": "no space left", "node": "web2"}},
	}
	if d := cmp.Diff(wantErr, second["error"]); d != "" {
		t.Errorf("error (-want +got):\n%s", d)
	}
}

func grid(n int) []nodes.Event {
	var events []nodes.Event
	for i := range n {
		id, name := uint64(i+1), nodes.Name(fmt.Sprintf("web%d", i+1))
		events = append(events,
			nodes.Event{Type: nodes.Started, ID: id, Node: name, Op: "sync.push", Text: "/srv/www", Time: at(0)},
			nodes.Event{Type: nodes.Progress, ID: id, Node: name, Done: 10e6, Total: 40e6, Unit: "bytes", Time: at(1)},
			nodes.Event{Type: nodes.Progress, ID: id, Node: name, Done: 24e6, Total: 40e6, Unit: "bytes", Time: at(3)},
		)
	}
	return events
}

func TestGridFits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ width, height, ops, rows int }{
		{80, 24, 1, 1}, {80, 24, 3, 4}, {40, 24, 3, 4}, {40, 10, 200, 6}, {80, 50, 200, 26}, {20, 5, 9, 3}, {8, 2, 2, 2}, {5, 5, 3, 0},
	} {
		got := shell.Grid(grid(tc.ops), at(3), tc.width, tc.height)
		if len(got) != tc.rows {
			t.Errorf("%dx%d, %d operations: %d rows, want %d", tc.width, tc.height, tc.ops, len(got), tc.rows)
		}
		for _, row := range got {
			if n := shell.Cells(row); n >= tc.width {
				t.Errorf("%d columns in a terminal of %d: %q", n, tc.width, row)
			}
		}
	}
}

func TestGridText(t *testing.T) {
	t.Parallel()
	got := shell.Grid(grid(2), at(3.4), 80, 24)
	want := []string{
		"web1   3.4 s  [######....]  60%  7.0 MB/s  sync.push /srv/www",
		"web2   3.4 s  [######....]  60%  7.0 MB/s  sync.push /srv/www",
		"2 running, 0 done, 60% of 80 MB, 14 MB/s",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("80 columns (-want +got):\n%s", d)
	}
	got = shell.Grid(grid(1), at(3.4), 40, 24)
	if d := cmp.Diff([]string{"web1   3.4 s   60%  sync.push /srv/www"}, got); d != "" {
		t.Errorf("40 columns (-want +got):\n%s", d)
	}
}

func TestQuickOperationsAreNotDrawn(t *testing.T) {
	t.Parallel()
	if got := shell.Grid(grid(1), at(0.2), 80, 24); len(got) != 0 {
		t.Errorf("drawn: %q", got)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	space := func(n nodes.Name) error {
		return &nodes.Error{Kind: nodes.Space, Op: "sync.push", Node: n, Message: "cannot write /srv/a: no space left", Hint: "free some"}
	}
	for _, tc := range []struct {
		name    string
		err     error
		verbose bool
		want    string
	}{
		{
			"a long hint is wrapped", &nodes.Error{Message: "no", Hint: "give drain= and undrain= in the nodes file"}, false,
			"no\nhint: give drain= and undrain= in\n      the nodes file\n",
		},
		{
			"a command in a hint can be copied", &nodes.Error{Message: "no", Hint: "if it is right: `echo '[127.0.0.1]:2317 ssh-ed25519 AAAA' >> known_hosts`, then again"}, false,
			"no\nhint: if it is right:\n      `echo '[127.0.0.1]:2317 ssh-ed25519 AAAA' >> known_hosts`,\n      then again\n",
		},
		{
			"one line and a hint", &nodes.Error{Where: "recipes/prod.lua:14", Op: "sync.push", Node: "web2", Message: "no space left", Hint: "free some", Trace: "stack"}, false,
			"recipes/prod.lua:14: sync.push:\n  web2: no space left\nhint: free some\n",
		},
		{
			"the traceback with -v", &nodes.Error{Message: "no", Trace: "stack traceback:\n\tprod.lua:3\n"}, true,
			"no\nstack traceback:\n\tprod.lua:3\n",
		},
		{
			"many nodes are folded, one hint", &nodes.Error{
				Kind: nodes.Tasks, Where: "prod.lua:3", Op: "sync.push",
				Message: "3 of 9 failed\n  web[1-3]: x", Errors: []error{space("web1"), space("web2"), space("web3")},
			}, false,
			"prod.lua:3: sync.push: 3 of 9\n  failed\n  web[1-3]: cannot write /srv/a:\n    no space left\nhint: free some\n",
		},
		{"hostile text", &nodes.Error{Message: "\x1b[2Jgone"}, false, ""},
		{"any error", errors.New("plain"), false, "plain\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := shell.ErrorText(tc.err, tc.verbose, 36)
			if tc.want == "" {
				if strings.Contains(got, "\x1b") {
					t.Errorf("escape in %q", got)
				}
				return
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	onNode := func(k nodes.Kind) error { return &nodes.Error{Kind: k, Node: "web1"} }
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{&nodes.Error{Kind: nodes.Usage}, 2},
		{onNode(nodes.Usage), 2},
		{&nodes.Error{Kind: nodes.Cancelled}, 130},
		{&nodes.Error{Kind: nodes.Cancelled, Signal: "INT"}, 128 + int(syscall.SIGINT)},
		{&nodes.Error{Kind: nodes.Cancelled, Signal: "TERM"}, 128 + int(syscall.SIGTERM)},
		{&nodes.Error{Kind: nodes.Cancelled, Signal: "HUP"}, 128 + int(syscall.SIGHUP)},
		{&nodes.Error{Kind: nodes.Tasks, Errors: []error{onNode(nodes.Exit)}}, 3},
		{&nodes.Error{Kind: nodes.Tasks, Errors: []error{&nodes.Error{Kind: nodes.Tasks, Errors: []error{onNode(nodes.Exit)}}}}, 3},
		{&nodes.Error{Kind: nodes.Tasks, Errors: []error{errors.New("local")}}, 1},
		{fmt.Errorf("wrapped: %w", onNode(nodes.Lost)), 3},
	} {
		if got := shell.ExitCode(tc.err); got != tc.want {
			t.Errorf("ExitCode(%v) = %d, want %d", tc.err, got, tc.want)
		}
	}
	for _, k := range []nodes.Kind{nodes.Locked, nodes.Lint, nodes.Conflict, nodes.Policy, nodes.Changed, nodes.Refused} {
		if got := shell.ExitCode(&nodes.Error{Kind: k}); got != 4 {
			t.Errorf("%s: %d, want 4", k, got)
		}
	}
	for _, k := range []nodes.Kind{
		nodes.Unreachable, nodes.Auth, nodes.HostKey, nodes.Exit, nodes.Timeout, nodes.Lost, nodes.NotFound, nodes.Permission,
		nodes.Space, nodes.Protocol, nodes.Failed, nodes.Internal,
	} {
		if got := shell.ExitCode(&nodes.Error{Kind: k}); got != 1 {
			t.Errorf("local %s: %d, want 1", k, got)
		}
		if got := shell.ExitCode(onNode(k)); got != 3 {
			t.Errorf("%s on a node: %d, want 3", k, got)
		}
	}
}

// A warning is broken between words in a terminal; a command stays in one piece.
func TestWarningsFitTheTerminal(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	s := shell.NewSink("pretty", &out, &err, 40, 24)
	s.Emit(nodes.Event{Type: nodes.Warned, Text: "the lock of www is seen by ann only; `rollsh init --shared GROUP` makes it everybody's"})
	s.Flush()
	want := "warning: the lock of www is seen by ann\n         only;\n         `rollsh init --shared GROUP`\n         makes it everybody's\n"
	if d := cmp.Diff(want, err.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
