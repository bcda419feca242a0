package nodetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(func())
	TempDir() string
}

// Need skips the test when a program is not installed, and says what to
// install. With CI=true the test fails instead. A skip is also written as a
// line to the file that $ROLLSH_SKIPS names, so that a whole run can count them.
func Need(t TB, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if Program(p) == "" {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return
	}
	text := "needs " + strings.Join(missing, ", ") + ": apt-get install " + strings.Join(packagesOf(missing), " ")
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s", text)
	}
	if file := os.Getenv("ROLLSH_SKIPS"); file != "" {
		noteSkip(file, text)
	}
	t.Skipf("%s", text)
}

// packagesOf names the Debian packages that bring the programs, as
// .ci/packages lists them; a program that it does not list keeps its own name.
func packagesOf(programs []string) []string {
	listed := listedPackages()
	var out []string
	for _, p := range programs {
		if pkg := listed[p]; pkg != "" {
			p = pkg
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// listedPackages reads .ci/packages of the checkout that the test runs in: the
// package of each program. It is empty when there is no such file.
func listedPackages() map[string]string {
	out := map[string]string{}
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		b, readErr := os.ReadFile(filepath.Join(dir, ".ci", "packages"))
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] != "#" {
				out[f[1]] = f[2]
			}
		}
		if readErr == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return out
}

func noteSkip(file, text string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintf(os.Stderr, "nodetest: %v\n", err)
		return
	}
	defer f.Close()
	fmt.Fprintln(f, text)
}

// Program is the path of an installed program, also of those that only root's
// PATH has; empty when there is none.
func Program(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if p, err := exec.LookPath(dir + "/" + name); err == nil {
			return p
		}
	}
	return ""
}
