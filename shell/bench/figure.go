package main

import (
	"fmt"
	"slices"
	"time"
)

// figure is one line of a table: what was measured, once for each run.
type figure struct {
	name string
	runs []sample
}

// sample is what one run took.
type sample struct {
	wall time.Duration
	cpu  time.Duration // of the program and what it started here, not of the nodes
	// peak is the largest resident size of the program itself in bytes. The
	// kernel starts it as a copy of bench and counts that too: about 7 MB at least.
	peak int64
}

// median gives the middle wall time with the samples' range.
func (f figure) median() (mid, low, high time.Duration) {
	walls := f.each(func(s sample) time.Duration { return s.wall })
	return walls[len(walls)/2], walls[0], walls[len(walls)-1]
}

// wall is the median wall time.
func (f figure) wall() time.Duration {
	mid, _, _ := f.median()
	return mid
}

// cpu is the median processor time.
func (f figure) cpu() time.Duration {
	return f.each(func(s sample) time.Duration { return s.cpu })[len(f.runs)/2]
}

// peak is the largest resident size of all runs.
func (f figure) peak() int64 {
	var most int64
	for _, s := range f.runs {
		most = max(most, s.peak)
	}
	return most
}

func (f figure) each(of func(sample) time.Duration) []time.Duration {
	out := make([]time.Duration, len(f.runs))
	for i, s := range f.runs {
		out[i] = of(s)
	}
	slices.Sort(out)
	return out
}

// table prints the figures; each ratio says how many times the first one's
// wall time it took.
func table(title string, figures []figure) {
	fmt.Printf("\n%s\n", title)
	fmt.Printf("  %-28s %9s %17s %9s %8s\n", "", "wall s", "range", "CPU s", "ratio")
	base, _, _ := figures[0].median()
	for _, f := range figures {
		mid, low, high := f.median()
		span := fmt.Sprintf("%.3f-%.3f", low.Seconds(), high.Seconds())
		cpu := "-" // not taken of a recipe under way
		if f.cpu() > 0 {
			cpu = fmt.Sprintf("%.3f", f.cpu().Seconds())
		}
		fmt.Printf("  %-28s %9.3f %17s %9s %7.1fx\n", f.name, mid.Seconds(), span, cpu, float64(mid)/float64(base))
	}
}
