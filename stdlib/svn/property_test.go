package svn_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// A property that is a list can keep the lines of both sides; what only touched
// files below its folder has no part in the conflict.
func TestPropertyConflictKeepsTheLinesOfBoth(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx := b.ctx()
	b.write("trunk/lib/d.php", lines("3 drei"))
	b.commit("alice", "r9 a file below")
	b.run(b.dev, "svn", "propset", "-q", "svn:ignore", "logs\ncache\n", "trunk/lib")
	b.commit("bob", "r10 ignore")
	b.run(b.dev, "svn", "propset", "-q", "svn:ignore", "tmp\ncache\n", "branches/production/lib")
	b.commit("carol", "r11 ignore too")
	m := b.merge()
	k := must[svn.Taken](t)(m.Take(ctx, revs(t, "10"), false)).Conflicts[0]
	if s := k.Sentence(); !strings.Contains(s, "the property svn:ignore of lib was changed on both sides") || !strings.Contains(s, "r10 by bob") || !strings.Contains(s, "mine: r11 by carol") || strings.Contains(s, "r9") {
		t.Errorf("why: %s", s)
	}
	if !contains(k.Possible(), "union") {
		t.Errorf("choices %v", k.Possible())
	}
	b.answers("keep the lines of both")
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, nil, true)); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	said := b.events.Text(nodes.Said)
	for _, want := range []string{"svn:ignore\nbase   | (not set)\nmine   | tmp\n", "theirs | logs\n", "svn propset svn:ignore -F LINES lib@"} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %q in\n%s", want, said)
		}
	}
	if got := b.run(m.Into.Path, "svn", "propget", "svn:ignore", "lib"); strings.TrimSpace(got) != "tmp\ncache\nlogs" {
		t.Errorf("svn:ignore %q", got)
	}
}

// editor is a person whose editor writes a text.
type editor struct {
	*nodetest.Person
	text string
}

func (e editor) Hand(_ context.Context, argv []string, _ string, _ map[string]string) error {
	return os.WriteFile(argv[len(argv)-1], []byte(e.text), 0o600)
}

// What a person wrote into a property is put in again when the merge begins anew.
func TestEditedPropertiesAreKept(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx := b.ctx()
	for _, branch := range []string{"trunk", "branches/production"} {
		b.run(b.dev, "svn", "propset", "-q", "colour", branch, branch+"/lib")
		b.commit("bob", branch)
	}
	m := b.merge()
	k := must[svn.Taken](t)(m.Take(ctx, revs(t, "9"), false)).Conflicts[0]
	b.session.Person = editor{&nodetest.Person{}, "green\n"}
	if err := k.Edit(ctx); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(m.Into.Path, ".svn", "rollsh-merge.json")
	writeFile(t, journal, strings.Replace(readFile(t, journal), `"step": "conflicts"`, `"step": "merging"`, 1)) // as after a kill
	if list := must[svn.Taken](t)(m.Take(ctx, revs(t, "9"), false)).Conflicts; len(list) != 0 {
		t.Errorf("asked again about %s", list[0].Path)
	}
	if got := b.run(m.Into.Path, "svn", "propget", "colour", "lib"); got != "green\n" {
		t.Errorf("colour %q", got)
	}
}
