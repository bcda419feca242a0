package lint

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Bounds of the record of verdicts.
const (
	maxShelf    = 16 << 20            // bytes; a longer one is begun anew
	maxAge      = 60 * 24 * time.Hour // a shelf that was not used for so long is removed
	maxProblems = 64 << 10            // bytes of problems that are remembered for a file
)

// shelf is the record of one rule's verdicts with one version of its tool: a
// file of lines, each the hash of a content, then the problems as JSON where
// there are any. Lines are only appended, in one write, so several processes can
// use a shelf at once; a line that is cut short is passed over. Losing a shelf
// costs time, nothing else. The zero value remembers nothing.
type shelf struct {
	file  string
	known map[string]string // hash to JSON, empty for good
	mu    sync.Mutex
	fresh bytes.Buffer
}

// openShelf reads what is known; a shelf that cannot be read is empty.
func openShelf(dir, rule, id string) *shelf {
	sum := sha256.Sum256([]byte(generation + "\x00" + rule + "\x00" + id))
	s := &shelf{file: filepath.Join(dir, "verdicts-"+hex.EncodeToString(sum[:12])), known: map[string]string{}}
	if os.MkdirAll(dir, 0o700) != nil {
		return &shelf{}
	}
	f, err := os.Open(s.file)
	if err != nil {
		sweep(dir) // a new tool or rule: old ones may be of no use any more
		return s
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 2*maxProblems)
	for lines.Scan() {
		key, problems, _ := strings.Cut(lines.Text(), " ")
		if len(key) == 2*sha256.Size && (problems == "" || json.Valid([]byte(problems))) {
			s.known[key] = problems
		}
	}
	if info, err := f.Stat(); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
		_ = os.Chtimes(s.file, time.Time{}, time.Now()) // it is in use; where that fails it is swept too early, no more
	}
	return s
}

// sweep removes shelves that nobody used for long.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > maxAge {
			os.Remove(filepath.Join(dir, e.Name())) // best effort
		}
	}
}

// key is what a verdict is remembered by.
func key(r *Rule, f *file) string {
	if r.beside == nil {
		return f.sum
	}
	sum := sha256.Sum256([]byte(f.sum + "\x00" + r.beside(f)))
	return hex.EncodeToString(sum[:])
}

// recall fills in the problems of a content that was checked before.
func (s *shelf) recall(r *Rule, f *file, j *job) bool {
	problems, ok := s.known[key(r, f)]
	if ok && problems != "" {
		ok = json.Unmarshal([]byte(problems), &j.problems) == nil
	}
	return ok
}

// remember notes a verdict, unless the file was changed while it was checked. It
// is safe from many goroutines.
func (s *shelf) remember(r *Rule, f *file, j *job) {
	if s.file == "" || j.open {
		return
	}
	if info, err := os.Lstat(f.path); err != nil || stampOf(info) != f.stamp {
		return
	}
	line := key(r, f)
	if len(j.problems) > 0 {
		kept := make([]Problem, len(j.problems))
		for i, p := range j.problems {
			kept[i] = Problem{Line: p.Line, Message: p.Message}
		}
		text, err := json.Marshal(kept)
		if err != nil || len(text) > maxProblems {
			return
		}
		line += " " + string(text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh.WriteString(line + "\n")
}

// save appends what is new. A shelf that is full is replaced by what is new.
func (s *shelf) save() {
	if s.fresh.Len() == 0 {
		return
	}
	if info, err := os.Stat(s.file); err == nil && info.Size() > maxShelf {
		os.Remove(s.file) // others go on with the file that they have open
	}
	f, err := os.OpenFile(s.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return // nothing is remembered; the check itself is not harmed
	}
	defer f.Close()
	// The newline before ends a line that a killed process left cut short.
	_, _ = f.Write(append([]byte("\n"), s.fresh.Bytes()...))
}
