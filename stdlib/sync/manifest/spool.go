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
// cannot, all is kept in memory.
func NewSpool(make func() (*os.File, error)) *Spool { return &Spool{make: make} }

// Write implements io.Writer.
func (s *Spool) Write(b []byte) (int, error) {
	if s.f == nil && len(s.b)+len(b) > spoolFrom && s.make != nil {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	if s.f == nil {
		s.b = append(s.b, b...)
		s.n += int64(len(b))
		return len(b), nil
	}
	n, err := s.f.WriteAt(b, s.n)
	s.n += int64(n)
	return n, err
}

func (s *Spool) spill() error {
	f, err := s.make()
	s.make = nil
	if err != nil {
		return nil //nolint:nilerr // memory serves too
	}
	if _, err := f.WriteAt(s.b, 0); err != nil {
		_ = f.Close()
		return err
	}
	s.f, s.b = f, nil
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
