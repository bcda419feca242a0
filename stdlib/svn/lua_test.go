package svn_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// recipe runs a file of testdata with arguments.
func (b *bench) recipe(name string, args ...string) {
	b.t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		b.t.Fatal(err)
	}
	b.session.Service = nodes.NewService()
	b.session.Recipe = &nodes.Recipe{Path: path, Args: args, Files: map[string]string{}}
	h := lua.New(b.session, []lua.Module{svn.Module(b.session)})
	if err := h.RunFile(b.ctx()); err != nil {
		b.t.Fatal(err)
	}
}

func TestCheckoutInLua(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a.php", "1\n")
	b.commit("bob", "r2")
	b.write("trunk/a.php", "2\n")
	b.commit("carol", "r3 ticket #7")
	b.write("trunk/b.php", "2\n")
	b.commit("bob", "r4 \x1b[31mred "+strings.Repeat("long ", 40))
	b.recipe("checkout.lua", "--url="+b.repo.File, "--dir="+filepath.Join(t.TempDir(), "co"))
	shown := strings.Join(b.session.Person.(*nodetest.Person).Shown, "\n")
	if !strings.Contains(shown, "carol  #7  r3 ticket #7") || strings.Contains(shown, "\x1b") {
		t.Errorf("table is %q", shown)
	}
}

func TestTableFits(t *testing.T) {
	t.Parallel()
	cs := nodes.Changesets{{Rev: 12345, Date: time.Date(2026, 11, 22, 21, 4, 5, 0, time.Local), Author: "a-very-long-author-name", Message: "日本語 " + strings.Repeat("word ", 30) + "#1 #2 #3 #4 #5 #6 #7"}, {Rev: 1}}
	for _, columns := range []int{40, 60, 80, 120} {
		for line := range strings.Lines(svn.Table(cs, columns, nil)) {
			if n := width(line); n > columns {
				t.Errorf("%d columns in %d: %q", n, columns, line)
			}
		}
	}
	for columns, want := range map[int]string{40: "2026-11-22  a-very-long-a~", 80: "2026-11-22 21:04  a-very-long-a~  #1,#2"} {
		if got := svn.Table(cs, columns, nil); !strings.Contains(got, want) {
			t.Errorf("%d columns without %q: %s", columns, want, got)
		}
	}
}

func width(s string) int {
	n := 0
	for _, r := range strings.TrimRight(s, "\n") {
		n++
		if r >= 0x2E80 {
			n++
		}
	}
	return n
}

func TestMergeInLua(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	b.recipe("merge.lua", "--url="+b.repo.File, "--dir="+filepath.Join(t.TempDir(), "co"))
}
