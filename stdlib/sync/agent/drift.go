//go:build linux

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// drift compares the tree with what rolls left in it or, when the request
// announces a manifest, with that. It changes nothing.
func (s *server) drift(req *wire.Request) (*wire.Report, error) {
	t, err := s.open(req)
	if err != nil {
		return nil, err
	}
	defer t.close()
	c, err := newComparison(s, t, req)
	if err != nil {
		return nil, err
	}
	base := c.ours
	if req.Want != "" {
		if err := c.ask(); err != nil {
			return nil, err
		}
		base, _ = c.rules.Filter(c.want) // not the folders that are only a place for it
	} else if c.now.First() {
		return nil, hinted("notfound", "no roll was made to "+show(t.path), "give from= to compare with")
	}
	stop, err := c.look(false)
	if err != nil {
		return nil, err
	}
	defer stop()
	list, err := c.sides(base).Differences()
	if err != nil {
		return nil, c.unreadable(err)
	}
	rep := &wire.Report{Marker: &c.now.Marker, First: c.now.First(), Pending: c.t.unsettled()}
	owners := map[uint32]string{}
	rep.Drift = wire.Findings(list, func(id uint32) string { return owner(owners, id) })
	return rep, nil
}

// read sends one file of the tree as Pack frames and End; at most MaxSize
// bytes of it.
func (s *server) read(req *wire.Request) (*wire.Report, error) {
	t, err := s.open(req)
	if err != nil {
		return nil, err
	}
	defer t.close()
	p := string(req.Path)
	if !manifest.Clean(p) || t.root < 0 {
		return nil, failure("notfound", show(p)+" is not in the tree")
	}
	f, err := beneath.File(t.root, p)
	if err != nil {
		return nil, cannot("read", p, err)
	}
	defer f.Close()
	if err := regular(f); err != nil {
		return nil, cannot("read", p, err)
	}
	buf := make([]byte, wire.PieceSize)
	for left := req.MaxSize; left > 0; {
		n, err := f.Read(buf[:min(left, int64(len(buf)))])
		if n > 0 {
			if err := wire.Write(s.out, wire.TypePack, buf[:n]); err != nil {
				return nil, io.EOF
			}
			left -= int64(n)
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, cannot("read", p, err)
		}
	}
	return &wire.Report{}, nil
}

func regular(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("it is not a file")
	}
	return nil
}
