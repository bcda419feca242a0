package svn_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

const shop = "<?php\nfunction a() {\n    return 1;\n}\nfunction %() {\n    return 2;\n}\n"

func shopOf(who string) string { return strings.ReplaceAll(shop, "%", who) }

// bothAdded makes a production and a trunk that added the same file and folder,
// and a file that production got as a copy of trunk's and changed.
func bothAdded(b *bench) {
	b.write("trunk/a.php", lines())
	b.commit("alice", "r2")
	b.run("", "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	b.write("trunk/copied.php", lines())
	b.commit("alice", "r4 copied.php")
	b.write("trunk/shop.php", shopOf("theirs"))
	b.write("trunk/mod/x.php", shopOf("theirs"))
	b.write("trunk/mod/same.php", lines())
	b.write("trunk/mod/sub/new.php", lines("3 theirs"))
	bothBinary(b, "trunk", "theirs")
	b.run(b.dev, "svn", "propset", "-q", "colour", "theirs", "trunk/shop.php")
	b.run(b.dev, "svn", "propset", "-q", "size", "theirs", "trunk/shop.php")
	b.commit("bob", "r5 shop, fixes #5")
	b.run(b.dev, "svn", "copy", "-q", "trunk/copied.php", "branches/production/copied.php")
	b.write("branches/production/copied.php", lines("9 mine"))
	b.write("branches/production/shop.php", shopOf("mine"))
	b.write("branches/production/mod/x.php", shopOf("mine"))
	b.write("branches/production/mod/same.php", lines())
	b.write("branches/production/mod/own.php", lines("3 mine"))
	bothBinary(b, "branches/production", "mine")
	b.run(b.dev, "svn", "propset", "-q", "colour", "mine", "branches/production/shop.php")
	b.commit("carol", "r6 production has its own")
}

// bothBinary adds binaries to the folder of a side: one by its contents, one by its
// type, and one that is the same on both.
func bothBinary(b *bench, branch, who string) {
	b.write(branch+"/mod/logo.png", "\x00"+who+"\r\n")
	b.write(branch+"/mod/pic.gif", "GIF\n"+who+"\n$Id: "+who+" $\n")
	b.run(b.dev, "svn", "propset", "-q", "svn:mime-type", "image/gif", branch+"/mod/pic.gif")
	b.write(branch+"/mod/same.png", "\x00same")
	_ = os.Symlink(who, filepath.Join(b.dev, branch, "mod/cur"))
	b.run(b.dev, "svn", "add", "-q", branch+"/mod/cur")
}

func TestWhatBothSidesAddedIsMerged(t *testing.T) {
	t.Parallel()
	b := from(t, "both-added", bothAdded)
	ctx, m := b.ctx(), b.merge()
	taken := must[svn.Taken](t)(m.Take(ctx, revs(t, "4,5"), false))
	copied := taken.Conflicts[0]
	if mine, _ := copied.Side(1); copied.Path != "copied.php" || mine != lines("9 mine") {
		t.Fatalf("conflict %v, mine %q", copied, mine)
	}
	if err := copied.Resolve(ctx, "merge"); err != nil { // r4 is what it was copied from
		t.Fatal(err)
	}
	taken = must[svn.Taken](t)(m.Take(ctx, revs(t, "4,5"), false))
	if len(taken.Conflicts) != 2 {
		t.Fatalf("conflicts %v", taken.Conflicts)
	}
	for _, k := range taken.Conflicts {
		words := map[string]string{"shop.php": "both sides have their own lines in shop.php", "mod": "both sides have their own mod/cur; mod/logo.png; mod/pic.gif, which cannot be merged by lines"}
		fails(t, k.Resolve(ctx, "merge"), nodes.Conflict, words[k.Path])
	}
	b.answers("merge the two folders into one", "take theirs", "take theirs", "keep it all for later", "keep it for later")
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, nil, true)); len(left) != 2 {
		t.Fatalf("left %+v", left)
	}
	b.answers("merge the two folders into one", "keep mine", "b", "", "merge the two files into one", "v", "O", "u", "t", "")
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, nil, true)); len(left) != 0 {
		t.Fatalf("left %+v", left)
	}
	want := map[string]string{
		"a.php": lines(), "copied.php": lines("9 mine"), "shop.php": shopOf("theirs"), "mod/x.php": "<?php\nfunction a() {\n    return 1;\n}\nfunction mine() {\nfunction theirs() {\n    return 2;\n}\n",
		"mod/same.php": lines(), "mod/own.php": lines("3 mine"), "mod/sub/new.php": lines("3 theirs"),
		"mod/logo.png": "\x00theirs\r\n", "mod/pic.gif": "GIF\nmine\n$Id: mine $\n", "mod/same.png": "\x00same",
	}
	if target, _ := os.Readlink(filepath.Join(m.Into.Path, "mod/cur")); target != "theirs" {
		t.Errorf("mod/cur points to %s", target)
	}
	got := map[string]string{}
	for f := range want {
		got[f] = readFile(t, filepath.Join(m.Into.Path, f))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if said := b.events.Text(nodes.Said); !strings.Contains(said, "mod/logo.png:\n  mine    7 bytes, sha256 ") || strings.Contains(said, "same.png") || !strings.Contains(said, "mod/cur:\n  mine    points to mine\n  theirs  points to theirs") {
		t.Errorf("said %s", said)
	}
	for name, value := range map[string]string{"colour": "mine", "size": "theirs"} {
		if v := strings.TrimSpace(b.run(m.Into.Path, "svn", "propget", name, "shop.php")); v != value {
			t.Errorf("%s of shop.php is %s", name, v)
		}
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4,5"), false))
	must[int](t)(m.Commit(ctx, "", false))
	if log := b.run("", "svn", "log", "-v", "-r7", b.repo.File); !strings.Contains(log, "A /branches/production/mod/sub (from /trunk/mod/sub:5)") {
		t.Errorf("what only theirs has came without its history: %s", log)
	}
}

// What was joined is joined again when the merge begins anew, and taken back with
// it.
func TestWhatWasJoinedIsKept(t *testing.T) {
	t.Parallel()
	b := from(t, "both-added", bothAdded)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	for _, k := range must[[]*svn.Conflict](t)(m.Conflicts(ctx)) {
		if k.Path == "mod" {
			continue
		}
		fails(t, k.ResolveWith(ctx, []byte("<<<<<<< mine\nboth\n")), nodes.Conflict, "markers")
		if err := k.ResolveWith(ctx, []byte("by hand\n")); err != nil {
			t.Fatal(err)
		}
	}
	begunAnew(t, m)
	taken := must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	if len(taken.Conflicts) != 1 || taken.Conflicts[0].Path != "mod" {
		t.Errorf("conflicts %v", taken.Conflicts)
	}
	if got := readFile(t, filepath.Join(m.Into.Path, "shop.php")); got != "by hand\n" {
		t.Errorf("shop.php %q", got)
	}
	if err := m.Abandon(ctx); err != nil {
		t.Fatal(err)
	}
	if list := must[[]svn.Status](t)(m.Into.Status(ctx)); len(list) != 0 {
		t.Errorf("abandon left %v", list)
	}
}

// bothMoved makes a file that each side gave another name and changed.
func bothMoved(b *bench) {
	b.write("trunk/x@1.php", lines())
	b.run(b.dev, "svn", "propset", "-q", "colour", "red", "trunk/x@1.php@")
	b.commit("alice", "r2")
	b.run("", "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	for _, s := range []struct{ branch, who, change string }{{"branches/production", "mine", "2 mine"}, {"trunk", "theirs", "8 theirs"}} {
		to := s.branch + "/" + s.who + "@2.php"
		b.run(b.dev, "svn", "copy", "-q", s.branch+"/x@1.php@", to+"@")
		b.run(b.dev, "svn", "rm", "-q", s.branch+"/x@1.php@")
		writeFile(b.t, filepath.Join(b.dev, to), lines(s.change))
		b.run(b.dev, "svn", "propset", "-q", s.who, "yes", to+"@")
		b.commit("bob", s.who+" moves it")
	}
	b.run(b.dev, "svn", "propdel", "-q", "colour", "trunk/theirs@2.php@")
	b.commit("bob", "r6 no colour")
}

func TestWhatBothSidesMovedGetsOneName(t *testing.T) {
	t.Parallel()
	for choice, name := range map[string]string{"merge": "mine@2.php", "theirs": "theirs@2.php"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			b := from(t, "both-moved", bothMoved)
			ctx, m := b.ctx(), b.merge()
			k := must[svn.Taken](t)(m.Take(ctx, revs(t, "all"), false)).Conflicts[0]
			if s := k.Sentence(); !strings.Contains(s, "moves the file x@1.php to theirs@2.php, which was moved to mine@2.php here") {
				t.Errorf("why: %s", s)
			}
			if err := k.Resolve(ctx, choice); err != nil {
				t.Fatal(err)
			}
			must[svn.Taken](t)(m.Take(ctx, revs(t, "all"), false))
			must[int](t)(m.Commit(ctx, "", false))
			got := tree(t, m.Into.Path)
			delete(got, "./")
			if d := cmp.Diff(map[string]string{name: "-rw-r--r-- " + lines("2 mine", "8 theirs")}, got); d != "" {
				t.Error(d)
			}
			props := b.run(m.Into.Path, "svn", "proplist", name+"@")
			if strings.Contains(props, "colour") || !strings.Contains(props, "mine") || !strings.Contains(props, "theirs\n") {
				t.Errorf("properties %s", props)
			}
		})
	}
}

// A policy says which of the files in a folder that both sides added stays.
func TestPolicyChoosesAmongWhatBothSidesAdded(t *testing.T) {
	t.Parallel()
	b := from(t, "both-added", bothAdded)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "5"), false))
	policy := svn.Policy{"mod": "merge", "*.png": "theirs", "*.gif": "mine", "cur": "mine", "shop.php": "mine"}
	left := must[[]svn.Remaining](t)(m.Assist(ctx, policy, false))
	if warned := b.events.Text(nodes.Warned); len(left) != 1 || !strings.Contains(warned, "mod: not merge, as the policy says: both sides have their own lines in mod/x.php") {
		t.Fatalf("left %+v, warned %s", left, warned)
	}
	policy["*.php"] = "theirs"
	if left := must[[]svn.Remaining](t)(m.Assist(ctx, policy, false)); len(left) != 0 {
		t.Fatalf("left %+v", left)
	}
	for f, want := range map[string]string{"mod/logo.png": "\x00theirs\r\n", "mod/pic.gif": "GIF\nmine\n$Id: mine $\n", "mod/x.php": shopOf("theirs")} {
		if got := readFile(t, filepath.Join(m.Into.Path, f)); got != want {
			t.Errorf("%s is %q", f, got)
		}
	}
}
