// Bench measures rollsh beside its peers, in the same run, on the same nodes,
// and prints ratios. Absolute times say more about the machine than about the
// programs: nodes and controller share its processors.
//
//	go run ./shell/bench -rollsh bin/rollsh [-runs 3] [-files 20000] [roll] [fanout] [start] [typed] [ssh] [transfer] [merge] [lint] [sync]
//
// roll    a small roll (50 files changed, 10 new, 5 deleted) of a large tree to
// 8 nodes: rollsh cold and warm, rsync in a loop, xargs -P8 rsync
//
// fanout  uptime on 32 nodes: rollsh cold and warm, clush, parallel-ssh, and
// the memory that rollsh takes for it
//
// ssh     true on 32 nodes, cold and over open connections, against xargs ssh,
// clush, pssh, ansible with and without mitogen, fabric, and ssh with a
// ControlMaster; and what the nodes' sshd itself takes
//
// transfer  a file of 256 MB put and got, against scp and sftp
//
// merge   lists, previews and takes of 20 changesets in a repository of 2,000
// revisions, against svn mergeinfo, svn merge and revert, and merges one by one
//
// lint    2,000 PHP files: xargs php -l, and rollsh lint with nothing known, with
// nothing changed and with one file changed
//
// sync  a first push, a small roll and a push without changes, cold and warm,
// to nodes in network namespaces a round trip away (-at), against rsync in a
// loop, with xargs -P, with -z, and over a ControlMaster, ansible synchronize and
// sftp; needs root, and is measured only when it is named
//
// start   an empty recipe against an empty Go program
//
// typed   start to prompt, Tab and Enter in a project of 2,000 nodes, and 10,000
// tasks at once
//
// Nodes are real sshd processes on loopback, the repository is behind a real
// svnserve. A peer that is not installed is left out, and that is said. After the
// rolls all trees are compared with the source by diff.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

// bench is what all measurements share.
type bench struct {
	rollsh string // absolute path of the binary
	dir    string // scratch
	runs   int
	files  int
	at     string // of sync: NODES@MILLISECONDS, with commas
	part   string // of sync: "first" or "rolls"; empty: both
}

// measurements in the order in which they are run.
var measurements = []struct {
	name string
	run  func(context.Context, *bench) error
}{{"start", startCost}, {"typed", typed}, {"fanout", fanout}, {"roll", smallRoll}, {"ssh", sshFanout}, {"transfer", transfer}, {"merge", merging}, {"lint", lintSite}, {"sync", syncing}}

func main() {
	signal.Ignore(syscall.SIGPIPE) // `bench | head` must not leave nodes behind
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{}
	flag.StringVar(&b.rollsh, "rollsh", "bin/rollsh", "the binary to measure")
	flag.IntVar(&b.runs, "runs", 3, "runs of each; the median is printed")
	flag.IntVar(&b.files, "files", 20000, "files in the tree that is rolled, 15 kB each on average, and in the repository of merges")
	flag.StringVar(&b.at, "at", "1@80,8@20,16@80", "sync: NODES@MILLISECONDS of round trip, with commas")
	flag.StringVar(&b.part, "part", "", "sync: only the first push (first), or only what comes after it (rolls)")
	flag.Parse()
	if b.files < 100 {
		return fmt.Errorf("-files %d: a small roll changes %d of them, 100 is the least", b.files, changed)
	}
	var err error
	if b.rollsh, err = filepath.Abs(b.rollsh); err != nil {
		return err
	}
	if _, err = os.Stat(b.rollsh); err != nil {
		return fmt.Errorf("%w; run make build first", err)
	}
	if b.dir, err = os.MkdirTemp("", "rollsh-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for _, m := range measurements {
		if flag.NArg() == 0 && m.name == "sync" {
			continue
		}
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), m.name) {
			continue
		}
		if err := m.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}
