package manifest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Change is what a decision comes to at one path.
type Change struct {
	Put   bool // Want is put in place
	Goes  bool // Live is deleted
	Alone bool // a folder that is made, or goes, with nothing in it of which that is true
	// Have says that the wanted bytes need not be sent: the live file holds them,
	// and only permissions, owner or time differ; or the file does that it joins.
	Have  bool
	Joins bool // it is made a hard link of the file that Want.Link names

	Was  *Entry // what was ours; nil for nothing
	Ours *Entry // what is ours afterwards; nil for nothing
	Live *Entry // what stands there now, where it is concerned; nil for nothing
	Want *Entry // what is wanted, where it is concerned; nil for nothing
}

// Path is that of the change.
func (c *Change) Path() string {
	for _, e := range []*Entry{c.Want, c.Live, c.Was} {
		if e != nil {
			return e.Path
		}
	}
	return ""
}

// Sent reports whether contents are sent for it.
func (c *Change) Sent() bool { return c.Put && c.Want.Kind == File && !c.Have }

// Fresh reports whether it puts something where nothing is.
func (c *Change) Fresh() bool { return c.Put && c.Live == nil }

// settles reports whether what is ours there changes.
func (c *Change) settles() bool {
	if c.Was == nil || c.Ours == nil {
		return c.Was != c.Ours
	}
	return c.Was.record() != c.Ours.record()
}

// A change is written as the length of what follows its flags, in four bytes,
// two bytes of flags, the path, and those of Was, Live and Want that there are,
// each with its numbers of user and group.
const changeHead = 6

// The first byte of flags is what may be known late.
const (
	flagPut = 1 << iota
	flagGoes
	flagAlone
	flagHave
	flagJoins
)

// The second byte of flags: which entries follow, and which one is ours
// afterwards.
const (
	hasWas = 1 << iota
	hasLive
	hasWant
	oursWas
	oursLive
	oursWant
)

// recorder writes changes into a spool.
type recorder struct {
	to   *Spool
	c    encoder
	from int64 // where in the spool c's bytes begin
	err  error // the first failure; nothing is written after it
}

// add writes a change and gives where its flags are.
func (r *recorder) add(c *Change) (at int64) {
	begin := len(r.c.b)
	r.c.b = append(r.c.b, make([]byte, changeHead)...)
	r.c.path(c.Path())
	has := byte(0)
	for i, e := range [...]*Entry{c.Was, c.Live, c.Want} {
		if e == nil {
			continue
		}
		has |= hasWas << i
		if e == c.Ours {
			has |= oursWas << i
		}
		r.c.body(e)
		r.c.b = binary.AppendUvarint(r.c.b, uint64(e.UID))
		r.c.b = binary.AppendUvarint(r.c.b, uint64(e.GID))
	}
	head := r.c.b[begin:]
	binary.LittleEndian.PutUint32(head, uint32(len(head)-changeHead))
	head[4], head[5] = c.flags(), has
	at = r.from + int64(begin) + 4
	if len(r.c.b) >= piece {
		r.flush()
	}
	return at
}

func (c *Change) flags() (b byte) {
	for i, yes := range []bool{c.Put, c.Goes, c.Alone, c.Have, c.Joins} {
		if yes {
			b |= flagPut << i
		}
	}
	return b
}

// set replaces the flags at a place that add gave.
func (r *recorder) set(at int64, flags byte) {
	if at >= r.from {
		r.c.b[at-r.from] = flags
	} else if r.err == nil {
		r.err = r.to.Set(at, flags)
	}
}

func (r *recorder) flush() {
	r.from += int64(len(r.c.b))
	if r.err == nil {
		_, r.err = r.to.Write(r.c.b)
	}
	r.c.b = r.c.b[:0]
}

// Changes gives the changes of a decision one by one, sorted by path.
type Changes struct {
	r    *bufio.Reader
	head [changeHead]byte
	body []byte
	d    decoder
	t    texts
	path Entry // the last one's, and nothing else
	at   [3]Entry
	c    Change
	err  error
}

func readChanges(s *Spool) *Changes {
	size := s.Size()
	return &Changes{r: bufio.NewReaderSize(io.NewSectionReader(s, 0, size), int(min(piece, size+1)))}
}

// Err says why Next gave nil before the end; nil when it was the end.
func (s *Changes) Err() error { return s.err }

// Next gives the next change, which is valid until Next is called again; nil at
// the end, and where it cannot be read on.
func (s *Changes) Next() *Change {
	for s.err == nil && s.read() {
		if c := &s.c; c.Put || c.Goes || c.settles() { // a folder that was to go may have stayed
			return c
		}
	}
	return nil
}

// read is false at the end.
func (s *Changes) read() bool {
	if _, err := io.ReadFull(s.r, s.head[:]); err == io.EOF {
		return false
	} else if err != nil {
		s.fail(err)
		return false
	}
	n := int(binary.LittleEndian.Uint32(s.head[:]))
	if n > cap(s.body) {
		s.body = make([]byte, n)
	}
	s.d.Left = s.body[:n]
	if _, err := io.ReadFull(s.r, s.d.Left); err != nil {
		s.fail(err)
		return false
	}
	s.decode(s.head[4], s.head[5])
	if s.d.Err != nil {
		s.fail(s.d.Err)
	}
	return s.err == nil
}

func (s *Changes) fail(err error) { s.err = fmt.Errorf("cannot read what was decided: %w", err) }

func (s *Changes) decode(flags, has byte) {
	s.c = Change{
		Put: flags&flagPut != 0, Goes: flags&flagGoes != 0, Alone: flags&flagAlone != 0,
		Have: flags&flagHave != 0, Joins: flags&flagJoins != 0,
	}
	s.d.path(&s.path, s.path.Path, &s.t)
	for i, to := range [...]**Entry{&s.c.Was, &s.c.Live, &s.c.Want} {
		if has&(hasWas<<i) == 0 {
			continue
		}
		e := &s.at[i]
		*e = s.path
		s.d.body(e)
		e.UID, e.GID = uint32(s.d.Uvarint()), uint32(s.d.Uvarint())
		*to = e
		if has&(oursWas<<i) != 0 && !s.c.Goes {
			s.c.Ours = e
		}
	}
}

// picked is the list of those entries that pick finds in the changes of a
// decision.
type picked struct {
	d      *Decision
	pick   func(*Change) *Entry
	traits Traits
}

// Read implements List.
func (p *picked) Read() Seq { return &pickedSeq{p.d.Read(), p.pick} }

// Traits implements List.
func (p *picked) Traits() Traits { return p.traits }

type pickedSeq struct {
	*Changes
	pick func(*Change) *Entry
}

// Next implements Seq.
func (s *pickedSeq) Next() *Entry {
	for c := s.Changes.Next(); c != nil; c = s.Changes.Next() {
		if e := s.pick(c); e != nil {
			return e
		}
	}
	return nil
}
