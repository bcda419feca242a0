package manifest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

func sum(s string) (out manifest.Sum) {
	copy(out[:], s)
	return out
}

func file(path, content string) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.File, Mode: 0o644, Size: int64(len(content)), Mtime: 1_700_000_000_000_000_123, Sum: sum(content)}
}

func dir(path string) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.Dir, Mode: 0o755}
}

func link(path, to string) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.Link, Link: to}
}

// encode gives the encoding of entries, sorted or not.
func encode(list []manifest.Entry) []byte {
	var b bytes.Buffer
	_, _ = manifest.Write(&b, manifest.Slice(list))
	return b.Bytes()
}

// decode reads what encode gives.
func decode(b []byte) ([]manifest.Entry, error) {
	l, err := manifest.Open(bytes.NewReader(b), 0, int64(len(b)))
	if err != nil {
		return nil, err
	}
	return manifest.Collect(l)
}

func TestCodec(t *testing.T) {
	list := []manifest.Entry{file("a", "1"), dir("b"), link("b/l", "../\xfe"), file("b/\xff\n", "2"), {Path: "c", Kind: manifest.Other, Mode: 0o600}}
	for i, text := range []string{"", "www-data", "www-data", ":games", "a:b"} {
		o, err := manifest.ParseOwner(text)
		if err != nil {
			t.Error(err)
		}
		list[i].Owner = o
	}
	list[3].Link = "a"
	got, err := decode(encode(list))
	if err != nil || !slices.Equal(got, list) {
		t.Errorf("%v\n%+v", err, got)
	}
	for _, bad := range []string{":", "a:b:c", "a b", "a\n", strings.Repeat("a", 300)} {
		if o, err := manifest.ParseOwner(bad); err == nil {
			t.Errorf("the owner %q was taken as %s", bad, o)
		}
	}
	for _, bad := range []string{"../a", "b", "b/\xff\n", "z"} {
		e := list[3]
		e.Link = bad
		if _, err := decode(encode([]manifest.Entry{e})); (err == nil) != (bad == "b") {
			t.Errorf("a hard link of %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "../a", "a/../b", "/a", "a/", "a//b", "a\x00", "./a"} {
		if _, err := decode(encode([]manifest.Entry{file(bad, "1")})); err == nil && bad != "" {
			t.Errorf("%q was taken", bad)
		}
		if bad != "" && manifest.Clean(bad) {
			t.Errorf("%q is clean", bad)
		}
	}
	for rest, good := range map[string]bool{"\x01/b": true, "\x02b": true, "\x01/../b": false, "\x02../b": false, "\x02": false, "\x01/": false, "\x01\x00": false, "\x01": false, "\x00a/./c": false, "\x00A": false} {
		b := encode([]manifest.Entry{file("a", "1"), dir("a/a")})
		b = append(b, rest[0], byte(len(rest)-1)) // how much is as in the path before, and the rest
		b = append(append(b, rest[1:]...), byte(manifest.Dir), 0)
		if _, err := decode(b); (err == nil) != good {
			t.Errorf("%q after a/a: %v", rest, err)
		}
	}
	if _, err := decode(encode([]manifest.Entry{file("a", "1"), file("a", "2")})); err == nil {
		t.Error("a repeated path was taken")
	}
	if _, err := decode(encode([]manifest.Entry{file("b", "1"), file("a", "2")})); err == nil {
		t.Error("disorder was taken")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode([]manifest.Entry{file("a", "1"), dir("b"), link("b/l", "x")}))
	f.Add([]byte{0, 1, 'a', 'f', 0xa4, 3})
	owned, linked := file("a", "1"), file("b", "1")
	owned.Owner, linked.Owner, linked.Link = manifest.OwnerNumbers(1, -1), manifest.OwnerNumbers(1, -1), "a"
	f.Add(encode([]manifest.Entry{owned, linked}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decode(b)
		if err != nil {
			return
		}
		for i := range list {
			if !manifest.Clean(list[i].Path) {
				t.Fatalf("path %q", list[i].Path)
			}
		}
		again, err := decode(encode(list))
		if err != nil || !slices.Equal(list, again) {
			t.Fatalf("does not come back: %v", err)
		}
		open, err := manifest.Open(bytes.NewReader(b), 0, int64(len(b)))
		if err != nil || open.Count != len(list) || open.Digest != manifest.DigestOf(b) {
			t.Fatalf("not read alike: %v", err)
		}
		if paths, err := manifest.DecodePaths(b); err == nil && !bytes.Equal(manifest.EncodePaths(paths), b) {
			t.Skip("a longer form of a number")
		}
	})
}

func FuzzDecodePaths(f *testing.F) {
	f.Add(manifest.EncodePaths([]string{"a", "b/c"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		paths, err := manifest.DecodePaths(b)
		if err != nil {
			return
		}
		again, err := manifest.DecodePaths(manifest.EncodePaths(paths))
		if err != nil || !slices.Equal(paths, again) {
			t.Fatal("does not come back")
		}
	})
}

func TestDeltaAndPatched(t *testing.T) {
	a := manifest.Slice{file("a", "1"), file("b", "1"), file("d", "1"), file("e", "1")}
	b := manifest.Slice{file("a", "1"), file("b", "2"), file("c", "1"), file("e", "1"), file("f", "1")}
	p, replaced, err := manifest.Delta(a, b)
	if err != nil || len(p.Change) != 3 || !slices.Equal(p.Gone, []string{"d"}) || !slices.Equal(replaced, manifest.Slice{a[1], a[2]}) {
		t.Errorf("%v %+v %+v", err, p, replaced)
	}
	for range 2 {
		if got, err := manifest.Collect(manifest.Patched(a, p)); err != nil || !slices.Equal(got, b) {
			t.Errorf("%v %+v", err, got)
		}
	}
	back, _, err := manifest.Delta(b, a)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := manifest.Collect(manifest.Patched(manifest.Patched(a, p), back)); err != nil || !slices.Equal(got, a) {
		t.Errorf("%v %+v", err, got)
	}
}

// text writes a decision in short, for the table.
func text(d *manifest.Decision, ours manifest.List) string {
	var out, deletes []string
	s := d.Read()
	for c := s.Next(); c != nil; c = s.Next() {
		switch {
		case c.Put && c.Have:
			out = append(out, "touch "+c.Path())
		case c.Put:
			out = append(out, "put "+c.Path())
		case c.Goes:
			deletes = append(deletes, "delete "+c.Path())
		}
	}
	out = append(out, deletes...)
	for _, f := range d.Drift {
		out = append(out, "drift "+f.Path+" "+f.What)
	}
	for _, p := range d.Extra {
		out = append(out, "extra "+p)
	}
	if len(d.Blocked) > 0 {
		out = append(out, "blocked")
	}
	var left []string
	next, _ := manifest.Collect(manifest.Edited(ours, d.Ours()))
	for _, e := range next {
		left = append(left, e.Path)
	}
	return strings.Join(out, ", ") + " / " + strings.Join(left, " ")
}

func TestDecide(t *testing.T) {
	chmod := func(e manifest.Entry, mode uint32) manifest.Entry { e.Mode = mode; return e }
	touched := func(e manifest.Entry) manifest.Entry { e.Mtime += 5_000_000_000; return e }
	type list = []manifest.Entry
	plain := manifest.Policy{Delete: "ours", Drift: "refuse"}
	with := func(change func(*manifest.Policy)) manifest.Policy { p := plain; change(&p); return p }
	all := with(func(p *manifest.Policy) { p.Delete = "all" })
	none := with(func(p *manifest.Policy) { p.Delete = "none" })
	over := with(func(p *manifest.Policy) { p.Drift = "overwrite" })
	keep := with(func(p *manifest.Policy) { p.Drift = "keep" })
	first := with(func(p *manifest.Policy) { p.First = true })
	adopt := with(func(p *manifest.Policy) { p.Adopt = true })
	for _, c := range []struct {
		name             string
		ours, live, want list
		pol              manifest.Policy
		out              string
	}{
		{"nothing", list{file("a", "1")}, list{file("a", "1")}, list{file("a", "1")}, plain, " / a"},
		{"new", nil, nil, list{dir("d"), file("d/a", "1")}, plain, "put d, put d/a / d d/a"},
		{"changed", list{file("a", "1")}, list{file("a", "1")}, list{file("a", "2")}, plain, "put a / a"},
		{"gone", list{file("a", "1")}, list{file("a", "1")}, nil, plain, "delete a / "},
		{"gone on both", list{file("a", "1")}, nil, nil, plain, " / "},
		{"gone, delete=false", list{file("a", "1")}, list{file("a", "1")}, nil, none, " / a"},
		{"extra", nil, list{file("x", "1")}, nil, plain, "extra x / "},
		{"extra, delete=all", nil, list{file("x", "1")}, nil, all, "delete x / "},
		{"extra, adopt", nil, list{file("x", "1")}, nil, adopt, " / x"},
		{"drift", list{file("a", "1")}, list{file("a", "22")}, list{file("a", "3")}, plain, "drift a changed / a"},
		{"drift though the source is as before", list{file("a", "1")}, list{file("a", "22")}, list{file("a", "1")}, plain, "drift a changed / a"},
		{"drift, overwrite", list{file("a", "1")}, list{file("a", "22")}, list{file("a", "3")}, over, "put a, drift a changed / a"},
		{"drift, keep", list{file("a", "1")}, list{file("a", "22")}, list{file("a", "3")}, keep, "drift a changed / a"},
		{"drift to what is wanted", list{file("a", "1")}, list{file("a", "3")}, list{file("a", "3")}, plain, " / a"},
		{"drift of a file to be deleted", list{file("a", "1")}, list{file("a", "22")}, nil, plain, "drift a changed / a"},
		{"drift, deleted anyway", list{file("a", "1")}, list{file("a", "22")}, nil, over, "delete a, drift a changed / "},
		{"deleted there", list{file("a", "1")}, nil, list{file("a", "1")}, plain, "drift a missing / a"},
		{"deleted there, overwrite", list{file("a", "1")}, nil, list{file("a", "1")}, over, "put a, drift a missing / a"},
		{"only the time was touched", list{file("a", "1")}, list{touched(file("a", "1"))}, list{file("a", "1")}, plain, "touch a / a"},
		{"permissions changed there", list{file("a", "1")}, list{chmod(file("a", "1"), 0o600)}, list{file("a", "1")}, plain, "drift a mode / a"},
		{"permissions changed here", list{file("a", "1")}, list{file("a", "1")}, list{chmod(file("a", "1"), 0o755)}, plain, "touch a / a"},
		{"in the way", nil, list{file("a", "x")}, list{file("a", "1")}, plain, "drift a unknown, extra a / "},
		{"in the way at first contact", nil, list{file("a", "x")}, list{file("a", "1")}, first, "put a / a"},
		{"a folder in which extras stay", list{dir("d"), file("d/a", "1")}, list{dir("d"), file("d/a", "1"), file("d/x", "1")}, nil, plain, "delete d/a, extra d/x / d"},
		{"a folder that empties", list{dir("d"), file("d/a", "1")}, list{dir("d"), file("d/a", "1")}, nil, plain, "delete d, delete d/a / "},
		{"folder to file", list{dir("d"), file("d/a", "1")}, list{dir("d"), file("d/a", "1")}, list{file("d", "1")}, plain, "put d, delete d/a / d"},
		{"folder to file with extras", list{dir("d")}, list{dir("d"), file("d/x", "1")}, list{file("d", "1")}, plain, "put d, extra d/x, blocked / d"},
		{"file to folder", list{file("d", "1")}, list{file("d", "1")}, list{dir("d"), file("d/a", "1")}, plain, "put d, put d/a / d d/a"},
		{"a planted link", list{dir("d"), file("d/a", "1")}, list{link("d", "/etc")}, list{dir("d"), file("d/a", "1")}, plain, "drift d type, drift d/a missing / d d/a"},
		{"setgid of a folder", list{dir("d")}, list{chmod(dir("d"), 0o2755)}, list{dir("d")}, plain, " / d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ours := manifest.Slice(c.ours)
			d, err := (&manifest.Comparison{
				Ours: ours, Live: manifest.Slice(c.live).Read(), Want: manifest.Slice(c.want), Policy: c.pol, Lists: true,
			}).Decide()
			if got := text(d, ours); err != nil || got != c.out {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, c.out)
			}
			same := &ours // a list that can be told from others
			p, _, err := manifest.Delta(same, manifest.Slice(c.want))
			if err != nil {
				t.Fatal(err)
			}
			again, err := (&manifest.Comparison{
				Ours: same, Live: manifest.Slice(c.live).Read(), Want: manifest.Patched(same, p), Policy: c.pol, Lists: true,
			}).Decide()
			if got := text(again, ours); err != nil || got != c.out {
				t.Errorf("as a change of ours: %v\ngot  %s\nwant %s", err, got, c.out)
			}
			back, err := manifest.Collect(manifest.Edited(manifest.Edited(ours, d.Ours()), d.Was()))
			if err != nil || !slices.Equal(back, ours) {
				t.Errorf("%v; the way back leads to %+v", err, back)
			}
		})
	}
}

// git's own answers are the known ones for .rollignore.
func TestIgnoreAsGitDoes(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	root := t.TempDir()
	paths := []string{
		"a.tmp", "d/a.tmp", "d/e/f.txt", "d/e/g.log", "keep.tmp", "build/x", "src/build/x", "doc/a.html", "doc/b/a.html",
		"foo/bar/baz", "x/foo/bar/baz", "sp ace", "#hash", "a1", "a2", "ab", "deep/a/b/c", "{a,b}",
	}
	for _, p := range paths {
		name := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("git", "-C", root, "init", "-q").CombinedOutput(); err != nil {
		t.Skipf("git init: %s", out)
	}
	for _, rules := range []string{
		"*.tmp\n!keep.tmp", "/build/", "build/", "doc/*.html", "foo/bar", "**/foo/bar", "d/**", "/d/e/", "# c\n\\#hash",
		"a[0-9]", "a?", "deep/**/c", "sp ace", "*", "{a,b}", "d/e/f.txt   ",
	} {
		if err := os.WriteFile(filepath.Join(root, ".gitignore"), []byte(rules), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := manifest.Compile(manifest.Patterns{Ignore: strings.Split(rules, "\n")})
		if err != nil {
			t.Fatal(err)
		}
		var entries manifest.Slice
		for _, p := range paths {
			entries = append(entries, file(p, "1"))
		}
		slices.SortFunc(entries, func(a, b manifest.Entry) int { return strings.Compare(a.Path, b.Path) })
		list, rest := r.Filter(entries)
		in, err := manifest.Collect(list)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := manifest.Collect(rest); err != nil || len(in)+len(out) != len(entries) {
			t.Errorf("rules %q: %v: %d in and %d out of %d", rules, err, len(in), len(out), len(entries))
		}
		for _, p := range paths {
			ignored := exec.Command("git", "-C", root, "check-ignore", "-q", "--no-index", p).Run() == nil
			ours := !slices.ContainsFunc(in, func(e manifest.Entry) bool { return e.Path == p })
			if ours != ignored {
				t.Errorf("rules %q: %q: git says %v, we %v", rules, p, ignored, ours)
			}
		}
	}
}

// A burst, carried out on a map, turns one tree into the other.
func TestBurst(t *testing.T) {
	from := []manifest.Entry{file("a", "1"), dir("d"), file("d/x", "1"), dir("gone"), file("gone/y", "1"), file("t", "1")}
	to := []manifest.Entry{file("a", "2"), file("d", "2"), dir("n"), file("n/new", "2"), dir("t"), file("t/in", "2")}
	have := map[string]manifest.Kind{}
	for _, e := range from {
		have[e.Path] = e.Kind
	}
	err := manifest.Burst(pairs(from, to), nil, func(s *manifest.Step) error {
		parent := filepath.Dir(s.Path)
		if parent != "." && have[parent] != manifest.Dir {
			t.Errorf("%c %s: its folder is not there", s.Op, s.Path)
		}
		switch s.Op {
		case manifest.OpMkdir:
			if have[s.Path] != 0 {
				t.Errorf("mkdir over %s", s.Path)
			}
			have[s.Path] = manifest.Dir
		case manifest.OpPut:
			if have[s.Path] == manifest.Dir {
				t.Errorf("put over the folder %s", s.Path)
			}
			have[s.Path] = s.Entry.Kind
		case manifest.OpUnlink, manifest.OpRmdir:
			if (have[s.Path] == manifest.Dir) != (s.Op == manifest.OpRmdir) {
				t.Errorf("%c %s", s.Op, s.Path)
			}
			delete(have, s.Path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	want := map[string]manifest.Kind{}
	for _, e := range to {
		want[e.Path] = e.Kind
	}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", have, want)
	}
}
