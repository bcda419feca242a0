package lint

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

var zoneTool = tool{names: []string{"named-checkzone"}, install: "bind9-utils"}

// zoneRule reads DNS zones; the zone's name is the file's without .zone.
func zoneRule() Rule {
	r := toolRule("zone", []string{"*.zone"}, zoneTool, func(ctx context.Context, program string, j *job) error {
		if optionLike(j) {
			return nil
		}
		e, err := withIncluded(j, &zoneLanguage, func(path string, _ *staged) (ending, error) {
			return checkZone(ctx, program, j.path, path)
		})
		if err == nil && e.code != 0 {
			reportOutput(j, e, "named-checkzone")
		}
		return err
	})
	r.beside = func(f *file) string { return filepath.Base(f.name) }
	return r
}

var zoneLine = nodes.Pattern(`(?mi)^(\$INCLUDE)[ \t]+("[^"\n]*"|[^\s;]+)`)

var zoneLanguage = language{
	find:   byLine(zoneLine, func(string) reference { return reference{} }),
	within: func(main, _ string) string { return filepath.Dir(main) }, // named-checkzone is started there
	write: func(_ reference, files []string) string {
		if len(files) == 0 {
			return ";" // an origin may come after it
		}
		return "$INCLUDE " + quoted(files[0])
	},
}

// checkZone reads a text as the zone that the file is named for. -i local: no
// questions to other name servers.
func checkZone(ctx context.Context, program, file, text string, more ...string) (ending, error) {
	zone := strings.TrimSuffix(filepath.Base(file), ".zone")
	return invoke(ctx, filepath.Dir(file), append(append([]string{program, "-i", "local"}, more...), zone, text)...)
}

// serialRule holds that a zone whose records change gets a larger serial, as
// secondaries would not take it otherwise. It looks only where it is known what
// the file was.
func serialRule() Rule {
	r := toolRule("serial", []string{"*.zone"}, zoneTool, serialLint)
	r.tool = unremembered(zoneTool)
	r.only = func(f *file) bool { return f.before != nil }
	return r
}

func serialLint(ctx context.Context, program string, j *job) error {
	before, known, err := j.before(ctx)
	if err != nil || !known || optionLike(j) {
		return err
	}
	now, err := os.ReadFile(j.path)
	if err != nil || bytes.Equal(now, before) {
		return nil // a file that went away meanwhile has no serial
	}
	was, ok, err := readSOA(ctx, program, j, before)
	if err != nil || !ok {
		return err // what was broken before is no measure
	}
	is, ok, err := readSOA(ctx, program, j, now)
	if err != nil || !ok || is.records == was.records && is.serial == was.serial {
		return err // the rule zone tells what is broken now
	}
	if int32(is.serial-was.serial) <= 0 { // serials go round, RFC 1982
		j.report(is.line, fmt.Sprintf("the records changed, but the serial did not grow: it was %d and is %d", was.serial, is.serial))
	}
	return nil
}

// soa is what a zone holds, as named reads it: its serial, and all records apart
// from the SOA in a form that can be compared.
type soa struct {
	serial  uint32
	records string
	line    int // of the serial in the file; 0: not found
}

var zoneSOA = nodes.Pattern(`(?m)^\S+\s+\d+\s+IN\s+SOA\s+\S+\s+\S+\s+(\d+)\s.*$`)

// readSOA reads a text as the zone of the job's file, with what the tree has of the
// files that it takes in; ok is false for a broken one.
func readSOA(ctx context.Context, program string, j *job, text []byte) (z soa, ok bool, err error) {
	s, err := stage(j, &zoneLanguage)
	if err != nil {
		return soa{}, false, err
	}
	defer s.close()
	path, err := s.copyOf(j.path, string(text))
	if err != nil {
		return soa{}, false, nil // the rule zone tells that it cannot be followed
	}
	e, err := checkZone(ctx, program, j.path, path, "-D", "-q", "-s", "full")
	m := zoneSOA().FindStringSubmatchIndex(e.output)
	if err != nil || e.code != 0 || m == nil {
		return soa{}, false, err
	}
	serial, err := strconv.ParseUint(e.output[m[2]:m[3]], 10, 32)
	if err != nil {
		return soa{}, false, nil // named would not write such a serial
	}
	return soa{
		serial: uint32(serial), records: e.output[:m[0]] + e.output[m[1]:], line: lineOfWord(text, e.output[m[2]:m[3]]),
	}, true, nil
}

// lineOfWord is the first line that holds the word; 0 when there is none.
func lineOfWord(text []byte, word string) int {
	at := regexp.MustCompile(`\b` + regexp.QuoteMeta(word) + `\b`).FindIndex(text) //nolint:forbidigo // another one each time
	if at == nil {
		return 0
	}
	return 1 + bytes.Count(text[:at[0]], []byte("\n"))
}
