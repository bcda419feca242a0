package nodes

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// Dialer gives connections to nodes. It keeps them: two calls for one node
// share a connection, and a connection that was lost is made anew. Dial is safe
// from many goroutines; it fails with Unreachable, Auth, HostKey or Timeout.
type Dialer interface {
	Dial(ctx context.Context, n *Node) (Conn, error)
}

// Conn is an open way to one node. Real, local, recording, planning and fake
// connections differ here and nowhere else. All methods are safe from many
// goroutines, and all end within a second of ctx's end.
type Conn interface {
	// Run runs a command to its end. A code other than 0 is a Result, not an
	// error; a process ended by a signal has Signal set and Code -1. The error
	// is Lost, Timeout, Cancelled or Permission: the command's outcome is then
	// unknown, and never success.
	Run(ctx context.Context, c Cmd) (Result, error)
	// Start runs a command whose streams the caller drives.
	Start(ctx context.Context, c Cmd) (Process, error)
	// Files opens the node's files. It is bound to ctx and ends with it; the
	// caller closes it. Permission means that the node offers no file access.
	Files(ctx context.Context) (Files, error)
}

// Cmd is a command to be run by the login shell of the node's user.
type Cmd struct {
	Line    string            // shell text; used when Argv is empty
	Argv    []string          // words, quoted for the shell
	Dir     RemotePath        // working folder; empty means the login folder
	Env     map[string]string // added to the environment; names are checked
	Stdin   io.Reader         // nil: empty
	Stdout  io.Writer         // nil: kept in Result, the first and last part of it
	Stderr  io.Writer
	Timeout time.Duration // 0: no limit of its own
	Sudo    string        // run as this user through sudo; empty: as the login
	Agent   bool          // lend it the person's ssh agent
	Pty     bool          // allocate a terminal; stderr is then part of stdout
	Quiet   bool          // emit no output events
	Yield   func()        // asks it to end, again and again while the node refuses another session; nil: that one waits
}

// Result is how a command ended.
type Result struct {
	Code    int    // exit code; -1 when a signal ended it
	Signal  string // without SIG; empty when it exited
	Stdout  []byte
	Stderr  []byte
	Elapsed time.Duration
}

// OK reports whether the command exited with code 0.
func (r Result) OK() bool { return r.Code == 0 && r.Signal == "" }

// Process is a command under way. The caller reads Stdout and Stderr to their
// ends, closes Stdin, and calls Wait once.
type Process interface {
	Stdin() io.WriteCloser
	Stdout() io.Reader
	Stderr() io.Reader
	// Wait returns as Conn.Run does.
	Wait() (Result, error)
	// Kill ends the process and what it started, as far as the node allows.
	Kill() error
}

// FileInfo describes a file on a node as lstat sees it.
type FileInfo struct {
	Name    string // base name
	Size    int64
	Mode    fs.FileMode // type and permission bits
	ModTime time.Time   // whole seconds over SFTP
	UID     int
	GID     int
}

// Free tells what is left on a filesystem for an ordinary user.
type Free struct {
	Bytes  uint64
	Inodes uint64
}

// Files is file access to one node with SFTP's abilities. Errors carry
// NotFound, Permission, Space or Lost where that is known. No method follows a
// symlink in the last element except Open and Stat.
type Files interface {
	Open(name RemotePath) (io.ReadCloser, error)
	// Create makes a new file for writing; it fails when the name exists.
	Create(name RemotePath, perm fs.FileMode) (FileWriter, error)
	Stat(name RemotePath) (FileInfo, error)
	Lstat(name RemotePath) (FileInfo, error)
	ReadDir(name RemotePath) ([]FileInfo, error)
	ReadLink(name RemotePath) (string, error)
	Mkdir(name RemotePath, perm fs.FileMode) error
	// Rename replaces the target atomically (posix-rename@openssh.com).
	Rename(from, to RemotePath) error
	// Link makes a hard link (hardlink@openssh.com).
	Link(from, to RemotePath) error
	Symlink(target string, name RemotePath) error
	Remove(name RemotePath) error
	Chmod(name RemotePath, perm fs.FileMode) error
	Chown(name RemotePath, uid, gid int) error
	Chtimes(name RemotePath, mtime time.Time) error
	Free(name RemotePath) (Free, error)
	Close() error
}

// FileWriter is a file open for writing; Sync flushes it to the disk where the
// node offers that.
type FileWriter interface {
	io.WriteCloser
	Sync() error
}
