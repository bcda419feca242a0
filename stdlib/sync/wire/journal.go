package wire

import (
	"bufio"
	"bytes"
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
// u/N, links to what stood at the path of From[N].
type Journal struct {
	Roll     string
	Seq      int             // of the marker that it was made against
	Base     manifest.Digest // of what was ours then
	MakeRoot bool            // the tree did not exist
	Around   string          `json:",omitempty"` // manifest.Owner in numbers: of folders that are made around the entries
	Keep     int             // how many undos are kept
	Undoes   string          // the undo folder that this puts back; empty for a roll
	Release  *Release        // with LayoutRelease

	Was   Marker // the marker before
	Bytes int64
	Files int
	Sizes []int64 // of the sections; set as they are written

	To     []manifest.Entry `json:"-"` // what is put in place
	Source []int            `json:"-"` // for each of To: N of s/N; -1 for none
	Touch  []bool           `json:"-"` // for each of To: the file stays, only permissions, owner or time are set
	From   []manifest.Entry `json:"-"` // what stood at every path that is changed or deleted

	change, gone []byte // encoded: what turns what is ours afterwards into what was
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
	sectionHow           // for each of To, as unsigned varints: Source + 1, twice, and one more for Touch
	sectionFrom          // manifest.Write of From
	sectionChange        // manifest.Write
	sectionGone          // manifest.Write of entries that have only a path
	sections
)

// Write writes the journal to an empty file.
func (j *Journal) Write(to io.Writer) error {
	b := bufio.NewWriterSize(to, 64<<10)
	w := &counter{w: b}
	j.Sizes = nil
	for _, part := range [sections]func() error{
		func() error { return list(w, manifest.Slice(j.To)) },
		func() error { return j.writeHow(w) },
		func() error { return list(w, manifest.Slice(j.From)) },
		func() error { return w.all(j.change) },
		func() error { return w.all(j.gone) },
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

func list(w io.Writer, l manifest.List) error {
	_, err := manifest.Write(w, l)
	return err
}

func (j *Journal) writeHow(w *counter) error {
	var b []byte
	for i, n := range j.Source {
		how := uint64(n+1) << 1
		if j.Touch[i] {
			how |= 1
		}
		b = binary.AppendUvarint(b[:0], how)
		if err := w.all(b); err != nil {
			return err
		}
	}
	return nil
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

// Encode gives what Write writes.
func (j *Journal) Encode() ([]byte, error) {
	var b bytes.Buffer
	err := j.Write(&b)
	return b.Bytes(), err
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

// OpenJournal reads a journal and refuses a damaged one.
func OpenJournal(at io.ReaderAt, size int64) (*Journal, error) {
	j, err := ReadJournal(at, size)
	if err != nil {
		return nil, err
	}
	var parts [sections][]byte
	off := int64(0)
	for i, n := range j.Sizes {
		parts[i] = make([]byte, n)
		if _, err := io.ReadFull(io.NewSectionReader(at, off, n), parts[i]); err != nil {
			return nil, err
		}
		off += n
	}
	if j.To, err = manifest.Decode(parts[sectionTo]); err != nil {
		return nil, err
	}
	if j.From, err = manifest.Decode(parts[sectionFrom]); err != nil {
		return nil, err
	}
	j.change, j.gone = parts[sectionChange], parts[sectionGone]
	return j, j.readHow(parts[sectionHow])
}

func (j *Journal) readHow(b []byte) error {
	for range j.To {
		how, n := binary.Uvarint(b)
		if n <= 0 || how>>1 > 1<<40 {
			return errJournal
		}
		b = b[n:]
		j.Source, j.Touch = append(j.Source, int(how>>1)-1), append(j.Touch, how&1 == 1)
	}
	if len(b) > 0 {
		return errJournal
	}
	return nil
}

// DecodeJournal is OpenJournal for what is in memory.
func DecodeJournal(b []byte) (*Journal, error) {
	return OpenJournal(bytes.NewReader(b), int64(len(b)))
}

// Add puts an entry into what is put in place: from s/source, or, with touch,
// on the file that is there.
func (j *Journal) Add(e manifest.Entry, source int, touch bool) {
	j.To = append(j.To, e)
	j.Source = append(j.Source, source)
	j.Touch = append(j.Touch, touch)
}

// Layout is that of the tree.
func (j *Journal) Layout() Layout {
	if j.Release != nil {
		return LayoutRelease
	}
	return LayoutTree
}

// Steps are those of the burst, in their order.
func (j *Journal) Steps() []manifest.Step { return manifest.Burst(j.From, j.To, j.Touches()) }

// Back are the steps that undo the burst.
func (j *Journal) Back() []manifest.Step { return manifest.Burst(j.To, j.From, j.Touches()) }

// Touches tells which paths keep their file.
func (j *Journal) Touches() func(string) bool {
	m := map[string]bool{}
	for i, yes := range j.Touch {
		if yes {
			m[j.To[i].Path] = true
		}
	}
	return func(p string) bool { return m[p] }
}

// Fresh lists the paths at which nothing stood.
func (j *Journal) Fresh() (out []string) {
	for i := range j.To {
		if manifest.Find(j.From, j.To[i].Path) == nil {
			out = append(out, j.To[i].Path)
		}
	}
	return out
}

// Gone lists the paths at which nothing is left.
func (j *Journal) Gone() (out []string) {
	for i := range j.From {
		if manifest.Find(j.To, j.From[i].Path) == nil {
			out = append(out, j.From[i].Path)
		}
	}
	return out
}

// Remember notes how what is ours after the switch turns into what was.
func (j *Journal) Remember(was manifest.Patch) {
	var change, gone bytes.Buffer
	_ = list(&change, manifest.Refs(was.Change))
	w := manifest.NewWriter(&gone)
	for _, p := range was.Gone {
		w.Add(&manifest.Entry{Path: p, Kind: manifest.Other})
	}
	_, _ = w.Done()
	j.change, j.gone = change.Bytes(), gone.Bytes()
}

// Before gives the record that stood before the switch, in the place of now;
// its digest is not known yet. When later rolls stand on it, they keep the name
// of the last.
func (j *Journal) Before(now *Record) (*Record, error) {
	change, err := manifest.Decode(j.change)
	if err != nil {
		return nil, errors.New("the journal is damaged")
	}
	gone, err := manifest.Decode(j.gone)
	if err != nil {
		return nil, errors.New("the journal is damaged")
	}
	back := manifest.Patch{Change: refs(change)}
	for i := range gone {
		back.Gone = append(back.Gone, gone[i].Path)
	}
	b := &Record{Marker: j.Was, Ours: manifest.Patched(now.Ours, back)}
	if now.Roll != j.Roll {
		b.Marker = now.Marker
	}
	b.Seq, b.At = now.Seq+1, time.Now()
	return b, nil
}

// Undone counts what the undo of a switch does, when it puts back the entries.
func (j *Journal) Undone(back []manifest.Entry, rep *Report) {
	for i := range back {
		switch {
		case back[i].Kind == manifest.Dir:
		case manifest.Find(j.To, back[i].Path) != nil:
			rep.Changed++
		default:
			rep.Added++
		}
	}
	for i := range j.To {
		if j.To[i].Kind != manifest.Dir && manifest.Find(j.From, j.To[i].Path) == nil {
			rep.Deleted++
		}
	}
}

// IdleFile holds the rolls that had nothing to do in a tree, one a line.
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
