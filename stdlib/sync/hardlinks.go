package sync

import (
	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// links are the files of a source that have more than one name: the first name
// of each, and what is known of it.
type links struct {
	first map[inode]string
	known map[string]*manifest.Entry
}

type inode struct{ dev, ino uint64 }

// link marks a file that is a hard link of one before it, if that is asked for.
// It is not read: what is known of that file holds for it.
func (r *reading) link(e *manifest.Entry) {
	if !r.o.Hard || e.Kind != manifest.File || !e.Many {
		return
	}
	dev, err := r.s.device(e.Path)
	if err != nil {
		return // it went, which its reading will tell
	}
	if r.links.first == nil {
		r.links = links{map[inode]string{}, map[string]*manifest.Entry{}}
	}
	at := inode{dev, e.Ino}
	if first, found := r.links.first[at]; found {
		e.Link = first
		return
	}
	r.links.first[at] = e.Path
	r.links.known[e.Path] = nil
}

// linked gives a file that is a hard link what its first name has.
func (r *reading) linked(e *manifest.Entry) {
	if first := r.links.known[e.Link]; e.Kind == manifest.File && first != nil {
		e.Mode, e.Size, e.Mtime, e.Sum = first.Mode, first.Size, first.Mtime, first.Sum
	} else if _, more := r.links.known[e.Path]; more {
		c := *e
		r.links.known[e.Path] = &c
	}
}

func (s *source) device(p string) (uint64, error) {
	d, name := beneath.Split(p)
	fd, err := beneath.Dir(s.fd, d)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	err = unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st.Dev, err
}
