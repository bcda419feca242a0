package svn_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// A cancel ends svn within a second and leaves a checkout that can be used.
func TestCancelEndsSvnWithinASecond(t *testing.T) {
	b := newBench(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // a server that never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(b.ctx())
	time.AfterFunc(300*time.Millisecond, cancel)
	start := time.Now()
	_, err = b.svn.Log(ctx, "svn://"+l.Addr().String()+"/x", svn.LogOptions{})
	fails(t, err, nodes.Cancelled)
	if d := time.Since(start); d > 1300*time.Millisecond {
		t.Errorf("took %s", d)
	}
}

func TestKilledSvnIsCleanedUpOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 30 {
		b.write(fmt.Sprintf("trunk/f%d", i), strings.Repeat("x\n", 100))
	}
	b.commit("bob", "r2")
	co := b.checkout("/trunk")
	// the trace that a killed svn leaves in its database
	db := must[*sql.DB](t)(sql.Open("sqlite", filepath.Join(string(co.Path), ".svn/wc.db")))
	must[sql.Result](t)(db.ExecContext(b.ctx(), "insert into wc_lock values (1, '', -1)"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if must[bool](t)(co.Clean(b.ctx())) {
		t.Error("a locked checkout is clean")
	}
	must[int](t)(co.Update(b.ctx(), "1"))
	if w := b.events.Text(nodes.Warned); !strings.Contains(w, "cleanup") {
		t.Errorf("not told: %q", w)
	}
	if !must[bool](t)(co.Clean(b.ctx())) {
		t.Error("not clean after the update")
	}
	if err := co.Cleanup(b.ctx()); err != nil {
		t.Error(err)
	}
}

// A cancelled update ends within a second and leaves a checkout that the next
// update completes.
func TestCancelledUpdate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	from := t.TempDir()
	for i := range 800 {
		writeFile(t, filepath.Join(from, fmt.Sprintf("d%d/f%d", i%20, i)), strings.Repeat("text\n", 50))
	}
	co := b.checkout("/trunk")
	b.run("", "svn", "import", "-q", "-m", "r2", from, b.repo.File+"/trunk")
	for _, folders := range []int{1, 5, 10} {
		ctx, cancel := context.WithCancel(b.ctx())
		at := make(chan time.Time, 1)
		go func() { // until so many folders are there
			for have := 0; have < folders && ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
				list, _ := filepath.Glob(filepath.Join(co.Path, "d*"))
				have = len(list)
			}
			at <- time.Now()
			cancel()
		}()
		_, err := co.Update(ctx, "")
		cancel()
		if err == nil {
			break // the machine was faster
		}
		fails(t, err, nodes.Cancelled)
		if d := time.Since(<-at); d > 1500*time.Millisecond {
			t.Errorf("ended %s after the cancel", d)
		}
	}
	if n := must[int](t)(co.Update(b.ctx(), "")); n != 2 || !must[bool](t)(co.Clean(b.ctx())) {
		t.Errorf("at %d", n)
	}
}
