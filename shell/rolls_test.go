package shell_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/shell"
)

func TestRollsAreShownNodeByNode(t *testing.T) {
	t.Setenv("TZ", "UTC")
	past := map[string]any{
		"id": "20261122-1", "name": "www", "from": 14.0, "to": 17.0, "state": "stopped", "reason": "web3: check says no", "who": "ann", "host": "stage",
		"started": "2026-11-22T21:04:05Z", "order": []any{"web1", "web2", "web3", "web4"},
		"nodes": map[string]any{"web1": "done", "web2": "done", "web3": "left-drained", "web4": "untouched\x1b[2J"},
	}
	got, ok := shell.Rolls([]any{past}, 0)
	want := []string{
		"  www  r14 to r17  stopped  ann@stage  20261122-1  web3: check says no",
		"    done          web[1-2]",
		"    left-drained  web3",
		"    untouched     web4",
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	lines[0] = strings.TrimLeft(lines[0], "0123456789-: ")
	want[0] = strings.TrimSpace(want[0])
	if d := cmp.Diff(want, lines); d != "" || !ok {
		t.Errorf("history (-want +got):\n%s", d)
	}
	standing := map[string]any{
		"name": "www", "unfinished": true, "last": past, "order": []any{"web1", "web3"},
		"lock": map[string]any{"who": "ann", "host": "stage", "since": "soon", "why": "rolls", "stale": true},
		"nodes": map[string]any{
			"web1": map[string]any{"rev": 17.0, "state": "done"},
			"web3": map[string]any{"rev": 17.0, "state": "left-drained", "drained": true, "why": "check says no"},
		},
	}
	got, ok = shell.Rolls([]any{standing}, 0)
	lines = strings.Split(strings.TrimRight(got, "\n"), "\n")
	want = []string{
		"    locked by ann on stage since soon: rolls (stale: its process is gone)",
		"    web1  done          r17",
		"    web3  left-drained  r17  drained  check says no",
	}
	if d := cmp.Diff(want, lines[1:]); d != "" || !ok || !strings.HasPrefix(lines[0], "www  r14 to r17  stopped  ") {
		t.Errorf("status (-want +got):\n%s\n%s", d, lines[0])
	}
	got, _ = shell.Rolls([]any{standing}, 48) // a narrow terminal
	if !strings.HasSuffix(got, "r17  drained\n        check says no\n") {
		t.Errorf("narrow:\n%s", got)
	}
	if _, ok := shell.Rolls([]any{1.0, 2.0}, 0); ok {
		t.Error("any list is taken for rolls")
	}
}
