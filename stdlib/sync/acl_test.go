package sync_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync"
	"golang.org/x/sys/unix"
)

const (
	accessList  = "system.posix_acl_access"
	defaultList = "system.posix_acl_default"
)

// aList gives user 33 all, beside rwxr-xr-x. Source: the kernel's
// include/uapi/linux/posix_acl_xattr.h.
var aList = []byte("\x02\x00\x00\x00" +
	"\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\x21\x00\x00\x00" +
	"\x04\x00\x05\x00\xff\xff\xff\xff" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x05\x00\xff\xff\xff\xff")

func setList(t *testing.T, path, name string) {
	t.Helper()
	if err := unix.Setxattr(path, name, aList, 0); err != nil {
		t.Skip("no access control lists here: ", err)
	}
}

func listAt(t *testing.T, path, name string) []byte {
	t.Helper()
	buf := make([]byte, 200)
	n, err := unix.Getxattr(path, name, buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// Folders of a release keep their lists, a file that is put into a folder gets
// what the system itself would give one made there, and one that is replaced
// keeps its own.
func TestAccessControlLists(t *testing.T) {
	for _, layout := range []string{"tree", "release"} {
		t.Run(layout, func(t *testing.T) {
			b := newBench(t)
			as := func(o *sync.Options) { o.Layout = layout }
			live := b.live
			if layout == "release" {
				live = filepath.Join(b.live, "current")
			}
			at := func(p string) string { return filepath.Join(live, p) }
			b.file("d/a", "1")
			b.file("plain/b", "1")
			b.push(as)
			setList(t, at("d"), defaultList)
			setList(t, at("d"), accessList)
			setList(t, at("plain/b"), accessList)
			must(t, os.Chmod(at("plain/b"), 0o644))
			must(t, os.Chmod(at("d"), 0o755))
			folder, file := listAt(t, at("d"), accessList), listAt(t, at("plain/b"), accessList)
			must(t, os.WriteFile(at("d/made there"), nil, 0o644))
			must(t, os.Chmod(at("d/made there"), 0o644))
			want := listAt(t, at("d/made there"), accessList)
			if len(want) < 20 || len(file) < 20 {
				t.Fatal("no lists were made")
			}
			b.file("d/new", "1")
			b.file("d/e/new", "1")
			b.file("plain/b", "22")
			b.file("plain/new", "1")
			b.push(as)
			for _, c := range []struct {
				path, name string
				want       []byte
			}{
				{"d", defaultList, aList},
				{"d", accessList, folder},
				{"d/e", defaultList, aList},
				{"d/new", accessList, want},
				{"d/e/new", accessList, want},
				{"plain/b", accessList, file},
				{"plain/new", accessList, nil},
			} {
				if got := listAt(t, at(c.path), c.name); !bytes.Equal(got, c.want) {
					t.Errorf("%s %s: %x, want %x", c.path, c.name, got, c.want)
				}
			}
		})
	}
}
