package ssh

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Copier copies files and folders and tells how far it is.
type Copier struct {
	Sink    nodes.Sink
	Event   nodes.Event // what the progress events have in common
	Resumed int64       // of the bytes, those that an earlier try had copied
	done    int64
	files   int64
	last    time.Time
}

// Write counts bytes as they pass.
func (c *Copier) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	if time.Since(c.last) > 100*time.Millisecond {
		c.tell()
	}
	return len(p), nil
}

func (c *Copier) tell() {
	c.last = time.Now()
	e := c.Event
	e.Time, e.Type, e.Done, e.Unit = c.last, nodes.Progress, c.done, "bytes"
	c.Sink.Emit(e)
}

// Copied is what was copied.
type Copied struct {
	Files   int64 `lua:"files"`
	Bytes   int64 `lua:"bytes"`
	Resumed int64 `lua:"resumed"` // bytes that were there of a try that was cut off
}

// Put copies a local file or folder to the node. Files arrive atomically, with
// their permissions and times; a folder's files are added to those that are
// there. Symlinks in a folder are made anew, never followed.
func (c *Copier) Put(ctx context.Context, f nodes.Files, local string, remote nodes.RemotePath) (Copied, error) {
	info, err := os.Stat(local)
	if err != nil {
		return Copied{}, localError("read", local, err)
	}
	if !info.IsDir() {
		err = c.putFile(f, local, info, remote)
	} else {
		c.Event.Total = 0
		err = filepath.WalkDir(local, func(name string, d fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return localError("read", name, err)
			}
			rel, err := filepath.Rel(local, name)
			if err != nil {
				return err
			}
			return c.putEntry(f, name, d, nodes.RemotePath(path.Join(string(remote), filepath.ToSlash(rel))))
		})
	}
	if ctx.Err() != nil {
		err = nodes.Stopped(ctx)
	}
	c.tell()
	return Copied{c.files, c.done, c.Resumed}, err
}

func (c *Copier) putEntry(f nodes.Files, name string, d fs.DirEntry, remote nodes.RemotePath) error {
	info, err := d.Info()
	if err != nil {
		return localError("read", name, err)
	}
	switch {
	case d.IsDir():
		return makeFolder(f, remote, info.Mode().Perm())
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(name)
		if err != nil {
			return localError("read", name, err)
		}
		return putLink(f, to, remote)
	case info.Mode().IsRegular():
		return c.putFile(f, name, info, remote)
	}
	return &nodes.Error{Kind: nodes.Failed, Message: "cannot copy " + name + ": it is neither file, folder nor symlink"}
}

func (c *Copier) putFile(f nodes.Files, local string, info fs.FileInfo, remote nodes.RemotePath) error {
	r, err := os.Open(local)
	if err != nil {
		return localError("read", local, err)
	}
	defer r.Close()
	perm := info.Mode().Perm()
	c.files++
	if c.Event.Total == 0 && c.files == 1 {
		c.Event.Total = info.Size()
	}
	if big, ok := f.(resumable); ok && info.Size() >= resumeSize {
		return c.putBig(big, r, info, remote)
	}
	return WriteFile(f, remote, io.TeeReader(r, c), Attributes{Perm: &perm, ModTime: info.ModTime()})
}

// makeFolder makes a folder unless it is there.
func makeFolder(f nodes.Files, name nodes.RemotePath, perm fs.FileMode) error {
	err := f.Mkdir(name, perm)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := f.Stat(name); statErr == nil && info.Mode.IsDir() {
			return nil
		}
	}
	return err
}

// putLink replaces what has the name by a symlink, atomically.
func putLink(f nodes.Files, to string, name nodes.RemotePath) error {
	temp := nodes.RemotePath(path.Join(path.Dir(string(name)), ".rollsh-"+rand.Text()))
	if err := f.Symlink(to, temp); err != nil {
		return err
	}
	if err := f.Rename(temp, name); err != nil {
		_ = f.Remove(temp)
		return err
	}
	return nil
}

// Get copies a file or folder of the node to a local path; files arrive
// atomically. Symlinks in a folder are made anew.
func (c *Copier) Get(ctx context.Context, f nodes.Files, remote nodes.RemotePath, local string) (Copied, error) {
	info, err := f.Stat(remote)
	if err == nil {
		info.Mode &^= fs.ModeSymlink
		err = c.getEntry(ctx, f, remote, info, local)
	}
	if ctx.Err() != nil {
		err = nodes.Stopped(ctx)
	}
	c.tell()
	return Copied{c.files, c.done, c.Resumed}, err
}

func (c *Copier) getEntry(ctx context.Context, f nodes.Files, remote nodes.RemotePath, info nodes.FileInfo, local string) error {
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	switch {
	case info.Mode.IsDir():
		return c.getFolder(ctx, f, remote, info, local)
	case info.Mode&fs.ModeSymlink != 0:
		to, err := f.ReadLink(remote)
		if err != nil {
			return err
		}
		temp := filepath.Join(filepath.Dir(local), ".rollsh-"+rand.Text())
		if err := os.Symlink(to, temp); err != nil {
			return localError("write", local, err)
		}
		return localError("write", local, renameOrRemove(temp, local))
	case info.Mode.IsRegular():
		return c.getFile(f, remote, info, local)
	}
	return &nodes.Error{Kind: nodes.Failed, Message: "cannot copy " + string(remote) + ": it is neither file, folder nor symlink"}
}

func (c *Copier) getFolder(ctx context.Context, f nodes.Files, remote nodes.RemotePath, info nodes.FileInfo, local string) error {
	// A symlink that a node planted in an earlier entry is not followed.
	if err := os.Mkdir(local, 0o700); err != nil {
		if st, statErr := os.Lstat(local); statErr != nil || !st.IsDir() {
			return localError("make", local, err)
		}
	}
	entries, err := f.ReadDir(remote)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b nodes.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range entries {
		if e.Name == "." || e.Name == ".." || strings.ContainsRune(e.Name, 0) {
			continue
		}
		if err := c.getEntry(ctx, f, nodes.RemotePath(path.Join(string(remote), e.Name)), e, filepath.Join(local, e.Name)); err != nil {
			return err
		}
	}
	return localError("make", local, os.Chmod(local, info.Mode.Perm()|0o700))
}

func (c *Copier) getFile(f nodes.Files, remote nodes.RemotePath, info nodes.FileInfo, local string) error {
	if st, err := os.Stat(local); err == nil && st.IsDir() {
		return &nodes.Error{Kind: nodes.Failed, Message: "cannot write " + local + ": it is a folder"}
	}
	c.files++
	if c.files == 1 {
		c.Event.Total = info.Size
	}
	if big, ok := f.(resumable); ok && info.Size >= resumeSize {
		return c.getBig(big, remote, info, local)
	}
	r, err := f.Open(remote)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.CreateTemp(filepath.Dir(local), ".rollsh-*")
	if err != nil {
		return localError("write", local, err)
	}
	defer os.Remove(w.Name())
	defer w.Close()
	if _, err := io.Copy(io.MultiWriter(w, c), r); err != nil {
		if nodes.KindOf(err) == nodes.Internal {
			err = localError("write", local, err)
		}
		return err
	}
	if err := errors.Join(w.Chmod(info.Mode.Perm()), w.Sync(), w.Close(), os.Chtimes(w.Name(), info.ModTime, info.ModTime)); err != nil {
		return localError("write", local, err)
	}
	return localError("write", local, os.Rename(w.Name(), local))
}

func renameOrRemove(temp, name string) error {
	err := os.Rename(temp, name)
	if err != nil {
		os.Remove(temp)
	}
	return err
}
