package wire

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Finding is a path that differs from what rolls left.
type Finding struct {
	Path  []byte
	What  string        // as manifest.Difference, and unknown
	Owner string        `json:",omitempty"`
	Mtime int64         `json:",omitempty"` // nanoseconds since 1970
	Size  int64         `json:",omitempty"`
	Kind  manifest.Kind `json:",omitempty"` // of what is there
	Mode  uint32        `json:",omitempty"`
	Yield bool          `json:",omitempty"` // replaced anyway
	Older bool          `json:",omitempty"` // it is as the last roll left it
}

// Findings are differences ready for the wire; owner names a number.
func Findings(list []manifest.Difference, owner func(uint32) string) []Finding {
	var out []Finding
	for _, d := range list {
		f := Finding{Path: []byte(d.Path), What: d.What, Older: d.AsRolled}
		if l := d.Live; l != nil {
			f.Size, f.Mtime, f.Kind, f.Mode, f.Owner = l.Size, l.Mtime, l.Kind, l.Mode, owner(l.UID)
		}
		out = append(out, f)
	}
	return out
}

// Text describes a finding in a few words.
func (f Finding) Text() string {
	s := string(f.Path)
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		s = q
	}
	var about []string
	if f.What != "changed" {
		about = append(about, words[f.What])
	}
	if f.Owner != "" {
		about = append(about, "by "+f.Owner)
	}
	if f.Mtime != 0 {
		about = append(about, time.Unix(0, f.Mtime).Format("2006-01-02 15:04"))
	}
	if f.Older {
		about = append(about, "as the last roll left it")
	}
	if len(about) > 0 {
		s += " (" + strings.Join(about, ", ") + ")"
	}
	return s
}

var words = map[string]string{
	"missing": "deleted", "mode": "permissions changed", "owner": "owner changed", "type": "type changed",
	"unknown": "not put there by a roll", "extra": "not put there by a roll",
	"unsent": "not sent yet", "obsolete": "no longer in the source",
}

// ClosedHint is what can be done about a part of the tree that the login must not look
// at, such as another user's cache.
const ClosedHint = `let the login look at it, or leave it alone: exclude={"that/folder/"}`

// DriftHint is what can be done about drift.
const DriftHint = `drift="overwrite" replaces them, drift="keep" leaves them; sync.drift shows what changed`

const maxNamed = 5

// Drifted says in words what changed on the node.
func Drifted(list []Finding) string {
	var b strings.Builder
	if len(list) == 1 {
		b.WriteString("a file was changed on the node: ")
	} else {
		b.WriteString(strconv.Itoa(len(list)) + " files were changed on the node: ")
	}
	for i, f := range list {
		if i == maxNamed {
			b.WriteString(" and " + strconv.Itoa(len(list)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Text())
	}
	return b.String()
}
