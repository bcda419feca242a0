//go:build linux

package agent

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// left is the marker of a tree with the entries that are ours.
type left struct {
	wire.Marker
	ours []manifest.Entry
}

// first reports whether no roll stands in the tree.
func (l *left) first() bool { return l.Roll == "" }

// marker reads what rolls left; an absent marker is an empty one.
func (t *tree) marker() (*left, error) {
	if t.state < 0 {
		return &left{}, nil
	}
	b, err := readAt(t.state, "marker")
	if errors.Is(err, unix.ENOENT) {
		return &left{}, nil
	}
	if err != nil {
		return nil, cannot("read", t.place+"/marker", err)
	}
	l, err := decodeMarker(b)
	if err != nil {
		return nil, hinted("failed", t.place+"/marker is damaged: "+err.Error(),
			"move it away; the next push then takes the tree as one that no roll made")
	}
	return l, nil
}

// encode writes a length, the marker as JSON, and the entries. The digest is
// of the entries' encoding.
func (l *left) encode() ([]byte, error) {
	body := manifest.Encode(l.ours)
	l.Digest = manifest.DigestOf(body)
	head, err := json.Marshal(l.Marker)
	if err != nil {
		return nil, err
	}
	b := binary.AppendUvarint(nil, uint64(len(head)))
	return append(append(b, head...), body...), nil
}

func decodeMarker(b []byte) (*left, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, errors.New("cut short")
	}
	head, body := b[k:k+int(n)], b[k+int(n):]
	l := &left{}
	if err := json.Unmarshal(head, &l.Marker); err != nil {
		return nil, err
	}
	if manifest.DigestOf(body) != l.Digest {
		return nil, errors.New("its digest is wrong")
	}
	var err error
	l.ours, err = manifest.Decode(body)
	return l, err
}

// readAt reads a small file of the state.
func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, wire.MaxFrame))
	if err == nil && len(b) == wire.MaxFrame {
		err = fmt.Errorf("%s is too large", name)
	}
	return b, err
}

// writeAt makes a file of the state appear whole and on the disk.
func writeAt(dir int, name string, b []byte) error {
	tmp := name + ".new"
	fd, err := unix.Openat(dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = unix.Renameat(dir, tmp, dir, name)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, tmp, 0)
		return err
	}
	return unix.Fsync(dir)
}
