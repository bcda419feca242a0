package ssh

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollsh/rollsh/nodes"
)

func itoa(n int) string { return strconv.Itoa(n) }

// signalName is a signal without SIG, as ssh names them.
func signalName(s syscall.Signal) string { return strings.TrimPrefix(unix.SignalName(s), "SIG") }

// localFiles are the files of this machine.
type localFiles struct {
	ctx context.Context // the files are bound to it
}

// localError puts an error of the system into words and kinds.
func localError(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	kind, why := nodes.Failed, err.Error()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		why = errno.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = nodes.NotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		kind = nodes.Permission
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = nodes.Space
	}
	return &nodes.Error{Kind: kind, Message: "cannot " + verb + " " + name + ": " + why, Cause: err}
}

func (f *localFiles) done(verb string, name nodes.RemotePath, err error) error {
	if f.ctx.Err() != nil {
		return nodes.Stopped(f.ctx)
	}
	return localError(verb, string(name), err)
}

// Open opens a file for reading.
func (f *localFiles) Open(name nodes.RemotePath) (io.ReadCloser, error) {
	r, err := os.Open(string(name))
	if err != nil {
		return nil, f.done("read", name, err)
	}
	if info, err := r.Stat(); err == nil && info.IsDir() {
		_ = r.Close()
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "cannot read " + string(name) + ": it is a folder"}
	}
	return r, f.done("read", name, nil)
}

// Create makes a new file.
func (f *localFiles) Create(name nodes.RemotePath, perm fs.FileMode) (nodes.FileWriter, error) {
	w, err := os.OpenFile(string(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err == nil {
		err = w.Chmod(perm)
	}
	if err != nil {
		return nil, f.done("create", name, err)
	}
	return &localWriter{w, f, name}, nil
}

type localWriter struct {
	file  *os.File
	files *localFiles
	name  nodes.RemotePath
}

func (w *localWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	return n, w.files.done("write", w.name, err)
}
func (w *localWriter) Sync() error  { return w.files.done("write", w.name, w.file.Sync()) }
func (w *localWriter) Close() error { return w.files.done("write", w.name, w.file.Close()) }

// Stat follows a symlink.
func (f *localFiles) Stat(name nodes.RemotePath) (nodes.FileInfo, error) {
	i, err := os.Stat(string(name))
	return localInfo(i), f.done("look at", name, err)
}

// Lstat does not.
func (f *localFiles) Lstat(name nodes.RemotePath) (nodes.FileInfo, error) {
	i, err := os.Lstat(string(name))
	return localInfo(i), f.done("look at", name, err)
}

func localInfo(i fs.FileInfo) nodes.FileInfo {
	if i == nil {
		return nodes.FileInfo{}
	}
	out := nodes.FileInfo{Name: i.Name(), Size: i.Size(), Mode: i.Mode(), ModTime: i.ModTime()}
	if st, ok := i.Sys().(*syscall.Stat_t); ok {
		out.UID, out.GID = int(st.Uid), int(st.Gid)
	}
	return out
}

// ReadDir lists a folder, sorted by name.
func (f *localFiles) ReadDir(name nodes.RemotePath) ([]nodes.FileInfo, error) {
	entries, err := os.ReadDir(string(name))
	if err != nil {
		return nil, f.done("list", name, err)
	}
	var out []nodes.FileInfo
	for _, e := range entries {
		i, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went away meanwhile
		}
		if err != nil {
			return nil, f.done("list", name, err)
		}
		out = append(out, localInfo(i))
	}
	return out, f.done("list", name, nil)
}

// ReadLink gives a symlink's text.
func (f *localFiles) ReadLink(name nodes.RemotePath) (string, error) {
	s, err := os.Readlink(string(name))
	return s, f.done("read the link", name, err)
}

// Mkdir makes one folder.
func (f *localFiles) Mkdir(name nodes.RemotePath, perm fs.FileMode) error {
	err := os.Mkdir(string(name), perm)
	if err == nil {
		err = os.Chmod(string(name), perm)
	}
	return f.done("make", name, err)
}

// Rename replaces the target.
func (f *localFiles) Rename(from, to nodes.RemotePath) error {
	return f.done("rename to", to, os.Rename(string(from), string(to)))
}

// Link makes a hard link.
func (f *localFiles) Link(from, to nodes.RemotePath) error {
	return f.done("link", to, os.Link(string(from), string(to)))
}

// Symlink makes a symlink.
func (f *localFiles) Symlink(target string, name nodes.RemotePath) error {
	return f.done("link", name, os.Symlink(target, string(name)))
}

// Remove removes a file or an empty folder.
func (f *localFiles) Remove(name nodes.RemotePath) error {
	return f.done("remove", name, os.Remove(string(name)))
}

// Chmod sets permissions. A symlink is refused: its target would be changed.
func (f *localFiles) Chmod(name nodes.RemotePath, perm fs.FileMode) error {
	if i, err := os.Lstat(string(name)); err == nil && i.Mode()&fs.ModeSymlink != 0 {
		return f.done("set the permissions of", name, errIsLink)
	}
	return f.done("set the permissions of", name, os.Chmod(string(name), perm))
}

// errIsLink is why permissions and times are not set through a symlink.
var errIsLink = errors.New("it is a symlink")

// Chown sets the owner, of a symlink itself.
func (f *localFiles) Chown(name nodes.RemotePath, uid, gid int) error {
	return f.done("set the owner of", name, os.Lchown(string(name), uid, gid))
}

// Chtimes sets the modification time, of a symlink itself.
func (f *localFiles) Chtimes(name nodes.RemotePath, mtime time.Time) error {
	ts := unix.NsecToTimespec(mtime.UnixNano())
	return f.done("set the time of", name, unix.UtimesNanoAt(unix.AT_FDCWD, string(name), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}

// Free tells what is left.
func (f *localFiles) Free(name nodes.RemotePath) (nodes.Free, error) {
	var st unix.Statfs_t
	err := unix.Statfs(string(name), &st)
	return nodes.Free{Bytes: st.Bavail * uint64(st.Bsize), Inodes: st.Ffree}, f.done("look at", name, err) // sizes are not negative
}

// Close does nothing: there is no connection.
func (*localFiles) Close() error { return nil }
