package svn

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"
)

// commitList is a history's commits in the cache: read in one pass, without a copy
// of each text, which takes a fraction of what gob takes for as many.
type commitList []commit

// packing is what is written into the cache, piece by piece.
type packing []byte

func (b *packing) size(n int)    { *b = binary.AppendUvarint(*b, uint64(n)) }
func (b *packing) num(n int)     { *b = binary.AppendVarint(*b, int64(n)) }
func (b *packing) text(s string) { b.size(len(s)); *b = append(*b, s...) }

// bits writes which of a few things are so.
func (b *packing) bits(list ...bool) {
	n := 0
	for i, set := range list {
		if set {
			n |= 1 << i
		}
	}
	b.num(n)
}

// GobEncode writes the commits.
func (l commitList) GobEncode() ([]byte, error) {
	var b packing
	b.size(len(l))
	for _, c := range l {
		b.num(c.Rev)
		b.text(c.Author)
		date := int64(math.MinInt64)
		if !c.Date.IsZero() {
			date = c.Date.UnixNano()
		}
		b = binary.AppendVarint(b, date)
		b.text(c.Message)
		b.num(len(c.Paths))
		for _, t := range c.Paths {
			b.text(t.Path)
			b.text(t.Action)
			b.text(t.Kind)
			b.bits(t.Text, t.Props, t.From != "")
			if t.From != "" {
				b.text(t.From)
				b.num(t.FromRev)
			}
		}
	}
	return b, nil
}

var errPacked = errors.New("not what was packed")

// GobDecode reads them.
func (l *commitList) GobDecode(data []byte) error {
	r := unpack(data)
	count := r.size()
	if r.bad {
		return errPacked
	}
	out := make(commitList, 0, min(count, len(data)))
	for range count {
		c := commit{Rev: r.num(), Author: r.string()}
		if date := r.varint(); date != math.MinInt64 {
			c.Date = time.Unix(0, date).UTC()
		}
		c.Message = r.string()
		if n := r.num(); n > 0 && n <= len(data) {
			c.Paths = make([]touch, n)
		}
		for i := range c.Paths {
			c.Paths[i] = r.touch()
		}
		if r.bad {
			return errPacked
		}
		out = append(out, c)
	}
	*l = out
	return nil
}

// packed is read from its beginning; bad is set where it is none.
type packed struct {
	text string
	raw  []byte // the same
	at   int
	bad  bool
}

func (r *packed) varint() int64 {
	v, n := binary.Varint(r.raw[r.at:])
	r.step(n)
	return v
}

func (r *packed) size() int {
	v, n := binary.Uvarint(r.raw[r.at:])
	r.step(n)
	return int(min(v, math.MaxInt32))
}

func (r *packed) step(n int) {
	if n <= 0 {
		r.bad = true
		return
	}
	r.at += n
}

func (r *packed) num() int { return int(r.varint()) }

func (r *packed) string() string {
	n := r.size()
	if r.bad || n > len(r.text)-r.at {
		r.bad = true
		return ""
	}
	s := r.text[r.at : r.at+n]
	r.at += n
	return s
}

func (r *packed) touch() touch {
	t := touch{Path: r.string(), Action: r.string(), Kind: r.string()}
	from := false
	r.bits(&t.Text, &t.Props, &from)
	if from {
		t.From, t.FromRev = r.string(), r.num()
	}
	return t
}

func (r *packed) bits(list ...*bool) {
	n := r.num()
	for i := range list {
		*list[i] = n&(1<<i) != 0
	}
}

func unpack(data []byte) *packed { return &packed{text: string(data), raw: data} }

// GobEncode writes the tree.
func (l treeList) GobEncode() ([]byte, error) {
	var b packing
	b.size(len(l))
	for _, e := range l {
		b.text(e.path)
		b.bits(e.Dir)
		b.num(e.Rev)
	}
	return b, nil
}

// GobDecode reads it.
func (l *treeList) GobDecode(data []byte) error {
	r := unpack(data)
	count := min(r.size(), len(data))
	if r.bad {
		return errPacked
	}
	out := make(treeList, 0, count)
	for range count {
		e := treeItem{path: r.string()}
		r.bits(&e.Dir)
		e.Rev = r.num()
		out = append(out, e)
		if r.bad {
			return errPacked
		}
	}
	*l = out
	return nil
}

// GobEncode writes what a revision changed.
func (m changeMap) GobEncode() ([]byte, error) {
	var b packing
	b.size(len(m))
	for path, c := range m {
		b.text(path)
		b.bits(c.Binary)
		b.text(strings.Join(c.Left, ""))
		b.text(strings.Join(c.Right, ""))
		b.size(len(c.Props))
		for _, p := range c.Props {
			b.text(p)
		}
	}
	return b, nil
}

// GobDecode reads it.
func (m *changeMap) GobDecode(data []byte) error {
	r := unpack(data)
	*m = changeMap{}
	count := min(r.size(), len(data))
	if r.bad {
		return errPacked
	}
	for range count {
		path, c := r.string(), change{}
		r.bits(&c.Binary)
		c.Left, c.Right = splitLines(r.string()), splitLines(r.string())
		for range min(r.size(), len(data)) {
			c.Props = append(c.Props, r.string())
			if r.bad {
				return errPacked
			}
		}
		if r.bad {
			return errPacked
		}
		(*m)[path] = c
	}
	return nil
}
