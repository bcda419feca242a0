package sync_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// What the agent takes of memory is a constant, however many files are pushed,
// undone or deleted: with ROLLSH_FAULTS=all, and without the race detector, for
// 25,000 and four times as many, or for as many as ROLLSH_FILES says.
func TestMemoryOfTheAgent(t *testing.T) {
	sizes := []int{25_000, 100_000}
	if n, err := strconv.Atoi(os.Getenv("ROLLSH_FILES")); err == nil {
		sizes = []int{n}
	} else if os.Getenv("ROLLSH_FAULTS") != "all" || raced {
		t.Log("run with ROLLSH_FAULTS=all, without -race")
		return
	}
	p := newPeaks(t, sizes)
	for _, n := range sizes {
		t.Run(strconv.Itoa(n), func(t *testing.T) { p.agents(t, n) })
	}
}

// peaks are the most memory, in MB, that something took for trees of some sizes.
type peaks struct {
	mu sync.Mutex
	of map[string]map[int]int
}

// newPeaks compares them when all sizes were measured.
func newPeaks(t *testing.T, sizes []int) *peaks {
	p := &peaks{of: map[string]map[int]int{}}
	t.Cleanup(func() {
		for what, of := range p.of {
			first, last := of[sizes[0]], of[sizes[len(sizes)-1]]
			if last > 48 || last > first+8 {
				t.Errorf("%s: %d MB for %d files, %d for %d", what, first, sizes[0], last, sizes[len(sizes)-1])
			}
		}
	})
	return p
}

func (p *peaks) note(t *testing.T, what string, n, mb int) {
	t.Logf("%d files: %s: %d MB", n, what, mb)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[what] == nil {
		p.of[what] = map[int]int{}
	}
	p.of[what][n] = mb
}

// agents notes those of an agent for so many files.
func (p *peaks) agents(t *testing.T, n int) {
	r := newBareRig(t, 1)
	fill := func(text string) {
		for i := range n {
			r.file(fmt.Sprintf("folder%d/file%d.txt", i/100, i), text+strconv.Itoa(i))
		}
	}
	had := map[string]bool{}
	measure := func(what string, do func(context.Context) error) {
		r.connect()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		must(t, do(ctx))
		p.note(t, what, n, peakOfAgent(t, r.bed.NodeHome(0), had))
	}
	push := func(ctx context.Context) error {
		_, err := r.engine.Push(ctx, r.set, r.options())
		return err
	}
	undo := func(ctx context.Context) error {
		_, err := r.engine.Undo(ctx, r.set, "", "", false)
		return err
	}
	fill("")
	measure("first push", push)
	measure("no change", push)
	fill("changed ")
	measure("change of everything", push)
	measure("undo of it", undo)
	measure("undo of the first push", undo)
	must(t, push(context.Background()))
	kept := r.src
	r.src = filepath.Join(kept, "folder0", "empty")
	must(t, os.Mkdir(r.src, 0o755))
	measure("delete of everything", push)
	measure("undo of that", undo)
}

// What a push over SFTP takes of memory on the deploy host is a constant as well.
func TestMemoryOverSFTP(t *testing.T) {
	if os.Getenv("ROLLSH_FAULTS") != "all" || raced {
		t.Log("run with ROLLSH_FAULTS=all, without -race")
		return
	}
	sizes := []int{10_000, 40_000}
	p := newPeaks(t, sizes)
	for _, n := range sizes {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			r := newBareRig(t, 1, nodetest.SFTPOnly())
			for _, what := range []string{"first push", "no change", "change of everything"} {
				if what != "no change" {
					for i := range n {
						r.file(fmt.Sprintf("folder%d/file%d.txt", i/100, i), what)
					}
				}
				var said bytes.Buffer
				out, err := r.errand(&said, func(*errand) {}).Output()
				if err != nil {
					t.Fatalf("%v: %s", err, said.Bytes())
				}
				mb, err := strconv.Atoi(strings.TrimSpace(string(out)))
				must(t, err)
				p.note(t, what, n, mb)
			}
		})
	}
}

// peakOfAgent is the most memory, in MB, that an agent had whose file is below home
// and that is not among had, which it is put into.
func peakOfAgent(t *testing.T, home string, had map[string]bool) (mb int) {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range all {
		exe, _ := os.Readlink(filepath.Join(proc, "exe"))
		if !strings.HasPrefix(exe, home) || had[proc] {
			continue
		}
		had[proc] = true
		mb = max(mb, peakOf(proc))
	}
	if mb == 0 {
		t.Fatal("no agent was found")
	}
	return mb
}

// peakOf is the most memory, in MB, that a process had, of which proc is the folder
// in /proc.
func peakOf(proc string) int {
	kb := 0
	status, _ := os.ReadFile(filepath.Join(proc, "status"))
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &kb)
	}
	return kb >> 10
}
