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
}

// describe sends the outline of the file that e replaces, where that may save
// sending it all.
func (st *stager) describe(e *manifest.Entry) error {
	l := manifest.Find(st.c.live.Entries, e.Path)
	if e.Size < outlineFrom || l == nil || l.Kind != manifest.File || l.Size < e.Size/8 || len(st.versions) == outlines {
		return nil
	}
	f, err := beneath.File(st.t.root, e.Path)
	if err != nil {
		return nil // it is sent whole
	}
	if regular(f) != nil {
		_ = f.Close()
		return nil
	}
	st.c.s.step.Store("comparing")
	o, err := delta.Of(io.TeeReader(f, counter{st.t}), l.Size)
	if err != nil {
		_ = f.Close()
		return nil
	}
	if st.versions == nil {
		st.versions = map[string]*version{}
	}
	st.versions[e.Path] = &version{o, f}
	at := binary.AppendUvarint(nil, uint64(st.indexOf(e.Path)))
	return wire.Write(st.c.s.out, wire.TypeOutline, append(at, wire.Pack(o.Encode())...))
}

// indexOf is where a path is in what was announced.
func (st *stager) indexOf(p string) int {
	list := st.c.announced
	lo, hi := 0, len(list)
	for lo < hi {
		if mid := (lo + hi) / 2; list[mid].Path < p {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
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
		l := manifest.Find(st.c.live.Entries, e.Path)
		if unix.Fstat(int(v.f.Fd()), &now) == nil && l != nil && (now.Ctim.Nano() != l.Ctime || now.Size != l.Size) {
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
