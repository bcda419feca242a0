package roll_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/roll"
)

func TestLockedSaysWhoSinceWhenAndWhy(t *testing.T) {
	state := t.TempDir()
	r := begin(t, journal(t, session(state)), web("web1"))
	other := session(state)
	other.User = "bob"
	j := journal(t, other)
	_, err := j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1")})
	wantKind(t, err, nodes.Locked, "'www' is locked by anna on staging since "+r.Entry().Started.Local().Format("2006-01-02 15:04:05"), "roll "+r.Entry().ID, "ask anna")
	wantKind(t, j.Ready(t.Context(), "www"), nodes.Locked, "anna")
	// A living roll's lock is not to be had for a reason either.
	_, err = j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1"), Recipe: nodes.Recipe{Takeover: "hurry"}})
	wantKind(t, err, nodes.Locked)
	wantKind(t, j.Unlock(t.Context(), "www", "hurry"), nodes.Locked)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	begin(t, j, web("web1"))
}

func TestPersonsLock(t *testing.T) {
	state := t.TempDir()
	hers, other := session(state), session(state)
	var events nodetest.Recorder
	hers.Events, other.User = &events, "bob"
	anna, bob := journal(t, hers), journal(t, other)
	wantKind(t, anna.Lock(t.Context(), "www", ""), nodes.Usage)
	wantKind(t, anna.Unlock(t.Context(), "www", ""), nodes.NotFound)
	if err := anna.Lock(t.Context(), "www", "no rolls before Monday"); err != nil {
		t.Fatal(err)
	}
	_, err := bob.Begin(t.Context(), roll.Request{Name: "www", To: web("web1")})
	wantKind(t, err, nodes.Locked, "anna", "no rolls before Monday")
	wantKind(t, bob.Lock(t.Context(), "www", "mine"), nodes.Locked, "anna")
	wantKind(t, bob.Unlock(t.Context(), "www", ""), nodes.Locked, "--takeover")
	_, err = journal(t, hers).Begin(t.Context(), roll.Request{Name: "www", To: web("web1")})
	wantKind(t, err, nodes.Locked, "anna", "no rolls before Monday") // another process of hers
	// It does not keep out the process that made it, and stays after its roll.
	r := begin(t, anna, web("web1"))
	if said := events.Text(nodes.Warned); !strings.Contains(said, "you have locked 'www' since") || !strings.Contains(said, "no rolls before Monday") {
		t.Errorf("%q", said)
	}
	wantKind(t, bob.Ready(t.Context(), "www"), nodes.Locked)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantKind(t, bob.Ready(t.Context(), "www"), nodes.Locked, "no rolls before Monday")
	if err := bob.Unlock(t.Context(), "www", "anna is away"); err != nil {
		t.Fatal(err)
	}
	begin(t, bob, web("web1"))
}

// tamper changes the lock as no honest process would.
func tamper(t *testing.T, j *roll.Journal, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", j.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func TestStaleLock(t *testing.T) {
	gone := exec.CommandContext(t.Context(), "true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	stamp := func(age time.Duration) string {
		return time.Now().Add(-age).UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	for name, c := range map[string]struct {
		statement string
		arg       any
		stale     bool
	}{
		"as it is":                     {"UPDATE locks SET why = ?", "roll", false},
		"pid is gone":                  {"UPDATE locks SET pid = ?", gone.Process.Pid, true},
		"pid is somebody else's":       {"UPDATE locks SET pid = 1, process = ?", "another boot/12345", true},
		"pid is another host's":        {"UPDATE locks SET pid = 999999999, host = ?", "deploy2", false},
		"silent for 50 s":              {"UPDATE locks SET heartbeat = ?", stamp(50 * time.Second), false},
		"silent for 61 s":              {"UPDATE locks SET heartbeat = ?", stamp(61 * time.Second), true},
		"silent, on another host":      {"UPDATE locks SET host = 'deploy2', heartbeat = ?", stamp(61 * time.Second), true},
		"no start time of the process": {"UPDATE locks SET process = ?", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			j := journal(t, session(t.TempDir()))
			r := begin(t, j, web("web1"))
			tamper(t, j, c.statement, c.arg)
			locks, err := j.Locks(t.Context(), "www")
			if err != nil || len(locks) != 1 || locks[0].Stale != c.stale {
				t.Fatalf("%+v, %v; want stale %v", locks, err, c.stale)
			}
			if c.stale {
				takeOver(t, j, r)
			}
		})
	}
}

// takeOver checks that a stale lock gives way to a reason only, and that the
// one who lost it does nothing more.
func takeOver(t *testing.T, j *roll.Journal, lost *roll.Roll) {
	t.Helper()
	q := roll.Request{Name: "www", To: web("web1")}
	_, err := j.Begin(t.Context(), q)
	wantKind(t, err, nodes.Locked, "stale", "--takeover=REASON")
	q.Recipe.Takeover = "her laptop died"
	r, err := j.Begin(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	acted := false
	err = lost.Step(t.Context(), one(lost.Set().Nodes[0]), roll.Switched, "", func(context.Context) error { acted = true; return nil })
	wantKind(t, err, nodes.Locked, "taken over", "her laptop died")
	if acted {
		t.Error("a roll without its lock acted")
	}
	if _, err := lost.Finish(t.Context(), err); err != nil {
		t.Fatal(err)
	}
	step(t, r, r.Set().Nodes[0], roll.Switched, roll.Done) // still locked for the taker
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// TestSeveralUsers rolls as two users of a group, whose umask lets nobody in,
// and looks at what the files came to be.
func TestSeveralUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to be two users")
	}
	nodetest.Need(t, "setpriv")
	parent := reachable(t)
	state := filepath.Join(parent, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	const group = 44321
	if err := os.Chown(state, 0, group); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(state, 0o770|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	binary := copyOf(t, os.Args[0], parent)
	for _, uid := range []int{44401, 44402, 44401} {
		out := asUser(t, binary, state, uid, group, "roll")
		if out != "rolled" {
			t.Fatalf("user %d: %s", uid, out)
		}
	}
	// One dies with the write-ahead log open; the other recovers it.
	killChildOf(t, binary, state, 44401, group)
	if out := asUser(t, binary, state, 44402, group, "roll"); !strings.Contains(out, "is unfinished: 1 done, 1 unknown, 1 staged") {
		t.Errorf("after a crash of another user: %s", out)
	}
	if out := asUser(t, binary, state, 44403, 44403, "roll"); !strings.Contains(out, "must be in the group") {
		t.Errorf("a stranger: %s", out)
	}
	wantModes(t, state, group)
}

func wantModes(t *testing.T, state string, group uint32) {
	t.Helper()
	files, err := os.ReadDir(state)
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || info.Mode().Perm() != 0o660 || owner.Gid != group {
			t.Errorf("%s: %v, group %v", f.Name(), info.Mode(), owner.Gid)
		}
	}
}

// reachable is a folder that other users can come to; t.TempDir is root's.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rollsh-users-") //nolint:usetesting // others cannot enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyOf(t *testing.T, file, dir string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "roll.test")
	if err := os.WriteFile(name, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func asUser(t *testing.T, binary, state string, uid, gid int, what string) string {
	t.Helper()
	cmd := userCommand(t, binary, state, uid, gid, what)
	out, _ := cmd.Output() // the text says it all
	return strings.TrimSpace(string(out))
}

func userCommand(t *testing.T, binary, state string, uid, gid int, what string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `umask 077; exec setpriv --reuid="$1" --regid="$1" --groups="$2" -- "$3"`, "sh",
		strconv.Itoa(uid), strconv.Itoa(gid), binary)
	cmd.Env = append(os.Environ(), child+"="+what, "ROLL_TEST_STATE="+state, "ROLL_TEST_SHARED=1", "ROLL_TEST_WHO=u"+strconv.Itoa(uid))
	cmd.Stderr = os.Stderr
	return cmd
}

func killChildOf(t *testing.T, binary, state string, uid, gid int) {
	t.Helper()
	cmd := userCommand(t, binary, state, uid, gid, "die in a switch")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), "www") {
		t.Errorf("%s, %v", line[:n], err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
}
