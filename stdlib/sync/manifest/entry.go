// Package manifest holds what both ends of a sync know about a tree: its
// entries, the rules that say which of them count, the scan that lists them,
// the encoding that carries them, and the decision what has to change.
package manifest

import "time"

// Kind is the type of an entry.
type Kind byte

// The kinds of entries.
const (
	File  Kind = 'f'
	Dir   Kind = 'd'
	Link  Kind = 'l'
	Other Kind = 'x' // device, socket or fifo: never sent, never equal to anything
)

// SumSize is the length of a Sum: the first 16 bytes of SHA-256.
const SumSize = 16

// Sum is the truncated SHA-256 of a file's content; all zero means not known.
type Sum [SumSize]byte

// Known reports whether the content was hashed.
func (s Sum) Known() bool { return s != Sum{} }

// Entry is one name of a tree.
type Entry struct {
	Path  string // relative to the root, slash-separated, any bytes but NUL
	Kind  Kind
	Many  bool   // as scanned: the file has more than one name
	Mode  uint32 // permission bits with setuid, setgid and sticky; 0 for links
	Size  int64  // of a file
	Mtime int64  // of a file, nanoseconds since 1970
	Link  string // target of a link; of a file, the path before it in the list that it is a hard link of
	Sum   Sum    // of a file
	Owner Owner  // who it shall belong to; zero where that is left as it comes

	// Not part of the encoding: as scanned, or what Owner means here.
	UID, GID uint32
	// As scanned; not part of the encoding.
	Ino   uint64
	Ctime int64 // of a file, nanoseconds since 1970
}

// Clean reports whether p is a plain path below a root: relative, without
// empty, . or .. elements and without NUL.
func Clean(p string) bool {
	start := 0
	for i := 0; i <= len(p); i++ {
		switch {
		case i == len(p) || p[i] == '/':
			if name := p[start:i]; name == "" || name == "." || name == ".." {
				return false
			}
			start = i + 1
		case p[i] == 0:
			return false
		}
	}
	return true
}

// SameTime reports whether two modification times are equal as far as the
// coarser of two filesystems can tell: one of them may have been cut to whole
// seconds or microseconds.
func SameTime(a, b int64) bool {
	if a == b {
		return true
	}
	for _, unit := range []int64{int64(time.Microsecond), int64(time.Second)} {
		if a/unit == b/unit && (a%unit == 0 || b%unit == 0) {
			return true
		}
	}
	return false
}

// SameStat reports whether lstat cannot tell a from b: kind, permissions,
// size, time, target of a link and, where one says it, the owner. The content
// is not compared.
func (e *Entry) SameStat(b *Entry) bool {
	if e.Kind != b.Kind || e.Kind == Other || !e.sameOwner(b) {
		return false
	}
	switch e.Kind {
	case File:
		return e.Mode == b.Mode && e.Size == b.Size && SameTime(e.Mtime, b.Mtime)
	case Link:
		return e.Link == b.Link
	}
	return e.sameMode(b)
}

// Stands reports whether b, which is there now, is what e was when it was looked
// at, as far as lstat can tell.
func (e *Entry) Stands(b *Entry) bool {
	if e.Kind == Other {
		return b.Kind == Other && e.Mode == b.Mode
	}
	return e.SameStat(b)
}

// sameMode compares permissions. The setgid bit of a folder is the node's own
// matter: it is inherited from the folder above.
func (e *Entry) sameMode(b *Entry) bool {
	if e.Kind == Dir && b.Kind == Dir {
		return (e.Mode^b.Mode)&^0o2000 == 0
	}
	return e.Mode == b.Mode
}

// SameContent reports whether a and b are known to hold the same: for files
// their bytes, for links their targets, for folders nothing.
func (e *Entry) SameContent(b *Entry) bool {
	if e.Kind != b.Kind || e.Kind == Other {
		return false
	}
	switch e.Kind {
	case File:
		return e.Size == b.Size && e.Sum.Known() && e.Sum == b.Sum
	case Link:
		return e.Link == b.Link
	}
	return true
}

// record is the part of an entry that its encoding carries.
func (e *Entry) record() Entry {
	r := *e
	r.Many, r.UID, r.GID, r.Ino, r.Ctime = false, 0, 0, 0, 0
	return r
}

// Same reports whether nothing has to be done to turn a into b.
func (e *Entry) Same(b *Entry) bool { return e.SameStat(b) && e.SameContent(b) }
