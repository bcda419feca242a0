package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

const fanoutNodes = 32

// fanout runs uptime on 32 nodes at once, with rollsh and with its peers.
func fanout(ctx context.Context, b *bench) error {
	p, err := b.newBed("fanout", fanoutNodes)
	if err != nil {
		return err
	}
	defer p.Close()
	const line = `nodes "bench":run "uptime"`
	cold, err := repeat(ctx, "rollsh, cold", b.runs, func() *exec.Cmd { return p.command("-e", line) })
	if err != nil {
		return err
	}
	if err := p.write("recipes/warm.lua", p.timed(`all:run "uptime"`, b.runs)); err != nil {
		return err
	}
	warm, err := marked(ctx, "rollsh, warm", p.command("recipes/warm.lua"), p.gate, b.runs, nil)
	if err != nil {
		return err
	}
	peers, err := fanoutPeers(ctx, b, p)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("Fan-out: uptime on %d nodes, median of %d; ratio to rollsh cold", fanoutNodes, b.runs)
	table(title, append([]figure{cold, warm}, peers...))
	fmt.Printf("  memory of rollsh with %d connections: %.1f MB\n", fanoutNodes, megabytes(cold.peak()))
	return nil
}

func fanoutPeers(ctx context.Context, b *bench, p *bed) ([]figure, error) {
	var names []string
	for i := range p.Len() {
		names = append(names, string(p.Node(i).Name))
	}
	hosts := filepath.Join(b.dir, "fanout", "hosts")
	if err := p.write("../hosts", strings.Join(names, "\n")+"\n"); err != nil {
		return nil, err
	}
	width := fmt.Sprint(fanoutNodes)
	commands := map[string][]string{
		"clush":        {"-f", width, "-w", strings.Join(names, ","), "-o", "-F " + p.Config, "uptime"},
		"parallel-ssh": {"-p", width, "-h", hosts, "-x", "-F " + p.Config, "uptime"},
	}
	var figures []figure
	for _, program := range []string{"clush", "parallel-ssh"} {
		if !has(program) {
			continue
		}
		f, err := repeat(ctx, program, b.runs, func() *exec.Cmd {
			cmd := exec.Command(nodetest.Program(program), commands[program]...)
			cmd.Env = append(cmd.Environ(), "HOME="+p.Home, "SSH_AUTH_SOCK=")
			return cmd
		})
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}
