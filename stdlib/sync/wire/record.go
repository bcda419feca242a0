package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Record is the marker of a tree with the entries that are ours in it.
type Record struct {
	Marker
	Ours []manifest.Entry
}

// First reports whether no roll stands in the tree.
func (r *Record) First() bool { return r.Roll == "" }

// Encode writes a length, the marker as JSON, and the entries, and sets the
// digest of these.
func (r *Record) Encode() ([]byte, error) {
	body := manifest.Encode(r.Ours)
	r.Digest = manifest.DigestOf(body)
	head, err := json.Marshal(r.Marker)
	if err != nil {
		return nil, err
	}
	b := binary.AppendUvarint(nil, uint64(len(head)))
	return append(append(b, head...), body...), nil
}

// DecodeMarker reads the marker alone of what Encode wrote, which may be
// damaged elsewhere.
func DecodeMarker(b []byte) (*Marker, error) {
	m, _, err := cutMarker(b)
	return m, err
}

func cutMarker(b []byte) (m *Marker, body []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, errors.New("cut short")
	}
	m = &Marker{}
	return m, b[k+int(n):], json.Unmarshal(b[k:k+int(n)], m)
}

// DecodeRecord reads what Encode wrote; it refuses what was damaged since.
func DecodeRecord(b []byte) (*Record, error) {
	m, body, err := cutMarker(b)
	if err != nil {
		return nil, err
	}
	if manifest.DigestOf(body) != m.Digest {
		return nil, errors.New("its digest is wrong")
	}
	r := &Record{Marker: *m}
	r.Ours, err = manifest.Decode(body)
	return r, err
}
