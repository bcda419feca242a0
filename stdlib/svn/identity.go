package svn

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// identity is what svn said a working copy is of. It stays true while svn's
// database there, by its stamp, is the one that it was.
type identity struct {
	Path, Stamp, URL, Repo, UUID, Root string
}

// settled is how old a change of a file must be for its stamp to tell it from the
// next one, on any filesystem.
const settled = 2 * time.Second

// stampOf names the state of the database of a working copy whose top is path;
// empty where there is none, where it changed just now, or where a change of it is
// under way or was broken off.
func stampOf(path string) string {
	db := filepath.Join(path, ".svn", "wc.db")
	fi, err := os.Stat(db)
	if err != nil || time.Since(fi.ModTime()) < settled || filled(db+"-journal") || filled(db+"-wal") {
		return ""
	}
	sys, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %d %d %d %d", sys.Dev, sys.Ino, fi.Size(), fi.ModTime().UnixNano(), sys.Ctim.Nano())
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
