package sync_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"golang.org/x/sys/unix"
)

// folding is a folder of a filesystem that keeps the case of names and does not
// look at it, as vfat and ext4 with casefold do.
type folding struct {
	fs.Inode
	root string
}

// at is where a name in the folder really is.
func (n *folding) at(name string) string {
	at := n.root
	for part := range strings.SplitSeq(filepath.Join(n.Path(nil), name), "/") {
		list, _ := os.ReadDir(at)
		for _, e := range list {
			if strings.EqualFold(e.Name(), part) {
				part = e.Name()
				break
			}
		}
		at = filepath.Join(at, part)
	}
	return at
}

func (n *folding) child(ctx context.Context, p string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	var st syscall.Stat_t
	if err := syscall.Lstat(p, &st); err != nil {
		return nil, fs.ToErrno(err)
	}
	out.FromStat(&st)
	return n.NewInode(ctx, &folding{root: n.root}, fs.StableAttr{Mode: st.Mode, Ino: st.Ino}), 0
}

// Lookup implements fs.NodeLookuper.
func (n *folding) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.child(ctx, n.at(name), out)
}

// Getattr implements fs.NodeGetattrer.
func (n *folding) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	var st syscall.Stat_t
	err := syscall.Lstat(n.at(""), &st)
	out.FromStat(&st)
	return fs.ToErrno(err)
}

// Setattr implements fs.NodeSetattrer.
func (n *folding) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	p := n.at("")
	var err error
	if mode, ok := in.GetMode(); ok {
		err = syscall.Chmod(p, mode)
	}
	if mtime, ok := in.GetMTime(); ok && err == nil {
		ts := unix.NsecToTimespec(mtime.UnixNano())
		err = unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if size, ok := in.GetSize(); ok && err == nil {
		err = os.Truncate(p, int64(size))
	}
	if err != nil {
		return fs.ToErrno(err)
	}
	return n.Getattr(ctx, f, out)
}

// Fsync implements fs.NodeFsyncer.
func (n *folding) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }

// Statfs implements fs.NodeStatfser.
func (n *folding) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	var st syscall.Statfs_t
	err := syscall.Statfs(n.root, &st)
	out.FromStatfsT(&st)
	return fs.ToErrno(err)
}

// Readdir implements fs.NodeReaddirer.
func (n *folding) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	return fs.NewLoopbackDirStream(n.at(""))
}

// Mkdir implements fs.NodeMkdirer.
func (n *folding) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err := syscall.Mkdir(n.at(name), mode); err != nil {
		return nil, fs.ToErrno(err)
	}
	return n.child(ctx, n.at(name), out)
}

// Rmdir implements fs.NodeRmdirer.
func (n *folding) Rmdir(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(syscall.Rmdir(n.at(name)))
}

// Unlink implements fs.NodeUnlinker.
func (n *folding) Unlink(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(syscall.Unlink(n.at(name)))
}

// Rename implements fs.NodeRenamer.
func (n *folding) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	dir := to.(*folding) //nolint:forcetypeassert // all are
	return fs.ToErrno(syscall.Rename(n.at(name), dir.at(newName)))
}

// Link implements fs.NodeLinker.
func (n *folding) Link(ctx context.Context, of fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	from := of.(*folding) //nolint:forcetypeassert // all are
	if err := syscall.Link(from.at(""), n.at(name)); err != nil {
		return nil, fs.ToErrno(err)
	}
	return n.child(ctx, n.at(name), out)
}

// Symlink implements fs.NodeSymlinker.
func (n *folding) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err := syscall.Symlink(target, n.at(name)); err != nil {
		return nil, fs.ToErrno(err)
	}
	return n.child(ctx, n.at(name), out)
}

// Readlink implements fs.NodeReadlinker.
func (n *folding) Readlink(context.Context) ([]byte, syscall.Errno) {
	target, err := os.Readlink(n.at(""))
	return []byte(target), fs.ToErrno(err)
}

// Create implements fs.NodeCreater.
func (n *folding) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	fd, err := syscall.Open(n.at(name), int(flags)|os.O_CREATE, mode)
	if err != nil {
		return nil, nil, 0, fs.ToErrno(err)
	}
	in, errno := n.child(ctx, n.at(name), out)
	return in, fs.NewLoopbackFile(fd), 0, errno
}

// Open implements fs.NodeOpener.
func (n *folding) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fd, err := syscall.Open(n.at(""), int(flags), 0)
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	return fs.NewLoopbackFile(fd), 0, 0
}

// foldingVariable holds the folder below, and where it is to be mounted as one that
// folds case, of a process that is to serve that.
const foldingVariable = "ROLLSH_TEST_FOLDING"

// foldingMain serves such a filesystem in this process until its input ends, if it is
// to. A process that served its own could not end while it waits for an answer.
func foldingMain() (handled bool, code int) {
	under, at, ok := strings.Cut(os.Getenv(foldingVariable), "\n")
	if !ok {
		return false, 0
	}
	none := time.Duration(0)
	server, err := fs.Mount(at, &folding{root: under}, &fs.Options{
		EntryTimeout: &none, AttrTimeout: &none, MountOptions: fuse.MountOptions{DirectMountStrict: true, DirectMount: true},
	})
	if err != nil {
		fmt.Println(err)
		return true, 1
	}
	fmt.Println(foldingServed)
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = unix.Unmount(at, unix.MNT_DETACH)
	server.Wait()
	return true, 0
}

// foldingServed is what foldingMain says when the filesystem is there.
const foldingServed = "served"

// foldingFolder mounts such a filesystem.
func foldingFolder(t *testing.T) string {
	t.Helper()
	needRoot(t)
	under, at := quickDir(t), t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), foldingVariable+"="+under+"\n"+at)
	input, err := cmd.StdinPipe()
	must(t, err)
	output, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = input.Close(); _ = cmd.Wait() })
	said, _ := bufio.NewReader(output).ReadString('\n')
	if said = strings.TrimSpace(said); said != foldingServed {
		t.Skip("cannot mount: ", said)
	}
	return at
}

// On a node that does not tell upper from lower case nothing is lost: what would
// be one name there is refused, and what is left is done.
func TestNodeThatFoldsCase(t *testing.T) {
	b := newBench(t)
	at := foldingFolder(t)
	b.live = filepath.Join(at, "node", "www")
	b.node.Path = nodes.RemotePath(b.live)
	b.file("Readme", "read me")
	b.file("Dir/a", "1")
	b.push()
	before := snapshot(t, b.live)
	must(t, os.Rename(filepath.Join(b.src, "Readme"), filepath.Join(b.src, "readme.txt")))
	must(t, os.Rename(filepath.Join(b.src, "Dir"), filepath.Join(b.src, "dir")))
	for _, agent := range []bool{true, false} {
		if !agent {
			b.engine.NoAgent()
		}
		wantKind(t, b.try(), nodes.Refused, "dir has another name on the node, which does not tell upper from lower case there")
	}
	b.renew()
	b.remove("dir")
	b.file("new/B", "1")
	b.file("new/b", "2")
	wantKind(t, b.try(), nodes.Refused, "new/B and new/b would be one name on the node")
	b.renew()
	b.engine.NoAgent()
	wantKind(t, b.try(), nodes.Refused, "new/B and new/b would be one name on the node")
	b.renew()
	if d := mapDifference(before, snapshot(t, b.live)); d != "" {
		t.Errorf("refused, but: %s", d)
	}
	b.remove("new/b")
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Errorf("%s", d)
	}
	must(t, b.undo())
	if d := mapDifference(before, snapshot(t, b.live)); d != "" {
		t.Errorf("undone: %s", d)
	}
}

// foldingBench is a bench whose node does not tell upper from lower case, with a tree
// on it. recase changes the case of some names, in the source, and nothing else of one.
func foldingBench(t *testing.T) (b *bench, recase func()) {
	t.Helper()
	b = newBench(t)
	b.live = filepath.Join(foldingFolder(t), "node", "www")
	b.node.Path = nodes.RemotePath(b.live)
	b.file("Readme", "read me")
	b.file("Dir/Other", "1")
	b.file("Dir/gone", "1")
	link(t, "Readme", filepath.Join(b.src, "Link"))
	stamp := time.Unix(1_700_000_000, 0)
	for _, name := range []string{"Readme", "Dir/Other", "Dir/gone"} {
		must(t, os.Chtimes(filepath.Join(b.src, name), stamp, stamp))
	}
	return b, func() {
		t.Helper()
		must(t, os.Rename(filepath.Join(b.src, "Readme"), filepath.Join(b.src, "README")))
		must(t, os.Rename(filepath.Join(b.src, "Link"), filepath.Join(b.src, "link")))
		b.remove("Dir/Other")
		b.file("Dir/oTHER", "22")
		must(t, os.Chtimes(filepath.Join(b.src, "Dir/oTHER"), stamp, stamp))
		b.remove("Dir/gone")
		b.file("Dir/new", "1")
	}
}

// On a node that does not tell upper from lower case one roll changes the case of
// names, with the agent and over SFTP, and its undo gives back the old ones; that a
// name was changed by hand since stops it.
func TestCaseOfANameChanges(t *testing.T) {
	b, recase := foldingBench(t)
	b.push()
	old := snapshot(t, b.live)
	recase()
	for _, by := range []struct {
		push, undo bool // with the agent
		verify     string
	}{{true, true, "stat"}, {false, false, "stat"}, {true, false, "trust"}, {false, true, "checksum"}} {
		engine := func(agent bool) {
			if b.renew(); !agent {
				b.engine.NoAgent()
			}
		}
		engine(by.push)
		b.push(func(o *sync.Options) { o.Verify = by.verify })
		if d := difference(t, b.src, b.live); d != "" {
			t.Fatalf("%v: %s", by, d)
		}
		engine(by.undo)
		byHand := func(from, to string) {
			for _, rename := range [][2]string{{from, "aside"}, {"aside", to}} {
				must(t, os.Rename(filepath.Join(b.live, rename[0]), filepath.Join(b.live, rename[1])))
			}
		}
		byHand("README", "Readme")
		wantKind(t, b.undo(), nodes.Changed, "Readme was changed on the node since roll 2")
		byHand("Readme", "README")
		must(t, b.undo())
		if d := mapDifference(old, snapshot(t, b.live)); d != "" {
			t.Fatalf("%v, undone: %s", by, d)
		}
		b.tidy(0)
	}
}

// In a release names change their case too.
func TestCaseOfANameChangesInARelease(t *testing.T) {
	b, recase := foldingBench(t)
	release := func(o *sync.Options) { o.Layout = "release" }
	current := filepath.Join(b.live, "current") + "/"
	b.push(release)
	old := snapshot(t, current)
	recase()
	b.push(release)
	if d := difference(t, b.src, current); d != "" {
		t.Errorf("%s", d)
	}
	must(t, b.undo())
	if d := mapDifference(old, snapshot(t, current)); d != "" {
		t.Errorf("undone: %s", d)
	}
}

// An agent that is killed, or a line over SFTP that is cut, while the case of names
// changes leaves every file whole under its old name, or its new one, or the new one
// in the stage; what comes next, either way, makes it whole, and the undo does too.
func TestCaseOfANameChangesCutAnywhere(t *testing.T) {
	b, recase := foldingBench(t)
	here, left := b.s.Here, &atomic.Int64{}
	b.s.Here = flaky{here, left}
	engine := func(withAgent bool, cut int64) {
		left.Store(1 << 40)
		if b.renew(); withAgent && cut > 0 {
			b.renew(fmt.Sprintf("%s=any:%d", agent.CrashVariable, cut))
		} else if !withAgent {
			b.engine.NoAgent()
			if cut > 0 {
				left.Store(cut)
			}
		}
		for _, lock := range []string{"lock", "lock-sftp"} { // as if they were old
			must(t, os.RemoveAll(filepath.Join(filepath.Dir(b.live), ".rollsh-www", lock)))
		}
	}
	first, step := stride()
	b.push()
	old := snapshot(t, b.live)
	recase()
	now := snapshot(t, b.src)
	for _, withAgent := range []bool{true, false} {
		for n := first; ; n += step {
			engine(withAgent, int64(n))
			err := b.try()
			engine(n%2 == 0, 0)
			b.push()
			if d := mapDifference(now, snapshot(t, b.live)); d != "" {
				t.Fatalf("agent %v, cut at %d, pushed again: %s", withAgent, n, d)
			}
			engine(withAgent, int64(n))
			var again error
			undone := b.undo()
			engine(n%4 < 2, 0)
			if undone != nil && mapDifference(old, snapshot(t, b.live)) != "" { // else it was done, and only that was not told
				again = b.undo()
			}
			if d := mapDifference(old, snapshot(t, b.live)); d != "" {
				t.Fatalf("agent %v, undo cut at %d, undone again: %v %s", withAgent, n, again, d)
			}
			if err == nil && undone == nil {
				t.Logf("agent %v: %d points", withAgent, n)
				break
			}
		}
	}
}
