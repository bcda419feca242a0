package ssh_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

const bigSize = 96 << 20

// bigFile is a file in which no two pages are the same.
func bigFile(t *testing.T, name string) []byte {
	t.Helper()
	data := make([]byte, bigSize)
	x := uint64(88172645463325252)
	for i := 0; i+8 <= len(data); i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		for k := range 8 {
			data[i+k] = byte(x >> (8 * k))
		}
	}
	if err := os.WriteFile(name, data, 0o640); err != nil {
		t.Fatal(err)
	}
	return data
}

// part is the size of the part in a folder; 0 for none.
func part(dir string) int64 {
	found, _ := filepath.Glob(filepath.Join(dir, ".rollsh-part-*"))
	for _, f := range found {
		if st, err := os.Stat(f); err == nil {
			return st.Size()
		}
	}
	return 0
}

func arrived(t *testing.T, file string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that are not the source's %d: %v", file, len(got), len(want), err)
	}
	if part(filepath.Dir(file)) != 0 {
		t.Error("a part is left")
	}
	if st, err := os.Stat(file); err == nil && st.Mode().Perm() != 0o640 {
		t.Errorf("%s: mode %v", file, st.Mode())
	}
}

func TestBigPutGoesOn(t *testing.T) {
	t.Parallel()
	b := start(t, 1)
	h := ssh.NewHand(b.session)
	local, dir := filepath.Join(t.TempDir(), "big"), b.Dir(0)
	data := bigFile(t, local)
	go func() {
		await(t, "a part is on the node", func() bool { return part(dir) > 40<<20 })
		b.Cut(0)
	}()
	_, err := h.Put(within(t, 60*time.Second), b.Node(0), local, dir+"/big")
	fails(t, err, nodes.Lost)
	if _, err := os.Stat(dir + "/big"); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("half a file stands under its name")
	}
	done, err := h.Put(within(t, 60*time.Second), b.Node(0), local, dir+"/big")
	if err != nil || done.Resumed < 8<<20 || done.Bytes != bigSize {
		t.Fatalf("%+v %v", done, err)
	}
	arrived(t, dir+"/big", data)
}

// A part that is not the beginning of the source is not gone on with.
func TestPartOfAnotherSource(t *testing.T) {
	t.Parallel()
	b := start(t, 1)
	h := ssh.NewHand(b.session)
	local, dir := filepath.Join(t.TempDir(), "big"), b.Dir(0)
	data := bigFile(t, local)
	go func() {
		await(t, "a part is on the node", func() bool { return part(dir) > 40<<20 })
		b.Cut(0)
	}()
	_, err := h.Put(within(t, 60*time.Second), b.Node(0), local, dir+"/big")
	fails(t, err, nodes.Lost)
	found, _ := filepath.Glob(dir + "/.rollsh-part-*")
	f, err := os.OpenFile(found[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("not this"), 100)
	f.Close()
	done, err := h.Put(within(t, 60*time.Second), b.Node(0), local, dir+"/big")
	if err != nil || done.Resumed != 0 {
		t.Fatalf("%+v %v", done, err)
	}
	arrived(t, dir+"/big", data)
}

// Fetching changes nothing on the node: it goes on by itself, once.
func TestBigGetGoesOn(t *testing.T) {
	t.Parallel()
	b := start(t, 1)
	h := ssh.NewHand(b.session)
	remote, dir := filepath.Join(b.Dir(0), "big"), t.TempDir()
	data := bigFile(t, remote)
	go func() {
		await(t, "a part is here", func() bool { return part(dir) > 4<<20 })
		b.Cut(0)
	}()
	done, err := h.Get(within(t, 60*time.Second), b.Node(0), remote, dir+"/big", false)
	if err != nil || done.Resumed < 4<<20 || done.Bytes != bigSize {
		t.Fatalf("%+v %v", done, err)
	}
	arrived(t, dir+"/big", data)
}

func TestReadsAreDoneAgainWhenLost(t *testing.T) {
	t.Parallel()
	b := start(t, 1)
	h := ssh.NewHand(b.session)
	write(t, filepath.Join(b.Dir(0), "f"), "text")
	b.dial(t, 0)
	b.Cut(0)
	text, err := h.Read(within(t, 60*time.Second), b.Node(0), b.Dir(0)+"/f")
	if err != nil || string(text) != "text" {
		t.Errorf("%q %v", text, err)
	}
	b.Cut(0)
	if ok, err := h.Test(within(t, 60*time.Second), b.Node(0), nodes.Cmd{Line: "true"}); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
}
