package sync

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// until does f, unless ctx has ended. When it ends meanwhile, f goes on, and nobody
// waits for it.
func until[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	var none T
	if ctx.Err() != nil {
		return none, nodes.Stopped(ctx)
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		return none, nodes.Stopped(ctx)
	}
}

func untilDone(ctx context.Context, f func() error) error {
	_, err := until(ctx, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// promptFiles are files of which nothing is waited for once ctx has ended.
type promptFiles struct {
	nodes.Files
	ctx context.Context //nolint:containedctx // that of the work
}

// Open opens a file; reading it is waited for.
func (p promptFiles) Open(name nodes.RemotePath) (io.ReadCloser, error) {
	return until(p.ctx, func() (io.ReadCloser, error) { return p.Files.Open(name) })
}

// Create makes a file.
func (p promptFiles) Create(name nodes.RemotePath, perm fs.FileMode) (nodes.FileWriter, error) {
	w, err := until(p.ctx, func() (nodes.FileWriter, error) { return p.Files.Create(name, perm) })
	return promptWriter{w, p.ctx}, err
}

// Stat follows a symlink.
func (p promptFiles) Stat(name nodes.RemotePath) (nodes.FileInfo, error) {
	return until(p.ctx, func() (nodes.FileInfo, error) { return p.Files.Stat(name) })
}

// Lstat does not.
func (p promptFiles) Lstat(name nodes.RemotePath) (nodes.FileInfo, error) {
	return until(p.ctx, func() (nodes.FileInfo, error) { return p.Files.Lstat(name) })
}

// ReadDir lists a folder.
func (p promptFiles) ReadDir(name nodes.RemotePath) ([]nodes.FileInfo, error) {
	return until(p.ctx, func() ([]nodes.FileInfo, error) { return p.Files.ReadDir(name) })
}

// ReadLink gives a symlink's text.
func (p promptFiles) ReadLink(name nodes.RemotePath) (string, error) {
	return until(p.ctx, func() (string, error) { return p.Files.ReadLink(name) })
}

// Mkdir makes a folder.
func (p promptFiles) Mkdir(name nodes.RemotePath, perm fs.FileMode) error {
	return untilDone(p.ctx, func() error { return p.Files.Mkdir(name, perm) })
}

// Rename replaces the target.
func (p promptFiles) Rename(from, to nodes.RemotePath) error {
	return untilDone(p.ctx, func() error { return p.Files.Rename(from, to) })
}

// Link makes a hard link.
func (p promptFiles) Link(from, to nodes.RemotePath) error {
	return untilDone(p.ctx, func() error { return p.Files.Link(from, to) })
}

// Symlink makes a symlink.
func (p promptFiles) Symlink(target string, name nodes.RemotePath) error {
	return untilDone(p.ctx, func() error { return p.Files.Symlink(target, name) })
}

// Remove removes a file or an empty folder.
func (p promptFiles) Remove(name nodes.RemotePath) error {
	return untilDone(p.ctx, func() error { return p.Files.Remove(name) })
}

// Chmod sets permissions.
func (p promptFiles) Chmod(name nodes.RemotePath, perm fs.FileMode) error {
	return untilDone(p.ctx, func() error { return p.Files.Chmod(name, perm) })
}

// Chown sets the owner.
func (p promptFiles) Chown(name nodes.RemotePath, uid, gid int) error {
	return untilDone(p.ctx, func() error { return p.Files.Chown(name, uid, gid) })
}

// Chtimes sets the modification time.
func (p promptFiles) Chtimes(name nodes.RemotePath, mtime time.Time) error {
	return untilDone(p.ctx, func() error { return p.Files.Chtimes(name, mtime) })
}

// Free tells what is left.
func (p promptFiles) Free(name nodes.RemotePath) (nodes.Free, error) {
	return until(p.ctx, func() (nodes.Free, error) { return p.Files.Free(name) })
}

// promptWriter is a file of promptFiles that is open for writing.
type promptWriter struct {
	nodes.FileWriter
	ctx context.Context //nolint:containedctx // that of the work
}

// Write sends b, which must stay as it is also after ctx has ended.
func (p promptWriter) Write(b []byte) (int, error) {
	return until(p.ctx, func() (int, error) { return p.FileWriter.Write(b) })
}

// Sync flushes the file.
func (p promptWriter) Sync() error { return untilDone(p.ctx, p.FileWriter.Sync) }

// Close closes it, also when ctx has ended.
func (p promptWriter) Close() error {
	if p.ctx.Err() != nil {
		go p.FileWriter.Close()
	}
	return untilDone(p.ctx, p.FileWriter.Close)
}

// carefulFiles are files of which nothing is asked for once ctx has ended; what
// was asked for before is waited for.
type carefulFiles struct {
	nodes.Files
	ctx context.Context //nolint:containedctx // that of the burst
}

func (c carefulFiles) stopped() error {
	if c.ctx.Err() != nil {
		return nodes.Stopped(c.ctx)
	}
	return nil
}

// Create makes a file.
func (c carefulFiles) Create(name nodes.RemotePath, perm fs.FileMode) (nodes.FileWriter, error) {
	if err := c.stopped(); err != nil {
		return nil, err
	}
	return c.Files.Create(name, perm)
}

// Lstat does not follow a symlink.
func (c carefulFiles) Lstat(name nodes.RemotePath) (nodes.FileInfo, error) {
	if err := c.stopped(); err != nil {
		return nodes.FileInfo{}, err
	}
	return c.Files.Lstat(name)
}

// Rename replaces the target.
func (c carefulFiles) Rename(from, to nodes.RemotePath) error {
	if err := c.stopped(); err != nil {
		return err
	}
	return c.Files.Rename(from, to)
}

// Remove removes a file or an empty folder.
func (c carefulFiles) Remove(name nodes.RemotePath) error {
	if err := c.stopped(); err != nil {
		return err
	}
	return c.Files.Remove(name)
}

// Chmod sets permissions.
func (c carefulFiles) Chmod(name nodes.RemotePath, perm fs.FileMode) error {
	if err := c.stopped(); err != nil {
		return err
	}
	return c.Files.Chmod(name, perm)
}
