package sync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// Adopt copies a file as it is on the node, with its permissions and time, over
// the one in the source that the drift was taken against. A source that changed
// since is refused with kind changed; nothing is committed anywhere.
func (d *Drift) Adopt(ctx context.Context, file string) error {
	return nodes.At(plainError(d.adopt(ctx, file)), "sync.drift", d.node.Name)
}

func (d *Drift) adopt(ctx context.Context, file string) error {
	if d.source == "" {
		return usage("the drift was taken without from=, so there is no source to adopt into")
	}
	f, err := d.finding(file)
	if err != nil {
		return err
	}
	root, err := unix.Open(d.source, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return cannotAdopt(d.source, err)
	}
	defer unix.Close(root)
	if err := d.untouched(root, file); err != nil {
		return err
	}
	at, name, err := folderFor(root, file)
	if err != nil {
		return cannotAdopt(filepath.Join(d.source, file), err)
	}
	defer unix.Close(at)
	m := d.e.emitter(ctx, "sync.drift", d.node)
	m.started("adopting " + manifest.Quote(file) + " into " + d.source)
	err = d.place(ctx, at, name, f)
	m.finished("adopted "+manifest.Quote(file), err)
	return err
}

func cannotAdopt(what string, err error) error {
	return &nodes.Error{Kind: nodes.Failed, Message: "cannot write " + what + ": " + err.Error(), Cause: err}
}

// finding gives what is known of a file on the node; one that is not a file
// there that differs from the source cannot be adopted.
func (d *Drift) finding(file string) (*Found, error) {
	for _, list := range [][]Found{d.Changed, d.Extra} {
		for i := range list {
			f := &list[i]
			if f.Path != file {
				continue
			}
			if f.kind != manifest.File {
				return nil, &nodes.Error{Kind: nodes.Refused, Message: manifest.Quote(file) + " is no file on the node", Hint: "make it in the source by hand"}
			}
			return f, nil
		}
	}
	for i := range d.Missing {
		if d.Missing[i].Path == file && d.Missing[i].What == "unsent" {
			return nil, &nodes.Error{Kind: nodes.Refused, Message: manifest.Quote(file) + " was not sent to the node yet"}
		} else if d.Missing[i].Path == file {
			return nil, &nodes.Error{Kind: nodes.Refused, Message: manifest.Quote(file) + " was deleted on the node", Hint: "delete it in the source to adopt that"}
		}
	}
	return nil, &nodes.Error{Kind: nodes.NotFound, Message: manifest.Quote(file) + " is not among what differs"}
}

// untouched fails with changed unless the file in the source is as it was when
// the drift was taken.
func (d *Drift) untouched(root int, file string) error {
	was, err := manifest.Look(d.known, file)
	if err != nil {
		return cannotKeep(err)
	}
	dir, name := beneath.Split(file)
	var now manifest.Entry
	fd, err := beneath.Dir(root, dir)
	if err == nil {
		now, err = manifest.Lstat(fd, name)
		_ = unix.Close(fd)
	}
	switch {
	case errors.Is(err, unix.ENOENT) && was == nil:
		return nil
	case err == nil && was != nil && now.Kind == was.Kind && now.Kind == manifest.Link:
		return nil
	case err == nil && was != nil && now.Kind == manifest.File && was.Kind == manifest.File:
		if sum, n, err := manifest.HashFile(root, file, make([]byte, 128<<10)); err == nil && n == was.Size && sum == was.Sum {
			return nil
		}
	case err != nil && !errors.Is(err, unix.ENOENT):
		return cannotAdopt(filepath.Join(d.source, file), err)
	}
	return &nodes.Error{
		Kind: nodes.Changed, Message: manifest.Quote(file) + " in " + d.source + " is not as it was when the drift was taken",
		Hint: "take the drift again",
	}
}

// folderFor opens the folder of a path below root, and makes what is missing.
func folderFor(root int, file string) (fd int, name string, err error) {
	dir, name := beneath.Split(file)
	for i := range dir + "/" {
		if i == len(dir) || dir[i] == '/' {
			if err := mkdir(root, dir[:i]); err != nil {
				return -1, "", err
			}
		}
	}
	fd, err = beneath.Dir(root, dir)
	return fd, name, err
}

func mkdir(root int, p string) error {
	if p == "" {
		return nil
	}
	parent, name := beneath.Split(p)
	fd, err := beneath.Dir(root, parent)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Mkdirat(fd, name, 0o777); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// place brings the node's file to a name in an open folder, atomically.
func (d *Drift) place(ctx context.Context, at int, name string, f *Found) error {
	tmp := ".rollsh-adopt-" + newRoll()
	fd, err := unix.Openat(at, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return cannotAdopt(f.Path, err)
	}
	to := os.NewFile(uintptr(fd), f.Path)
	defer to.Close()
	n, err := d.fetch(ctx, f.Path, to)
	if err == nil && n != f.size {
		err = &nodes.Error{Kind: nodes.Changed, Message: manifest.Quote(f.Path) + " changed on the node since the drift was taken", Hint: "take the drift again"}
	}
	if err == nil {
		err = unix.Fchmod(fd, f.mode&0o777)
	}
	if err == nil {
		ts := unix.NsecToTimespec(f.mtime)
		err = unix.UtimesNanoAt(at, tmp, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil {
		err = to.Sync()
	}
	if err == nil {
		err = unix.Renameat(at, tmp, at, name)
	}
	if err != nil {
		_ = unix.Unlinkat(at, tmp, 0)
		var ours *nodes.Error
		if !errors.As(err, &ours) {
			return cannotAdopt(f.Path, err)
		}
	}
	return err
}

// fetch writes a file of the tree on the node to w.
func (d *Drift) fetch(ctx context.Context, file string, w io.Writer) (int64, error) {
	const all = 1 << 62
	return d.stream(ctx, file, all, w)
}

// stream reads at most limit bytes of a file of the tree.
func (d *Drift) stream(ctx context.Context, file string, limit int64, w io.Writer) (n int64, err error) {
	req := wire.Request{Op: wire.OpRead, Root: []byte(d.path), Path: []byte(file), MaxSize: limit}
	defer func() {
		if noAgent(err) {
			j := &job{e: d.e, o: &Options{Path: d.path}, node: d.node, path: d.path, events: d.e.emitter(ctx, "sync.drift", d.node)}
			n, err = d.e.thinStream(ctx, j, file, limit, w)
		}
	}()
	err = d.e.converse(ctx, d.node, func(ctx context.Context, l *line) error {
		if err := wireJSON(ctx, l, req); err != nil {
			return err
		}
		for {
			kind, p, err := l.next(ctx, func(wire.Beat) {})
			switch {
			case err != nil:
				return err
			case kind == wire.TypeReport:
				return nil
			case kind != wire.TypePack || n+int64(len(p)) > limit:
				return damaged(fmt.Errorf("frame %q", byte(kind)))
			}
			n += int64(len(p))
			if _, err := w.Write(p); err != nil {
				return cannotAdopt(file, err)
			}
		}
	})
	return n, err
}
