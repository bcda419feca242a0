package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// startRuns is how often an empty program is started: one takes milliseconds,
// so a few say little.
const startRuns = 60

// startCost compares an empty recipe with an empty Go program.
func startCost(ctx context.Context, b *bench) error {
	dir := filepath.Join(b.dir, "start")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	empty := filepath.Join(dir, "empty")
	source, recipe := empty+".go", empty+".lua"
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(recipe, nil, 0o644); err != nil {
		return err
	}
	if _, err := measure(ctx, exec.Command("go", "build", "-o", empty, source)); err != nil {
		return err
	}
	ours, err := repeat(ctx, "rollsh empty.lua", startRuns, func() *exec.Cmd {
		cmd := exec.Command(b.rollsh, recipe)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
		return cmd
	})
	if err != nil {
		return err
	}
	theirs, err := repeat(ctx, "an empty Go program", startRuns, func() *exec.Cmd { return exec.Command(empty) })
	if err != nil {
		return err
	}
	table(fmt.Sprintf("Start: an empty recipe, %d runs", startRuns), []figure{ours, theirs})
	above := ours.cpu() - theirs.cpu()
	fmt.Printf("  CPU above an empty Go program: %.1f ms (wanted: not more than 6)\n", float64(above)/float64(time.Millisecond))
	fmt.Printf("  memory: %.1f MB, the empty program %.1f MB\n", megabytes(ours.peak()), megabytes(theirs.peak()))
	return nil
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }
