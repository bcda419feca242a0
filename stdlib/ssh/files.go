package ssh

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// files are a node's files over SFTP. Their session ends with the context.
type files struct {
	ctx     context.Context // the files are bound to it
	conn    *connection
	client  *sftp.Client
	session *ssh.Session
	stop    func() bool
	once    sync.Once
}

// Files opens the node's files; see [nodes.Conn].
func (n *nodeConn) Files(ctx context.Context) (nodes.Files, error) {
	f, err := n.files(ctx)
	if err != nil {
		return nil, n.at(err)
	}
	return f, nil
}

func (c *connection) files(ctx context.Context) (*files, error) {
	for try := 1; ; try++ {
		f, err := c.filesOnce(ctx)
		if err == nil || !c.hasty(ctx, err, try) {
			return f, err
		}
	}
}

func (c *connection) filesOnce(ctx context.Context) (*files, error) {
	s, err := c.sessionAhead(ctx)
	if err != nil {
		return nil, err
	}
	client, err := within(ctx, func() (*sftp.Client, error) { return openSFTP(s) }, func(*sftp.Client) {})
	if err != nil {
		s.Close()
		c.release()
		return nil, c.noFiles(ctx, err)
	}
	f := &files{ctx: ctx, conn: c, client: client, session: s}
	f.stop = context.AfterFunc(ctx, f.end)
	return f, nil
}

// noFiles is why there is no file access.
func (c *connection) noFiles(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	if c.down() {
		return c.gone(err)
	}
	hint := "sshd_config on the node wants: Subsystem sftp internal-sftp"
	if strings.Contains(err.Error(), longPacket) {
		hint = "something prints a text before: what the login shell reads at its start, or a ForceCommand, must print nothing without a terminal"
	}
	return &nodes.Error{
		Kind: nodes.Permission, Message: c.s.where() + " offers no file access (sftp): " + err.Error(), Hint: hint, Cause: err,
	}
}

// longPacket is what the sftp library says where the first bytes, read as a length,
// give gigabytes: they are a text.
const longPacket = "packet too long"

func openSFTP(s *ssh.Session) (*sftp.Client, error) {
	in, err := s.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		return nil, err
	}
	c, err := sftp.NewClientPipe(out, in, sftp.UseConcurrentWrites(true), sftp.MaxConcurrentRequestsPerFile(64))
	if err != nil {
		return nil, err
	}
	if _, large := c.HasExtension("limits@openssh.com"); large {
		err = sftp.MaxPacketUnchecked(largePacket)(c)
	}
	return c, err
}

// largePacket is how much is asked for at once where the server is OpenSSH's,
// which takes 255 KiB; others are only known to take 32 KiB. Source: OpenSSH,
// PROTOCOL 4.8 and sftp-common.h.
const largePacket = 128 << 10

// end breaks the file access off. Whoever closes it meanwhile does not wait for the
// node, which may be silent.
func (f *files) end() {
	f.once.Do(func() {
		go func() {
			f.session.Close()
			f.client.Close()
			f.conn.release()
		}()
	})
}

// Close ends the file access. The server is told that nothing more comes, and
// closes the session itself: dropbear (2022.83) may end the whole connection
// where it is closed to it.
func (f *files) Close() error {
	f.stop()
	f.once.Do(func() {
		told := make(chan struct{})
		go func() {
			f.client.Close()
			close(told)
		}()
		go func() {
			endsWithin(told, sessionGrace)
			f.session.Close()
			f.conn.release()
		}()
	})
	return nil
}

// errExists is why a name cannot be made.
var errExists = &existsError{}

type existsError struct{}

func (*existsError) Error() string        { return "it exists already" }
func (*existsError) Is(target error) bool { return target == fs.ErrExist }

// done puts an error of SFTP into words and kinds.
func (f *files) done(verb string, name nodes.RemotePath, err error) error {
	if err == nil {
		return nil
	}
	if f.ctx.Err() != nil {
		return nodes.Stopped(f.ctx)
	}
	var cut *net.OpError
	if errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &cut) ||
		errors.Is(err, io.EOF) || endsWithin(f.conn.lost, 0) { // EOF: a request could not be sent
		return f.conn.broken("file access", err)
	}
	what := "cannot " + verb + " " + string(name) + ": "
	var status *sftp.StatusError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &nodes.Error{Kind: nodes.NotFound, Message: what + "no such file or folder", Cause: err}
	case errors.Is(err, fs.ErrPermission):
		return &nodes.Error{Kind: nodes.Permission, Message: what + "permission denied", Cause: err}
	case errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxFailure:
		return f.failure(verb, name, what, err)
	case errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported:
		return &nodes.Error{Kind: nodes.Permission, Message: what + "the node's sftp cannot do that", Cause: err}
	}
	return &nodes.Error{Kind: nodes.Failed, Message: what + strings.TrimPrefix(err.Error(), "sftp: "), Cause: err}
}

// scarce is how little room makes a failure a lack of room.
const scarce = 64 << 10

// failure finds out what SFTP's one word "Failure" stands for: no room, a name
// that is taken, a folder that is not empty.
func (f *files) failure(verb string, name nodes.RemotePath, what string, err error) error {
	st, statErr := f.client.StatVFS(path.Dir(string(name)))
	info, lstatErr := f.client.Lstat(string(name))
	making := verb == "create" || verb == "make" || verb == "link"
	switch {
	case making && lstatErr == nil:
		return &nodes.Error{Kind: nodes.Failed, Message: what + errExists.Error(), Cause: errors.Join(errExists, err)}
	case statErr == nil && verb != "remove" && st.Bavail*st.Frsize < scarce:
		return &nodes.Error{Kind: nodes.Space, Message: what + "no space left", Cause: err}
	case statErr == nil && making && st.Files > 0 && st.Favail == 0:
		return &nodes.Error{Kind: nodes.Space, Message: what + "no inodes left", Cause: err}
	case statErr == nil && verb != "read" && verb != "list" && st.Flag&readOnly != 0:
		return &nodes.Error{Kind: nodes.Permission, Message: what + "the filesystem is read-only", Cause: err}
	case lstatErr == nil && verb == "remove" && info.IsDir():
		return &nodes.Error{Kind: nodes.Failed, Message: what + "the folder is not empty, or in use", Cause: err}
	case lstatErr == nil && verb == "read" && info.IsDir():
		return &nodes.Error{Kind: nodes.Failed, Message: what + "it is a folder", Cause: err}
	}
	return &nodes.Error{
		Kind: nodes.Failed, Cause: err,
		Message: what + "the node's sftp says only that it failed (quota, a file where a folder is needed, another filesystem)",
	}
}

// readOnly is ST_RDONLY of statvfs@openssh.com. Source: OpenSSH, PROTOCOL 4.4.
const readOnly = 1

// createNew opens a file that must not exist yet.
const createNew = os.O_WRONLY | os.O_CREATE | os.O_EXCL

// Stat follows a symlink.
func (f *files) Stat(name nodes.RemotePath) (nodes.FileInfo, error) {
	i, err := f.client.Stat(string(name))
	return remoteInfo(i), f.done("look at", name, err)
}

// Lstat does not.
func (f *files) Lstat(name nodes.RemotePath) (nodes.FileInfo, error) {
	i, err := f.client.Lstat(string(name))
	return remoteInfo(i), f.done("look at", name, err)
}

func remoteInfo(i fs.FileInfo) nodes.FileInfo {
	if i == nil {
		return nodes.FileInfo{}
	}
	out := nodes.FileInfo{Name: i.Name(), Size: i.Size(), Mode: i.Mode(), ModTime: i.ModTime()}
	if st, ok := i.Sys().(*sftp.FileStat); ok {
		out.UID, out.GID = int(st.UID), int(st.GID)
	}
	return out
}

// ReadDir lists a folder.
func (f *files) ReadDir(name nodes.RemotePath) ([]nodes.FileInfo, error) {
	entries, err := f.client.ReadDirContext(f.ctx, string(name))
	if err != nil {
		return nil, f.done("list", name, err)
	}
	out := make([]nodes.FileInfo, 0, len(entries))
	for _, e := range entries {
		if base := e.Name(); base != "" && !strings.Contains(base, "/") { // a hostile node could name a path
			out = append(out, remoteInfo(e))
		}
	}
	return out, nil
}

// ReadLink gives a symlink's text.
func (f *files) ReadLink(name nodes.RemotePath) (string, error) {
	s, err := f.client.ReadLink(string(name))
	return s, f.done("read the link", name, err)
}

// Mkdir makes one folder.
func (f *files) Mkdir(name nodes.RemotePath, perm fs.FileMode) error {
	err := f.client.Mkdir(string(name))
	if err != nil {
		return f.done("make", name, err)
	}
	return f.done("make", name, f.client.Chmod(string(name), perm))
}

// Rename replaces the target.
func (f *files) Rename(from, to nodes.RemotePath) error {
	return f.done("rename to", to, f.client.PosixRename(string(from), string(to)))
}

// Link makes a hard link.
func (f *files) Link(from, to nodes.RemotePath) error {
	return f.done("link", to, f.client.Link(string(from), string(to)))
}

// Symlink makes a symlink.
func (f *files) Symlink(target string, name nodes.RemotePath) error {
	return f.done("link", name, f.client.Symlink(target, string(name)))
}

// Remove removes a file or an empty folder.
func (f *files) Remove(name nodes.RemotePath) error {
	return f.done("remove", name, f.client.Remove(string(name)))
}

// Chmod sets permissions. SFTP would follow a symlink: it is refused.
func (f *files) Chmod(name nodes.RemotePath, perm fs.FileMode) error {
	return f.unlinked("set the permissions of", name, func() error { return f.client.Chmod(string(name), perm) })
}

// Chown sets the owner; a symlink is refused.
func (f *files) Chown(name nodes.RemotePath, uid, gid int) error {
	return f.unlinked("set the owner of", name, func() error { return f.client.Chown(string(name), uid, gid) })
}

// Chtimes sets the modification time; a symlink is refused.
func (f *files) Chtimes(name nodes.RemotePath, mtime time.Time) error {
	return f.unlinked("set the time of", name, func() error { return f.client.Chtimes(string(name), mtime, mtime) })
}

func (f *files) unlinked(verb string, name nodes.RemotePath, change func() error) error {
	i, err := f.client.Lstat(string(name))
	if err == nil && i.Mode()&fs.ModeSymlink != 0 {
		err = errIsLink
	}
	if err == nil {
		err = change()
	}
	return f.done(verb, name, err)
}

// Free tells what is left; Permission where the node does not say.
func (f *files) Free(name nodes.RemotePath) (nodes.Free, error) {
	st, err := f.client.StatVFS(string(name))
	if err != nil {
		return nodes.Free{}, f.done("look at the room of", name, err)
	}
	return nodes.Free{Bytes: st.Bavail * st.Frsize, Inodes: st.Favail}, nil
}
