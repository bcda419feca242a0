package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// far is one bed of syncing: so many nodes, so far away.
type far struct {
	nodes int
	rtt   time.Duration
}

// syncing measures a first push, a small roll and a push without changes
// beside rsync in its usual forms, over networks with a round trip time.
func syncing(ctx context.Context, b *bench) error {
	if os.Geteuid() != 0 || !has("ip") || !has("rsync") {
		fmt.Println("  sync needs root, ip and rsync: left out")
		return nil
	}
	for _, text := range strings.Split(b.at, ",") {
		var f far
		var ms int
		if _, err := fmt.Sscanf(text, "%d@%d", &f.nodes, &ms); err != nil || f.nodes < 1 || f.nodes > 200 {
			return fmt.Errorf("-at: %q is not NODES@MILLISECONDS", text)
		}
		f.rtt = time.Duration(ms) * time.Millisecond
		if err := b.syncAt(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// syncBed is what one bed needs for its measurements.
type syncBed struct {
	*network
	b     *bench
	f     far
	src   *tree
	shown map[string][]row
	seen  time.Duration // what looking at the trees of all nodes at once takes find
}

func (b *bench) syncAt(ctx context.Context, f far) error {
	dir, err := os.MkdirTemp(roomy(), "rollsh-bench-sync-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := newNetwork(dir, f.nodes, f.rtt)
	if err != nil {
		return err
	}
	defer w.close()
	s := &syncBed{network: w, b: b, f: f, src: newTree(filepath.Join(dir, "source"), b.files), shown: map[string][]row{}}
	if err := s.src.make(); err != nil {
		return err
	}
	if err := s.project(); err != nil {
		return err
	}
	if f.nodes <= 8 && b.part != "rolls" {
		if err := s.first(ctx); err != nil {
			return err
		}
	}
	if b.part != "first" {
		if err := s.fill(ctx); err != nil {
			return err
		}
		if err := s.rolls(ctx); err != nil {
			return err
		}
	}
	s.print()
	return nil
}

// roomy is a folder in memory where that has room for the trees, so that the
// disk is not what is measured.
func roomy() string {
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) == nil && fs.Flags&unix.ST_NOEXEC == 0 && fs.Bavail*uint64(fs.Bsize) > 12<<30 {
		return "/dev/shm"
	}
	return ""
}

// project writes nodes files: "bench" for the trees that are rolled to again
// and again, "first" for those that are empty.
func (s *syncBed) project() error {
	for _, file := range []string{"bench", "first"} {
		var text strings.Builder
		for i := range s.spaces {
			fmt.Fprintf(&text, "web%d %s port=22 user=root path=%s\n", i+1, address(i+1), s.tree(i, file))
		}
		if err := s.write("nodes/"+file, text.String()); err != nil {
			return err
		}
	}
	return nil
}

func (s *syncBed) write(name, text string) error {
	file := filepath.Join(s.dir, "project", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// fill gives each node trees of its own: nodes share no files, and what a file of
// several names holds can change behind a watch.
func (s *syncBed) fill(ctx context.Context) error {
	return s.parallel(ctx, func(i int) error {
		for _, name := range []string{"bench", "peer"} {
			if out, err := exec.Command("cp", "-a", s.src.root, s.tree(i, name)).CombinedOutput(); err != nil {
				return fmt.Errorf("cp: %w: %s", err, out)
			}
		}
		return nil
	})
}

func (s *syncBed) push(file string) string {
	return fmt.Sprintf(`local all = nodes %q; sync.push{ from = %q, to = all }`, file, s.src.root)
}

func (s *syncBed) rollsh(args ...string) *exec.Cmd {
	cmd := s.command(append([]string{s.b.rollsh}, args...)...)
	cmd.Dir = filepath.Join(s.dir, "project")
	cmd.Env = []string{
		"HOME=" + s.home(""), "PATH=" + os.Getenv("PATH"), "USER=root", "LANG=C.UTF-8",
		"ROLLSH_STATE=" + filepath.Join(s.dir, "project", "state"),
	}
	return cmd
}

// look measures what the nodes' processors must do at least, however far the
// nodes are: lstat every file of their trees, all nodes at once.
func (s *syncBed) look(ctx context.Context) error {
	var trees strings.Builder
	for i := range s.spaces {
		fmt.Fprintln(&trees, s.tree(i, "bench"))
	}
	line := fmt.Sprintf(`xargs -P %d -I{} find {} -printf '%%s %%T@\n' >/dev/null`, s.f.nodes)
	f, err := repeat(ctx, "find", 3, func() *exec.Cmd {
		cmd := exec.Command("sh", "-c", line)
		cmd.Stdin = strings.NewReader(trees.String())
		return cmd
	})
	if err == nil {
		s.seen, _, _ = f.median()
	}
	return err
}

// measure takes one sample and adds it to a table's row.
func (s *syncBed) measure(ctx context.Context, table, name string, cmd *exec.Cmd) error {
	cpu := s.cpu()
	s.wire.count()
	got, err := measure(ctx, cmd)
	if err != nil {
		return err
	}
	seen := s.wire.counted()
	<-time.After(300 * time.Millisecond) // sshd counts a session when it has ended
	s.add(table, name, got, seen, s.cpu()-cpu)
	return nil
}

// The tables.
const firstPush, smallRolls, noChange = "First push", "Small roll", "No change"

// first pushes to empty trees, which are removed again.
func (s *syncBed) first(ctx context.Context) error {
	n := s.f.nodes
	for _, c := range []contender{
		{name: "rollsh, cold", tree: "first", command: func() *exec.Cmd { return s.rollsh("-e", s.push("first")) }},
		{name: fmt.Sprintf("xargs -P%d rsync", n), tree: "first", command: s.rsync("first", n, s.ssh(""))},
		{name: fmt.Sprintf("xargs -P%d rsync -z", n), tree: "first", command: s.rsync("first", n, "-z "+s.ssh(""))},
	} {
		if err := s.measure(ctx, firstPush, c.name, c.command()); err != nil {
			return err
		}
		if err := s.same(ctx, c.tree); err != nil {
			return err
		}
		err := s.parallel(ctx, func(i int) error {
			_ = os.RemoveAll(s.tree(i, ".rollsh-"+c.tree))
			return os.RemoveAll(s.tree(i, c.tree))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *syncBed) same(ctx context.Context, tree string) error {
	return s.parallel(ctx, func(i int) error {
		if out, err := exec.CommandContext(ctx, "diff", "-rq", "--no-dereference", s.src.root, s.tree(i, tree)).CombinedOutput(); err != nil {
			return fmt.Errorf("node %d differs from the source: %w: %s", i+1, err, tail(string(out)))
		}
		return nil
	})
}

// settled is how old the files of a source are at least, as those of a checkout
// are: the sums of younger ones are not remembered.
const settled = 2500 * time.Millisecond

// rolls changes the source a little and rolls that, with each program in turn.
func (s *syncBed) rolls(ctx context.Context) error {
	<-time.After(settled)
	if err := s.level(ctx, "bench"); err != nil {
		return err // first contact: the trees are there already
	}
	master, err := s.masters(ctx)
	if err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	for run := range s.b.runs {
		for _, c := range s.contenders(master) {
			if run > 0 && c.slow {
				continue
			}
			if err := s.contest(ctx, c); err != nil {
				return err
			}
		}
	}
	if err := s.warm(ctx); err != nil {
		return err
	}
	return s.same(ctx, "bench")
}

// contest measures one contender with a small roll and with nothing to do, and
// then brings the trees of the others to where it is: each of them has one
// small roll to do when its turn comes, not all that were missed.
func (s *syncBed) contest(ctx context.Context, c contender) error {
	if err := s.src.change(); err != nil {
		return err
	}
	if err := s.measure(ctx, smallRolls, c.name, c.command()); err != nil {
		return err
	}
	if !c.blind {
		if err := s.measure(ctx, noChange, c.name, c.command()); err != nil {
			return err
		}
	}
	if err := s.same(ctx, c.tree); err != nil {
		return err
	}
	if c.tree == "bench" {
		return s.level(ctx, "peer")
	}
	return s.level(ctx, "bench")
}

// level brings the trees of one name to the source without being measured.
func (s *syncBed) level(ctx context.Context, tree string) error {
	if tree == "bench" {
		_, err := measure(ctx, s.rollsh("-e", s.push(tree)))
		return err
	}
	return s.parallel(ctx, func(i int) error {
		_, err := measure(ctx, exec.Command("rsync", "-a", "--delete", s.src.root+"/", s.tree(i, tree)+"/"))
		return err
	})
}

// warm rolls over the connections that a recipe holds.
func (s *syncBed) warm(ctx context.Context) error {
	gate := filepath.Join(s.dir, "gate")
	p := &bed{gate: gate}
	what := strings.TrimPrefix(s.push("bench"), `local all = nodes "bench"; `)
	if err := s.write("recipes/warm.lua", p.timed(what, s.b.runs)); err != nil {
		return err
	}
	for _, c := range []struct {
		table  string
		before func() error
	}{{smallRolls, s.src.change}, {noChange, nil}} {
		f, err := marked(ctx, "rollsh, warm", s.rollsh("recipes/warm.lua"), gate, s.b.runs, c.before)
		if err != nil {
			return err
		}
		for _, got := range f.runs {
			s.add(c.table, f.name, got, counts{}, 0)
		}
	}
	return nil
}
