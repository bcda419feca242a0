package svn_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// takeAll is the other process.
func takeAll(dir string) {
	ctx := context.Background()
	s := svn.New(&nodes.Session{User: "carol", Host: "staging", Person: &nodetest.Person{}, Events: nodes.Discard{}})
	co, err := s.Checkout(ctx, dir, svn.CheckoutOptions{})
	if err == nil {
		var m *svn.Merge
		if m, err = s.Merge(ctx, "^/trunk", co); err == nil {
			r, _ := svn.ParseRevisions(os.Getenv("ROLLSH_TEST_REVS"))
			fmt.Println("begins")
			_, err = m.Take(ctx, r, false)
		}
	}
	fmt.Println("ended", err)
}

// A merge in which rollsh and svn are killed at any moment is finished by the
// same call, and ends as if nothing had happened.
func TestKilledTakeIsFinishedByTheSameCall(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	files := svn.Loaded{Author: "alice", Message: "files", Files: map[string]string{}}
	var steps []svn.Loaded
	for i := range 8 {
		step := svn.Loaded{Author: "bob", Message: "step", Files: map[string]string{fmt.Sprintf("+trunk/new%d", i): lines()}}
		for f := range 20 {
			files.Files[fmt.Sprintf("+trunk/f%d", f)] = lines()
			step.Files[fmt.Sprintf("trunk/f%d", f)] = lines(fmt.Sprintf("%d by %d", 1+i%10, i))
		}
		steps = append(steps, step)
	}
	b.load(files)
	b.run("", "svn", "copy", "-q", "-m", "production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.load(steps...)
	want := b.merge()
	must[svn.Taken](t)(want.Take(b.ctx(), revs(t, "all"), false))
	restarts := 0
	for i := range 3 {
		m := b.merge()
		writeFile(t, filepath.Join(m.Into.Path, "upload/pic"), "own")
		kill(t, m.Into.Path, "4-11", time.Duration(120*i)*time.Millisecond)
		if s := must[*svn.State](t)(m.State(b.ctx())); s != nil && s.Step == "merging" {
			restarts++
		}
		taken := must[svn.Taken](t)(m.Take(b.ctx(), revs(t, "4-11"), false))
		if len(taken.Conflicts) != 0 {
			t.Errorf("conflicts %v", taken.Conflicts)
		}
		got := tree(t, m.Into.Path)
		delete(got, "upload/")
		delete(got, "upload/pic")
		if d := cmp.Diff(tree(t, want.Into.Path), got); d != "" {
			t.Errorf("killed in round %d: %s", i, d)
		}
		a, c := b.run(want.Into.Path, "svn", "status", "-q"), b.run(m.Into.Path, "svn", "status", "-q")
		if d := cmp.Diff(a, c); d != "" {
			t.Errorf("status: %s", d)
		}
	}
	if restarts == 0 {
		t.Error("no round was killed while svn was at work")
	}
}

// kill starts a take in a process of its own and kills it and its svn a while
// after it noted what it is about to do.
func kill(t *testing.T, dir, picks string, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLLSH_TEST_TAKE="+dir, "ROLLSH_TEST_REVS="+picks)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewReader(out)
	if line, err := read.ReadString('\n'); err != nil || !strings.HasPrefix(line, "begins") {
		t.Fatalf("%q %v", line, err)
	}
	noted := func() bool { _, err := os.Stat(filepath.Join(dir, ".svn", "rollsh-merge.json")); return err == nil }
	for deadline := time.Now().Add(20 * time.Second); !noted(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the take does not begin")
		}
	}
	time.Sleep(after)
	svns := childrenOf(cmd.Process.Pid)
	_ = cmd.Process.Kill()
	for _, p := range svns {
		_ = p.Kill()
	}
	_ = cmd.Wait()
	for _, p := range svns {
		gone(t, p)
	}
}

func childrenOf(pid int) []*os.Process {
	var out []*os.Process
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, word := range strings.Fields(string(text)) {
			var n int
			if _, err := fmt.Sscan(word, &n); err == nil {
				if p, err := os.FindProcess(n); err == nil {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// gone waits until a killed process is no more.
func gone(t *testing.T, p *os.Process) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Fatalf("process %d does not end", p.Pid)
}

// What a person resolved is put in again when the merge begins anew.
func TestResolutionsSurviveAKill(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	b.load(rounds(12, "trunk/b.php")...)
	ctx, m := b.ctx(), b.merge()
	must[svn.Taken](t)(m.Take(ctx, revs(t, "6,5,9-20"), false))
	k := must[[]*svn.Conflict](t)(m.Conflicts(ctx))[0]
	if err := k.ResolveWith(ctx, []byte("by hand\n")); err != nil {
		t.Fatal(err)
	}
	kill(t, m.Into.Path, "6,5,9-20", 250*time.Millisecond)
	t.Logf("state %+v", must[*svn.State](t)(m.State(ctx)))
	for range 3 {
		taken := must[svn.Taken](t)(m.Take(ctx, revs(t, "6,5,9-20"), false))
		if len(taken.Conflicts) != 0 {
			t.Fatalf("asked again: %v", taken.Conflicts)
		}
	}
	if got := readFile(t, filepath.Join(m.Into.Path, "a.php")); got != "by hand\n" {
		t.Errorf("a.php %q", got)
	}
}

// A cancelled take ends within a second and is finished by the same call.
func TestCancelledTake(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	b.load(rounds(20, "trunk/b.php")...)
	m := b.merge()
	ctx, cancel := context.WithCancel(b.ctx())
	timer := time.AfterFunc(400*time.Millisecond, cancel)
	defer timer.Stop()
	_, err := m.Take(ctx, revs(t, "all"), false)
	if err != nil {
		fails(t, err, nodes.Cancelled)
	}
	must[svn.Taken](t)(m.Take(b.ctx(), revs(t, "all"), false))
	must[int](t)(m.Commit(b.ctx(), "", true))
	if got := b.available(m); got != "" {
		t.Errorf("available %s", got)
	}
}

// What a resolution brings up waits like any other conflict, in a merge that begins
// anew too.
func TestConflictsThatAResolutionBringsUpWait(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/f", lines())
	b.commit("alice", "r2")
	b.run("", "svn", "copy", "-q", "-m", "r3 production", b.repo.File+"/trunk", b.repo.File+"/branches/production")
	b.run(b.dev, "svn", "update", "-q")
	b.run(b.dev, "svn", "move", "-q", "branches/production/f", "branches/production/g")
	b.write("branches/production/g", lines("2 mine"))
	b.write("trunk/f", lines("2 theirs"))
	b.commit("bob", "r4")
	ctx, m := b.ctx(), b.merge()
	anew := func() []*svn.Conflict {
		journal := filepath.Join(m.Into.Path, ".svn", "rollsh-merge.json")
		writeFile(t, journal, strings.Replace(readFile(t, journal), `"step": "conflicts"`, `"step": "merging"`, 1)) // as after a kill
		return must[svn.Taken](t)(m.Take(ctx, revs(t, "4"), false)).Conflicts
	}
	k := must[svn.Taken](t)(m.Take(ctx, revs(t, "4"), false)).Conflicts[0]
	if err := k.Resolve(ctx, "recommended"); err != nil || k.Path != "f" {
		t.Fatal(k.Path, err)
	}
	list := anew()
	if len(list) == 1 && !strings.Contains(list[0].Sentence(), "theirs: r4 by bob") {
		t.Errorf("why: %s", list[0].Sentence())
	}
	if s := must[*svn.State](t)(m.State(ctx)); len(list) != 1 || list[0].Path != "g" || s.Step != "conflicts" {
		t.Fatalf("begun anew: %v, %+v", list, s)
	}
	if err := list[0].Resolve(ctx, "theirs"); err != nil {
		t.Fatal(err)
	}
	if list := anew(); len(list) != 0 {
		t.Errorf("asked again about %s", list[0].Path)
	}
	if got := readFile(t, filepath.Join(m.Into.Path, "g")); got != lines("2 theirs") {
		t.Errorf("g %q", got)
	}
}
