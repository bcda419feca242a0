package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

	Change []byte // manifest.Encode of To; while it is written and read
	Source []int  // per change: N of s/N; -1 for none
	Touch  []bool // per change: the file stays, only permissions, owner or time are set
	Old    []byte // manifest.Encode of From; while it is written and read

	Was        Marker // the marker before
	OursChange []byte // manifest.Encode: with OursGone, turns what is ours afterwards into what was
	OursGone   []byte // manifest.EncodePaths
	Bytes      int64
	Files      int

	To   []manifest.Entry `json:"-"` // what is put in place
	From []manifest.Entry `json:"-"` // what stood at every path that is changed or deleted
}

// Release is what the journal of a switch of releases holds besides.
type Release struct {
	Made   string // the release that lies in the stage as r; empty for an undo
	Before string // where root/current leads before; empty: there is none
	After  string // and afterwards
	Shared [][]byte
}

// Encode gives what DecodeJournal reads.
func (j *Journal) Encode() ([]byte, error) {
	j.Change, j.Old = manifest.Encode(j.To), manifest.Encode(j.From)
	defer j.drop()
	return json.Marshal(j)
}

// drop lets go of the encodings, which To and From stand for.
func (j *Journal) drop() { j.Change, j.Old = nil, nil }

// DecodeJournal reads a journal and refuses a damaged one.
func DecodeJournal(b []byte) (*Journal, error) {
	j := &Journal{}
	if err := json.Unmarshal(b, j); err != nil {
		return nil, err
	}
	var err error
	if j.To, err = manifest.Decode(j.Change); err != nil {
		return nil, err
	}
	if j.From, err = manifest.Decode(j.Old); err != nil {
		return nil, err
	}
	j.drop()
	if len(j.Source) != len(j.To) || len(j.Touch) != len(j.To) {
		return nil, errors.New("its parts do not fit together")
	}
	return j, nil
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
	var change bytes.Buffer
	_, _ = manifest.Write(&change, manifest.Refs(was.Change))
	j.OursChange, j.OursGone = change.Bytes(), manifest.EncodePaths(was.Gone)
}

// Before gives the record that stood before the switch, in the place of now;
// its digest is not known yet. When later rolls stand on it, they keep the name
// of the last.
func (j *Journal) Before(now *Record) (*Record, error) {
	back, err := patch(j.OursChange, j.OursGone)
	if err != nil {
		return nil, errors.New("the journal is damaged")
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
