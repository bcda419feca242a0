package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// contenders are rollsh and the peers that are installed. master are the
// options of ssh that share connections.
func (s *syncBed) contenders(master string) []contender {
	n := s.f.nodes
	out := []contender{
		{name: "rollsh, cold", tree: "bench", command: func() *exec.Cmd { return s.rollsh("-e", s.push("bench")) }},
		{name: "rsync in a loop", tree: "peer", slow: n >= 8, command: s.rsync("peer", 1, s.ssh(""))},
		{name: fmt.Sprintf("xargs -P%d rsync", n), tree: "peer", command: s.rsync("peer", n, s.ssh(""))},
		{name: fmt.Sprintf("xargs -P%d rsync -z", n), tree: "peer", command: s.rsync("peer", n, "-z "+s.ssh(""))},
		{name: "the same, ControlMaster", tree: "peer", command: s.rsync("peer", n, s.ssh(master))},
	}
	if has("ansible") && dirExists(synchronize) {
		out = append(out, contender{name: "ansible synchronize", tree: "peer", slow: true, command: s.ansible})
	}
	if has("sftp") {
		out = append(out, contender{name: "sftp, told what changed", tree: "peer", slow: true, blind: true, command: s.sftp})
	}
	return out
}

// synchronize is the collection that ansible's module of that name is in.
const synchronize = "/usr/lib/python3/dist-packages/ansible_collections/ansible/posix"

func dirExists(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// rsync pushes the source to a tree on every node, so many at a time.
func (s *syncBed) rsync(tree string, at int, more string) func() *exec.Cmd {
	return func() *exec.Cmd {
		var targets strings.Builder
		for i := range s.spaces {
			fmt.Fprintf(&targets, "root@%s:%s/\n", address(i+1), s.tree(i, tree))
		}
		line := fmt.Sprintf(`xargs -P %d -I{} rsync -a --delete %s %s/ {}`, at, more, s.src.root)
		cmd := s.command("sh", "-c", line)
		cmd.Stdin = strings.NewReader(targets.String())
		return cmd
	}
}

func (s *syncBed) ssh(more string) string {
	return fmt.Sprintf(`-e "ssh -F %s %s"`, s.home(".ssh/config"), more)
}

// masters opens a connection to every node that rsync can use.
func (s *syncBed) masters(ctx context.Context) (string, error) {
	path := filepath.Join(s.dir, "m-%h")
	for i := range s.spaces {
		cmd := s.command("ssh", "-F", s.home(".ssh/config"), "-o", "ControlPath="+path, "-M", "-N", "-f", address(i+1))
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("ssh -M: %w", err)
		}
	}
	return "-o ControlPath=" + path, ctx.Err()
}

// ansible pushes with ansible.posix.synchronize, which runs rsync.
func (s *syncBed) ansible() *exec.Cmd {
	var hosts strings.Builder
	hosts.WriteString("[all:vars]\nansible_python_interpreter=/usr/bin/python3\n[all]\n")
	for i := range s.spaces {
		fmt.Fprintf(&hosts, "%s tree=%s/\n", address(i+1), s.tree(i, "peer"))
	}
	inventory := filepath.Join(s.dir, "inventory")
	_ = os.WriteFile(inventory, []byte(hosts.String()), 0o644) // a failure shows when it is read
	cmd := s.command("ansible", "all", "-i", inventory, "-f", strconv.Itoa(s.f.nodes), "-m", "ansible.posix.synchronize",
		"-a", "src="+s.src.root+"/ dest={{tree}} archive=yes delete=yes use_ssh_args=yes")
	cmd.Env = append(os.Environ(), "HOME="+s.home(""), "ANSIBLE_SSH_ARGS=-F "+s.home(".ssh/config"), "ANSIBLE_HOST_KEY_CHECKING=False")
	return cmd
}

// sftp puts and removes what changed on all nodes at once; it cannot find out
// itself.
func (s *syncBed) sftp() *exec.Cmd {
	var lines strings.Builder
	for i := range s.spaces {
		var batch strings.Builder
		for _, name := range s.src.gone {
			fmt.Fprintf(&batch, "rm %s\n", path.Join(s.tree(i, "peer"), name))
		}
		for _, name := range s.src.put {
			to := path.Join(s.tree(i, "peer"), name)
			fmt.Fprintf(&batch, "-mkdir %s\nput -p %s %s.new\nrename %[3]s.new %[3]s\n", path.Dir(to), filepath.Join(s.src.root, name), to)
		}
		file := filepath.Join(s.dir, fmt.Sprintf("batch-%d", i))
		_ = os.WriteFile(file, []byte(batch.String()), 0o644) // a failure shows when it is read
		fmt.Fprintf(&lines, "%s %s\n", file, address(i+1))
	}
	cmd := s.command("xargs", "-P", strconv.Itoa(s.f.nodes), "-L1", "sftp", "-q", "-F", s.home(".ssh/config"), "-b")
	cmd.Stdin = strings.NewReader(lines.String())
	return cmd
}
