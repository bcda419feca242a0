package manifest

import (
	"io"
	"os"
)

// spoolFrom is how much a spool keeps in memory, in blocks.
const (
	spoolFrom  = 1 << 20
	spoolBlock = 64 << 10
)

// Spool is a Store that needs little memory: what does not fit there goes to a
// file.
type Spool struct {
	make func() (*os.File, error)
	b    [][]byte // all but the last are full
	f    *os.File
	n    int64
}

// NewSpool gives an empty spool. make opens a file without a name; where it
// cannot, or that file takes no more, all is kept in memory.
func NewSpool(make func() (*os.File, error)) *Spool { return &Spool{make: make} }

// Write implements io.Writer.
func (s *Spool) Write(b []byte) (int, error) {
	if s.f == nil && s.n+int64(len(b)) > spoolFrom && s.make != nil {
		s.spill()
	}
	if s.f != nil {
		if n, err := s.f.WriteAt(b, s.n); err == nil {
			s.n += int64(n)
			return n, nil
		}
		if err := s.takeBack(); err != nil {
			return 0, err
		}
	}
	s.hold(b)
	return len(b), nil
}

// hold puts b behind what is in memory.
func (s *Spool) hold(b []byte) {
	for len(b) > 0 {
		at := int(s.n % spoolBlock)
		if at == 0 {
			s.b = append(s.b, make([]byte, spoolBlock))
		}
		n := copy(s.b[len(s.b)-1][at:], b)
		b = b[n:]
		s.n += int64(n)
	}
}

// spill goes on in a file; where that is not to be had, memory serves too.
func (s *Spool) spill() {
	f, err := s.make()
	s.make = nil
	if err != nil {
		return
	}
	if _, err := io.Copy(f, io.NewSectionReader(s, 0, s.n)); err != nil {
		_ = f.Close()
		return
	}
	s.f, s.b = f, nil
}

// takeBack goes on in memory.
func (s *Spool) takeBack() error {
	held := &Spool{}
	if _, err := io.Copy(held, io.NewSectionReader(s.f, 0, s.n)); err != nil {
		return err
	}
	_ = s.f.Close()
	s.f, s.b = nil, held.b
	return nil
}

// Set replaces a byte that was written.
func (s *Spool) Set(off int64, b byte) error {
	if s.f != nil {
		if _, err := s.f.WriteAt([]byte{b}, off); err == nil {
			return nil
		}
		if err := s.takeBack(); err != nil {
			return err
		}
	}
	s.b[off/spoolBlock][off%spoolBlock] = b
	return nil
}

// ReadAt implements io.ReaderAt.
func (s *Spool) ReadAt(b []byte, off int64) (int, error) {
	if s.f != nil {
		return s.f.ReadAt(b, off)
	}
	n := 0
	for n < len(b) && off < s.n {
		at := off % spoolBlock
		part := s.b[off/spoolBlock][at:min(spoolBlock, at+s.n-off)]
		k := copy(b[n:], part)
		n += k
		off += int64(k)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Size is how much was written.
func (s *Spool) Size() int64 { return s.n }

// Close gives back what the spool took.
func (s *Spool) Close() {
	if s.f != nil {
		_ = s.f.Close()
	}
}
