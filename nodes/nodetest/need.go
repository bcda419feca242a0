package nodetest

import (
	"fmt"
	"os"
	"os/exec"
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

// packages tells which Debian package brings a program.
var packages = map[string]string{
	"sshd": "openssh-server", "ssh": "openssh-client", "ssh-agent": "openssh-client", "ssh-add": "openssh-client",
	"ssh-keygen": "openssh-client", "svn": "subversion", "svnadmin": "subversion", "svnserve": "subversion",
	"php": "php-cli", "prosodyctl": "prosody", "prosody": "prosody", "ejabberdctl": "ejabberd", "rsync": "rsync",
	"haproxy": "haproxy", "sudo": "sudo",
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

func packagesOf(programs []string) []string {
	out := make([]string, len(programs))
	for i, p := range programs {
		out[i] = p
		if pkg := packages[p]; pkg != "" {
			out[i] = pkg
		}
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
