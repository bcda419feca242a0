package svn_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// Over svn+ssh, by the person's own ssh and its files; where ssh refuses, the hint
// is about ssh.
func TestOverSSH(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	bed := nodetest.Start(t, 1)
	co := filepath.Join(t.TempDir(), "co")
	tunnel := append(os.Environ(), "SVN_SSH=ssh -F "+bed.Config)
	run := func(env []string, name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v: %s", name, args, err, out)
		}
		return string(out)
	}
	run(tunnel, "svn", "checkout", "-q", "svn+ssh://web1"+b.repo.Path+"/branches/production", co)
	take := slices.Concat(tunnel, []string{"ROLLSH_TEST_TAKE=" + co, "ROLLSH_TEST_REVS=4,5"})
	if out := run(take, os.Args[0]); !strings.Contains(out, "ended <nil>") {
		t.Errorf("take: %s", out)
	}
	if got := readFile(t, filepath.Join(co, "a.php")); got != lines("2 two") {
		t.Errorf("a.php %q", got)
	}
	run(tunnel, "svn", "revert", "-q", "-R", co)
	b.run(co, "rm", ".svn/rollsh-merge.json")
	strange := append(os.Environ(), "SVN_SSH=ssh -F "+bed.Config+" -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes")
	strange = append(strange, "ROLLSH_TEST_TAKE="+co, "ROLLSH_TEST_REVS=4,5")
	if out := run(strange, os.Args[0]); !strings.Contains(out, "run `ssh web1` by hand") {
		t.Errorf("a host that is not known: %s", out)
	}
}
