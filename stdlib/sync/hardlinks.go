package sync

import (
	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// join marks the files that are hard links of a file before them, if that is
// asked for. They are not read: what is known of that file holds for them.
func (s *source) join(o *Options) {
	if !o.Hard {
		return
	}
	type inode struct{ dev, ino uint64 }
	first := map[inode]int{}
	for i := range s.entries {
		e := &s.entries[i]
		if e.Kind != manifest.File || !e.Many {
			continue
		}
		dev, err := s.device(e.Path)
		if err != nil {
			continue // it went, which its reading will tell
		}
		at, found := first[inode{dev, e.Ino}]
		if !found {
			first[inode{dev, e.Ino}] = i
			continue
		}
		e.Link = s.entries[at].Path
		s.peers = append(s.peers, [2]int{i, at})
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

// joined gives the files that are hard links what their first name has.
func (s *source) joined() {
	for _, p := range s.peers {
		e, of := &s.entries[p[0]], &s.entries[p[1]]
		e.Mode, e.Size, e.Mtime, e.Sum = of.Mode, of.Size, of.Mtime, of.Sum
	}
	s.peers = nil
}
