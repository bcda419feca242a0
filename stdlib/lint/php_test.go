package lint_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// corpus writes the cases of testdata/php-cases.txt, each in several dresses,
// and gives the paths.
func corpus(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/php-cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	license := "<?php\n/* " + strings.Repeat("a long text before the code\n", 400) + "*/\n"
	for i, c := range strings.Split(string(text), "====\n")[1:] {
		write(fmt.Sprintf("%03d.php", i), c)
		body, ok := strings.CutPrefix(c, "<?php\n")
		if !ok || i%6 > 0 {
			continue
		}
		switch i / 6 % 4 {
		case 0:
			write(fmt.Sprintf("%03d-crlf.php", i), strings.ReplaceAll(c, "\n", "\r\n"))
		case 1:
			write(fmt.Sprintf("%03d-page.html", i), "<html>\n<?php\n"+body)
		case 2:
			write(fmt.Sprintf("%03d-long.inc", i), license+body)
		case 3:
			if strings.HasPrefix(body, "declare") || strings.Contains(body, "namespace") {
				write(fmt.Sprintf("%03d-bom.php", i), "\xef\xbb\xbf"+c)
			} else {
				write(fmt.Sprintf("%03d-strict.php", i), "<?php\ndeclare(strict_types=1);\nnamespace A\\B;\n"+body)
			}
		}
	}
	write("huge.php", "<?php\n"+strings.Repeat("$x = [1, 2, 'three'];\n", 40000)+"class A { function f() {} function f() {} }\n")
	write("empty.php", "")
	write("latin1-\xe4\xff.php", "<?php echo '\xe4' ( ;")
	write("new\nline.php", "<?php echo ( ;")
	write("'quoted' $(id).phtml", "<?php class A { public $x; public $x; }")
	write("deep.php", "<?php $x = "+strings.Repeat("(", 20000)+"1"+strings.Repeat(")", 20000)+";")
	return paths
}

var phpError = regexp.MustCompile(`(?m)^((?:Parse|Fatal) error): +([\s\S]*?) in /\S*/case\.php on line (\d+)$`)

// reference asks `php -l`, one process a file, and gives "line: text" for each
// file that it refuses.
func reference(t *testing.T, paths []string) map[string]string {
	t.Helper()
	want := map[string]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan bool, runtime.GOMAXPROCS(0))
	for _, path := range paths {
		wg.Go(func() {
			slots <- true
			defer func() { <-slots }()
			// A newline in the name would break the message: the text is asked for under a plain name.
			plain := filepath.Join(t.TempDir(), "case.php")
			text, err := os.ReadFile(path)
			if err != nil || os.WriteFile(plain, text, 0o600) != nil {
				t.Error(err)
			}
			out, err := exec.CommandContext(t.Context(), "php", "-d", "display_errors=1", "-d", "log_errors=0", "-d", "html_errors=0", "-l", plain).Output()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				return
			}
			if m := phpError.FindSubmatch(out); m != nil {
				want[path] = strings.ReplaceAll(fmt.Sprintf("%s: %s: %s", m[3], m[1], m[2]), plain, filepath.Base(path))
			} else {
				want[path] = string(out)
			}
		})
	}
	wg.Wait()
	return want
}

func session(t *testing.T) *nodes.Session {
	t.Helper()
	return &nodes.Session{Project: t.TempDir(), Cache: t.TempDir(), Events: &nodetest.Recorder{}}
}

func check(t *testing.T, l *lint.Linter, paths ...string) *lint.Result {
	t.Helper()
	res, err := l.Check(t.Context(), lint.Paths(paths...), lint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// phps are the programs of every PHP version at hand.
func phps(t *testing.T) []string {
	t.Helper()
	nodetest.Need(t, "php")
	all, err := filepath.Glob("/usr/bin/php[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, nodetest.Program("php"))
	var out []string
	seen := map[string]bool{}
	for _, path := range all {
		real, err := filepath.EvalSymlinks(path)
		if err == nil && !seen[real] {
			seen[real] = true
			out = append(out, real)
		}
	}
	return out
}

// usePHP makes a program the php of the test.
func usePHP(t *testing.T, program string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "php")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// TestPHPAsPHP holds the php rule against `php -l` over the corpus, for every PHP
// at hand: the same files, lines and texts, in whatever order.
func TestPHPAsPHP(t *testing.T) {
	for _, program := range phps(t) {
		t.Run(filepath.Base(program), func(t *testing.T) {
			usePHP(t, program)
			paths := corpus(t, t.TempDir())
			want := reference(t, paths)
			if len(paths) < 750 || len(want) < 450 || len(want) > len(paths)-150 {
				t.Fatalf("the corpus is lopsided: %d files, %d bad", len(paths), len(want))
			}
			for seed := range uint64(4) {
				shuffle(paths, seed)
				checkSieve(t, paths, want)
			}
			checkTexts(t, paths[:len(paths)/8], want)
		})
	}
}

func shuffle(paths []string, seed uint64) {
	rand.New(rand.NewPCG(seed, 7)).Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
}

// checkTexts holds that files are refused with php's line and text.
func checkTexts(t *testing.T, paths []string, want map[string]string) {
	t.Helper()
	s := session(t)
	s.Cache = ""
	sameTexts(t, check(t, lint.New(s, nil), paths...), paths, want)
}

func sameTexts(t *testing.T, res *lint.Result, paths []string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, p := range res.Errors {
		got[p.File] = fmt.Sprintf("%d: %s", p.Line, strings.ReplaceAll(p.Message, nodes.Clean(p.File), nodes.Clean(filepath.Base(p.File))))
	}
	for _, path := range paths {
		if got[path] != nodes.Clean(want[path]) {
			text, _ := os.ReadFile(path)
			t.Errorf("%q:\n got %q\nwant %q\n%.300s", filepath.Base(path), got[path], want[path], text)
		}
	}
	if res.Checked != len(paths) {
		t.Errorf("checked %d of %d", res.Checked, len(paths))
	}
}

// checkSieve holds that the warm parents let no file pass that `php -l` refuses:
// what an earlier file leaves behind must hide nothing. A file that is held back
// for nothing costs only time, but they must be few.
func checkSieve(t *testing.T, paths []string, bad map[string]string) {
	t.Helper()
	suspects, err := lint.Suspects(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{}
	alarms := 0
	for _, path := range suspects {
		held[path] = true
		if bad[path] == "" {
			alarms++
		}
	}
	for path, message := range bad {
		if !held[path] {
			t.Errorf("%q passed the sieve: %s", filepath.Base(path), message)
		}
	}
	if alarms > len(paths)/20 {
		t.Errorf("%d of %d files were held back for nothing", alarms, len(paths))
	}
}

// TestPHPThatCannotFork, or whose parents die: every file gets its verdict from
// `php -l`.
func TestPHPThatCannotFork(t *testing.T) {
	nodetest.Need(t, "php")
	dir := t.TempDir()
	files := map[string]string{"bad.php": "<?php echo (;"}
	for i := range 12 {
		files[fmt.Sprintf("f%d.php", i)] = fmt.Sprintf("<?php function f() { echo %d; }", i)
	}
	write(t, dir, files)
	verify := func(t *testing.T) {
		s := session(t)
		s.Cache = ""
		if res := check(t, lint.New(s, nil), dir); res.Checked != 13 || len(res.Errors) != 1 || res.Errors[0].File != "bad.php" {
			t.Errorf("%+v", res)
		}
	}
	t.Run("no fork", func(t *testing.T) {
		ini := t.TempDir()
		write(t, ini, map[string]string{"php.ini": "disable_functions=pcntl_fork\n"})
		t.Setenv("PHPRC", ini)
		verify(t)
		l := lint.New(session(t), nil)
		for known := range 2 { // it still tells its version
			if res := check(t, l, dir); res.Checked != 13 || len(res.Errors) != 1 || res.Cached != known*13 {
				t.Errorf("with a record: %+v", res)
			}
		}
	})
	for name, instead := range map[string]string{
		"noise":  "echo hello; exit 0",
		"dies":   "echo 'rollsh lint 3'; exit 0",
		"claims": "echo 'rollsh lint 3'; head -c 5 >/dev/null; kill -9 $$",
		"boasts": "echo 'rollsh lint 3'; read -r _; echo '1 .............................'; cat >/dev/null",
		"babels": "echo 'rollsh lint 3'; read -r _; echo '7 .'; cat >/dev/null",
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			write(t, bin, map[string]string{"php": "#!/bin/sh\ncase \" $* \" in *' -l '*) exec '" + nodetest.Program("php") + "' \"$@\";; esac\n" + instead + "\n"})
			if err := os.Chmod(filepath.Join(bin, "php"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			verify(t)
		})
	}
}

// TestPHPThatCrashes: a file that ends php itself is told, and costs no other file
// its verdict.
func TestPHPThatCrashes(t *testing.T) {
	nodetest.Need(t, "php")
	dir := t.TempDir()
	files := map[string]string{"bad.php": "<?php echo (;"}
	for i := range 12 {
		files[fmt.Sprintf("f%d.php", i)] = fmt.Sprintf("<?php class F%d { }", i)
	}
	files["f5-deep.php"] = "<?php $x = $a" + strings.Repeat(".$a", 400000) + ";" // more than the stack of the compiler holds
	write(t, dir, files)
	s := session(t)
	s.Cache = ""
	res := check(t, lint.New(s, nil), dir)
	if res.Checked != 14 || len(res.Errors) != 2 || res.Errors[1].File != "f5-deep.php" {
		t.Fatalf("%+v", res)
	}
	if m := res.Errors[1].Message; m != "php -l was ended by signal SEGV" && !strings.Contains(m, "Maximum call stack size") { // since PHP 8.3
		t.Error(m)
	}
	if alarms, err := lint.Suspects(t.Context(), []string{dir + "/f1.php", dir + "/f5-deep.php", dir + "/f2.php"}); err != nil || len(alarms) != 1 {
		t.Errorf("held back: %q, %v", alarms, err)
	}
}
