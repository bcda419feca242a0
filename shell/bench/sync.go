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
}

// row is a figure with what the network and the nodes saw of it.
type row struct {
	figure
	bytes int64 // a node and run, both ways
	nodes time.Duration
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
	if f.nodes <= 8 {
		if err := s.first(ctx); err != nil {
			return err
		}
	}
	if err := s.fill(ctx); err != nil {
		return err
	}
	if err := s.rolls(ctx); err != nil {
		return err
	}
	s.print()
	return nil
}

// roomy is a folder in memory where that has room for the trees, so that the
// disk is not what is measured.
func roomy() string {
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) == nil && fs.Flags&unix.ST_NOEXEC == 0 && fs.Bavail*uint64(fs.Bsize) > 8<<30 {
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

func (s *syncBed) fill(ctx context.Context) error {
	return s.parallel(ctx, func(i int) error {
		for _, name := range []string{"bench", "peer"} {
			if out, err := exec.Command("cp", "-al", s.src.root, s.tree(i, name)).CombinedOutput(); err != nil {
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

// measure takes one sample and adds it to a table's row.
func (s *syncBed) measure(ctx context.Context, table, name string, cmd *exec.Cmd) error {
	bytes, cpu := s.wire.bytes.Load(), s.cpu()
	got, err := measure(ctx, cmd)
	if err != nil {
		return err
	}
	bytes = s.wire.bytes.Load() - bytes
	<-time.After(300 * time.Millisecond) // sshd counts a session when it has ended
	s.add(table, name, got, bytes, s.cpu()-cpu)
	return nil
}

func (s *syncBed) add(table, name string, got sample, bytes int64, nodes time.Duration) {
	for i := range s.shown[table] {
		if r := &s.shown[table][i]; r.name == name {
			r.runs, r.bytes, r.nodes = append(r.runs, got), bytes, nodes
			return
		}
	}
	s.shown[table] = append(s.shown[table], row{figure{name, []sample{got}}, bytes, nodes})
}

const firstPush, smallRolls, noChange = "First push", "Small roll", "No change"

// first pushes to empty trees, which are removed again.
func (s *syncBed) first(ctx context.Context) error {
	n := s.f.nodes
	for _, c := range []contender{
		{"rollsh, cold", "first", func() *exec.Cmd { return s.rollsh("-e", s.push("first")) }},
		{fmt.Sprintf("xargs -P%d rsync", n), "first", s.rsync("first", n, s.ssh(""))},
		{fmt.Sprintf("xargs -P%d rsync -z", n), "first", s.rsync("first", n, "-z "+s.ssh(""))},
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

// rolls changes the source a little and rolls that, with each program in turn.
func (s *syncBed) rolls(ctx context.Context) error {
	n := s.f.nodes
	if _, err := measure(ctx, s.rollsh("-e", s.push("bench"))); err != nil {
		return err // first contact: the trees are there already
	}
	master, err := s.masters(ctx)
	if err != nil {
		return err
	}
	contenders := []contender{
		{"rollsh, cold", "bench", func() *exec.Cmd { return s.rollsh("-e", s.push("bench")) }},
		{"rsync in a loop", "peer", s.rsync("peer", 1, s.ssh(""))},
		{fmt.Sprintf("xargs -P%d rsync", n), "peer", s.rsync("peer", n, s.ssh(""))},
		{fmt.Sprintf("xargs -P%d rsync -z", n), "peer", s.rsync("peer", n, "-z "+s.ssh(""))},
		{"the same, ControlMaster", "peer", s.rsync("peer", n, s.ssh(master))},
	}
	for run := range s.b.runs {
		for _, c := range contenders {
			if run > 0 && n >= 8 && strings.Contains(c.name, "loop") {
				continue
			}
			if err := s.src.change(); err != nil {
				return err
			}
			if err := s.measure(ctx, smallRolls, c.name, c.command()); err != nil {
				return err
			}
			if err := s.measure(ctx, noChange, c.name, c.command()); err != nil {
				return err
			}
		}
	}
	if err := s.warm(ctx); err != nil {
		return err
	}
	if err := s.same(ctx, "bench"); err != nil {
		return err
	}
	if _, err := measure(ctx, s.rsync("peer", n, s.ssh(""))()); err != nil {
		return err
	}
	return s.same(ctx, "peer")
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
			s.add(c.table, f.name, got, 0, 0)
		}
	}
	return nil
}

func (s *syncBed) print() {
	for _, table := range []string{firstPush, smallRolls, noChange} {
		rows := s.shown[table]
		if len(rows) == 0 {
			continue
		}
		fmt.Printf("\n%s: %d nodes, round trip %v, %d files; ratio to rollsh cold\n", table, s.f.nodes, s.f.rtt, s.b.files)
		fmt.Printf("  %-26s %8s %15s %8s %9s %9s %8s %6s\n", "", "wall s", "range", "CPU s", "nodes' s", "MB/node", "peak MB", "ratio")
		base, _, _ := rows[0].median()
		for _, r := range rows {
			fmt.Println("  " + r.text(base, s.f.nodes))
		}
		if limit := s.limit(table); limit > 0 {
			fmt.Printf("  least possible: cold %.3f s, warm %.3f s\n", limit.Seconds(), s.limitWarm(table).Seconds())
		}
	}
}

func (r *row) text(base time.Duration, nodes int) string {
	mid, low, high := r.median()
	span := fmt.Sprintf("%.2f-%.2f", low.Seconds(), high.Seconds())
	cells := []string{"-", "-", "-", "-"}
	if r.cpu() > 0 {
		cells = []string{
			fmt.Sprintf("%.2f", r.cpu().Seconds()), fmt.Sprintf("%.2f", r.nodes.Seconds()),
			fmt.Sprintf("%.2f", float64(r.bytes)/1e6/float64(nodes)), fmt.Sprintf("%.0f", float64(r.peak())/1e6),
		}
	}
	return fmt.Sprintf("%-26s %8.3f %15s %8s %9s %9s %8s %5.1fx", r.name, mid.Seconds(), span, cells[0], cells[1], cells[2], cells[3], float64(mid)/float64(base))
}

// localScan is what reading the source's tree takes at least, in any case.
const localScan = 80 * time.Millisecond

// limit is what a cold run takes at least: round trips of the login (8), of a
// channel and its first window (2), of the change from a window that begins
// with ten packets (4), and of the word to switch (1).
func (s *syncBed) limit(table string) time.Duration {
	switch table {
	case smallRolls:
		return 15*s.f.rtt + localScan
	case noChange:
		return 11*s.f.rtt + localScan
	}
	return 0
}

// limitWarm is the same over a channel that is open: the change, and the word
// to switch.
func (s *syncBed) limitWarm(table string) time.Duration {
	if table == smallRolls {
		return 2*s.f.rtt + localScan
	}
	return s.f.rtt + localScan
}
