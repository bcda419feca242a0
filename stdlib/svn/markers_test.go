package svn_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// A heading of seven letters that is underlined by seven signs is no marker, whoever
// wrote it; what svn puts around and between lines in conflict is, wherever it is
// left, also in a text that has such lines of its own.
func TestMarkersLeftInATextAreRefused(t *testing.T) {
	t.Parallel()
	b := from(t, "markers", func(b *bench) {
		b.write("trunk/NEWS", "one\n<<<<<<< HEAD\ntwo\n")
		b.commit("alice", "r2")
		b.run("", "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
		b.run(b.dev, "svn", "update", "-q")
		for _, branch := range []string{"trunk", "branches/production"} {
			b.write(branch+"/NEWS", branch+"\n<<<<<<< HEAD\ntwo\n")
			b.commit("bob", branch)
		}
	})
	ctx, m := b.ctx(), b.merge()
	k := must[svn.Taken](t)(m.Take(ctx, revs(t, "4"), false)).Conflicts[0]
	file := filepath.Join(m.Into.Path, "NEWS")
	left := readFile(t, file)
	if !strings.Contains(left, "<<<<<<< .") || !strings.Contains(left, "\n=======\n") {
		t.Fatalf("svn wrote %q", left)
	}
	beginning, end, _ := strings.Cut(left, "|||||||")
	for name, text := range map[string]string{
		"as svn left it":  left,
		"line ends":       strings.ReplaceAll(left, "\n", "\r\n"),
		"the end of it":   end,
		"the middle":      "one\nours\n=======\ntheirs\n",
		"the beginning":   beginning,
		"one line more":   "one\n<<<<<<< HEAD\n<<<<<<< HEAD\ntwo\n",
		"without a label": "one\n<<<<<<<\nours\n=======\ntheirs\n>>>>>>>\n",
	} {
		fails(t, k.ResolveWith(ctx, []byte(text)), nodes.Conflict, "NEWS still holds conflict markers, in line")
		if readFile(t, file) != left {
			t.Errorf("%s: the file was written", name)
		}
	}
	want := "Changes\n=======\n\none\n<<<<<<< HEAD\ntwo\n========\n>>>>>>>> quoted\n"
	writeFile(t, file, want)
	if err := k.Resolve(ctx, "working"); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, file); got != want {
		t.Errorf("NEWS %q", got)
	}
}

// svn itself takes a file for resolved that still holds what it wrote into it.
func TestMarkersThatSvnLetPassAreNotCommitted(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6"), false))
	b.run(m.Into.Path, "svn", "resolve", "-q", "--accept", "working", "a.php")
	_, err := m.Commit(ctx, "", true)
	fails(t, err, nodes.Conflict, "a.php still holds conflict markers, from line 2 on")
	writeFile(t, filepath.Join(m.Into.Path, "a.php"), lines("2 zwei"))
	must[int](t)(m.Commit(ctx, "", true))
}
