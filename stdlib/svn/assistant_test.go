package svn_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// answers makes the person say these, in turn.
func (b *bench) answers(list ...string) *nodetest.Person {
	p := &nodetest.Person{Answers: list}
	b.session.Person = p
	return p
}

func TestAssistantOffersTheMissingChangeset(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6,8"), false))
	b.answers("r")
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, nil, true)); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	said := b.events.Text(nodes.Said)
	for _, want := range []string{"conflict 1 of 1: the same lines of a.php", "theirs  r6 alice", "missing r4 alice", "#2", "base   | 2 two", "mine   | 2\n", "theirs | 2 zwei"} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %q in\n%s", want, said)
		}
	}
	taken := must[svn.Taken](t)(m.Take(ctx, revs(t, "6,8"), false)) // the same call still goes on
	if len(taken.Conflicts) != 0 || !contains(taken.Files, "c.php") {
		t.Errorf("taken %+v", taken)
	}
	must[int](t)(m.Commit(ctx, "", true))
	if got := b.available(m); got != "r5,r7" {
		t.Errorf("available %s", got)
	}
}

func TestAssistantResolvesLinesAndRemembers(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	file := filepath.Join(m.Into.Path, "a.php")
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6"), false))
	b.answers("t", "u", "?", "v", "bogus", "t", "")
	must[[]svn.Remaining](t)(m.Assist(ctx, nil, true))
	if got := readFile(t, file); got != lines("2 zwei", "3 drei") {
		t.Errorf("a.php %q", got)
	}
	if err := m.Abandon(ctx); err != nil {
		t.Fatal(err)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6"), false))
	b.answers("v", "?", "b", "")
	must[[]svn.Remaining](t)(m.Assist(ctx, nil, true))
	if got := readFile(t, file); got != "1\n2\n3\n2 zwei\n3 drei\n4\n5\n6\n7\n8\n9\n10\n" {
		t.Errorf("a.php %q", got)
	}
	if err := m.Abandon(ctx); err != nil {
		t.Fatal(err)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6"), false))
	b.answers("R")
	must[[]svn.Remaining](t)(m.Assist(ctx, nil, true))
	if got := readFile(t, file); !strings.Contains(got, "3\n2 zwei\n") {
		t.Errorf("not resolved as before: %q", got)
	}
	if said := b.events.Text(nodes.Said); !strings.Contains(said, "R resolves it as before:") {
		t.Error("the memory was not shown")
	}
}

func TestAssistantWithoutAPerson(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6"), false))
	_, err := m.Assist(ctx, nil, true)
	fails(t, err, nodes.Conflict, "a.php (text)", "nobody to ask", "policy")
	left := must[[]svn.Remaining](t)(m.Assist(ctx, svn.Policy{"*.lock": "theirs"}, false))
	if len(left) != 1 || left[0].Path != "a.php" || len(left[0].Choices) == 0 {
		t.Errorf("left %+v", left)
	}
	_, err = m.Assist(ctx, svn.Policy{"*": "thers"}, false)
	fails(t, err, nodes.Usage)
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, svn.Policy{"*.php": "theirs"}, false)); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
}

// matrix makes one of each kind of conflict: trunk and production differ in
// everything, and one changeset of trunk brings it all.
func matrix(t *testing.T) (*bench, *svn.Merge) {
	b := from(t, "matrix", everyConflict)
	return b, b.merge()
}

func everyConflict(b *bench) {
	for _, f := range []string{"text", "prop", "inc_del", "loc_del", "mov_t", "mov_b", "both_mov", "lib/old/f", "-dash@1"} {
		b.write("trunk/"+f, lines())
	}
	b.write("trunk/bin", "\x00base")
	b.run(b.dev, "svn", "propset", "-q", "svn:mime-type", "application/octet-stream", "trunk/bin")
	_ = os.Symlink("text", filepath.Join(b.dev, "trunk/link"))
	b.run(b.dev, "svn", "add", "-q", "trunk/link")
	b.run(b.dev, "svn", "propset", "-q", "colour", "red", "trunk/prop")
	b.commit("alice", "base")
	b.run("", "svn", "copy", "-q", "-m", "production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	side(b, "branches/production", "mine")
	for _, f := range []string{"inc_del", "lib/old/f", "-dash@1", "mov_b"} {
		b.write("branches/production/"+f, lines("7 mine"))
	}
	b.run(b.dev, "svn", "rm", "-q", "branches/production/loc_del")
	b.run(b.dev, "svn", "move", "-q", "branches/production/mov_t", "branches/production/mov_t_new")
	b.write("branches/production/add", "mine\n")
	b.commit("carol", "production's own ways")
	side(b, "trunk", "theirs")
	b.run(b.dev, "svn", "rm", "-q", "trunk/inc_del", "trunk/lib/old")
	for _, f := range []string{"loc_del", "mov_t"} {
		b.write("trunk/"+f, lines("2 theirs"))
	}
	b.run(b.dev, "svn", "move", "-q", "trunk/mov_b", "trunk/mov_b_new")
	b.write("trunk/add", "theirs\n")
	b.run(b.dev, "svn", "rm", "-q", "trunk/-dash@1@")
	b.write("trunk/-dash@1", "new file\n")
	b.commit("bob", "all of it, fixes #5")
}

func side(b *bench, branch, who string) {
	b.write(branch+"/text", lines("5 "+who))
	b.run(b.dev, "svn", "propset", "-q", "colour", who, branch+"/prop")
	writeFile(b.t, filepath.Join(b.dev, branch, "bin"), "\x00"+who)
	link := filepath.Join(b.dev, branch, "link")
	_ = os.Remove(link)
	_ = os.Symlink(who, link)
}

// Every kind of conflict, resolved to theirs and to mine, must leave what the
// word says.
func TestConflictMatrix(t *testing.T) {
	t.Parallel()
	b, m := matrix(t)
	ctx := b.ctx()
	want := map[string]map[string]string{
		"theirs": {
			"text": "-rw-r--r-- " + lines("5 theirs"), "bin": "-rw-r--r-- \x00theirs", "link": "-> theirs", "add": "-rw-r--r-- theirs\n",
			"loc_del": "-rw-r--r-- " + lines("2 theirs"), "inc_del": "", "lib/old/f": "", "-dash@1": "-rw-r--r-- new file\n", "mov_t_new": "-rw-r--r-- " + lines("2 theirs"), "mov_t": "", "mov_b": "", "mov_b_new": "-rw-r--r-- " + lines("7 mine"),
		},
		"mine": {
			"text": "-rw-r--r-- " + lines("5 mine"), "bin": "-rw-r--r-- \x00mine", "link": "-> mine", "add": "-rw-r--r-- mine\n",
			"loc_del": "", "inc_del": "-rw-r--r-- " + lines("7 mine"), "lib/old/f": "-rw-r--r-- " + lines("7 mine"), "-dash@1": "-rw-r--r-- " + lines("7 mine"), "mov_t_new": "-rw-r--r-- " + lines(),
		},
	}
	rev := must[svn.List](t)(m.Available(ctx, svn.Filter{})).Changesets
	for choice, files := range want {
		taken := must[svn.Taken](t)(m.Take(ctx, revs(t, rev.Revs()), false))
		if len(taken.Conflicts) < 10 {
			t.Fatalf("only %d conflicts: %v", len(taken.Conflicts), taken.Conflicts)
		}
		for _, k := range taken.Conflicts {
			if k.Sentence() == "" || !strings.Contains(strings.Join(k.Authors()["theirs"], ""), "bob") {
				t.Errorf("%s: %s %v", k.Path, k.Sentence(), k.Authors())
			}
			if s := k.Sentence(); k.Path == "mov_t" && !strings.Contains(s, "moved to mov_t_new (mine, r4)") || k.Path == "mov_b" && !strings.Contains(s, "moved to mov_b_new (theirs, r5)") {
				t.Errorf("why: %s", s)
			}
			if err := k.Resolve(ctx, choice); err != nil {
				t.Errorf("%s %s: %v", k.Path, choice, err)
			}
		}
		if left := must[[]*svn.Conflict](t)(m.Conflicts(ctx)); len(left) != 0 {
			t.Errorf("%s left %v", choice, left[0])
		}
		got := tree(t, m.Into.Path)
		have := map[string]string{}
		for f := range files {
			have[f] = got[f]
		}
		if d := cmp.Diff(files, have); d != "" {
			t.Errorf("%s: %s", choice, d)
		}
		if c := strings.TrimSpace(b.run(m.Into.Path, "svn", "propget", "colour", "prop")); c != choice {
			t.Errorf("colour is %s after %s", c, choice)
		}
		if err := m.Abandon(ctx); err != nil {
			t.Fatal(err)
		}
		if !must[bool](t)(m.Into.Clean(ctx)) || len(must[[]svn.Status](t)(m.Into.Status(ctx))) != 0 {
			t.Errorf("abandon left %v", must[[]svn.Status](t)(m.Into.Status(ctx)))
		}
	}
}

func TestAssistantMenuShowsTheCommands(t *testing.T) {
	t.Parallel()
	b, m := matrix(t)
	ctx := b.ctx()
	rev := must[svn.List](t)(m.Available(ctx, svn.Filter{})).Changesets
	must[svn.Taken](t)(m.Take(ctx, revs(t, rev.Revs()), false))
	b.answers("delete it here too")
	must[[]svn.Remaining](t)(m.Assist(ctx, svn.Policy{"text": "theirs", "bin": "theirs", "link": "mine", "prop": "theirs", "add": "mine", "[^i]*": "mine"}, true))
	if _, err := os.Stat(filepath.Join(m.Into.Path, "inc_del")); err == nil {
		t.Error("inc_del is still there")
	}
	want := "2 runs svn resolve --accept working inc_del@; svn rm --force inc_del@"
	if said := b.events.Text(nodes.Said); !strings.Contains(said, want) {
		t.Errorf("not said: %q in\n%s", want, said)
	}
}
