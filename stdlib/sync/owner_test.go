package sync_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

// owners lists who all in a tree belongs to, the root of it first.
func owners(t *testing.T, root string) string {
	t.Helper()
	return run(t, "sh", "-c", `cd "$1" && find . -printf '%P %u:%g %m\n' | grep -v '^\.rollsh' | LC_ALL=C sort`, "sh", root)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
}

// Owners come out as rsync makes them, and as chown takes them back.
func TestOwner(t *testing.T) {
	needRoot(t)
	nodetest.Need(t, "rsync")
	b := newBench(t)
	peer := filepath.Join(t.TempDir(), "peer")
	for _, p := range []string{"a", "d/b", "d/e/c"} {
		b.file(p, p)
	}
	must(t, os.Symlink("a", filepath.Join(b.src, "l")))
	must(t, os.Chmod(filepath.Join(b.src, "a"), 0o640))
	as := func(owner string) func(*sync.Options) { return func(o *sync.Options) { o.Owner = owner } }
	same := func(args ...string) {
		t.Helper()
		run(t, "rsync", append(append([]string{"-a", "--delete"}, args...), b.src+"/", peer+"/")...)
		if got, want := below(owners(t, b.live)), below(owners(t, peer)); got != want {
			t.Fatalf("rsync made\n%s\nnot\n%s", want, got)
		}
	}
	b.push(as("www-data:games"))
	same("--chown=www-data:games")
	b.file("d/new/n", "n")
	b.file("a", "aa")
	b.push(as("www-data:games"))
	same("--chown=www-data:games")
	before := owners(t, b.live)
	b.push(as("mail"))
	if got := owners(t, b.live); !strings.Contains(got, "d/e mail:games 755\n") || !strings.Contains(got, "\na mail:games 640\n") {
		t.Errorf("only the user is asked for:\n%s", got)
	}
	must(t, b.undo())
	if got := owners(t, b.live); got != before {
		t.Errorf("undone:\n%s", got)
	}
	run(t, "chown", "-h", "man", filepath.Join(b.live, "l"), filepath.Join(b.live, "d"))
	wantKind(t, b.try(as("www-data:games")), nodes.Changed, "l (owner changed, by man")
	b.push(as("www-data:games"), func(o *sync.Options) { o.Drift = "overwrite" })
	if got := owners(t, b.live); got != before {
		t.Errorf("healed:\n%s", got)
	}
	run(t, "chown", "-R", "-h", "news:voice", filepath.Join(b.src, "d"))
	must(t, os.Lchown(filepath.Join(b.src, "l"), 54321, 54322))
	b.push(as("source"))
	same()
	wantKind(t, b.try(as("no-such-user")), nodes.Refused, "there is no user 'no-such-user' on the node")
	wantKind(t, b.try(as(":no-such-group")), nodes.Refused, "there is no group 'no-such-group'")
	wantKind(t, b.try(as("a:b:c")), nodes.Usage, "owner: ")
	same()
	b.remove("d")
	b.push(as("source"))
	must(t, b.undo())
	b.file("d/b", "changed")
	if got, want := below(owners(t, b.live)), below(owners(t, peer)); got != want {
		t.Errorf("a folder that came back:\n%s\nnot\n%s", got, want)
	}
}

// below leaves out the root: one that is there keeps its owner, which rsync
// would change.
func below(list string) string {
	_, rest, _ := strings.Cut(list, "\n")
	return rest
}

func (b *bench) remove(name string) { must(b.T, os.RemoveAll(filepath.Join(b.src, name))) }

// Whom an earlier roll gave files to may be gone from the node by now: they can be
// given to somebody else.
func TestOwnerWhoIsGone(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	as := func(owner string) func(*sync.Options) { return func(o *sync.Options) { o.Owner = owner } }
	bin := t.TempDir()
	users := filepath.Join(bin, "getent")
	must(t, os.WriteFile(users, []byte("#!/bin/sh\n[ $2 = leaver ] && echo leaver:x:54321:54321\n"), 0o755))
	b.renew("PATH=" + bin + ":" + os.Getenv("PATH"))
	b.file("a", "1")
	b.file("b", "1")
	b.push(as("leaver"))
	if got := owners(t, b.live); !strings.Contains(got, "a 54321:") {
		t.Fatalf("%s", got)
	}
	must(t, os.Remove(users))
	b.renew()
	b.file("a", "22")
	wantKind(t, b.try(as("leaver")), nodes.Refused, "there is no user 'leaver' on the node")
	wantKind(t, b.try(as("www-data")), nodes.Changed, "a (owner changed, by 54321")
	b.push(as("www-data"), func(o *sync.Options) { o.Drift = "overwrite" })
	if got := owners(t, b.live); !strings.Contains(got, "a www-data:") || !strings.Contains(got, "b www-data:") {
		t.Errorf("%s", got)
	}
	must(t, b.undo())
	if got := owners(t, b.live); !strings.Contains(got, "a 54321:") {
		t.Errorf("undone: %s", got)
	}
	b.push(func(o *sync.Options) { o.Drift = "overwrite" })
}

// In releases too, what is made around the entries but for the root included.
func TestOwnerOfReleases(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.file("a", "1")
	b.file("d/b", "1")
	with := func(owner string) func(*sync.Options) {
		return func(o *sync.Options) { o.Owner, o.Layout, o.Shared = owner, "release", []string{"up/loads/"} }
	}
	b.push(with("www-data:www-data"))
	first := owners(t, filepath.Join(b.live, "current")+"/")
	if !strings.Contains(first, " www-data:www-data 755\na www-data:www-data 644\nd www-data:www-data 755\n") || !strings.Contains(first, "up www-data:") {
		t.Errorf("%s", first)
	}
	if got := run(t, "stat", "-c", "%U", b.live, b.live+"/shared", b.live+"/shared/up/loads"); got != "root\nroot\nwww-data\n" {
		t.Errorf("%s", got)
	}
	b.push(with("mail:mail"))
	if got := owners(t, filepath.Join(b.live, "current")+"/"); !strings.HasPrefix(got, " mail:mail 755\na mail:mail 644\nd mail:mail 755\n") {
		t.Errorf("%s", got)
	}
	must(t, b.undo())
	if got := owners(t, filepath.Join(b.live, "current")+"/"); got != first {
		t.Errorf("%s", got)
	}
}

// nobodyRig has one node with a login that is not root.
func nobodyRig(t *testing.T) *rig {
	t.Helper()
	return nobodyRigBy(t, `sh -c "$SSH_ORIGINAL_COMMAND"`)
}

// nobodyRigBy is nobodyRig with the program that serves the login.
func nobodyRigBy(t *testing.T, program string) *rig {
	t.Helper()
	needRoot(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("no setpriv")
	}
	r := newBareRig(t, 1, nodetest.Forced(`setpriv --reuid=nobody --regid=nogroup --groups=games `+program))
	for p := r.bed.Dir(0); p != "/dev/shm" && p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		run(t, "chmod", "a+x", p)
	}
	run(t, "chown", "nobody", r.bed.Dir(0))
	return r
}

// Without root, folders that nobody may write to are changed, removed, replaced and
// put back all the same.
func TestClosedFoldersWithoutRoot(t *testing.T) {
	r := nobodyRig(t)
	r.file("stays/a", "1")
	r.file("goes/in/b", "1")
	r.file("turns/in/c", "1")
	r.file("empties/in/d", "1")
	r.file("stays/turns", "a file")
	for _, p := range []string{"stays", "goes/in", "goes", "turns/in", "turns", "empties/in", "empties"} {
		must(t, os.Chmod(filepath.Join(r.src, p), 0o555))
	}
	r.push()
	r.equal(0)
	first := snapshot(t, r.live(0))
	r.file("stays/a", "22")
	r.file("stays/new", "1")
	r.remove("stays/turns")
	r.file("stays/turns/in", "a folder")
	r.remove("goes")
	r.remove("turns")
	r.file("turns", "a file")
	r.remove("empties/in")
	r.push()
	r.equal(0)
	_, err := r.engine.Undo(r.ctx(), r.set, "", "", false)
	must(t, err)
	if d := mapDifference(first, snapshot(t, r.live(0))); d != "" {
		t.Errorf("undo gave:\n%s", d)
	}
}

// A login that may not give files away is refused before anything is switched.
func TestOwnerWithoutRoot(t *testing.T) {
	r := nobodyRig(t)
	r.file("a", "1")
	r.file("d/b", "1")
	as := func(owner string) func(*sync.Options) { return func(o *sync.Options) { o.Owner = owner } }
	_, err := r.try(as("www-data:www-data"))
	wantKind(t, err, nodes.Refused, "nobody may not give the tree's root to +", ", and 3 more")
	p, err := r.engine.Plan(r.ctx(), r.set, sync.Options{From: nodes.Dir(r.src), Owner: "www-data"})
	must(t, err)
	wantKind(t, p.Ready(), nodes.Refused, "nobody may not give")
	if list, _ := os.ReadDir(r.live(0)); len(list) > 0 {
		t.Errorf("there is %v", list)
	}
	r.push(as("nobody:games"))
	if got := owners(t, r.live(0)); got != " nobody:games 755\na nobody:games 644\nd nobody:games 755\nd/b nobody:games 644\n" {
		t.Errorf("%s", got)
	}
	r.push(as(fmt.Sprintf("nobody:+%d", 65534)))
}

// A folder of somebody else that the login must not look at stops a roll, and what
// can be done about it is said: left alone, it is no hindrance.
func TestFoldersOfOthers(t *testing.T) {
	for _, over := range []string{"the agent", "SFTP"} {
		t.Run(over, func(t *testing.T) {
			r := nobodyRigBy(t, `sh -c 'case "$SSH_ORIGINAL_COMMAND" in internal-sftp*) exec `+sftpServer+`;; esac; eval "$SSH_ORIGINAL_COMMAND"'`)
			if over == "SFTP" {
				nodetest.Need(t, sftpServer)
				r.engine.NoAgent()
			}
			r.file("a", "1")
			r.push()
			must(t, os.Mkdir(filepath.Join(r.live(0), "cache"), 0o700))
			r.file("a", "22")
			_, err := r.try()
			wantKind(t, err, nodes.Permission, "cache: permission denied", `exclude={"that/folder/"}`)
			_, err = r.engine.Drift(r.ctx(), r.set, sync.Options{})
			wantKind(t, err, nodes.Permission, "cache: permission denied", `exclude={"that/folder/"}`)
			if over != "SFTP" { // sshd leaves out what it cannot look at
				write(t, filepath.Join(r.live(0), "cache/listed"), "1")
				must(t, os.Chmod(filepath.Join(r.live(0), "cache"), 0o744))
				_, err = r.try()
				wantKind(t, err, nodes.Permission, "cannot look at cache/listed: permission denied", `exclude={"that/folder/"}`)
			}
			r.push(func(o *sync.Options) { o.Exclude = []string{"cache/"} })
			if text, err := os.ReadFile(filepath.Join(r.live(0), "a")); string(text) != "22" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// A folder of somebody else that the login may look at, but not write to, is found
// by a plan, and before anything is switched anywhere.
func TestFoldersOfOthersAreNoSurprise(t *testing.T) {
	r := nobodyRig(t)
	r.file("a", "1")
	r.file("css/site.css", "1")
	r.file("js/x", "1")
	r.file("open/x", "1")
	must(t, os.Chmod(filepath.Join(r.src, "open"), 0o777))
	r.push()
	run(t, "chown", "root", filepath.Join(r.live(0), "open"), filepath.Join(r.live(0), "css"), filepath.Join(r.live(0), "js"))
	r.file("a", "22")
	r.push()
	r.file("css/site.css", "22")
	r.remove("js/x")
	must(t, os.Chmod(filepath.Join(r.src, "open"), 0o700))
	const said = "nobody may not change css, which belongs to root, and 2 more: let it, or leave the folder alone with exclude="
	p, err := r.engine.Plan(r.ctx(), r.set, r.options())
	must(t, err)
	wantKind(t, p.Ready(), nodes.Refused, said)
	_, err = r.engine.Stage(r.ctx(), r.set, r.options())
	wantKind(t, err, nodes.Refused, said)
	run(t, "chown", "nobody", filepath.Join(r.live(0), "open"), filepath.Join(r.live(0), "css"), filepath.Join(r.live(0), "js"))
	r.push()
	if text, err := os.ReadFile(filepath.Join(r.live(0), "css/site.css")); string(text) != "22" {
		t.Errorf("%q, %v", text, err)
	}
}
