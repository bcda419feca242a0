package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

const transferSize = 256 << 20

// transfer puts and gets one file of 256 MB that cannot be compressed, and
// compares it afterwards.
func transfer(ctx context.Context, b *bench) error {
	p, err := b.newBed("transfer", 1)
	if err != nil {
		return err
	}
	defer p.Close()
	local, remote := filepath.Join(b.dir, "transfer", "big"), filepath.Join(p.Dir(0), "big")
	if err := randomFile(local); err != nil {
		return err
	}
	name, config := string(p.Node(0).Name), p.Config
	here, back := filepath.Join(b.dir, "transfer", "back"), name+":"+remote
	ways := []struct {
		title string
		ways  [][]string
		check string
	}{
		{"put", [][]string{
			{"-e", fmt.Sprintf("nodes('bench')[1]:put(%q, %q)", local, remote)},
			{"scp", "-q", "-F", config, local, back},
			{"sftp", "-q", "-F", config, "-b", filepath.Join(b.dir, "transfer", "put.batch"), name},
		}, remote},
		{"get", [][]string{
			{"-e", fmt.Sprintf("nodes('bench')[1]:get(%q, %q)", remote, here)},
			{"scp", "-q", "-F", config, back, here},
			{"sftp", "-q", "-F", config, "-b", filepath.Join(b.dir, "transfer", "get.batch"), name},
		}, here},
	}
	batches := map[string]string{"put.batch": "put " + local + " " + remote + "\n", "get.batch": "get " + remote + " " + here + "\n"}
	for file, text := range batches {
		if err := p.write("../"+file, text); err != nil {
			return err
		}
	}
	for _, w := range ways {
		var figures []figure
		for i, words := range w.ways {
			if i > 0 && !has(words[0]) {
				continue
			}
			f, err := repeatFresh(ctx, b.runs, w.check, words, func() *exec.Cmd {
				if i == 0 {
					return p.command(words...)
				}
				return exec.Command(nodetest.Program(words[0]), words[1:]...)
			})
			if err != nil {
				return err
			}
			if out, err := exec.CommandContext(ctx, "cmp", local, w.check).CombinedOutput(); err != nil {
				return fmt.Errorf("%s by %s is not what was sent: %s", w.title, f.name, out)
			}
			figures = append(figures, f)
		}
		table(fmt.Sprintf("transfer: %s of %d MB over loopback, median of %d", w.title, transferSize>>20, b.runs), figures)
		fmt.Printf("  memory of rollsh: %.1f MB\n", megabytes(figures[0].peak()))
	}
	return nil
}

// repeatFresh removes what a run made before the next.
func repeatFresh(ctx context.Context, runs int, made string, words []string, command func() *exec.Cmd) (figure, error) {
	name := words[0]
	if name == "-e" {
		name = "rollsh"
	}
	return repeat(ctx, name, runs, func() *exec.Cmd {
		_ = os.Remove(made) // the first time there is none
		return command()
	})
}

// randomFile is written in pieces: memory of bench would count as memory of what
// it starts.
func randomFile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), transferSize)
	return errors.Join(err, f.Close())
}
