package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// bed is a project with running nodes, for rollsh and for its peers.
type bed struct {
	*nodetest.Bed
	rollsh  string
	project string
	gate    string // a recipe under way waits for this file
}

// newBed starts n nodes and writes a project whose nodes file "bench" has them,
// each with a tree of its own as path.
func (b *bench) newBed(name string, n int) (*bed, error) {
	dir := filepath.Join(b.dir, name)
	started, err := nodetest.Open(dir, n)
	if err != nil {
		return nil, err
	}
	p := &bed{Bed: started, rollsh: b.rollsh, project: filepath.Join(dir, "project"), gate: filepath.Join(dir, "gate")}
	var text strings.Builder
	for i := range n {
		node := p.Node(i)
		fmt.Fprintf(&text, "%s %s port=%d user=%s path=%s\n", node.Name, node.Host, node.Port, node.User, p.tree(i, "rollsh"))
	}
	if err := p.write("nodes/bench", text.String()); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// tree is the folder on node i that one of the programs rolls to.
func (p *bed) tree(i int, program string) string { return filepath.Join(p.Dir(i), program) }

// write makes a file of the project.
func (p *bed) write(name, text string) error {
	file := filepath.Join(p.project, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// command is rollsh in the project, with the home that knows the nodes.
func (p *bed) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.rollsh, args...)
	cmd.Dir = p.project
	cmd.Env = []string{
		"HOME=" + p.Home, "PATH=" + os.Getenv("PATH"), "USER=" + p.Node(0).User, "LANG=C.UTF-8",
		"ROLLSH_STATE=" + filepath.Join(p.project, "state"),
	}
	return cmd
}

// timed is a recipe that does something again and again over connections that
// it holds, for marked. The first time is not timed: it connects.
func (p *bed) timed(what string, runs int) string {
	return fmt.Sprintf(`-- Written by bench.
local all = nodes "bench"
%[1]s
for _ = 1, %[2]d do
  print "ready"
  sh("while [ ! -e %[3]s ]; do sleep 0.01; done; rm %[3]s")
  print "begin"
  %[1]s
  print "end"
end
`, what, runs, p.gate)
}

// has reports whether a peer is installed, and says so when it is not.
func has(program string) bool {
	if nodetest.Program(program) != "" {
		return true
	}
	fmt.Printf("  (%s is not installed: left out)\n", program)
	return false
}
