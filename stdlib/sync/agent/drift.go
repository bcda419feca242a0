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
		base = c.want
	} else if c.now.First() {
		return nil, hinted("notfound", "no roll was made to "+show(t.path), "give from= to compare with")
	}
	if err := c.look(false); err != nil {
		return nil, err
	}
	return c.compareWith(base)
}

func (c *comparison) compareWith(base []manifest.Entry) (*wire.Report, error) {
	unknown := manifest.Inherit(c.ours, c.live.Entries, base)
	if c.req.Verify == "checksum" {
		unknown = unknown[:0]
		for i := range c.live.Entries {
			if c.live.Entries[i].Kind == manifest.File {
				unknown = append(unknown, i)
			}
		}
	}
	c.hash(unknown)
	rep := &wire.Report{Marker: &c.now.Marker, First: c.now.First(), Pending: c.t.unsettled()}
	owners := map[uint32]string{}
	add := func(what string, l *manifest.Entry, p string) {
		f := wire.Finding{Path: []byte(p), What: what}
		if l != nil {
			f.Size, f.Mtime, f.Kind, f.Mode, f.Owner = l.Size, l.Mtime, l.Kind, l.Mode, owner(owners, l.UID)
		}
		rep.Drift = append(rep.Drift, f)
	}
	i, live := 0, c.live.Entries
	for j := range base {
		for ; i < len(live) && live[i].Path < base[j].Path; i++ {
			add("extra", &live[i], live[i].Path)
		}
		if i == len(live) || live[i].Path != base[j].Path {
			add("missing", nil, base[j].Path)
			continue
		}
		if what := difference(&base[j], &live[i]); what != "" {
			add(what, &live[i], live[i].Path)
		}
		i++
	}
	for ; i < len(live); i++ {
		add("extra", &live[i], live[i].Path)
	}
	return rep, nil
}

func difference(want, live *manifest.Entry) string {
	switch {
	case want.Kind != live.Kind:
		return "type"
	case !want.SameContent(live):
		return "changed"
	case want.Kind != manifest.Link && (want.Mode^live.Mode)&^0o2000 != 0:
		return "mode"
	case !want.SameOwner(live):
		return "owner"
	}
	return ""
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
