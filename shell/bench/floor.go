package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// printFloor says what the nodes themselves took.
func printFloor(floor time.Duration) {
	fmt.Printf("  floor: the nodes' sshd took %.3f s of processor time for it, %.3f s on %d processors\n",
		floor.Seconds(), floor.Seconds()/float64(runtime.NumCPU()), runtime.NumCPU())
}

// printMost says how far ahead of the quickest peer anybody can be here, where the
// nodes share the processors.
func printMost(peers []figure, floor time.Duration) {
	if len(peers) == 0 || floor <= 0 {
		return
	}
	quickest := slices.MinFunc(peers, func(a, b figure) int { return cmp.Compare(a.wall(), b.wall()) })
	least := floor / time.Duration(runtime.NumCPU())
	fmt.Printf("  floor: the nodes' sshd alone takes %.3f s on %d processors, so nobody is more than %.1fx ahead of %s here\n",
		least.Seconds(), runtime.NumCPU(), float64(quickest.wall())/float64(least), quickest.name)
}

// sshdTime is the processor time of the nodes' sshd so far, and of all that they
// started: what runs still, and what they waited for. Source: proc(5),
// /proc/PID/stat.
func sshdTime(p *bed) time.Duration {
	var ticks int64
	all := readProcs()
	var add func(parent int)
	add = func(parent int) {
		for pid, proc := range all {
			if proc.parent == parent {
				ticks += proc.ticks
				add(pid)
			}
		}
	}
	nodesDir := strings.TrimSuffix(p.Dir(0), "0/files")
	for pid, proc := range all {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(line), nodesDir) && strings.Contains(string(line), "listener") {
			ticks += proc.ticks
			add(pid)
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

// proc is a process: its parent, and its time with that of the children that it
// waited for.
type proc struct {
	parent int
	ticks  int64
}

func readProcs() map[int]proc {
	all := map[int]proc{}
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range found {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || len(fields) < 15 {
			continue
		}
		var p proc
		p.parent, _ = strconv.Atoi(fields[1])
		for _, f := range fields[11:15] {
			n, _ := strconv.ParseInt(f, 10, 64)
			p.ticks += n
		}
		all[pid] = p
	}
	return all
}
