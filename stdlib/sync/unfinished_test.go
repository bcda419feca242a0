package sync_test

import (
	"fmt"
	"os"
	"path/filepath"
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
