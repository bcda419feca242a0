package lint_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// site writes n PHP files of about 4 KB, every fourth a page.
func site(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	for i := range n {
		var text strings.Builder
		fmt.Fprintf(&text, "<?php\nclass C%d {\n", i)
		for m := range 40 {
			fmt.Fprintf(&text, "  public function m%d($a, $b = [1, 2]) {\n    return $a + count($b) * %d; // a comment\n  }\n", m, i)
		}
		text.WriteString("}\n")
		name := fmt.Sprintf("f%d.php", i)
		if i%4 == 0 {
			name = fmt.Sprintf("p%d.html", i)
			text.WriteString("?>\n<p><?= 1 ?></p>\n")
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkPHP checks 2,000 files: as xargs and `php -l` do (the peer, on a tenth
// of them), cold, with nothing changed, and with one file changed.
func BenchmarkPHP(b *testing.B) {
	if nodetest.Program("php") == "" {
		b.Skip("no php")
	}
	dir, part := site(b, 2000), site(b, 200)
	run := func(b *testing.B, cache string) {
		b.Helper()
		s := &nodes.Session{Cache: cache}
		res, err := lint.New(s, nil).Check(b.Context(), lint.Paths(dir), lint.Options{})
		if err != nil || len(res.Errors) > 0 || res.Checked != 2000 {
			b.Fatal(res, err)
		}
	}
	b.Run("xargs-200", func(b *testing.B) {
		for b.Loop() {
			if out, err := exec.Command("sh", "-c", "find '"+part+"' -type f -print0 | xargs -0 -P2 -n1 php -l").CombinedOutput(); err != nil {
				b.Fatal(err, string(out))
			}
		}
	})
	b.Run("cold-2000", func(b *testing.B) {
		for b.Loop() {
			run(b, "")
		}
	})
	b.Run("unchanged-2000", func(b *testing.B) {
		cache := b.TempDir()
		run(b, cache)
		for b.Loop() {
			run(b, cache)
		}
	})
	b.Run("one-changed", func(b *testing.B) {
		cache := b.TempDir()
		run(b, cache)
		n := 0
		for b.Loop() {
			n++
			if err := os.WriteFile(filepath.Join(dir, "f1.php"), fmt.Appendf(nil, "<?php echo %d;", n), 0o600); err != nil {
				b.Fatal(err)
			}
			run(b, cache)
		}
	})
}
