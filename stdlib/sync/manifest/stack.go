package manifest

import "encoding/binary"

// stack holds entries that are taken in the reverse order.
type stack struct {
	to func() *Spool // gives a place for it; nil: memory
	s  *Spool
	b  []byte // what is to be written, or, once entries are taken, was read
}

const lengthSize = 4

// push puts an entry on top: its encoding, and the length of that in four bytes.
func (s *stack) push(e *Entry) error {
	begin := len(s.b)
	c := encoder{b: s.b}
	c.add(e)
	s.b = binary.LittleEndian.AppendUint32(c.b, uint32(len(c.b)-begin))
	if len(s.b) < piece {
		return nil
	}
	return s.flush()
}

func (s *stack) flush() error {
	if s.s == nil {
		s.s = NewSpool(nil)
		if s.to != nil {
			s.s = s.to()
		}
	}
	_, err := s.s.Write(s.b)
	s.b = s.b[:0]
	return err
}

// pop gives f all entries, the last first. It is done once.
func (s *stack) pop(f func(*Entry) error) error {
	below := int64(0) // how much of the spool was not read
	if s.s != nil {
		defer s.s.Close()
		below = s.s.Size()
	}
	var texts texts
	for below > 0 || len(s.b) > 0 {
		tail, err := s.take(&below, lengthSize)
		if err != nil {
			return err
		}
		body, err := s.take(&below, int(binary.LittleEndian.Uint32(tail)))
		if err != nil {
			return err
		}
		var e Entry
		d := decoder{Cut: Cut{Left: body}}
		d.entry(&e, "", &texts)
		if d.Err != nil {
			return d.Err
		}
		if err := f(&e); err != nil {
			return err
		}
	}
	return nil
}

// take gives the last n bytes that were not taken.
func (s *stack) take(below *int64, n int) ([]byte, error) {
	if more := min(*below, int64(max(piece, n-len(s.b)))); len(s.b) < n && more > 0 {
		b := make([]byte, more, int(more)+len(s.b))
		if _, err := s.s.ReadAt(b, *below-more); err != nil {
			return nil, err
		}
		*below -= more
		s.b = append(b, s.b...)
	}
	if len(s.b) < n {
		return nil, errCut
	}
	at := len(s.b) - n
	out := s.b[at:]
	s.b = s.b[:at]
	return out, nil
}
