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
	if err := st.concerned(j); err != nil {
		return err
	}
	j.Folds = st.folds
	if st.t.releases {
		if err := st.build(j); err != nil {
			return err
		}
	}
	j.Back = c.back
	return st.seal(j, next)
}

// concerned goes through what was decided and the closed folders that the burst
// works in, in the order of the paths: what is put in place is prepared, and what
// stands there is kept.
func (st *stager) concerned(j *wire.Journal) error {
	closed, err := st.closedFolders()
	if err != nil {
		return err
	}
	if err := st.findPeers(); err != nil {
		return err
	}
	st.draft = wire.NewDraft(st.t.spool)
	numbers := st.sources.read()
	err = st.c.changes(func(c *manifest.Change) error {
		if !c.Put && !c.Goes {
			return nil
		}
		for len(closed) > 0 && closed[0].Path <= c.Path() {
			if closed[0].Path < c.Path() { // else the burst opens it for its own sake
				if err := st.reopen(&closed[0]); err != nil {
					return err
				}
			}
			closed = closed[1:]
		}
		return st.concern(j, c, numbers)
	})
	for i := range closed {
		if err == nil {
			err = st.reopen(&closed[i])
		}
	}
	if err == nil {
		err = numbers.err
	}
	if err != nil {
		return cannot("note", "what came", err)
	}
	return cannot("write", st.t.place, st.draft.Fill(j))
}

// concern prepares what is put in place at one path, and keeps what stands there.
func (st *stager) concern(j *wire.Journal, c *manifest.Change, numbers *sourceReader) error {
	touch, arrived := false, -1
	if c.Sent() {
		arrived = numbers.next()
	}
	if c.Put {
		var err error
		if touch, err = st.prepare(j, c, arrived); err != nil {
			return err
		}
	}
	return st.keep(c.Path(), c.Live, c.Want, touch)
}

// findPeers notes which files others are to be hard links of.
func (st *stager) findPeers() error {
	if st.c.dec.Joins == 0 {
		return nil
	}
	st.peers = map[string]int{}
	return st.c.changes(func(c *manifest.Change) error {
		if c.Joins {
			st.peers[c.Want.Link] = -1
		}
		return nil
	})
}

// prepare adds what is put in place to the journal, with its file where it needs
// one; arrived is s/N of its contents, if these came. touch tells that the file
// there stays.
func (st *stager) prepare(j *wire.Journal, c *manifest.Change, arrived int) (touch bool, err error) {
	source, e := -1, c.Want
	switch {
	case e.Kind == manifest.Link:
		source, err = st.link(e)
	case c.Joins:
		source, err = st.join(e)
	case e.Kind == manifest.File && c.Have && st.settable(e.Path) && !st.t.releases:
		touch = true
	case e.Kind == manifest.File && c.Have:
		source, err = st.copyLive(e)
	case e.Kind == manifest.File:
		source = arrived
	}
	if _, asked := st.peers[e.Path]; asked {
		st.peers[e.Path] = source
	}
	put := asNumbers(*e)
	st.draft.Put(&put, source, touch)
	if c.Sent() {
		j.Files++
		j.Bytes += e.Size
	}
	return touch, err
}

func (st *stager) link(p *manifest.Entry) (int, error) {
	n := st.count
	st.count++
	err := unix.Symlinkat(p.Link, st.files, strconv.Itoa(n))
	if err == nil {
		_, err = giveName(st.files, strconv.Itoa(n), p)
	}
	return n, cannot("write", p.Path, err)
}

// join makes s/N a hard link of the file that was prepared for its peer, or of the
// live one, which stays.
func (st *stager) join(p *manifest.Entry) (int, error) {
	n := st.count
	st.count++
	if at := st.peers[p.Link]; at >= 0 {
		return n, cannot("link", p.Path, unix.Linkat(st.files, strconv.Itoa(at), st.files, strconv.Itoa(n), 0))
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

// closedFolders lists the folders without write permission that the burst works
// in, so that it opens them and closes them again: these are held.
func (st *stager) closedFolders() (closed []manifest.Entry, err error) {
	if os.Geteuid() == 0 {
		return nil, nil
	}
	seen, found := map[string]bool{}, map[string]bool{}
	err = st.c.changes(func(c *manifest.Change) error {
		d, _ := beneath.Split(c.Path())
		if d == "" || seen[d] || found[d] || !c.Put && !c.Goes {
			return nil
		}
		if len(seen) > 256 { // folders come one after the other
			clear(seen)
		}
		seen[d] = true
		if e, err := st.t.lstat(d); err == nil && e.Kind == manifest.Dir && e.Mode&0o300 != 0o300 {
			d = strings.Clone(d) // it keeps no others in memory
			found[d], e.Path = true, d
			closed = append(closed, e)
		}
		return nil
	})
	slices.SortFunc(closed, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
	return closed, err
}

// reopen has a closed folder put as it is.
func (st *stager) reopen(e *manifest.Entry) error {
	st.draft.Put(e, -1, false)
	return st.keep(e.Path, e, e, false)
}

// keep notes what stands at a path concerned and links it aside, unless the file
// stays; was is what the comparison saw there, nil for nothing, and to what is put
// there. It fails with changed where something else is there by now.
func (st *stager) keep(p string, was, to *manifest.Entry, stays bool) error {
	e, err := st.t.lstat(p)
	switch {
	case errors.Is(err, unix.ENOENT) && was == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return changedMeanwhile(p)
	case err != nil:
		return cannot("look at", p, err)
	case was == nil:
		if other, err := st.otherName(&e, to); err != nil || other {
			return err
		}
	case !was.Stands(&e):
		return changedMeanwhile(p)
	case e.Kind == manifest.File:
		e.Sum = was.Sum
	}
	found := asFound(e)
	n := st.draft.Stood(&found)
	if e.Kind != manifest.Dir && !stays && !st.t.releases { // the old release keeps them
		if err := st.aside(p, &e, n); err != nil {
			return err
		}
	}
	crash("link")
	return nil
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
	if j.To.Count > syncEach {
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
