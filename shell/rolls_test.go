package shell_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/shell"
)

func TestRollsAreShownNodeByNode(t *testing.T) {
	t.Setenv("TZ", "UTC")
	past := map[string]any{
		"id": "20261122-1", "name": "www", "from": 14.0, "to": 17.0, "state": "stopped", "reason": "web3: check says no", "who": "ann", "host": "stage",
		"started": "2026-11-22T21:04:05Z", "order": []any{"web1", "web2", "web3", "web4", "web5"},
		"nodes": map[string]any{"web1": "done", "web2": "done", "web3": "left-drained", "web4": "untouched\x1b[2J", "web5": "staged"},
	}
	got, ok := shell.Rolls([]any{past}, 0)
	want := []string{
		"  www  r14 to r17  stopped  ann@stage  20261122-1  web3: check says no",
		"    done          web[1-2]",
		"    left-drained  web3",
		"    untouched     web4",
		"    staged        web5  as before: not switched",
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	lines[0] = strings.TrimLeft(lines[0], "0123456789-: ")
	want[0] = strings.TrimSpace(want[0])
	if d := cmp.Diff(want, lines); d != "" || !ok {
		t.Errorf("history (-want +got):\n%s", d)
	}
	standing := map[string]any{
		"name": "www", "unfinished": true, "last": past, "order": []any{"web1", "web3", "web5"},
		"lock": map[string]any{"who": "ann", "host": "stage", "since": "soon", "why": "rolls", "stale": true},
		"nodes": map[string]any{
			"web1": map[string]any{"rev": 17.0, "state": "done"},
			"web3": map[string]any{"rev": 17.0, "state": "left-drained", "drained": true, "why": "check says no"},
			"web5": map[string]any{"rev": 14.0, "state": "staged"},
		},
	}
	got, ok = shell.Rolls([]any{standing}, 0)
	lines = strings.Split(strings.TrimRight(got, "\n"), "\n")
	want = []string{
		"    locked by ann on stage since soon: rolls (stale: its process is gone)",
		"    web1  done          r17",
		"    web3  left-drained  r17  drained  check says no",
		"    web5  staged        r14  as before: not switched",
		"    unfinished: `rollsh resume` goes on, `rollsh back` undoes it, `rollsh close` leaves it so",
	}
	if d := cmp.Diff(want, lines[1:]); d != "" || !ok || !strings.HasPrefix(lines[0], "www  r14 to r17  stopped  ") {
		t.Errorf("status (-want +got):\n%s\n%s", d, lines[0])
	}
	got, _ = shell.Rolls([]any{standing}, 48) // a narrow terminal
	if !strings.Contains(got, "r17  drained\n        check says no\n") {
		t.Errorf("narrow:\n%s", got)
	}
	if _, ok := shell.Rolls([]any{1.0, 2.0}, 0); ok {
		t.Error("any list is taken for rolls")
	}
}

// TestRollsFitTheTerminal: nothing is broken in the middle of a word, and an id
// can be copied; a pipe gets one line for each roll and node, and for what is left to do.
func TestRollsFitTheTerminal(t *testing.T) {
	t.Setenv("TZ", "UTC")
	past := map[string]any{
		"id": "20261122-210405-www-41a9", "name": "www", "from": 14.0, "to": 17.0, "state": "interrupted", "who": "ann", "host": "stage",
		"started": "2026-11-22T21:04:05Z", "order": []any{"cdn1", "app1", "static", "images", "search", "mail"},
		"nodes": map[string]any{"cdn1": "done", "app1": "done", "static": "done", "images": "done", "search": "done", "mail": "done"},
	}
	standing := map[string]any{
		"name": "www", "unfinished": true, "last": past, "order": []any{"cdn1"},
		"lock":  map[string]any{"who": "ann", "host": "stage", "since": "2026-11-22T21:04:05Z", "why": "no rolls before Monday", "stale": true},
		"nodes": map[string]any{"cdn1": map[string]any{"rev": 17.0, "state": "left-drained", "drained": true}},
	}
	list := []any{past, standing}
	narrow := []string{
		"2026-11-22 21:04  www  r14 to r17",
		"        interrupted  ann@stage",
		"        20261122-210405-www-41a9",
		"    done          cdn1,app1,static,",
		"                  images,search,mail",
		"www  r14 to r17  interrupted",
		"        2026-11-22 21:04  ann@stage",
		"        20261122-210405-www-41a9",
		"    locked by ann on stage since",
		"        2026-11-22 21:04: no rolls",
		"        before Monday (stale: its",
		"        process is gone)",
		"    cdn1  left-drained  r17  drained",
		"    unfinished: `rollsh resume` goes",
		"        on, `rollsh back` undoes it,",
		"        `rollsh close` leaves it so",
	}
	got, _ := shell.Rolls(list, 40)
	if d := cmp.Diff(narrow, strings.Split(strings.TrimRight(got, "\n"), "\n")); d != "" {
		t.Errorf("at 40 columns (-want +got):\n%s", d)
	}
	for _, width := range []int{40, 60, 80, 100} {
		text, _ := shell.Rolls(list, width)
		for line := range strings.Lines(text) {
			if len(line)-1 >= width {
				t.Errorf("at %d columns: %q", width, line)
			}
		}
	}
	piped := `2026-11-22 21:04  www  r14 to r17  interrupted  ann@stage  20261122-210405-www-41a9
    done          cdn1,app1,static,images,search,mail
www  r14 to r17  interrupted  2026-11-22 21:04  ann@stage  20261122-210405-www-41a9
    locked by ann on stage since 2026-11-22 21:04: no rolls before Monday (stale: its process is gone)
    cdn1  left-drained  r17  drained
    unfinished: ` + "`rollsh resume` goes on, `rollsh back` undoes it, `rollsh close` leaves it so\n"
	got, _ = shell.Rolls(list, 0)
	if d := cmp.Diff(piped, got); d != "" {
		t.Errorf("piped (-want +got):\n%s", d)
	}
}

// TestOutlineFitsTheTerminal: what a roll would do is broken behind its commas,
// and where that does not do, at blanks.
func TestOutlineFitsTheTerminal(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	recipe := `local set = nodes.new{ {name="cdn1",host="192.0.2.1"}, {name="cdn2",host="192.0.2.2"} }
local R = roll.begin{ name="www", to=set }
say(R:outline{ to=set, drain={drain="touch ~/drained", undrain="rm ~/drained"}, at_once="all", check="curl -sf -H 'Host: www.example.org' localhost" })
R:finish()
say "shown"
`
	if err := os.WriteFile(filepath.Join(dir, "outline.lua"), []byte(recipe), 0o600); err != nil {
		t.Fatal(err)
	}
	for width, want := range map[int]string{
		40: `cdn[1-2], all at once:
    drain: touch ~/drained, switch,
    check: curl -sf -H 'Host:
        www.example.org' localhost,
    undrain
`,
		100: `cdn[1-2], all at once: drain: touch ~/drained, switch,
    check: curl -sf -H 'Host: www.example.org' localhost, undrain
`,
	} {
		s := newTerminal(t, dir, width, 20, []string{"ROLLSH_STATE=" + dir + "/state"}, "sh", "-c", `"$@"; cat`, "sh", program, "outline.lua")
		s.sees("shown")
		if got := s.text(); !strings.Contains(got, want) {
			t.Errorf("at %d columns:\n%s", width, got)
		}
	}
}

// TestRollsSayWhoUndidThem: history and status tell who took a roll up again, and
// who did not hear of it.
func TestRollsSayWhoUndidThem(t *testing.T) {
	t.Setenv("TZ", "UTC")
	past := map[string]any{
		"id": "20261122-210405-www-41a9", "name": "www", "to": 17.0, "state": "undone", "who": "ann", "host": "stage",
		"started": "2026-11-22T21:04:05Z", "order": []any{"web1"}, "nodes": map[string]any{"web1": "undone"},
		"again": []any{
			map[string]any{"who": "ann", "host": "stage", "mode": "back", "at": "2026-11-22T21:10:00Z"},
			map[string]any{"who": "eve", "host": "stage", "mode": "resume", "at": "2026-11-22T21:20:00Z"},
			map[string]any{"who": "bob", "host": "desk", "mode": "back", "at": "2026-11-22T22:10:00Z"},
		},
		"notices": []any{"notify.exec mail -s rolled dev@example.org: exit code 1"},
	}
	got, _ := shell.Rolls([]any{past}, 0)
	want := `2026-11-22 21:04  www  r17  undone  ann@stage  20261122-210405-www-41a9
        undo begun by ann@stage  2026-11-22 21:10
        resumed by eve@stage  2026-11-22 21:20
        undone by bob@desk  2026-11-22 22:10
    undone        web1
    not told      notify.exec mail -s rolled dev@example.org: exit code 1
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
	got, _ = shell.Rolls([]any{map[string]any{"name": "www", "unfinished": false, "last": past, "order": []any{}, "nodes": map[string]any{}}}, 40)
	want = `www  r17  undone  2026-11-22 21:04
        ann@stage
        20261122-210405-www-41a9
        undo begun by ann@stage
        2026-11-22 21:10
        resumed by eve@stage
        2026-11-22 21:20
        undone by bob@desk
        2026-11-22 22:10
    not told      notify.exec mail -s
                  rolled
                  dev@example.org: exit
                  code 1
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
}

// TestRollsSayThatPeopleMayNotHaveBeenTold: the roll is done all the same.
func TestRollsSayThatPeopleMayNotHaveBeenTold(t *testing.T) {
	t.Setenv("TZ", "UTC")
	past := map[string]any{
		"id": "20261122-210405-www-41a9", "name": "www", "to": 17.0, "state": "done", "who": "ann", "host": "stage", "untold": true,
		"started": "2026-11-22T21:04:05Z", "order": []any{"web1"}, "nodes": map[string]any{"web1": "done"},
	}
	for width, want := range map[int]string{
		0: `www  r17  done  2026-11-22 21:04  ann@stage  20261122-210405-www-41a9
        people may not have been told: its process died meanwhile
`,
		40: `www  r17  done  2026-11-22 21:04
        ann@stage
        20261122-210405-www-41a9
        people may not have been told:
        its process died meanwhile
`,
	} {
		got, _ := shell.Rolls([]any{map[string]any{"name": "www", "unfinished": false, "last": past, "order": []any{}, "nodes": map[string]any{}}}, width)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("at %d columns (-want +got):\n%s", width, d)
		}
	}
}
