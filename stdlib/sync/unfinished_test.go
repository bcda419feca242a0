package sync_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// closeFolders takes away the permission to write in folders of the source.
func closeFolders(t *testing.T, src string, folders ...string) {
	t.Helper()
	for _, p := range folders {
		must(t, os.Chmod(filepath.Join(src, p), 0o555))
	}
}

// busy makes a name one that cannot be replaced: something is mounted there.
func busy(t *testing.T, name string) (free func()) {
	t.Helper()
	if err := unix.Mount(name, name, "", unix.MS_BIND, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	free = func() { _ = unix.Unmount(name, unix.MNT_DETACH) }
	t.Cleanup(free)
	return free
}

// A burst that was cut short after it removed closed folders is finished.
func TestClosedFoldersCutShort(t *testing.T) {
	b := newBench(t)
	b.file("a", "1")
	b.file("closed/in/x", "1")
	closeFolders(t, b.src, "closed/in", "closed")
	b.push()
	b.remove("closed")
	b.file("a", "22")
	b.renew(fmt.Sprintf("%s=burst:6", agent.CrashVariable)) // two are opened, a is put, x, in and closed go
	wantKind(t, b.try(), nodes.Lost)
	b.renew()
	res, err := b.engine.Push(t.Context(), b.set(), sync.Options{From: nodes.Dir(b.src)})
	must(t, err)
	if v, _ := res.List[0].Value.(sync.Stats); v.Settled != "finished" {
		t.Errorf("%+v", v)
	}
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
}

// A burst that fails before it made closed folders is taken back.
func TestClosedFoldersTakenBack(t *testing.T) {
	b := newBench(t)
	b.file("turn", "a file")
	b.push()
	old := snapshot(t, b.live)
	b.remove("turn")
	b.file("turn/in", "a folder")
	b.file("closed/x", "1")
	closeFolders(t, b.src, "closed")
	st, err := b.engine.Stage(t.Context(), b.set(), sync.Options{From: nodes.Dir(b.src)})
	must(t, err)
	free := busy(t, filepath.Join(b.live, "turn"))
	_, err = st.Switch(t.Context(), b.set())
	free()
	wantKind(t, err, nodes.Failed, "turn", "the tree was put back as it was")
	if d := mapDifference(old, snapshot(t, b.live)); d != "" {
		t.Error(d)
	}
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
	b.tidyState()
}

// What stands over SFTP in the place of a closed folder keeps its permissions when a
// burst is finished.
func TestClosedFolderReplacedOverSFTP(t *testing.T) {
	b := newBench(t)
	b.file("turn/x", "1")
	closeFolders(t, b.src, "turn")
	b.push()
	b.remove("turn")
	b.file("turn", "a file")
	b.renew(fmt.Sprintf("%s=burst:4", agent.CrashVariable)) // it is opened, x and it go, the file is put
	wantKind(t, b.try(), nodes.Lost)
	must(t, os.Truncate(filepath.Join(filepath.Dir(b.live), ".rollsh-www", wire.LockFile), 0)) // it is stale by itself only later
	b.renew()
	b.engine.NoAgent()
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Error(d)
	}
}

// An undo that fails at its very end is finished by the next one.
func TestUndoThatCannotEnd(t *testing.T) {
	b := newBench(t)
	b.file("a", "1")
	b.push()
	old := snapshot(t, b.live)
	b.file("a", "22")
	b.push()
	free := busy(t, filepath.Join(filepath.Dir(b.live), ".rollsh-www", "marker"))
	wantKind(t, b.undo(), nodes.Failed, "/marker", "the files are switched, which is not noted yet", "the switch is then finished first")
	free()
	must(t, b.undo())
	if d := mapDifference(old, snapshot(t, b.live)); d != "" {
		t.Error(d)
	}
	b.tidyState()
}

// The undo of many files in one folder costs the node no more than the push of them.
func TestUndoOfAFullFolder(t *testing.T) {
	b := newBench(t)
	b.renew("BENCH=" + b.s.Home) // to know its agent by
	b.file("a", "1")
	b.push()
	for i := range 2000 {
		b.file(fmt.Sprintf("full/%d", i), "1")
	}
	idle := b.agentTime()
	b.push()
	push := b.agentTime() - idle
	must(t, b.undo())
	undo := b.agentTime() - idle - push
	if t.Log(push, undo); undo > 2*push+30 {
		t.Errorf("the push took %d hundredths of a second, the undo %d", push, undo)
	}
}

// agentTime is what the agents that know the bench have taken of the processors,
// in hundredths of a second. Source: proc(5).
func (b *bench) agentTime() (total int) {
	b.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range all {
		env, _ := os.ReadFile(filepath.Join(proc, "environ"))
		stat, _ := os.ReadFile(filepath.Join(proc, "stat"))
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.Contains(string(env), "BENCH="+b.s.Home+"\x00") {
			f := strings.Fields(rest)
			for _, at := range []int{11, 12} {
				n, _ := strconv.Atoi(f[at])
				total += n
			}
		}
	}
	return total
}
