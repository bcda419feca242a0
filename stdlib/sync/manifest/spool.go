package manifest

import (
	"io"
	"os"
)

// spoolFrom is how much a spool keeps in memory.
const spoolFrom = 1 << 20

// Spool is a Store that needs little memory: what does not fit there goes to a
// file.
type Spool struct {
	make func() (*os.File, error)
	b    []byte
	f    *os.File
	n    int64
}

// NewSpool gives an empty spool. make opens a file without a name; where it
// cannot, or that file takes no more, all is kept in memory.
func NewSpool(make func() (*os.File, error)) *Spool { return &Spool{make: make} }

// Write implements io.Writer.
func (s *Spool) Write(b []byte) (int, error) {
	if s.f == nil && len(s.b)+len(b) > spoolFrom && s.make != nil {
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
	s.b = append(s.b, b...)
	s.n += int64(len(b))
	return len(b), nil
}

// spill goes on in a file; where that is not to be had, memory serves too.
func (s *Spool) spill() {
	f, err := s.make()
	s.make = nil
	if err != nil {
		return
	}
	if _, err := f.WriteAt(s.b, 0); err != nil {
		_ = f.Close()
		return
	}
	s.f, s.b = f, nil
}

// takeBack goes on in memory.
func (s *Spool) takeBack() error {
	b := make([]byte, s.n)
	if _, err := s.f.ReadAt(b, 0); err != nil {
		return err
	}
	_ = s.f.Close()
	s.f, s.b = nil, b
	return nil
}

// ReadAt implements io.ReaderAt.
func (s *Spool) ReadAt(b []byte, off int64) (int, error) {
	if s.f != nil {
		return s.f.ReadAt(b, off)
	}
	if off > int64(len(s.b)) {
		return 0, io.EOF
	}
	n := copy(b, s.b[off:])
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
