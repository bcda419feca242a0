//go:build linux

package agent

import (
	"encoding/json"
	"errors"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// journal is the plan of one switch, on the disk before anything of the tree
// is touched. It holds all that is needed to finish the switch, to undo it
// half way, and to undo it later.
type journal struct {
	Roll     string
	Seq      int             // of the marker that it was made against
	Base     manifest.Digest // of what was ours then
	MakeRoot bool            // the tree did not exist
	Around   string          `json:",omitempty"` // manifest.Owner in numbers: of folders that are made around the entries
	Keep     int             // how many undos are kept
	Undoes   string          // the undo folder that this puts back; empty for a roll
	Release  *release        // with wire.LayoutRelease

	Change []byte // manifest.Encode: what is put in place
	Source []int  // per change: N of s/N; -1 for none
	Touch  []bool // per change: the file stays, only permissions or time are set
	Old    []byte // manifest.Encode: what stood at every path that is changed or deleted

	Was        wire.Marker // the marker before
	OursChange []byte      // manifest.Encode: with OursGone, turns what is ours afterwards into what was
	OursGone   []byte      // manifest.EncodePaths
	Bytes      int64
	Files      int

	change, old []manifest.Entry
}

func (j *journal) encode() ([]byte, error) {
	j.Change, j.Old = manifest.Encode(j.change), manifest.Encode(j.old)
	return json.Marshal(j)
}

func decodeJournal(b []byte) (*journal, error) {
	j := &journal{}
	if err := json.Unmarshal(b, j); err != nil {
		return nil, err
	}
	var err error
	if j.change, err = manifest.Decode(j.Change); err != nil {
		return nil, err
	}
	if j.old, err = manifest.Decode(j.Old); err != nil {
		return nil, err
	}
	if len(j.Source) != len(j.change) || len(j.Touch) != len(j.change) {
		return nil, errors.New("its parts do not fit together")
	}
	return j, nil
}
