package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// lintFiles is how many PHP files are checked, every fourth a page with PHP in
// it, 4 kB each.
const lintFiles = 2000

// lintSite checks a site as `xargs php -l` does and as rollsh lint does: with
// nothing known, with nothing changed, and with one file changed.
func lintSite(ctx context.Context, b *bench) error {
	if _, err := exec.LookPath("php"); err != nil {
		fmt.Println("\nLint: left out, php is not installed")
		return nil
	}
	dir := filepath.Join(b.dir, "lint")
	site := filepath.Join(dir, "site")
	if err := makeSite(site); err != nil {
		return err
	}
	one, err := repeat(ctx, "xargs -P2 -n1 php -l", 1, func() *exec.Cmd {
		return exec.Command("sh", "-c", "find "+site+" -type f -print0 | xargs -0 -P2 -n1 php -l >"+filepath.Join(dir, "out"))
	})
	if err != nil {
		return err
	}
	cold, err := repeat(ctx, "rollsh lint, nothing known", b.runs, lintOnce(b, dir))
	if err != nil {
		return err
	}
	known := filepath.Join(dir, "cache")
	if _, err := measure(ctx, lintIn(b, dir, known)); err != nil {
		return err
	}
	same, err := repeat(ctx, "rollsh lint, nothing changed", 10*b.runs, func() *exec.Cmd { return lintIn(b, dir, known) })
	if err != nil {
		return err
	}
	n := 0
	change := func() *exec.Cmd {
		n++
		text := fmt.Sprintf("<?php\necho %d;\n", n)
		if err := os.WriteFile(filepath.Join(site, "f1.php"), []byte(text), 0o644); err != nil {
			return exec.Command("false") // its failure is told
		}
		return lintIn(b, dir, known)
	}
	changed, err := repeat(ctx, "rollsh lint, one changed", 10*b.runs, change)
	if err != nil {
		return err
	}
	table(fmt.Sprintf("Lint: %d PHP files", lintFiles), []figure{cold, same, changed, one})
	theirs, _, _ := one.median()
	for _, f := range []struct {
		figure
		wanted time.Duration // 0: a 60th of theirs
	}{{cold, theirs / 60}, {same, 100 * time.Millisecond}, {changed, 80 * time.Millisecond}} {
		mid, _, _ := f.median()
		fmt.Printf("  %-28s %5.0f times as fast as xargs php -l; %.0f ms (wanted: not more than %.0f ms)\n",
			f.name, float64(theirs)/float64(mid), milliseconds(mid), milliseconds(f.wanted))
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// lintOnce gives commands with a cache of their own each.
func lintOnce(b *bench, dir string) func() *exec.Cmd {
	n := 0
	return func() *exec.Cmd {
		n++
		return lintIn(b, dir, filepath.Join(dir, fmt.Sprintf("cache-%d", n)))
	}
}

func lintIn(b *bench, dir, cache string) *exec.Cmd {
	cmd := exec.Command(b.rollsh, "lint", "site")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+cache)
	return cmd
}

// makeSite writes the files. Each has a class, as files of a site have.
func makeSite(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range lintFiles {
		var text strings.Builder
		fmt.Fprintf(&text, "<?php\nnamespace Site\\Part%d;\n\n/** Part %d of a site. */\nclass Part%d\n{\n", i%50, i, i)
		for m := range 24 {
			fmt.Fprintf(&text, "    public function method%d(array $rows, int $limit = %d): array\n    {\n        $out = [];\n", m, m)
			fmt.Fprintf(&text, "        foreach ($rows as $key => $row) {\n            $out[$key] = sprintf('%%s-%%d', $row['name'] ?? 'none', $limit + %d);\n        }\n        return $out;\n    }\n\n", i)
		}
		text.WriteString("}\n")
		name := fmt.Sprintf("f%d.php", i)
		if i%4 == 0 {
			name = fmt.Sprintf("p%d.html", i)
			text.WriteString("?>\n<html><body><?= date('Y') ?></body></html>\n")
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
