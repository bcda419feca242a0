package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

const rollNodes = 8

// smallRoll rolls the same small change of a large tree with rollsh and rsync,
// each to trees of its own on the same nodes.
func smallRoll(ctx context.Context, b *bench) error {
	p, err := b.newBed("roll", rollNodes)
	if err != nil {
		return err
	}
	defer p.Close()
	src := newTree(filepath.Join(b.dir, "roll", "source"), b.files)
	if err := src.make(); err != nil {
		return err
	}
	if err := p.fill(ctx, src); err != nil {
		return err
	}
	push := fmt.Sprintf(`sync.push{ from = %q, to = all }`, src.root)
	cold := `local all = nodes "bench" ` + push
	if err := p.write("recipes/warm.lua", p.timed(push, b.runs)); err != nil {
		return err
	}
	// First contact: the trees are there already, and become rollsh's.
	if _, err := measure(ctx, p.command("-e", cold)); err != nil {
		return err
	}
	figures, err := p.coldRolls(ctx, src, b.runs, cold)
	if err != nil {
		return err
	}
	warm, err := marked(ctx, "rollsh, warm", p.command("recipes/warm.lua"), p.gate, b.runs, src.change)
	if err != nil {
		return err
	}
	if err := p.same(ctx, src, "rollsh"); err != nil {
		return err
	}
	figures = append(figures[:1:1], append([]figure{warm}, figures[1:]...)...)
	table(fmt.Sprintf("Small roll to %d nodes: %d of %d files, median of %d; ratio to rollsh cold",
		rollNodes, changed+added+removed, b.files, b.runs), figures)
	return nil
}

// contender is a program that brings the source to a tree on every node.
type contender struct {
	name, tree string
	command    func() *exec.Cmd
	slow       bool // measured once
	blind      bool // it is told what changed: with nothing to do it is not started
}

// coldRolls changes the source and rolls it with each program in turn, runs
// times over. Rollsh comes first.
func (p *bed) coldRolls(ctx context.Context, src *tree, runs int, recipe string) ([]figure, error) {
	contenders := []contender{
		{name: "rollsh, cold", tree: "rollsh", command: func() *exec.Cmd { return p.command("-e", recipe) }},
		{name: "rsync in a loop", tree: "loop", command: func() *exec.Cmd { return p.rsync(src.root, "loop", 1) }},
		{name: "xargs -P8 rsync", tree: "xargs", command: func() *exec.Cmd { return p.rsync(src.root, "xargs", rollNodes) }},
	}
	figures := make([]figure, len(contenders))
	for range runs {
		if err := src.change(); err != nil {
			return nil, err
		}
		for i, c := range contenders {
			s, err := measure(ctx, c.command())
			if err != nil {
				return nil, err
			}
			figures[i].name, figures[i].runs = c.name, append(figures[i].runs, s)
		}
	}
	for _, c := range contenders {
		if err := p.same(ctx, src, c.tree); err != nil {
			return nil, err
		}
	}
	return figures, nil
}

// rsync pushes the source to every node's tree, so many at a time.
func (p *bed) rsync(source, program string, at int) *exec.Cmd {
	var targets strings.Builder
	for i := range p.Len() {
		fmt.Fprintf(&targets, "%s:%s/\n", p.Node(i).Name, p.tree(i, program))
	}
	line := fmt.Sprintf(`xargs -P %d -I{} rsync -a --delete -e "ssh -F %s" %s/ {}`, at, p.Config, source)
	cmd := exec.Command("sh", "-c", line)
	cmd.Stdin = strings.NewReader(targets.String())
	return cmd
}
