package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Journal is the plan of one switch, on the node's disk before anything of the
// tree is touched. It holds all that is needed to finish the switch, to undo it
// half way, and to undo it later.
//
// It is the file plan in the stage; beside it are s/N, the prepared files, and
// u/N, links to what stood at the path of the entry with the index N in From.
type Journal struct {
	Roll     string
	Seq      int             // of the marker that it was made against
	Base     manifest.Digest // of what was ours then
	MakeRoot bool            // the tree did not exist
	Around   string          `json:",omitempty"` // manifest.Owner in numbers: of folders that are made around the entries
	Keep     int             // how many undos are kept
	Undoes   string          // the undo folder that this puts back; empty for a roll
	Release  *Release        // with LayoutRelease
	Folds    bool            `json:",omitempty"` // a new name stands there as an old one that goes, in another case

	Was   Marker // the marker before
	Bytes int64
	Files int
	Sizes []int64 // of the sections; set as they are written

	// To is what is put in place, From what stood at every path that is changed or
	// deleted: Read gives both together, and Draft makes them.
	To, From *manifest.Encoded `json:"-"`

	Back manifest.Edit `json:"-"` // what turns what is ours afterwards into what was, as it is to be written

	how          *io.SectionReader // what is said of each of To
	change, gone *io.SectionReader // Back, as it was written
}

// Release is what the journal of a switch of releases holds besides.
type Release struct {
	Made   string // the release that lies in the stage as r; empty for an undo
	Before string // where root/current leads before; empty: there is none
	After  string // and afterwards
	Shared [][]byte
}

// A journal file is its sections, one after the other, then the Journal as JSON,
// then the length of that in eight bytes, most significant first.
const (
	sectionTo     = iota // manifest.Write of To
	sectionHow           // for each of To, as unsigned varints: Pair.Source + 1, twice, and one more for Pair.Touch
	sectionFrom          // manifest.Write of From
	sectionChange        // manifest.Write of Back.Change
	sectionGone          // manifest.Write of Back.Gone, entries that have only a path
	sections
)

// Write writes the journal to an empty file.
func (j *Journal) Write(to io.Writer) error {
	b := bufio.NewWriterSize(to, 64<<10)
	w := &counter{w: b}
	j.Sizes = nil
	for _, part := range [sections]func() error{
		func() error { return w.copy(j.To.Encoding()) },
		func() error { return w.copy(j.how) },
		func() error { return w.copy(j.From.Encoding()) },
		func() error { return w.list(j.Back.Change, func(l manifest.List) manifest.List { return l }) },
		func() error { return w.list(j.Back.Gone, pathsAlone) },
	} {
		w.n = 0
		if err := part(); err != nil {
			return err
		}
		j.Sizes = append(j.Sizes, w.n)
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := w.all(binary.BigEndian.AppendUint64(text, uint64(len(text)))); err != nil {
		return err
	}
	return b.Flush()
}

// pathsAlone is a list with nothing but its paths.
func pathsAlone(l manifest.List) manifest.List {
	return manifest.Mapped(l, func(e *manifest.Entry) { *e = manifest.Entry{Path: e.Path, Kind: manifest.Other} })
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func (c *counter) all(b []byte) error {
	_, err := c.Write(b)
	return err
}

func (c *counter) copy(from *io.SectionReader) error {
	_, err := io.Copy(c, io.NewSectionReader(from, 0, from.Size()))
	return err
}

// list writes a list as it is to be seen; nil is an empty one.
func (c *counter) list(l manifest.List, as func(manifest.List) manifest.List) error {
	if l == nil {
		return nil
	}
	_, err := manifest.Write(c, as(l))
	return err
}

// errJournal is what a damaged journal gives.
var errJournal = errors.New("its parts do not fit together")

// ReadJournal reads a journal without its sections, which may be damaged.
func ReadJournal(at io.ReaderAt, size int64) (*Journal, error) {
	var end [8]byte
	if size < int64(len(end)) {
		return nil, errJournal
	}
	size -= int64(len(end))
	if _, err := io.ReadFull(io.NewSectionReader(at, size, int64(len(end))), end[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(end[:])
	if n > longestMarker || n > uint64(size) {
		return nil, errJournal
	}
	size -= int64(n)
	text := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(at, size, int64(n)), text); err != nil {
		return nil, err
	}
	j := &Journal{}
	if err := json.Unmarshal(text, j); err != nil {
		return nil, err
	}
	for _, n := range j.Sizes {
		if size -= n; n < 0 || size < 0 {
			return nil, errJournal
		}
	}
	if len(j.Sizes) != sections || size != 0 {
		return nil, errJournal
	}
	return j, nil
}

// OpenJournal reads through a journal and refuses a damaged one. Its bytes must stay
// as they are for as long as it is used.
func OpenJournal(at io.ReaderAt, size int64) (*Journal, error) {
	j, err := ReadJournal(at, size)
	if err != nil {
		return nil, err
	}
	var parts [sections]*io.SectionReader
	off := int64(0)
	for i, n := range j.Sizes {
		parts[i] = io.NewSectionReader(at, off, n)
		off += n
	}
	j.how, j.change, j.gone = parts[sectionHow], parts[sectionChange], parts[sectionGone]
	if j.To, err = manifest.Open(parts[sectionTo], 0, parts[sectionTo].Size()); err != nil {
		return nil, err
	}
	if j.From, err = manifest.Open(parts[sectionFrom], 0, parts[sectionFrom].Size()); err != nil {
		return nil, err
	}
	return j, j.checkHow()
}

// checkHow refuses a section that does not say so much of each of To.
func (j *Journal) checkHow() error {
	r := bufio.NewReader(j.how)
	for range j.To.Count {
		if _, _, err := readHow(r); err != nil {
			return err
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return errJournal
	}
	return nil
}

// readHow reads what is said of the next entry that is put in place.
func readHow(r io.ByteReader) (source int, touch bool, err error) {
	how, err := binary.ReadUvarint(r)
	if err != nil || how>>1 > 1<<40 {
		return 0, false, errJournal
	}
	return int(how>>1) - 1, how&1 == 1, nil
}

// Layout is that of the tree.
func (j *Journal) Layout() Layout {
	if j.Release != nil {
		return LayoutRelease
	}
	return LayoutTree
}

// Before gives the record that stood before the switch, in the place of now;
// its digest is not known yet. When later rolls stand on it, they keep the name
// of the last.
func (j *Journal) Before(now *Record) (*Record, error) {
	var back manifest.Edit
	for part, to := range map[*io.SectionReader]*manifest.List{j.change: &back.Change, j.gone: &back.Gone} {
		list, err := manifest.Open(part, 0, part.Size())
		if err != nil {
			return nil, errors.New("the journal is damaged")
		}
		*to = list
	}
	b := &Record{Marker: j.Was, Ours: manifest.Edited(now.Ours, back)}
	if now.Roll != j.Roll {
		b.Marker = now.Marker
	}
	b.Seq, b.At = now.Seq+1, time.Now()
	return b, nil
}

// Undone counts what the undo of the switch does.
func (j *Journal) Undone(rep *Report) error {
	var n manifest.Tally
	err := j.Each(func(p *manifest.Pair) error {
		back := p.Turned()
		n.Add(&back)
		return nil
	})
	rep.Added, rep.Changed, rep.Deleted = n.Counts()
	return err
}

// IdleFile holds the rolls of which nothing is in a tree, one a line: they had
// nothing to do there, or were undone.
const IdleFile = "idle"

// mostIdle is how many of them are kept.
const mostIdle = 200

// AddIdle gives the text of an IdleFile with one more roll.
func AddIdle(text, roll string) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-mostIdle):], "") + roll + "\n"
}

// HasIdle reports whether the text of an IdleFile names a roll.
func HasIdle(text, roll string) bool {
	return roll != "" && slices.Contains(strings.Split(text, "\n"), roll)
}

// StageName is the folder of a stage.
func StageName(roll string) string { return "stage-" + roll }

// UndoName is the folder of the undo of a roll whose switch made the marker
// with this number; their names are in the order of the switches.
func UndoName(seq int, roll string) string { return fmt.Sprintf("undo-%010d-%s", seq, roll) }

// RollOf takes the roll out of the name of an undo folder.
func RollOf(undo string) string { return undo[min(len(undo), len(UndoName(0, ""))):] }
