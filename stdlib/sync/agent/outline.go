//go:build linux

package agent

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/delta"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// Files from outlineFrom on are told in terms of the version that is there, if
// that has a fair part of their size: of at most outlines files in one push,
// for each is kept open.
const (
	outlineFrom = 8 << 20
	outlines    = 100
)

// version is a live file whose outline the controller has.
type version struct {
	outline *delta.Outline
	f       *os.File
	size    int64 // as it was opened
	ctime   unix.Timespec
}

// describe sends the outline of the file that a put replaces, where that may
// save sending it all; at is its index in what was announced.
func (st *stager) describe(p *manifest.Change, at int) error {
	e, l := p.Want, p.Live
	if e.Size < outlineFrom || l == nil || l.Kind != manifest.File || l.Size < e.Size/8 || len(st.versions) == outlines {
		return nil
	}
	f, err := beneath.File(st.t.root, e.Path)
	if err != nil {
		return nil // it is sent whole
	}
	var now unix.Stat_t
	if unix.Fstat(int(f.Fd()), &now) != nil || now.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = f.Close()
		return nil
	}
	st.c.s.step.Store("comparing")
	o, err := delta.Of(io.TeeReader(f, counter{st.t}), now.Size)
	if err != nil {
		_ = f.Close()
		return nil
	}
	if st.versions == nil {
		st.versions = map[string]*version{}
	}
	st.versions[e.Path] = &version{o, f, now.Size, now.Ctim}
	head := binary.AppendUvarint(nil, uint64(at))
	return wire.Write(st.c.s.out, wire.TypeOutline, append(head, wire.Pack(o.Encode())...))
}

// rebuild makes s/N of a file that is told in terms of the version that is
// there.
func (st *stager) rebuild(e *manifest.Entry, n int, own ownership, flush bool, v *version, z *bufio.Reader) error {
	defer v.f.Close()
	r := v.outline.NewReader(z, v.f)
	err := st.write(e, n, own, flush, 0, io.LimitReader(r, e.Size+1))
	st.reused += r.Reused
	var f *Error
	if errors.As(err, &f) && f.Kind == "protocol" {
		var now unix.Stat_t
		if unix.Fstat(int(v.f.Fd()), &now) == nil && (now.Ctim != v.ctime || now.Size != v.size) {
			return hinted("changed", show(e.Path)+" was written to on the node while it was read", "push again")
		}
	}
	return err
}

func (st *stager) closeVersions() {
	for _, v := range st.versions {
		_ = v.f.Close()
	}
}
