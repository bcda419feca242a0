package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// What a small roll changes.
const (
	changed = 50
	added   = 10
	removed = 5
)

const (
	filesInFolder = 15
	meanSize      = 15100 // bytes: 20,000 files are 302 MB
)

// tree is a source tree that changes a little between rolls. What it holds
// follows from a fixed seed.
type tree struct {
	root  string
	files []string // relative paths
	put   []string // written by the last change
	gone  []string // removed by it
	next  int      // number of the next new file
	rand  *rand.Rand
}

func newTree(root string, files int) *tree {
	t := &tree{root: root, rand: rand.New(rand.NewPCG(1, 2))}
	for range files {
		t.files = append(t.files, t.name())
	}
	return t
}

// name makes up the path of a file that was never there.
func (t *tree) name() string {
	n := t.next
	t.next++
	folder := n / filesInFolder
	return fmt.Sprintf("d%d/e%d/page-%d.html", folder/20, folder, n)
}

func (t *tree) make() error {
	for _, name := range t.files {
		if err := t.write(name); err != nil {
			return err
		}
	}
	return nil
}

// change changes, adds and removes files. Every file written is a new one moved
// into place: the nodes' trees start as hard links of this one.
func (t *tree) change() error {
	t.rand.Shuffle(len(t.files), func(i, j int) { t.files[i], t.files[j] = t.files[j], t.files[i] })
	t.gone = slices.Clone(t.files[len(t.files)-removed:])
	t.files = t.files[:len(t.files)-removed]
	for _, name := range t.gone {
		if err := os.Remove(filepath.Join(t.root, name)); err != nil {
			return err
		}
	}
	for range added {
		t.files = append(t.files, t.name())
	}
	t.put = slices.Concat(t.files[:changed], t.files[len(t.files)-added:])
	for _, name := range t.put {
		if err := t.write(name); err != nil {
			return err
		}
	}
	return nil
}

// write makes a file with new content.
func (t *tree) write(name string) error {
	file := filepath.Join(t.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", t.text(), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// text is a page of made-up words, which compresses to about a third.
func (t *tree) text() []byte {
	size := meanSize/2 + t.rand.IntN(meanSize)
	b := bytes.NewBuffer(make([]byte, 0, size+16))
	for b.Len() < size {
		fmt.Fprintf(b, "word%d ", t.rand.IntN(5000))
	}
	return b.Bytes()
}

// fill gives every node a tree for each program, as hard links of the source.
func (p *bed) fill(ctx context.Context, t *tree) error {
	for i := range p.Len() {
		for _, program := range []string{"rollsh", "loop", "xargs"} {
			if _, err := measure(ctx, exec.Command("cp", "-al", t.root, p.tree(i, program))); err != nil {
				return err
			}
		}
	}
	return nil
}

// same compares the trees of a program on all nodes with the source.
func (p *bed) same(ctx context.Context, t *tree, program string) error {
	var errs []error
	for i := range p.Len() {
		if _, err := measure(ctx, exec.Command("diff", "-rq", t.root, p.tree(i, program))); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
