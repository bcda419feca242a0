package sync_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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
	peaks := map[string][]int{}
	for _, n := range sizes {
		r := newBareRig(t, 1)
		fill := func(text string) {
			for i := range n {
				r.file(fmt.Sprintf("folder%d/file%d.txt", i/100, i), text+strconv.Itoa(i))
			}
		}
		had := map[string]bool{}
		measure := func(what string, do func(context.Context) error) {
			r.connect()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			must(t, do(ctx))
			mb := peakOfAgent(t, r.bed.NodeHome(0), had)
			t.Logf("%d files: %s: %d MB", n, what, mb)
			peaks[what] = append(peaks[what], mb)
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
		r.src = kept
	}
	for what, mb := range peaks {
		if first, last := mb[0], mb[len(mb)-1]; last > 48 || last > first+8 {
			t.Errorf("%s: %v MB for %v files", what, mb, sizes)
		}
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
		status, _ := os.ReadFile(filepath.Join(proc, "status"))
		for line := range strings.Lines(string(status)) {
			if kb := 0; strings.HasPrefix(line, "VmHWM:") {
				_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &kb)
				mb = max(mb, kb>>10)
			}
		}
	}
	if mb == 0 {
		t.Fatal("no agent was found")
	}
	return mb
}
