//go:build linux

package agent

import (
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// makeRoom tells how much of what is old could go before a push, if the push
// would not fit otherwise: what fits removes, in the same order.
func (t *tree) makeRoom(f *wire.Facts, rep *wire.Report) {
	if t.state < 0 || f.Lacks(t.place, rep.Bytes, rep.Added+rep.Changed) == "" {
		return
	}
	w := &weigh{seen: map[uint64]uint64{}}
	undos := t.undos()
	for _, name := range undos[:max(0, len(undos)-1)] {
		w.folder(t.state, name)
	}
	w.folder(t.state, arrivedDir)
	if t.releases && len(undos) > 1 {
		t.surplus(undos[len(undos)-1:], []string{t.current}, w.folder)
	}
	f.OldBytes, f.OldFiles = w.bytes, w.files
}

// weigh adds up what removing folders would make free: a file counts when its
// last name is met.
type weigh struct {
	seen         map[uint64]uint64 // names met, by inode
	bytes, files uint64
}

func (w *weigh) folder(at int, name string) {
	fd, err := openSub(at, name)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	names, _ := listDir(fd)
	for _, n := range names {
		var st unix.Stat_t
		if unix.Fstatat(fd, n, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			w.folder(fd, n)
			w.files++
			continue
		}
		if w.seen[st.Ino]++; w.seen[st.Ino] == uint64(st.Nlink) {
			w.files++
			w.bytes += uint64(st.Blocks) * 512
		}
	}
}
