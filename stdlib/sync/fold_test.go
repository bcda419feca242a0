package sync_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
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

// foldingFolder mounts such a filesystem.
func foldingFolder(t *testing.T) string {
	t.Helper()
	needRoot(t)
	under, at := quickDir(t), t.TempDir()
	none := time.Duration(0)
	server, err := fs.Mount(at, &folding{root: under}, &fs.Options{
		EntryTimeout: &none, AttrTimeout: &none, MountOptions: fuse.MountOptions{DirectMountStrict: true, DirectMount: true},
	})
	if err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH); server.Wait() })
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
	must(t, os.Rename(filepath.Join(b.src, "Readme"), filepath.Join(b.src, "README")))
	for _, verify := range []string{"stat", "trust", "over SFTP"} {
		err := b.try(func(o *sync.Options) {
			if o.Verify = verify; verify == "over SFTP" {
				b.engine.NoAgent()
				o.Verify = "stat"
			}
		})
		b.renew()
		wantKind(t, err, nodes.Refused, "README has another name on the node, which does not tell upper from lower case there")
	}
	if d := mapDifference(before, snapshot(t, b.live)); d != "" {
		t.Errorf("refused, but: %s", d)
	}
	must(t, os.Rename(filepath.Join(b.src, "README"), filepath.Join(b.src, "readme.txt")))
	must(t, os.Rename(filepath.Join(b.src, "Dir"), filepath.Join(b.src, "dir")))
	wantKind(t, b.try(), nodes.Refused, "dir has another name on the node")
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
	// by two rolls the name changes
	b.remove("readme.txt")
	b.push()
	b.file("README", "read me")
	b.push()
	if d := difference(t, b.src, b.live); d != "" {
		t.Errorf("%s", d)
	}
}
