//go:build linux

package agent

import (
	"bytes"
	"os"
)

// hole is how much nothing in a row is not written: it takes no room then.
const hole = 64 << 10

var zeros [hole]byte

// sparse writes a file and leaves holes where whole blocks are zero. finish
// gives the file its size.
type sparse struct {
	f    *os.File
	at   int64
	gap  bool // the last bytes are a hole
	used int  // of block
	buf  [hole]byte
}

// Write takes everything and writes whole blocks.
func (s *sparse) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := copy(s.buf[s.used:], b)
		s.used, b = s.used+k, b[k:]
		if s.used == hole {
			if err := s.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (s *sparse) flush() error {
	b := s.buf[:s.used]
	s.used = 0
	s.gap = bytes.Equal(b, zeros[:len(b)])
	if !s.gap {
		if _, err := s.f.WriteAt(b, s.at); err != nil {
			return err
		}
	}
	s.at += int64(len(b))
	return nil
}

func (s *sparse) finish() error {
	if err := s.flush(); err != nil || !s.gap {
		return err
	}
	return s.f.Truncate(s.at)
}
