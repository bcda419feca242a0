package lint

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	maxSeen = 300_000 // files of a folder that are remembered
	// settled is how old a file's last change must be to be remembered: a change
	// right after it could leave the same times.
	settled = 2 * time.Second
)

// seen is the record of a folder's files as they were when they were last read:
// one whose size, times and inode are the same is not read again. A file of lines,
// replaced as a whole; losing it costs time, nothing else.
type seen struct {
	file  string
	known map[string]glance // by path in the folder
	fresh map[string]glance
	stale bool // the file is to be written again
}

// glance is what is known of a file without reading it.
type glance struct {
	stamp   string
	sum     string
	trivial string // rules with a trivial test, as php+ or php-
}

// openSeen reads what is known of a folder; nil where nothing can be kept.
func openSeen(s *nodes.Session, root string) *seen {
	if s.Cache == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(generation + "\x00" + root))
	r := &seen{file: filepath.Join(s.Cache, "lint", "seen-"+hex.EncodeToString(sum[:12])), known: map[string]glance{}, fresh: map[string]glance{}}
	text, err := os.ReadFile(r.file)
	if err != nil {
		return r
	}
	for line := range bytes.SplitSeq(text, []byte("\x00\n")) {
		if f := strings.Split(string(line), "\x00"); len(f) == 4 && len(f[2]) == 2*sha256.Size {
			r.known[f[0]] = glance{f[1], f[2], f[3]}
		}
	}
	return r
}

// knows reports whether a file is in the record.
func (r *seen) knows(name string) bool {
	if r == nil {
		return false
	}
	_, ok := r.known[name]
	return ok
}

// recall fills in a file that is as it was; ok is false where it must be read.
func (r *seen) recall(f *file, s stamp) bool {
	g, ok := r.known[f.name]
	if !ok || g.stamp != s.String() {
		return false
	}
	for _, j := range f.rules {
		if j.rule.trivial == nil {
			continue
		}
		j.trivial = strings.Contains(g.trivial, j.rule.Name+"+")
		if !j.trivial && !strings.Contains(g.trivial, j.rule.Name+"-") {
			return false
		}
	}
	f.sum, f.stamp = g.sum, s
	return true
}

// note takes a file into the record to be.
func (r *seen) note(f *file) {
	if len(r.fresh) >= maxSeen || f.sum == "" {
		return
	}
	was, known := r.known[f.name]
	if known && was.stamp == f.stamp.String() {
		r.fresh[f.name] = was
		return
	}
	r.stale = true
	if f.stamp.age() < settled || strings.ContainsRune(f.name, 0) {
		return
	}
	g := glance{stamp: f.stamp.String(), sum: f.sum}
	for _, j := range f.rules {
		switch {
		case j.rule.trivial == nil:
		case j.trivial:
			g.trivial += j.rule.Name + "+"
		default:
			g.trivial += j.rule.Name + "-"
		}
	}
	r.fresh[f.name] = g
}

// save writes the record where it changed, as well as it can.
func (r *seen) save() {
	if !r.stale {
		return
	}
	writeWhole(r.file, func(w *bufio.Writer) {
		for name, g := range r.fresh {
			fmt.Fprintf(w, "%s\x00%s\x00%s\x00%s\x00\n", name, g.stamp, g.sum, g.trivial)
		}
	})
}

// writeWhole writes a file of the cache and puts it into place when it is
// complete; where that fails there is none.
func writeWhole(name string, fill func(*bufio.Writer)) {
	if os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(name), "new-")
	if err != nil {
		return
	}
	w := bufio.NewWriter(f)
	fill(w)
	err = w.Flush()
	if f.Close() != nil || err != nil || os.Rename(f.Name(), name) != nil {
		os.Remove(f.Name())
	}
}
