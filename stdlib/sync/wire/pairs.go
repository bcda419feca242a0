package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Draft makes what a journal says of single paths. They are given in their order.
type Draft struct {
	to, from *manifest.Builder
	how      *manifest.Spool
	w        *bufio.Writer // to how
}

// NewDraft begins with nothing; spool gives places for the lists, nil for memory.
func NewDraft(spool func() *manifest.Spool) *Draft {
	if spool == nil {
		spool = func() *manifest.Spool { return manifest.NewSpool(nil) }
	}
	how := spool()
	return &Draft{to: manifest.NewBuilder(spool()), from: manifest.NewBuilder(spool()), how: how, w: bufio.NewWriter(how)}
}

// Put has an entry put in place: from s/source, or, with touch, on the file that
// is there; a folder and a file that stays have no source, -1. An error is told by
// Fill.
func (d *Draft) Put(e *manifest.Entry, source int, touch bool) {
	d.to.Add(e)
	how := uint64(source+1) << 1
	if touch {
		how |= 1
	}
	_, _ = d.w.Write(binary.AppendUvarint(d.w.AvailableBuffer(), how))
}

// Stood notes what stands there now and gives its index.
func (d *Draft) Stood(e *manifest.Entry) int {
	d.from.Add(e)
	return d.from.Count() - 1
}

// Fill makes all that part of a journal.
func (d *Draft) Fill(j *Journal) (err error) {
	if j.To, err = d.to.Done(); err != nil {
		return err
	}
	if j.From, err = d.from.Done(); err != nil {
		return err
	}
	err = d.w.Flush()
	j.how = io.NewSectionReader(d.how, 0, d.how.Size())
	return err
}

// Read gives the paths of the switch.
func (j *Journal) Read() manifest.Pairs {
	how := bufio.NewReader(io.NewSectionReader(j.how, 0, j.how.Size()))
	return &pairs{both: manifest.Beside(j.From.Read(), j.To.Read()), how: how}
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

// Parts gives f all paths of the switch, so many at a time, which are valid until f
// returns; an error of f ends that.
func (j *Journal) Parts(most int, f func([]manifest.Pair) error) error {
	return manifest.InGroups(most, f, func(add func(manifest.Pair) error) error {
		return j.Each(func(p *manifest.Pair) error {
			held := *p
			for _, e := range []**manifest.Entry{&held.From, &held.To} {
				if *e != nil {
					c := **e
					*e = &c
				}
			}
			return add(held)
		})
	})
}

// pairs reads the two lists along.
type pairs struct {
	both *manifest.Two // from and to
	how  *bufio.Reader
	p    manifest.Pair
	from int // index of the next one of each
	to   int
	err  error
}

// Err implements manifest.Pairs.
func (s *pairs) Err() error { return errors.Join(s.err, s.both.Err()) }

// Next implements manifest.Pairs.
func (s *pairs) Next() *manifest.Pair {
	from, to := s.both.Next()
	if from == nil && to == nil || s.err != nil {
		return nil
	}
	if (from == nil || to == nil) && s.both.Err() != nil { // nothing is not what stands there
		return nil
	}
	s.p = manifest.Pair{From: from, To: to, FromAt: s.from, ToAt: s.to, Source: -1}
	if from != nil {
		s.p.Path = from.Path
		s.from++
	}
	if to != nil {
		s.p.Path = to.Path
		s.to++
		if s.p.Source, s.p.Touch, s.err = readHow(s.how); s.err != nil {
			return nil
		}
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
