package nodetest_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

func run(t *testing.T, b *nodetest.Bed, args ...string) (string, error) {
	t.Helper()
	nodetest.Need(t, "ssh")
	out, err := exec.Command("ssh", append([]string{"-F", b.Config}, args...)...).CombinedOutput()
	return string(out), err
}

func TestRealSSHLogsIn(t *testing.T) {
	b := nodetest.Start(t, 2)
	if err := os.WriteFile(b.NodeHome(0)+"/.bashrc", []byte("echo rc-was-read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, b, "web1", "echo $HOME")
	if err != nil || out != b.NodeHome(0)+"\n" {
		t.Fatalf("got %q, %v; log: %s", out, err, b.Log(0))
	}
}

// What a recipe names by a relative path is the node's own, not what the person
// who runs the test has at home.
func TestStartsInItsOwnHome(t *testing.T) {
	b := nodetest.Start(t, 1)
	out, err := run(t, b, "web1", "pwd; cd /; bash -c pwd")
	if err != nil || out != b.NodeHome(0)+"\n/\n" {
		t.Errorf("a command: got %q, %v", out, err)
	}
	nodetest.Need(t, "sftp")
	cmd := exec.Command("sftp", "-q", "-F", b.Config, "-b", "-", "web1")
	cmd.Stdin = strings.NewReader("pwd\n")
	got, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(got), ": "+b.NodeHome(0)+"\n") {
		t.Errorf("sftp: got %q, %v", got, err)
	}
}

func TestOptions(t *testing.T) {
	b := nodetest.Start(t, 4, nodetest.WrongHostKey(0), nodetest.RefusedKey(1), nodetest.SFTPOnly(2), nodetest.Forced("/bin/echo forced", 3))
	for i, want := range []string{"HOST IDENTIFICATION HAS CHANGED", "Permission denied", "allows sftp connections only", "forced"} {
		out, _ := run(t, b, string(b.Node(i).Name), "true")
		if !strings.Contains(out, want) {
			t.Errorf("node %d: got %q, want %q", i, out, want)
		}
	}
}

func TestCutStopRestart(t *testing.T) {
	b := nodetest.Start(t, 1)
	nodetest.Need(t, "ssh")
	cmd := exec.Command("ssh", "-F", b.Config, "web1", "sleep 613")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return b.Sessions(0, "sleep 613") > 0 })
	b.Cut(0)
	if err := cmd.Wait(); err == nil {
		t.Fatal("the connection was not cut")
	}
	if b.Sessions(0, "sleep 613") == 0 {
		t.Fatal("a cut ended the command too")
	}
	b.Stop(0)
	if n := b.Sessions(0, ""); n != 0 {
		t.Fatalf("%d processes are left on a stopped node", n)
	}
	if err := b.Restart(0); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, b, "web1", "true"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestSvn(t *testing.T) {
	r := nodetest.Svn(t)
	out, err := exec.Command("svn", "ls", "--non-interactive", "--no-auth-cache", "--username", r.User, "--password", r.Password, r.URL).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "trunk/") {
		t.Fatalf("got %q, %v", out, err)
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("did not happen within 10 s")
}

// What is missing is told with the packages of .ci/packages, each once.
func TestNeedNamesPackages(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CI", "")
	var r recorder
	nodetest.Need(&r, "svnmucc-of-nobody", "erlc", "erl")
	want := "needs svnmucc-of-nobody, erlc, erl: apt-get install svnmucc-of-nobody erlang-base"
	if r.skipped != want {
		t.Errorf("got  %q\nwant %q", r.skipped, want)
	}
}

type recorder struct {
	nodetest.TB
	skipped string
}

func (*recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) { r.skipped = fmt.Sprintf(format, args...) }

// Nodes of a process that was killed are found by their folder.
func TestSweep(t *testing.T) {
	b := nodetest.Start(t, 2)
	nodetest.Sweep(filepath.Dir(b.Home))
	for i := range b.Len() { // a killed process lets go of its port when the machine gets to it
		await(t, func() bool {
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.Node(i).Port))
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
	}
}
