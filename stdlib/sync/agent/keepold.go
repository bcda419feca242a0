//go:build linux

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// journal prepares everything else that the switch needs and writes it down:
// the last thing is the file that makes the stage complete.
func (st *stager) journal(next *wire.Record) error {
	if err := st.open(); err != nil {
		return err
	}
	c := st.c
	j := &wire.Journal{
		Roll: c.req.Roll, Seq: c.now.Seq, Base: c.now.Digest, Keep: c.req.Keep,
		MakeRoot: st.t.base < 0 && !st.t.releases, Was: c.now.Marker,
	}
	around, err := c.around()
	if err != nil {
		return err
	}
	j.Around = around.Owner.String()
	for i := range c.dec.Puts {
		if err := st.prepare(j, &c.dec.Puts[i], st.sources[i]); err != nil {
			return err
		}
	}
	if err := st.closedFolders(j); err != nil {
		return err
	}
	if err := st.keepOld(j); err != nil {
		return err
	}
	if st.t.releases {
		if err := st.build(j); err != nil {
			return err
		}
	}
	j.Remember(c.dec.Was)
	return st.seal(j, next)
}

// prepare adds one put to the journal, with its file where it needs one; arrived
// is s/N of its contents, if these came.
func (st *stager) prepare(j *wire.Journal, p *manifest.Put, arrived int) error {
	source, keep := -1, false
	var err error
	switch {
	case p.Kind == manifest.Link:
		source, err = st.link(p)
	case p.Joins:
		source, err = st.join(j, p)
	case p.Kind == manifest.File && p.Have && st.settable(p.Path) && !st.t.releases:
		keep = true
	case p.Kind == manifest.File && p.Have:
		source, err = st.copyLive(p.Entry)
	case p.Kind == manifest.File:
		source = arrived
	}
	j.Add(asNumbers(*p.Entry), source, keep)
	if p.Kind == manifest.File && !p.Have {
		j.Files++
		j.Bytes += p.Size
	}
	return err
}

func (st *stager) link(p *manifest.Put) (int, error) {
	n := st.count
	st.count++
	err := unix.Symlinkat(p.Link, st.files, strconv.Itoa(n))
	if err == nil {
		_, err = giveName(st.files, strconv.Itoa(n), p.Entry)
	}
	return n, cannot("write", p.Path, err)
}

// join makes s/N a hard link of the file that was prepared for the put's peer,
// or of the live one, which stays.
func (st *stager) join(j *wire.Journal, p *manifest.Put) (int, error) {
	n := st.count
	st.count++
	at, ok := slices.BinarySearchFunc(j.To, p.Link, func(e manifest.Entry, p string) int { return strings.Compare(e.Path, p) })
	if ok && j.Source[at] >= 0 {
		return n, cannot("link", p.Path, unix.Linkat(st.files, strconv.Itoa(j.Source[at]), st.files, strconv.Itoa(n), 0))
	}
	d, name := beneath.Split(p.Link)
	fd, err := st.t.dir(d)
	if err == nil {
		err = unix.Linkat(fd, name, st.files, strconv.Itoa(n), 0)
	}
	return n, cannot("link", p.Path, err)
}

// settable reports whether we may set permissions, owner and time of a live
// file, and no other name would get them too.
func (st *stager) settable(p string) bool {
	e, err := st.t.lstat(p)
	return err == nil && !e.Many && (os.Geteuid() == 0 || int(e.UID) == os.Geteuid())
}

// copyLive makes s/N from the live file, for what cannot be set in place.
func (st *stager) copyLive(e *manifest.Entry) (int, error) {
	n := st.count
	st.count++
	f, err := beneath.File(st.t.root, e.Path)
	if err != nil {
		return n, cannot("read", e.Path, err)
	}
	defer f.Close()
	st.local += e.Size
	return n, st.write(e, n, st.group(e.Path), true, 0, io.LimitReader(f, e.Size+1))
}

// closedFolders adds folders without write permission that the burst works
// in, so that it opens them and closes them again.
func (st *stager) closedFolders(j *wire.Journal) error {
	if os.Geteuid() == 0 {
		return nil
	}
	seen := map[string]bool{}
	var more []manifest.Entry
	check := func(p string) {
		d, _ := beneath.Split(p)
		if d == "" || seen[d] || manifest.Find(j.To, d) != nil {
			return
		}
		seen[d] = true
		if e, err := st.t.lstat(d); err == nil && e.Kind == manifest.Dir && e.Mode&0o300 != 0o300 {
			more = append(more, e)
		}
	}
	for i := range j.To {
		check(j.To[i].Path)
	}
	for i := range st.c.dec.Deletes {
		check(st.c.dec.Deletes[i].Path)
	}
	for _, e := range more {
		at, _ := slices.BinarySearchFunc(j.To, e.Path, func(x manifest.Entry, p string) int { return strings.Compare(x.Path, p) })
		j.To = slices.Insert(j.To, at, e)
		j.Source = slices.Insert(j.Source, at, -1)
		j.Touch = slices.Insert(j.Touch, at, false)
	}
	return nil
}

// keepOld lists what stands at every path concerned and links it aside.
func (st *stager) keepOld(j *wire.Journal) error {
	paths := make([]string, 0, len(j.To)+len(st.c.dec.Deletes))
	touched := map[string]bool{}
	for i := range j.To {
		paths = append(paths, j.To[i].Path)
		if j.Touch[i] {
			touched[j.To[i].Path] = true
		}
	}
	for i := range st.c.dec.Deletes {
		paths = append(paths, st.c.dec.Deletes[i].Path)
	}
	slices.Sort(paths)
	for _, p := range paths {
		e, err := st.t.lstat(p)
		if errors.Is(err, unix.ENOENT) {
			continue
		} else if err != nil {
			return cannot("look at", p, err)
		}
		if err := st.appeared(p, &e); err != nil {
			return err
		}
		if was := st.seen(p); was != nil && e.Kind == manifest.File {
			e.Sum = was.Sum
		}
		j.From = append(j.From, asFound(e))
		if e.Kind != manifest.Dir && !touched[p] && !st.t.releases { // the old release keeps them
			if err := st.aside(p, &e, len(j.From)-1); err != nil {
				return err
			}
		}
		crash("link")
	}
	return nil
}

// seen gives what the comparison saw at a path that is changed or deleted; nil
// for nothing.
func (st *stager) seen(p string) *manifest.Entry {
	if st.there == nil {
		st.there = make(map[string]*manifest.Entry, len(st.c.dec.Deletes))
		for i := range st.c.dec.Puts {
			if put := &st.c.dec.Puts[i]; put.Live != nil {
				st.there[put.Path] = put.Live
			}
		}
		for i := range st.c.dec.Deletes {
			st.there[st.c.dec.Deletes[i].Path] = &st.c.dec.Deletes[i]
		}
	}
	return st.there[p]
}

// aside links the old file to u/N; where the system forbids to link a file of
// another user, it is copied.
func (st *stager) aside(p string, e *manifest.Entry, n int) error {
	d, name := beneath.Split(p)
	fd, err := st.t.dir(d)
	if err == nil {
		err = unix.Linkat(fd, name, st.old, oldName(n), 0)
	}
	switch {
	case err == nil:
		return nil
	case e.Kind == manifest.File && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EACCES)):
		return st.copyAside(p, e, n)
	case e.Kind == manifest.Link && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK)):
		return cannot("keep the old version of", p, unix.Symlinkat(e.Link, st.old, oldName(n)))
	}
	return cannot("keep the old version of", p, err)
}

func (st *stager) copyAside(p string, e *manifest.Entry, n int) error {
	from, err := beneath.File(st.t.root, p)
	if err != nil {
		return cannot("keep the old version of", p, err)
	}
	defer from.Close()
	fd, err := unix.Openat(st.old, oldName(n), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return cannot("keep the old version of", p, err)
	}
	to := os.NewFile(uintptr(fd), p)
	defer to.Close()
	size, err := io.Copy(to, from)
	st.local += size
	if err == nil && size != e.Size {
		err = fmt.Errorf("it changed while it was read")
	}
	if err == nil {
		err = dress(to, e, ownership{-1, -1, aclOf(int(from.Fd()), accessACL)})
	}
	if err == nil {
		err = setTime(st.old, oldName(n), e.Mtime)
	}
	if err == nil {
		err = to.Sync()
	}
	return cannot("keep the old version of", p, err)
}

// seal brings everything to the disk, the journal last.
func (st *stager) seal(j *wire.Journal, next *wire.Record) error {
	place := st.t.place
	if err := writeBy(st.dir, "marker", func(f *os.File) error { return next.Write(f) }); err != nil {
		return cannot("write", place, err)
	}
	if len(j.To) > syncEach {
		if err := unix.Syncfs(st.files); err != nil {
			return cannot("write", place, err)
		}
	}
	for _, fd := range []int{st.files, st.old} {
		if err := unix.Fsync(fd); err != nil {
			return cannot("write", place, err)
		}
	}
	crash("seal")
	if err := writeBy(st.dir, "plan", func(f *os.File) error { return j.Write(f) }); err != nil {
		return cannot("write", place, err)
	}
	crash("seal")
	return cannot("write", place, unix.Fsync(st.t.state))
}
