package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

// ReadLimit is how much ReadFile takes into memory.
const ReadLimit = 64 << 20

// ReadFile gives the content of a file of at most ReadLimit bytes.
func ReadFile(f nodes.Files, name nodes.RemotePath) ([]byte, error) {
	tooLarge := &nodes.Error{
		Kind: nodes.Failed, Message: fmt.Sprintf("%s is larger than %d MiB", name, ReadLimit>>20), Hint: "use get, which copies it to a file",
	}
	if info, err := f.Stat(name); err == nil && info.Size > ReadLimit {
		return nil, tooLarge
	}
	r, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, io.LimitReader(r, ReadLimit+1)); err != nil {
		return nil, err
	}
	if buf.Len() > ReadLimit { // it grew, or its size was a lie
		return nil, tooLarge
	}
	return buf.Bytes(), nil
}

// Attributes are what a written file gets. The zero value keeps those of the
// file that is replaced; a new file gets 0644 and the login's owner.
type Attributes struct {
	Perm     *fs.FileMode
	UID, GID *int
	ModTime  time.Time // zero: now
}

// WriteFile replaces a file atomically: readers see the old content or the new,
// nothing between. The content goes to a temporary file in the same folder, is
// flushed to the disk and renamed. A symlink is written through: its target is
// replaced. On an error the temporary file is removed and the old one stands.
func WriteFile(f nodes.Files, name nodes.RemotePath, content io.Reader, a Attributes) (err error) {
	name, err = target(f, name)
	if err != nil {
		return err
	}
	perm, err := a.complete(f, name)
	if err != nil {
		return err
	}
	temp := nodes.RemotePath(path.Join(path.Dir(string(name)), ".rollsh-"+rand.Text()))
	w, err := f.Create(temp, perm)
	if err != nil {
		return named(err, temp, name)
	}
	defer func() {
		if err != nil {
			_ = f.Remove(temp)
			err = named(err, temp, name)
		}
	}()
	_, err = io.Copy(w, content)
	if err == nil {
		err = w.Sync()
	}
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = a.apply(f, temp, perm)
	}
	if err != nil {
		return err
	}
	return f.Rename(temp, name)
}

// named puts the file that is meant in the place of the temporary one.
func named(err error, temp, name nodes.RemotePath) error {
	var e *nodes.Error
	if !errors.As(err, &e) {
		return err
	}
	told := *e
	told.Message = strings.ReplaceAll(e.Message, string(temp), string(name))
	return &told
}

// target follows symlinks, at most eight; it refuses a folder.
func target(f nodes.Files, name nodes.RemotePath) (nodes.RemotePath, error) {
	for range 8 {
		info, err := f.Lstat(name)
		switch {
		case nodes.KindOf(err) == nodes.NotFound:
			return name, nil
		case err != nil:
			return "", err
		case info.Mode.IsDir():
			return "", &nodes.Error{Kind: nodes.Failed, Message: "cannot write " + string(name) + ": it is a folder"}
		case info.Mode&fs.ModeSymlink == 0:
			return name, nil
		}
		to, err := f.ReadLink(name)
		if err != nil {
			return "", err
		}
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(string(name)), to)
		}
		name = nodes.RemotePath(to)
	}
	return "", &nodes.Error{Kind: nodes.Failed, Message: "cannot write " + string(name) + ": too many symlinks"}
}

// complete fills in what the file that is replaced has.
func (a *Attributes) complete(f nodes.Files, name nodes.RemotePath) (fs.FileMode, error) {
	perm := fs.FileMode(0o644)
	old, err := f.Lstat(name)
	switch {
	case nodes.KindOf(err) == nodes.NotFound:
	case err != nil:
		return 0, err
	default:
		perm = old.Mode.Perm() | old.Mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)
		if a.UID == nil && a.GID == nil {
			a.UID, a.GID = &old.UID, &old.GID
		}
	}
	if a.Perm != nil {
		perm = *a.Perm
	}
	return perm, nil
}

// apply sets what the temporary file does not have yet. The owner comes before
// the permissions, of which a change of owner clears some.
func (a *Attributes) apply(f nodes.Files, temp nodes.RemotePath, perm fs.FileMode) error {
	info, err := f.Lstat(temp)
	if err != nil {
		return err
	}
	uid, gid := info.UID, info.GID
	if a.UID != nil {
		uid = *a.UID
	}
	if a.GID != nil {
		gid = *a.GID
	}
	if uid != info.UID || gid != info.GID {
		if err := f.Chown(temp, uid, gid); err != nil {
			return err
		}
		info.Mode = 0
	}
	if info.Mode.Perm() != perm {
		if err := f.Chmod(temp, perm); err != nil {
			return err
		}
	}
	if !a.ModTime.IsZero() {
		return f.Chtimes(temp, a.ModTime)
	}
	return nil
}

// Exists reports whether there is something of that name; a symlink to nothing
// is nothing.
func Exists(f nodes.Files, name nodes.RemotePath) (bool, error) {
	_, err := f.Stat(name)
	if nodes.KindOf(err) == nodes.NotFound {
		return false, nil
	}
	return err == nil, err
}

// Copier copies files and folders and tells how far it is.
type Copier struct {
	Sink  nodes.Sink
	Event nodes.Event // what the progress events have in common
	done  int64
	files int64
	last  time.Time
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
	Files int64 `lua:"files"`
	Bytes int64 `lua:"bytes"`
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
	return Copied{c.files, c.done}, err
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
	return Copied{c.files, c.done}, err
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
	r, err := f.Open(remote)
	if err != nil {
		return err
	}
	defer r.Close()
	if st, err := os.Stat(local); err == nil && st.IsDir() {
		return &nodes.Error{Kind: nodes.Failed, Message: "cannot write " + local + ": it is a folder"}
	}
	w, err := os.CreateTemp(filepath.Dir(local), ".rollsh-*")
	if err != nil {
		return localError("write", local, err)
	}
	defer os.Remove(w.Name())
	defer w.Close()
	c.files++
	if c.files == 1 {
		c.Event.Total = info.Size
	}
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
