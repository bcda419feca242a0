package ssh

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
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
