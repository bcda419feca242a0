package wire

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Draft makes what a journal says of single paths. They are given in their order.
type Draft struct {
	to, from *manifest.Builder
	how      *manifest.Spool
	b        []byte // of how, not yet written
	stood    int
	err      error
}

// NewDraft begins with nothing; spool gives places for the lists, nil for memory.
func NewDraft(spool func() *manifest.Spool) *Draft {
	if spool == nil {
		spool = func() *manifest.Spool { return manifest.NewSpool(nil) }
	}
	return &Draft{to: manifest.NewBuilder(spool()), from: manifest.NewBuilder(spool()), how: spool()}
}

// Put has an entry put in place: from s/source, or, with touch, on the file that
// is there; a folder and a file that stays have no source, -1.
func (d *Draft) Put(e *manifest.Entry, source int, touch bool) {
	d.to.Add(e)
	how := uint64(source+1) << 1
	if touch {
		how |= 1
	}
	if d.b = binary.AppendUvarint(d.b, how); len(d.b) >= 4<<10 {
		d.flush()
	}
}

func (d *Draft) flush() {
	if d.err == nil {
		_, d.err = d.how.Write(d.b)
	}
	d.b = d.b[:0]
}

// Stood notes what stands there now and gives its index.
func (d *Draft) Stood(e *manifest.Entry) int {
	d.from.Add(e)
	d.stood++
	return d.stood - 1
}

// Fill makes all that part of a journal.
func (d *Draft) Fill(j *Journal) (err error) {
	d.flush()
	if j.To, err = d.to.Done(); err != nil {
		return err
	}
	if j.From, err = d.from.Done(); err != nil {
		return err
	}
	j.how = io.NewSectionReader(d.how, 0, d.how.Size())
	return d.err
}

// Read gives the paths of the switch.
func (j *Journal) Read() manifest.Pairs {
	how := bufio.NewReader(io.NewSectionReader(j.how, 0, j.how.Size()))
	return &pairs{to: j.To.Read(), from: j.From.Read(), how: how, toUsed: true, fromUsed: true}
}

// ReadBack gives the paths of the switch back.
func (j *Journal) ReadBack() manifest.Pairs { return &turned{Pairs: j.Read()} }

// Each gives f each path of the switch; an error of f ends that.
func (j *Journal) Each(f func(*manifest.Pair) error) error {
	s := j.Read()
	for p := s.Next(); p != nil; p = s.Next() {
		if err := f(p); err != nil {
			return err
		}
	}
	return s.Err()
}

// Pairs gives all paths of the switch in memory.
func (j *Journal) Pairs() (out []manifest.Pair, err error) {
	err = j.Each(func(p *manifest.Pair) error {
		held := *p
		for _, e := range []**manifest.Entry{&held.From, &held.To} {
			if *e != nil {
				c := **e
				*e = &c
			}
		}
		out = append(out, held)
		return nil
	})
	return out, err
}

// pairs reads the two lists along.
type pairs struct {
	to, from         manifest.Seq
	how              *bufio.Reader
	t, f             *manifest.Entry // the heads of the lists
	toUsed, fromUsed bool            // the head was given out
	toAt, fromAt     int
	p                manifest.Pair
	err              error
}

// Err implements manifest.Pairs.
func (s *pairs) Err() error {
	for _, err := range []error{s.err, s.to.Err(), s.from.Err()} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Next implements manifest.Pairs.
func (s *pairs) Next() *manifest.Pair {
	if s.toUsed {
		s.t, s.toUsed = s.to.Next(), false
	}
	if s.fromUsed {
		s.f, s.fromUsed = s.from.Next(), false
	}
	if s.t == nil && s.f == nil || s.Err() != nil {
		return nil
	}
	s.p = manifest.Pair{FromAt: s.fromAt, ToAt: s.toAt, Source: -1}
	if s.t != nil && (s.f == nil || s.t.Path <= s.f.Path) {
		s.p.Path, s.p.To, s.toUsed = s.t.Path, s.t, true
		s.toAt++
		if s.p.Source, s.p.Touch, s.err = readHow(s.how); s.err != nil {
			return nil
		}
	}
	if s.f != nil && (s.p.To == nil || s.f.Path == s.p.Path) {
		s.p.Path, s.p.From, s.fromUsed = s.f.Path, s.f, true
		s.fromAt++
	}
	return &s.p
}

// turned gives the pairs of the switch back.
type turned struct {
	manifest.Pairs
	p manifest.Pair
}

// Next implements manifest.Pairs.
func (s *turned) Next() *manifest.Pair {
	p := s.Pairs.Next()
	if p == nil {
		return nil
	}
	s.p = p.Turned()
	return &s.p
}
