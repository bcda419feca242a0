package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Op names what is asked of the agent.
type Op string

// The operations.
const (
	OpStage  Op = "stage"  // bring what is wanted onto the disk beside the tree
	OpSwitch Op = "switch" // put a stage in place
	OpDrop   Op = "drop"   // throw a stage away
	OpLook   Op = "look"   // say what a stage would do; change nothing
	OpUndo   Op = "undo"   // put back what a roll replaced
	OpStatus Op = "status" // facts and the marker; change nothing
	OpSettle Op = "settle" // finish or undo what was cut short, then as status
	OpDrift  Op = "drift"  // compare the tree with what rolls left; change nothing
	OpRead   Op = "read"   // one file of the tree, as a stream of Pack frames
)

// Request is what the controller asks. Byte slices hold paths and patterns,
// which need not be UTF-8.
type Request struct {
	Op   Op
	Root []byte // the tree, absolute
	Roll string // id of the roll; the name of the stage
	By   Holder

	Rules   Patterns        `json:",omitzero"`
	Policy  manifest.Policy `json:",omitzero"`
	Verify  string          `json:",omitempty"` // stat, checksum or trust
	Base    manifest.Digest `json:",omitempty"` // what the controller believes is ours there; the Delta is against it
	Want    manifest.Digest `json:",omitempty"`
	Expect  string          `json:",omitempty"` // the digest of a plan that must still hold
	Lists   bool            `json:",omitempty"` // the report shall list every path
	Keep    int             `json:",omitempty"` // how many undos are kept
	Layout  Layout          `json:",omitempty"` // of stage and look; others follow the marker
	Shared  [][]byte        `json:",omitempty"` // with LayoutRelease: paths that all releases share
	Owner   string          `json:",omitempty"` // of folders that are made around the entries: the root and those in shared
	Hold    bool            `json:",omitempty"` // keep the lock after staging, until switch or drop
	Ask     bool            `json:",omitempty"` // no contents come with the delta: they are asked for
	Ways    int             `json:",omitempty"` // how many more streams the controller would open for large contents
	Rev     string          `json:",omitempty"` // what the tree is at, for the marker
	Force   bool            `json:",omitempty"` // undo over later changes
	Path    []byte          `json:",omitempty"` // for OpRead
	MaxSize int64           `json:",omitempty"` // for OpRead
}

// Layout says where the live tree is below the root that a request names.
type Layout string

// The layouts. The zero value is LayoutTree.
const (
	LayoutTree    Layout = ""        // the root itself
	LayoutRelease Layout = "release" // root/current, a link to root/releases/ROLL
)

// Patterns carries manifest.Patterns.
type Patterns struct {
	Only, Skip, Ignore [][]byte `json:",omitempty"`
}

// Carry makes patterns ready for the wire.
func Carry(p manifest.Patterns) Patterns {
	return Patterns{Bytes(p.Only), Bytes(p.Skip), Bytes(p.Ignore)}
}

// Patterns unpacks what Carry made.
func (p Patterns) Patterns() manifest.Patterns {
	return manifest.Patterns{Only: stringsOf(p.Only), Skip: stringsOf(p.Skip), Ignore: stringsOf(p.Ignore)}
}

// Bytes turns paths into what travels.
func Bytes(list []string) (out [][]byte) {
	for _, s := range list {
		out = append(out, []byte(s))
	}
	return out
}

func stringsOf(list [][]byte) (out []string) {
	for _, b := range list {
		out = append(out, string(b))
	}
	return out
}

// Holder is who works on a tree, as the lock tells it.
type Holder struct {
	Who   string
	Host  string // the deploy host
	Why   string // sync.push, roll www
	Since time.Time
	PID   int    // of the agent on the node
	Roll  string `json:",omitempty"`
}

// Beat says that the agent lives and how far it is.
type Beat struct {
	Files int64 // staged or looked at
	Bytes int64 // staged
	Step  string
}

// Failure is an error for a person.
type Failure struct {
	Kind    string
	Message string
	Hint    string `json:",omitempty"`
	Drift   []Finding
}

// Marker is the record beside a tree of what rolls left in it.
type Marker struct {
	Roll    string // the last roll
	Rev     string // what the tree was brought to
	Partial []string
	Who     string
	Host    string
	At      time.Time
	Undo    string          // the last switch was this undo; empty after a roll
	Seq     int             // counts the switches of this tree
	Digest  manifest.Digest // of the entries that are ours
	Looked  time.Time       `json:",omitzero"`  // when the tree was last looked at in full, by the node's clock
	Boot    string          `json:",omitempty"` // the run of the node's kernel then
	Agent   string          `json:",omitempty"` // the agent's name, which holds its sum
	Layout  Layout          `json:",omitempty"`
	Shared  [][]byte        `json:",omitempty"` // paths that all releases share, as links to root/shared

	Entries *manifest.Traits `json:",omitempty"` // what may be among them; nil: to be found out
}

// MovedOn says who did what to a tree since it was looked at.
func (m *Marker) MovedOn() string {
	if m.Undo != "" {
		return "a roll to this tree was undone since it was looked at"
	}
	return fmt.Sprintf("%s on %s rolled to this tree since it was looked at (%s)", m.Who, m.Host, m.Roll)
}

// ChangedSince says what stands in the way of the undo of roll in the tree of which m
// is the marker, and what can be done: the path, as it is told, is no longer as that
// roll left it.
func (m *Marker) ChangedSince(path, roll string) (message, hint string) {
	force := `sync.undo{to=, roll="` + roll + `", force=true} puts the old one back all the same, and rollsh back goes on then`
	if m.Roll == roll {
		return path + " was changed on the node since roll " + roll, force
	}
	return path + " was changed since roll " + roll + ", by a later roll or on the node", "undo later rolls first; " + force
}

// Report is how an operation ended.
type Report struct {
	Marker  *Marker `json:",omitempty"` // as it is now; nil when no roll was made
	First   bool    // no roll was made here before
	Settled string  `json:",omitempty"` // what was done about a roll cut short: finished, undone, swept
	Pending string  `json:",omitempty"` // what would be done about it (look, status)

	Added, Changed, Deleted int
	Files                   int   // whose contents were sent
	Bytes                   int64 // of these contents
	Local                   int64 // bytes copied on the node itself
	Adopted                 int
	Drift                   []Finding `json:",omitempty"`
	Extra                   int       // files that no roll put there
	Blocked                 []string  `json:",omitempty"`
	Digest                  string    // of what is to be done: binds the plan
	Nothing                 bool      // nothing is to be done
	Warnings                []string  `json:",omitempty"`
	Facts                   *Facts    `json:",omitempty"`
	Burst                   time.Duration
	Lists                   *Lists `json:",omitempty"`
	Roll                    string `json:",omitempty"` // undo: what was undone
}

// Lists are all the paths of a plan, as encoded by manifest.EncodePaths.
type Lists struct {
	Added, Changed, Deleted, Extra []byte
	Attributes                     []Attribute `json:",omitempty"`
}

// Attribute is one of the changed paths whose content stays.
type Attribute struct {
	Path      []byte
	Was, Mode uint32 `json:",omitempty"` // permissions, where they change
	Owner     string `json:",omitempty"` // who it will belong to, where that changes
	Time      bool   `json:",omitempty"` // its time changes
}

// Text says what changes, such as "permissions 0644 to 0600, owner www-data".
func (a Attribute) Text() string {
	var parts []string
	if a.Was != a.Mode {
		parts = append(parts, fmt.Sprintf("permissions %04o to %04o", a.Was, a.Mode))
	}
	if a.Owner != "" {
		parts = append(parts, "owner "+a.Owner)
	}
	if a.Time {
		parts = append(parts, "time")
	}
	return strings.Join(parts, ", ")
}

// EncodeDelta packs what turns the entries that the base names into those wanted.
// It is sent in pieces of PieceSize, of which the last is shorter.
func EncodeDelta(e manifest.Edit) ([]byte, error) {
	var change bytes.Buffer
	if _, err := manifest.Write(&change, e.Change); err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(binary.AppendUvarint(nil, uint64(change.Len())))
	_, _ = change.WriteTo(b)
	if _, err := manifest.Write(b, pathsAlone(e.Gone)); err != nil {
		return nil, err
	}
	return Pack(b.Bytes()), nil
}

// OpenDelta reads through what EncodeDelta packed, once it is unpacked, and refuses
// what is damaged; entries is how many it holds.
func OpenDelta(at io.ReaderAt, size int64) (e manifest.Edit, entries int, err error) {
	head := make([]byte, min(size, binary.MaxVarintLen64))
	if _, err := at.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return e, 0, err
	}
	n, k := binary.Uvarint(head)
	if k <= 0 || n > uint64(size-int64(k)) {
		return e, 0, errors.New("damaged delta")
	}
	begin := int64(k)
	change, err := manifest.Open(at, begin, int64(n))
	if err != nil {
		return e, 0, err
	}
	begin += int64(n)
	gone, err := manifest.Open(at, begin, size-begin)
	return manifest.Edit{Change: change, Gone: gone}, change.Count + gone.Count, err
}

// Ways are pipes of the agent that other processes of its user may write frames
// to: one window of an ssh channel is little on a long line. The pieces of the
// contents come over the agent's input and the ways in turn.
type Ways struct {
	PID int
	FDs []int // their ends in that process
}

// Need asks for the content of one entry, from Offset on.
type Need struct {
	Index  int
	Offset int64
}

// Needs writes needs with ascending indexes, compressed a piece at a time: a whole
// tree is often needed.
type Needs struct {
	b, packed []byte
	last      int
}

// Add writes one more.
func (w *Needs) Add(n Need) {
	w.b = binary.AppendUvarint(w.b, uint64(n.Index-w.last))
	w.b = binary.AppendUvarint(w.b, uint64(n.Offset))
	if w.last = n.Index; len(w.b) >= PieceSize {
		w.Encode()
	}
}

// Encode gives what DecodeNeed reads.
func (w *Needs) Encode() []byte {
	w.packed = append(w.packed, Pack(w.b)...)
	w.b = w.b[:0]
	return w.packed
}

// NeedList is a list of needs with ascending indexes, some two bytes each.
type NeedList struct {
	Count int
	b     []byte
}

// DecodeNeed reads needs with ascending indexes below limit.
func DecodeNeed(b []byte, limit int) (*NeedList, error) {
	b, err := Unpack(b)
	if err != nil {
		return nil, err
	}
	out := &NeedList{b: b}
	at := 0
	for c := (manifest.Cut{Left: b}); len(c.Left) > 0; out.Count++ {
		v, off := c.Uvarint(), c.Uvarint()
		if c.Err != nil || v >= uint64(limit) || out.Count > 0 && v == 0 || at+int(v) >= limit || off > 1<<62 {
			return nil, errors.New("damaged list of needed files")
		}
		at += int(v)
	}
	return out, nil
}

// All gives the needs in their order.
func (l *NeedList) All() iter.Seq[Need] {
	return func(yield func(Need) bool) {
		at := 0
		for c := (manifest.Cut{Left: l.b}); len(c.Left) > 0; {
			at += int(c.Uvarint())
			if !yield(Need{at, int64(c.Uvarint())}) {
				return
			}
		}
	}
}
