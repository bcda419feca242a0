package main

import (
	"fmt"
	"runtime"
	"time"
)

// row is a figure with what the network and the nodes saw of it.
type row struct {
	figure
	seen  counts // of the last run
	nodes time.Duration
}

func (s *syncBed) add(table, name string, got sample, seen counts, nodes time.Duration) {
	for i := range s.shown[table] {
		if r := &s.shown[table][i]; r.name == name {
			r.runs, r.seen, r.nodes = append(r.runs, got), seen, nodes
			return
		}
	}
	s.shown[table] = append(s.shown[table], row{figure{name, []sample{got}}, seen, nodes})
}

func (s *syncBed) print() {
	for _, table := range []string{firstPush, smallRolls, noChange} {
		rows := s.shown[table]
		if len(rows) == 0 {
			continue
		}
		fmt.Printf("\n%s: %d nodes, round trip %v, %d files; ratio to rollsh cold\n", table, s.f.nodes, s.f.rtt, s.b.files)
		fmt.Printf("  %-26s %8s %15s %8s %9s %9s %6s %8s %6s\n", "", "wall s", "range", "CPU s", "nodes' s", "MB/node", "trips", "peak MB", "ratio")
		base, _, _ := rows[0].median()
		for _, r := range rows {
			fmt.Println("  " + r.text(base, s.f.nodes))
		}
		if limit := s.limit(table); limit > 0 {
			fmt.Printf("  least possible: cold %.3f s (rollsh takes %.2f of it), warm %.3f s\n",
				limit.Seconds(), base.Seconds()/limit.Seconds(), s.limitWarm(table).Seconds())
			fmt.Printf("  floor: to look at every file of the %d trees, as verify=\"stat\" does, takes find alone %.3f s on %d processors\n",
				s.f.nodes, s.seen.Seconds(), runtime.NumCPU())
		}
	}
}

func (r *row) text(base time.Duration, nodes int) string {
	mid, low, high := r.median()
	span := fmt.Sprintf("%.2f-%.2f", low.Seconds(), high.Seconds())
	cpu, nodesCPU, bytes, trips, peak := fmt.Sprintf("%.2f", r.cpu().Seconds()), "-", "-", "-", "-"
	if r.seen.bytes > 0 { // a process of its own
		nodesCPU = fmt.Sprintf("%.2f", r.nodes.Seconds())
		bytes = fmt.Sprintf("%.2f", float64(r.seen.bytes)/1e6/float64(nodes))
		peak = fmt.Sprintf("%.0f", float64(r.peak())/1e6)
	}
	if r.seen.trips > 0 {
		trips = fmt.Sprint(r.seen.trips)
	}
	return fmt.Sprintf("%-26s %8.3f %15s %8s %9s %9s %6s %8s %5.1fx",
		r.name, mid.Seconds(), span, cpu, nodesCPU, bytes, trips, peak, float64(mid)/float64(base))
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
