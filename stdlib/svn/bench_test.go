package svn_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// size is how large the repository of the benchmarks is; ROLLSH_BENCH, such as
// "5000,800", makes another one.
func size() (files, revisions int) {
	if n, _ := fmt.Sscanf(os.Getenv("ROLLSH_BENCH"), "%d,%d", &files, &revisions); n == 2 {
		return files, revisions
	}
	return 20_000, 2_000
}

// site is the large repository behind svnserve, with a checkout of production.
type site struct {
	repo    *nodetest.Repository
	session *nodes.Session
	co      string
	picks   string
}

// large makes the repository once for all benchmarks, by a dump that it writes
// itself.
func large(b *testing.B) *site {
	b.Helper()
	nodetest.Need(b, "svn", "svnadmin", "svnserve")
	dir := b.TempDir()
	repo, err := nodetest.OpenSvn(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(repo.Close)
	dump := filepath.Join(dir, "dump")
	writeDump(b, dump)
	shell(b, dir, "svnadmin load -q --no-flush-to-disk "+nodes.Quote(repo.Path)+" < dump && rm dump")
	conf := filepath.Join(repo.Path, "conf", "svnserve.conf")
	if err := os.WriteFile(conf, []byte("[general]\nanon-access = write\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	s := &site{repo: repo, session: &nodes.Session{Cache: b.TempDir(), User: "bench", Person: &nodetest.Person{}, Events: nodes.Discard{}}, co: filepath.Join(dir, "co")}
	shell(b, dir, "svn checkout -q "+repo.URL+"/production co")
	r := rand.New(rand.NewPCG(1, 1))
	_, revisions := size()
	var picks []string
	for i := range 20 {
		picks = append(picks, fmt.Sprint(revisions-600+i*30+r.IntN(10)))
	}
	s.picks = strings.Join(picks, ",")
	return s
}

func shell(b *testing.B, dir, line string) string {
	b.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

func path(n int) string { return fmt.Sprintf("d%d/s%d/f%d.php", n%40, n/40%50, n) }

func body(n, version int) string {
	var b strings.Builder
	for i := range 60 {
		v := 0
		if i%7 == version%7 {
			v = version
		}
		fmt.Fprintf(&b, "line %d of file %d, version %d of what is written here\n", i, n, v)
	}
	return b.String()
}

// writeDump writes trunk, production copied from it, and edits of trunk. The
// repository has r1 already, with /trunk.
func writeDump(b *testing.B, name string) {
	b.Helper()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprint(w, "SVN-fs-dump-format-version: 2\n\n")
	revision := func(n int, log string) {
		props := fmt.Sprintf("K 7\nsvn:log\nV %d\n%s\nK 10\nsvn:author\nV 3\nbob\nK 8\nsvn:date\nV 27\n2026-01-01T00:00:00.000000Z\nPROPS-END\n", len(log), log)
		fmt.Fprintf(w, "Revision-number: %d\nProp-content-length: %d\nContent-length: %d\n\n%s\n", n, len(props), len(props), props)
	}
	put := func(path, action, text string) {
		fmt.Fprintf(w, "Node-path: %s\nNode-kind: file\nNode-action: %s\nText-content-length: %d\nContent-length: %d\n\n%s\n\n", path, action, len(text), len(text), text)
	}
	folder := func(path string) {
		fmt.Fprintf(w, "Node-path: %s\nNode-kind: dir\nNode-action: add\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n", path)
	}
	revision(2, "all files")
	seen := map[string]bool{}
	files, revisions := size()
	for n := range files {
		parts := strings.Split(path(n), "/")
		for i := 1; i < len(parts); i++ {
			if dir := strings.Join(parts[:i], "/"); !seen[dir] {
				seen[dir] = true
				folder("trunk/" + dir)
			}
		}
		put("trunk/"+path(n), "add", body(n, 0))
	}
	revision(3, "production")
	fmt.Fprint(w, "Node-path: production\nNode-kind: dir\nNode-action: add\nNode-copyfrom-rev: 2\nNode-copyfrom-path: trunk\n\n\n")
	r := rand.New(rand.NewPCG(2, 2))
	for rev := 4; rev <= revisions; rev++ {
		revision(rev, fmt.Sprintf("change %d, fixes #%d", rev, rev%500))
		touched := map[int]bool{}
		for range 1 + r.IntN(10) {
			touched[r.IntN(2000)] = true
		}
		for n := range touched {
			put("trunk/"+path(n), "change", body(n, rev))
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

func (s *site) merge(b *testing.B, fresh bool) *svn.Merge {
	b.Helper()
	if fresh {
		s.session.Cache = b.TempDir()
	}
	v := svn.New(s.session)
	co, err := v.Checkout(context.Background(), s.co, svn.CheckoutOptions{})
	if err != nil {
		b.Fatal(err)
	}
	m, err := v.Merge(context.Background(), "^/trunk", co)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkMerge compares with svn itself on 20,000 files and 2,000 revisions
// over svnserve. Each pair of lines is one question, asked of rollsh and of svn.
func BenchmarkMerge(b *testing.B) {
	s := large(b)
	_, revisions := size()
	ctx := context.Background()
	revs, err := svn.ParseRevisions(s.picks)
	if err != nil {
		b.Fatal(err)
	}
	list := func(b *testing.B, m *svn.Merge) {
		b.Helper()
		l, err := m.Available(ctx, svn.Filter{})
		if err != nil || len(l.Changesets) != revisions-3 {
			b.Fatal(err, len(l.Changesets))
		}
	}
	b.Run("list/svn", func(b *testing.B) {
		for b.Loop() {
			shell(b, s.co, "svn mergeinfo --show-revs eligible --log "+s.repo.URL+"/trunk "+s.repo.URL+"/production > /dev/null")
		}
	})
	b.Run("list/cold", func(b *testing.B) {
		for b.Loop() {
			list(b, s.merge(b, true))
		}
	})
	b.Run("list/warm", func(b *testing.B) {
		list(b, s.merge(b, false))
		for b.Loop() {
			list(b, s.merge(b, false))
		}
	})
	b.Run("list/shell", func(b *testing.B) { // the Merge of a shell that is open
		m := s.merge(b, false)
		for b.Loop() {
			list(b, m)
		}
	})
	preview := func(b *testing.B, m *svn.Merge) {
		b.Helper()
		if _, err := m.Preview(ctx, revs); err != nil {
			b.Fatal(err)
		}
	}
	back := "svn revert -q -R . && svn cleanup --remove-unversioned"
	b.Run("preview/svn", func(b *testing.B) {
		for b.Loop() {
			shell(b, s.co, "svn merge -q --non-interactive --accept theirs-conflict -c "+s.picks+" "+s.repo.URL+"/trunk . ; "+back)
		}
	})
	b.Run("preview/cold", func(b *testing.B) {
		for b.Loop() {
			preview(b, s.merge(b, true))
		}
	})
	b.Run("preview/warm", func(b *testing.B) {
		m := s.merge(b, false)
		preview(b, m)
		for b.Loop() {
			preview(b, m)
		}
	})
	b.Run("take/one-by-one", func(b *testing.B) {
		for b.Loop() {
			for _, rev := range strings.Split(s.picks, ",") {
				shell(b, s.co, "svn merge -q --non-interactive --accept theirs-conflict -c "+rev+" "+s.repo.URL+"/trunk .")
			}
			b.StopTimer()
			shell(b, s.co, back)
			b.StartTimer()
		}
	})
	b.Run("take/rollsh", func(b *testing.B) {
		m := s.merge(b, false)
		for b.Loop() {
			if _, err := m.Take(ctx, revs, false); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := m.Abandon(ctx); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}
