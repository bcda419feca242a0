package manifest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// A list that is read from its encoding a window at a time is what was encoded,
// whatever the length of its entries, and its store may be a file.
func TestEncoded(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	var list manifest.Slice
	for i := range 30_000 {
		e := file(fmt.Sprintf("%05d/%s", i, strings.Repeat("x", 1+rnd.Intn(60))), "1")
		if i%5000 == 7 {
			e.Path += strings.Repeat("/long", 20_000)
		}
		list = append(list, e)
	}
	tmp := t.TempDir()
	spool := manifest.NewSpool(func() (*os.File, error) { return os.CreateTemp(tmp, "") })
	defer spool.Close()
	kept, err := manifest.Keep(list, spool)
	if err != nil || kept.Digest != manifest.DigestOf(encode(list)) || kept.Count != len(list) {
		t.Fatalf("%v: %d entries", err, kept.Count)
	}
	if files, _ := os.ReadDir(tmp); len(files) != 1 {
		t.Error("it is kept in memory")
	}
	open, err := manifest.Open(spool, 0, spool.Size())
	if err != nil || open.Digest != kept.Digest || open.Bytes != kept.Bytes {
		t.Errorf("%v: another digest", err)
	}
	for _, l := range []*manifest.Encoded{kept, open} {
		if got, err := manifest.Collect(l); err != nil || !slices.Equal(got, list) {
			t.Errorf("%v: it does not come back", err)
		}
	}
	if _, err := manifest.Open(spool, 0, spool.Size()-3); err == nil {
		t.Error("a list that was cut was taken")
	}
}

// A list is kept in memory where there is no room for a file, from the first or
// later on.
func TestSpoolWithoutRoom(t *testing.T) {
	var list manifest.Slice
	for i := range 1400 {
		list = append(list, manifest.Entry{Path: fmt.Sprintf("%05d", i), Kind: manifest.Link, Link: strings.Repeat("y", 900)})
	}
	for name, open := range map[string]func() (*os.File, error){
		"full": func() (*os.File, error) { return os.OpenFile("/dev/full", os.O_RDWR, 0) },
		"full soon": func() (*os.File, error) {
			fd, err := unix.MemfdCreate("spool", unix.MFD_ALLOW_SEALING|unix.MFD_CLOEXEC)
			f := os.NewFile(uintptr(fd), "spool")
			if err == nil {
				err = f.Truncate(1_150_000)
			}
			if err == nil {
				_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW)
			}
			return f, err
		},
	} {
		kept, err := manifest.Keep(list, manifest.NewSpool(open))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := manifest.Collect(kept); err != nil || !slices.Equal(got, list) {
			t.Errorf("%s: %v: it does not come back", name, err)
		}
	}
}

// A byte that cannot be replaced in the file is replaced all the same.
func TestSpoolSet(t *testing.T) {
	var file *os.File
	s := manifest.NewSpool(func() (*os.File, error) {
		fd, err := unix.MemfdCreate("spool", unix.MFD_ALLOW_SEALING|unix.MFD_CLOEXEC)
		file = os.NewFile(uintptr(fd), "spool")
		return file, err
	})
	want := bytes.Repeat([]byte("0123456789"), 150_000)
	if _, err := s.Write(want); err != nil || file == nil {
		t.Fatalf("%v, in a file: %t", err, file != nil)
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != nil {
		t.Skip("no seals: ", err)
	}
	for _, at := range []int64{0, 70_001, 1_499_999} {
		want[at] = 'x'
		if err := s.Set(at, 'x'); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(want))
	if _, err := s.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: it does not come back", err)
	}
}

// So it is where most entries are longer than what is usually at hand.
func TestLongEntries(t *testing.T) {
	var list manifest.Slice
	for i := range 1000 {
		list = append(list, manifest.Entry{
			Path: fmt.Sprintf("%05d/%s", i, strings.Repeat("x", 4000)), Kind: manifest.Link, Link: strings.Repeat("y", 3500+i%500),
		})
	}
	b := encode(list)
	open, err := manifest.Open(bytes.NewReader(b), 0, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := manifest.Collect(open); err != nil || !slices.Equal(got, list) {
		t.Errorf("%v: it does not come back", err)
	}
}

type failing struct{ *bytes.Reader }

var errDisk = errors.New("the disk")

// ReadAt implements io.ReaderAt.
func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off > 0 {
		return 0, errDisk
	}
	return f.Reader.ReadAt(b, off)
}

// A list that cannot be read on is an error and no shorter list.
func TestUnreadable(t *testing.T) {
	var list manifest.Slice
	for i := range 5000 {
		list = append(list, file(fmt.Sprintf("%05d", i), "1"))
	}
	b := encode(list)
	if _, err := manifest.Open(failing{bytes.NewReader(b)}, 0, int64(len(b))); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
}

// A scan gives what find does, in the order of the bytes of the paths, and ends
// its workers when it is closed early.
func TestScan(t *testing.T) {
	root := t.TempDir()
	rnd := rand.New(rand.NewSource(2))
	folders := []string{root}
	for range 400 {
		in := folders[rnd.Intn(len(folders))]
		name := filepath.Join(in, []string{"a", "a.b", "a-", "a0", "A", "b", "\xff"}[rnd.Intn(7)]+fmt.Sprint(rnd.Intn(3)))
		switch rnd.Intn(5) {
		case 0:
			_ = os.Symlink(strings.Repeat("x", 1+rnd.Intn(9)), name)
		case 1, 2:
			_ = os.WriteFile(name, []byte(strings.Repeat("x", rnd.Intn(9))), 0o644)
		default:
			if os.Mkdir(name, 0o755) == nil {
				folders = append(folders, name)
			}
		}
	}
	for i := range 2500 { // more than one call of the system gives
		if err := os.WriteFile(filepath.Join(folders[3], fmt.Sprintf("%d%s", i, strings.Repeat("y", i%200))), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, _ error) error {
		if p != root {
			want = append(want, found(p, d))
		}
		return nil
	})
	for i := range want {
		want[i] = strings.TrimPrefix(want[i], root+"/")
	}
	slices.Sort(want)
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	rules, _ := manifest.Compile(manifest.Patterns{})
	for workers := range 4 {
		s := manifest.Scan(fd, rules, workers, nil)
		var got []string
		for e := s.Next(); e != nil; e = s.Next() {
			got = append(got, fmt.Sprintf("%s\x00%c %d %s", e.Path, e.Kind, e.Size, e.Link))
		}
		s.Close()
		if s.Err() != nil || !slices.Equal(got, want) {
			t.Errorf("%d workers: %v\ngot  %q\nwant %q", workers, s.Err(), got, want)
		}
	}
	s := manifest.Scan(fd, rules, 4, nil)
	s.Next()
	s.Close()
}

// found is a path with its kind, size and target.
func found(p string, d fs.DirEntry) string {
	switch {
	case d.IsDir():
		return p + "\x00d 0 "
	case d.Type()&fs.ModeSymlink != 0:
		target, _ := os.Readlink(p)
		return p + "\x00l 0 " + target
	}
	info, _ := d.Info()
	return fmt.Sprintf("%s\x00f %d ", p, info.Size())
}

// many is a list that is made up as it is read.
type many struct {
	n, size int
	e       manifest.Entry
	peak    *uint64
}

// Read implements manifest.List.
func (m many) Read() manifest.Seq { return &m }

// Traits implements manifest.List.
func (m many) Traits() manifest.Traits { return manifest.Traits{} }

// Next implements manifest.Seq.
func (m *many) Next() *manifest.Entry {
	if m.n == m.size {
		return nil
	}
	if m.n++; m.n%40_000 == 0 && m.peak != nil {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		*m.peak = max(*m.peak, s.HeapAlloc)
	}
	m.e = file(fmt.Sprintf("%03d/%09d", m.n/1000, m.n), "1")
	return &m.e
}

// Err implements manifest.Seq.
func (m *many) Err() error { return nil }

// What a comparison takes of memory is for what changes, not for what stays, and
// not for files that no roll put there.
func TestMemoryOfAComparison(t *testing.T) {
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	list := many{size: 120_000}
	gone := manifest.Patch{Gone: []string{"000/000000007"}}
	seen := many{size: list.size, peak: &peak}
	d, err := (&manifest.Comparison{
		Ours: manifest.Patched(list, gone), Live: seen.Read(), Want: manifest.Patched(list, gone),
		Policy: manifest.Policy{Delete: "ours", Drift: "refuse"},
	}).Decide()
	if err != nil || d.Puts+d.Goes+d.Settles != 0 || d.Extras != 1 {
		t.Fatalf("%v %+v", err, d)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); peak == 0 || grown > 4<<20 {
		t.Errorf("%d bytes for %d entries that stay", grown, list.size)
	}
}
