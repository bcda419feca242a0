package lint_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/stdlib/lint"
)

// bytesRead is how much this process has read so far.
func bytesRead(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("no /proc/self/io here")
	}
	first, _, _ := strings.Cut(string(text), "\n")
	n, err := strconv.Atoi(strings.TrimPrefix(first, "rchar: "))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestUnchangedFilesAreNotRead, but a change that leaves size and time as they
// were is seen.
func TestUnchangedFilesAreNotRead(t *testing.T) {
	const size = 4 << 20
	dir, s := t.TempDir(), session(t)
	text := "[" + strings.Repeat(" ", size) + "]"
	write(t, dir, map[string]string{"a.json": text, "b.yml": "a: 1\n", "c.html": "<p>"})
	path := filepath.Join(dir, "a.json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	began := bytesRead(t)
	check(t, lint.New(s, nil), dir)
	if n := bytesRead(t) - began; n < size {
		t.Fatalf("%d bytes read at first", n)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		before := bytesRead(t)
		res := check(t, lint.New(s, nil), dir)
		if res.Cached != 3 && res.Cached != 2 { // the page needs no tool, so it may not be remembered
			t.Fatalf("%+v", res)
		}
		if bytesRead(t)-before < size/2 {
			break // the change is long enough ago
		}
		if time.Now().After(deadline) {
			t.Fatal("it is read again and again")
		}
		time.Sleep(50 * time.Millisecond)
	}
	write(t, dir, map[string]string{"a.json": "{" + text[1:]})
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if res := check(t, lint.New(s, nil), dir); len(res.Errors) != 1 {
		t.Errorf("%+v", res)
	}
}
