package svn

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// identity is what svn said a working copy is of. It stays true while svn's
// database there, by its stamp, is the one that it was.
type identity struct {
	Path, Stamp, URL, Repo, UUID, Root string
}

// stampOf names the state of the database of a working copy whose top is path;
// empty where there is none, and where a change of it is under way or was broken
// off. Two changes within one tick of the clock are told apart by the count of
// changes that SQLite keeps at the begin of its files
// (https://www.sqlite.org/fileformat.html#file_change_counter).
func stampOf(path string) string {
	db := filepath.Join(path, ".svn", "wc.db")
	f, err := os.Open(db)
	if err != nil {
		return ""
	}
	defer f.Close()
	var head [28]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || head[18] != 1 || filled(db+"-journal") || filled(db+"-wal") {
		return "" // with a write-ahead log nothing is counted
	}
	fi, err := f.Stat()
	if err != nil {
		return ""
	}
	sys, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	changes := binary.BigEndian.Uint32(head[24:])
	return fmt.Sprintf("%d %d %d %d %d %d", sys.Dev, sys.Ino, fi.Size(), fi.ModTime().UnixNano(), sys.Ctim.Nano(), changes)
}

// filled reports whether a file is there and holds something: SQLite leaves an empty
// journal behind.
func filled(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.Size() > 0
}

// identified recalls what the working copy at a path is of.
func (s *Svn) identified(path, stamp string) (identity, bool) {
	var id identity
	known := stamp != "" && s.metadata.recall("checkouts", s.metadata.key("", path), &id)
	return id, known && id.Path == path && id.Stamp == stamp
}

// identify remembers it.
func (s *Svn) identify(id identity) {
	if id.Stamp != "" {
		s.metadata.keep("checkouts", s.metadata.key("", id.Path), id)
	}
}
