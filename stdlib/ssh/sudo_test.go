package ssh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

const sesame = "open sesame 'n' $x"

// sudoers starts n nodes whose sessions are those of an account that must give
// a password to sudo. Account, password and sudoers exist in a mount namespace
// of each session only.
func sudoers(t *testing.T, n int) *bench {
	t.Helper()
	nodetest.Need(t, "sudo", "unshare", "setpriv", "openssl")
	if os.Geteuid() != 0 {
		t.Skip("only root makes accounts")
	}
	if exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("no mount namespaces here")
	}
	dir := t.TempDir()
	hash, err := exec.Command("openssl", "passwd", "-6", sesame).Output()
	if err != nil {
		t.Fatal(err)
	}
	etc := map[string]string{
		"passwd":  "root:x:0:0:root:/root:/bin/sh\nroller:x:54321:54321::/:/bin/sh\n",
		"shadow":  "root:*:19000::::::\nroller:" + strings.TrimSpace(string(hash)) + ":19000:0:99999:7:::\n",
		"sudoers": "Defaults timestamp_timeout=0\nroot ALL=(ALL:ALL) ALL\nroller ALL=(ALL:ALL) ALL\n",
	}
	script := "#!/bin/sh\n"
	for name, text := range etc {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o440); err != nil {
			t.Fatal(err)
		}
		script += "mount --bind " + file + " /etc/" + name + " || exit 99\n"
	}
	script += `exec setpriv --reuid 54321 --regid 54321 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"` + "\n"
	enter := filepath.Join(dir, "enter")
	if err := os.WriteFile(enter, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return start(t, n, nodetest.Forced("unshare -m "+enter))
}

func TestSudoPasswordAskedOnceAndNeverSeen(t *testing.T) {
	t.Parallel()
	b := sudoers(t, 3)
	person := &nodetest.Person{Answers: []string{"wrong", sesame}}
	b.session.Person = person
	var wg sync.WaitGroup
	for i := range 3 {
		c := b.dial(t, i)
		for _, pty := range []bool{false, true} {
			wg.Go(func() {
				line := "id -u; read x; echo got $x; ps -A -o args= | grep -c '[o]pen sesame'; exit 5"
				res, err := c.Run(within(t, 60*time.Second), nodes.Cmd{Line: line, Sudo: "root", Stdin: strings.NewReader("in\n"), Pty: pty})
				out := strings.ReplaceAll(string(res.Stdout), "\r", "")
				if err != nil || res.Code != 5 || !strings.HasSuffix(out, "got in\n0\n") || strings.Contains(out, sesame) || strings.Contains(out, "rollsh-") {
					t.Errorf("node %d, pty %v: %d %q %q %v", i, pty, res.Code, out, res.Stderr, err)
				}
			})
		}
	}
	wg.Wait()
	if len(person.Asked) != 2 || !strings.Contains(person.Asked[0], "sudo password of") || !strings.Contains(person.Asked[1], "refused") {
		t.Errorf("asked %q", person.Asked)
	}
	if out := b.events.Text(nodes.Output); strings.Contains(out, sesame) || strings.Contains(out, "-ask:") {
		t.Errorf("shown: %q", out)
	}
}

func TestSudoPasswordNobodyToAsk(t *testing.T) {
	t.Parallel()
	b := sudoers(t, 1)
	c := b.dial(t, 0)
	_, err := c.Run(within(t, 60*time.Second), nodes.Cmd{Line: "true", Sudo: "root", Stdin: strings.NewReader("in")})
	fails(t, err, nodes.Permission, "nobody could be asked", "NOPASSWD")
	b.session.Person = &nodetest.Person{Answers: []string{"a", "b", "c", "d"}}
	_, err = c.Run(within(t, 60*time.Second), nodes.Cmd{Line: "true", Sudo: "root"})
	fails(t, err, nodes.Permission, "incorrect password")
	res := run(t, c, nodes.Cmd{Line: "true", Sudo: "root", Dir: "/nonesuch"})
	if res.Code == 0 {
		t.Error("a missing folder was a success")
	}
}

func TestTimeoutKillsBehindSudoPassword(t *testing.T) {
	t.Parallel()
	b := sudoers(t, 1)
	b.session.Person = &nodetest.Person{Answers: []string{sesame}}
	c := b.dial(t, 0)
	run(t, c, nodes.Cmd{Line: "true", Sudo: "root"})
	_, err := c.Run(within(t, 60*time.Second), nodes.Cmd{Line: "sleep 716; :", Sudo: "root", Timeout: 2 * time.Second})
	fails(t, err, nodes.Timeout)
	await(t, "sleep is gone", func() bool { return running(t, "sleep 716") == "" })
}
