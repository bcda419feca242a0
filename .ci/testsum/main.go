// Testsum reads the output of `go test -json` on standard input and prints one
// line a package, the whole output of what failed, every reason for a skip with
// its count, and as the last line
//
//	N passed, N failed, N skipped
//
// Tests and subtests count alike. A package that does not build, or dies outside
// a test, counts as one failure, and so does each argument: the name of a check
// that failed before the tests began. It exits with 1 when anything failed or
// nothing ran at all: an empty input is no success.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json` and `go help buildjson`.
type event struct {
	Action      string
	Package     string
	Test        string
	ImportPath  string // of build-output
	FailedBuild string // of a package's fail: whose build it was
	Output      string
	Elapsed     float64
}

// counts is how many tests ended how.
type counts struct{ passed, failed, skipped int }

// summary is what was read so far.
type summary struct {
	out      io.Writer
	total    counts
	packages map[string]*counts
	output   map[string]*strings.Builder // by package and test, until it ends
	skips    map[string]int              // by reason
}

func main() {
	s := &summary{
		out: os.Stdout, packages: map[string]*counts{}, output: map[string]*strings.Builder{}, skips: map[string]int{},
	}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(s.out, "FAIL reading the tests' output:", err)
		s.total.failed++
	}
	for _, check := range os.Args[1:] {
		fmt.Fprintln(s.out, "FAIL", check)
		s.total.failed++
	}
	if !s.finish() {
		os.Exit(1)
	}
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.take(e)
			} else {
				fmt.Fprintf(s.out, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	switch e.Action {
	case "output":
		s.buffer(e.Package + " " + e.Test).WriteString(e.Output)
	case "build-output":
		s.buffer("build " + e.ImportPath).WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageEnded(e)
		} else {
			s.testEnded(e)
		}
	}
}

func (s *summary) buffer(key string) *strings.Builder {
	if s.output[key] == nil {
		s.output[key] = &strings.Builder{}
	}
	return s.output[key]
}

func (s *summary) testEnded(e event) {
	key := e.Package + " " + e.Test
	c := s.count(e.Package)
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
		fmt.Fprintf(s.out, "%s", s.buffer(key).String())
	case "skip":
		c.skipped++
		s.skips[reason(s.buffer(key).String())]++
	}
	delete(s.output, key)
}

func (s *summary) packageEnded(e event) {
	c := s.count(e.Package)
	if e.Action == "fail" && c.failed == 0 {
		c.failed++
		if e.FailedBuild != "" {
			fmt.Fprintf(s.out, "%s", s.buffer("build "+e.FailedBuild).String())
		}
		s.dump(e.Package)
	}
	s.total.passed += c.passed
	s.total.failed += c.failed
	s.total.skipped += c.skipped
	if c.passed+c.failed+c.skipped == 0 {
		return // no test files
	}
	verdict := "ok  "
	if c.failed > 0 {
		verdict = "FAIL"
	}
	fmt.Fprintf(s.out, "%s %-52s %6.1fs  %s\n", verdict, e.Package, e.Elapsed, c)
}

// dump prints what a package put out outside a test that ended: a panic, a
// data race, a timeout.
func (s *summary) dump(pkg string) {
	for _, key := range slices.Sorted(maps.Keys(s.output)) {
		if strings.HasPrefix(key, pkg+" ") {
			fmt.Fprintf(s.out, "%s", s.output[key].String())
		}
	}
}

func (s *summary) count(pkg string) *counts {
	if s.packages[pkg] == nil {
		s.packages[pkg] = &counts{}
	}
	return s.packages[pkg]
}

// finish prints the skips and the last line; it reports whether all is well.
func (s *summary) finish() bool {
	reasons := slices.SortedFunc(maps.Keys(s.skips), func(a, b string) int {
		return cmp.Or(s.skips[b]-s.skips[a], cmp.Compare(a, b))
	})
	for _, r := range reasons {
		fmt.Fprintf(s.out, "skipped %3d: %s\n", s.skips[r], r)
	}
	fmt.Fprintln(s.out, s.total)
	return s.total.failed == 0 && s.total.passed > 0
}

// String is "N passed, N failed, N skipped".
func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// position is where t.Skip puts the place of the call.
var position = regexp.MustCompile(`^\s+[\w.-]+\.go:\d+: `)

// reason finds the text given to t.Skip in a test's output.
func reason(output string) string {
	for line := range strings.Lines(output) {
		if at := position.FindString(line); at != "" {
			return strings.TrimSpace(line[len(at):])
		}
	}
	return "no reason given"
}
