package ssh_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

func opened(t *testing.T, c nodes.Conn) nodes.Files {
	t.Helper()
	f, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// both gives the files of a node and of this machine, each with a folder.
func both(t *testing.T) (*bench, map[string]nodes.Files, func(name string) string) {
	b := start(t, 1, nodetest.SFTPOnly())
	here := t.TempDir()
	dirs := map[string]string{"node": b.Dir(0), "here": here}
	return b, map[string]nodes.Files{"node": opened(t, b.dial(t, 0)), "here": opened(t, b.session.Here)}, func(name string) string { return dirs[name] }
}

func TestFileAccess(t *testing.T) {
	_, all, dir := both(t)
	for name, f := range all {
		at := func(s string) nodes.RemotePath { return nodes.RemotePath(filepath.Join(dir(name), s)) }
		content := make([]byte, 3<<20)
		rand.Read(content)
		w, err := f.Create(at("a"), 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = io.Copy(w, bytes.NewReader(content)); err == nil {
			err = errors.Join(w.Sync(), w.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := ssh.ReadFile(f, at("a"))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: read back %d bytes, %v", name, len(got), err)
		}
		when := time.Unix(1234567890, 0)
		for what, err := range map[string]error{
			"mkdir": f.Mkdir(at("d"), 0o710), "symlink": f.Symlink("a", at("s")), "link": f.Link(at("a"), at("h")),
			"rename": f.Rename(at("h"), at("d/h")), "chmod": f.Chmod(at("a"), 0o600), "chtimes": f.Chtimes(at("a"), when),
		} {
			if err != nil {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		for path, want := range map[string]fs.FileMode{"a": 0o600, "d": fs.ModeDir | 0o710, "s": fs.ModeSymlink | 0o777, "d/h": 0o600} {
			if i, err := f.Lstat(at(path)); err != nil || i.Mode != want || i.UID != os.Getuid() {
				t.Errorf("%s: %s: %v %v, want %v", name, path, i.Mode, err, want)
			}
		}
		if i, err := f.Stat(at("s")); err != nil || !i.ModTime.Equal(when) || i.Size != int64(len(content)) {
			t.Errorf("%s: stat through the link: %+v %v", name, i, err)
		}
		if list, err := f.ReadDir(at("")); err != nil || len(list) != 3 {
			t.Errorf("%s: list: %v %v", name, list, err)
		}
		if to, err := f.ReadLink(at("s")); err != nil || to != "a" {
			t.Errorf("%s: readlink: %q %v", name, to, err)
		}
		if free, err := f.Free(at("")); err != nil || free.Bytes == 0 {
			t.Errorf("%s: free: %+v %v", name, free, err)
		}
	}
}

func TestFileErrors(t *testing.T) {
	_, all, dir := both(t)
	for name, f := range all {
		at := func(s string) nodes.RemotePath { return nodes.RemotePath(filepath.Join(dir(name), s)) }
		write(t, string(at("file")), "x")
		write(t, string(at("full/file")), "x")
		os.Symlink("file", string(at("link")))
		for what, want := range map[string]bool{"file": true, "none": false, "full": true} {
			if got, err := ssh.Exists(f, at(what)); got != want || err != nil {
				t.Errorf("%s: exists %s: %v %v", name, what, got, err)
			}
		}
		_, err := f.Open(at("none"))
		fails(t, err, nodes.NotFound, "none", "no such file")
		_, err = ssh.ReadFile(f, at("full"))
		fails(t, err, nodes.Failed, "full", "folder")
		_, err = f.Create(at("file"), 0o600)
		fails(t, err, nodes.Failed, "exists")
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v is no ErrExist", name, err)
		}
		if err := f.Mkdir(at("full"), 0o700); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: mkdir over a folder: %v", name, err)
		}
		fails(t, f.Remove(at("full")), nodes.Failed, "not empty")
		fails(t, f.Chmod(at("link"), 0o600), nodes.Failed, "symlink")
		_, err = f.ReadDir(at("none"))
		fails(t, err, nodes.NotFound)
		if _, err = f.Create(at("file/below"), 0o600); err == nil {
			t.Errorf("%s: a file served as a folder", name)
		}
	}
}

func TestNoSFTP(t *testing.T) {
	b := start(t, 1, nodetest.NoSFTP())
	_, err := b.dial(t, 0).Files(t.Context())
	fails(t, err, nodes.Permission, "no file access", "Subsystem")
	run(t, b.dial(t, 0), nodes.Cmd{Line: "true"})
}

// A shell that greets before SFTP begins is told of, not sshd's settings.
func TestSFTPBehindAGreeting(t *testing.T) {
	b := start(t, 1, nodetest.Forced(`/bin/sh -c 'echo Welcome to this node; exec cat'`))
	_, err := b.dial(t, 0).Files(t.Context())
	fails(t, err, nodes.Permission, "no file access", "something prints a text before")
}

func TestFilesEndWithContext(t *testing.T) {
	b := start(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	f, err := b.dial(t, 0).Files(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	await(t, "its methods say cancelled", func() bool {
		_, err := f.Stat("/")
		return nodes.KindOf(err) == nodes.Cancelled
	})
	await(t, "the session is closed", func() bool { return b.Sessions(0, "") == 0 })
}

func TestCutWhileCopyingIsLost(t *testing.T) {
	b := start(t, 1)
	f := opened(t, b.dial(t, 0))
	r, w := io.Pipe()
	go func() {
		w.Write(make([]byte, 1<<20))
		b.Cut(0)
		w.Write(make([]byte, 8<<20))
		w.Close()
	}()
	err := ssh.WriteFile(f, nodes.RemotePath(b.Dir(0)+"/big"), r, ssh.Attributes{})
	fails(t, err, nodes.Lost)
	if _, err := os.Stat(b.Dir(0) + "/big"); err == nil {
		t.Error("half a file stands in its place")
	}
}

// A file that is being read is not taken to end where the connection does.
func TestCutWhileReadingIsLost(t *testing.T) {
	b := start(t, 1)
	name := b.Dir(0) + "/big"
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<40); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []func(nodes.Files){func(f nodes.Files) { _ = f.Close() }, func(nodes.Files) { b.Cut(0) }} {
		f := opened(t, b.dial(t, 0))
		r, err := f.Open(nodes.RemotePath(name))
		if err != nil {
			t.Fatal(err)
		}
		piece := make([]byte, 512)
		for n := 0; err == nil; n++ {
			if n == 10 {
				cut(f)
			}
			_, err = r.Read(piece)
		}
		fails(t, err, nodes.Lost)
	}
}

// A filesystem of 1 MiB is filled.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	b, all, _ := both(t)
	for name, f := range all {
		dir := filepath.Join(b.Dir(0), "small-"+name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=10", "none", dir).CombinedOutput(); err != nil {
			t.Skipf("cannot mount: %s", out)
		}
		t.Cleanup(func() { exec.Command("umount", dir).Run() })
		at := func(s string) nodes.RemotePath { return nodes.RemotePath(dir + "/" + s) }
		if err := ssh.WriteFile(f, at("x"), strings.NewReader("old"), ssh.Attributes{}); err != nil {
			t.Fatal(err)
		}
		err := ssh.WriteFile(f, at("x"), bytes.NewReader(make([]byte, 2<<20)), ssh.Attributes{})
		fails(t, err, nodes.Space, "no space left")
		if left, _ := os.ReadDir(dir); len(left) != 1 || read(t, dir+"/x") != "old" {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

func TestWriteFileIsAtomicAndKeeps(t *testing.T) {
	_, all, dir := both(t)
	for name, f := range all {
		at := func(s string) nodes.RemotePath { return nodes.RemotePath(filepath.Join(dir(name), s)) }
		put := func(s, text string, a ssh.Attributes) {
			t.Helper()
			if err := ssh.WriteFile(f, at(s), strings.NewReader(text), a); err != nil {
				t.Fatal(err)
			}
		}
		put("new", "1", ssh.Attributes{})
		if mode(t, string(at("new"))) != 0o644 {
			t.Errorf("%s: a new file has %v", name, mode(t, string(at("new"))))
		}
		os.Chmod(string(at("new")), 0o751)
		held, err := os.Open(string(at("new")))
		if err != nil {
			t.Fatal(err)
		}
		put("new", "22", ssh.Attributes{})
		old, _ := io.ReadAll(held)
		held.Close()
		if string(old) != "1" || read(t, string(at("new"))) != "22" || mode(t, string(at("new"))) != 0o751 {
			t.Errorf("%s: old %q, new %q, mode %v", name, old, read(t, string(at("new"))), mode(t, string(at("new"))))
		}
		perm := fs.FileMode(0o600)
		put("new", "3", ssh.Attributes{Perm: &perm})
		if mode(t, string(at("new"))) != 0o600 {
			t.Errorf("%s: asked 0600, is %v", name, mode(t, string(at("new"))))
		}
		os.Symlink("new", string(at("link")))
		put("link", "4", ssh.Attributes{})
		if read(t, string(at("new"))) != "4" {
			t.Errorf("%s: a symlink was replaced", name)
		}
		err = ssh.WriteFile(f, at("none/x"), strings.NewReader(""), ssh.Attributes{})
		fails(t, err, nodes.NotFound)
		err = ssh.WriteFile(f, at(""), strings.NewReader(""), ssh.Attributes{})
		fails(t, err, nodes.Failed, "folder")
		if left, _ := filepath.Glob(string(at(".rollsh*"))); len(left) != 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

func TestCopyFoldersBothWays(t *testing.T) {
	b, all, dir := both(t)
	src := t.TempDir()
	write(t, src+"/a b\n.txt", "odd name")
	write(t, src+"/sub/big", strings.Repeat("x", 300000))
	write(t, src+"/sub/run.sh", "#!")
	os.Chmod(src+"/sub/run.sh", 0o755)
	os.Symlink("../a", src+"/sub/link")
	os.MkdirAll(src+"/empty", 0o700)
	for name, f := range all {
		c := &ssh.Copier{Sink: b.events}
		done, err := c.Put(t.Context(), f, src, nodes.RemotePath(dir(name)+"/copy"))
		if err != nil || done.Files != 3 {
			t.Fatalf("%s: put: %+v %v", name, done, err)
		}
		same(t, src, dir(name)+"/copy")
		if _, err = c.Put(t.Context(), f, src, nodes.RemotePath(dir(name)+"/copy")); err != nil {
			t.Errorf("%s: put again: %v", name, err)
		}
		back := filepath.Join(t.TempDir(), "back")
		if done, err = (&ssh.Copier{Sink: b.events}).Get(t.Context(), f, nodes.RemotePath(dir(name)+"/copy"), back); err != nil || done.Files != 3 {
			t.Fatalf("%s: get: %+v %v", name, done, err)
		}
		same(t, src, back)
	}
	if !strings.Contains(eventTypes(b.events), "progress") {
		t.Error("no progress was told")
	}
}

func eventTypes(r *nodetest.Recorder) (s string) {
	for _, e := range r.Events() {
		s += string(e.Type) + " "
	}
	return s
}

// same asks diff and find whether two trees are equal.
func same(t *testing.T, a, b string) {
	t.Helper()
	if out, err := exec.Command("diff", "-r", "--no-dereference", a, b).CombinedOutput(); err != nil {
		t.Errorf("diff: %s", out)
	}
	list := func(dir string) string {
		cmd := exec.Command("find", ".", "-printf", "%p %m %l %y\n")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(out), "\n")[1:] // the folder itself is the caller's
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	if x, y := list(a), list(b); x != y {
		t.Errorf("modes, links or kinds differ:\n%s\n---\n%s", x, y)
	}
}

func TestLimits(t *testing.T) {
	_, all, dir := both(t)
	f := all["here"]
	big := dir("here") + "/big"
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, ssh.ReadLimit+1); err != nil {
		t.Fatal(err)
	}
	_, err := ssh.ReadFile(f, nodes.RemotePath(big))
	fails(t, err, nodes.Failed, "larger than 64 MiB")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mode(t *testing.T, name string) fs.FileMode {
	t.Helper()
	i, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return i.Mode().Perm()
}
