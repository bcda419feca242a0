package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

func conns(t *testing.T) (*bench, map[string]nodes.Conn) {
	b := start(t, 1)
	return b, map[string]nodes.Conn{"node": b.dial(t, 0), "here": b.session.Here}
}

func TestEndings(t *testing.T) {
	_, all := conns(t)
	for name, c := range all {
		for line, want := range map[string]nodes.Result{
			"true":                       {},
			"exit 7":                     {Code: 7},
			"exit 255":                   {Code: 255},
			"kill -TERM $$":              {Code: -1, Signal: "TERM"},
			"kill -KILL $$":              {Code: -1, Signal: "KILL"},
			"nonesuch-program":           {Code: 127},
			"if":                         {Code: 2},
			"sh -c 'kill -KILL $$'; :":   {},
			"sh -c 'exit 3' || exit 4":   {Code: 4},
			"cat <<X\nhere\nX\nexit 5\n": {Code: 5},
		} {
			got := run(t, c, nodes.Cmd{Line: line})
			if got.Code != want.Code || got.Signal != want.Signal {
				t.Errorf("%s: %q: got %d %q, want %d %q", name, line, got.Code, got.Signal, want.Code, want.Signal)
			}
		}
	}
}

// What the shell sees must not depend on the line that is put before it.
func TestSemanticsUnchanged(t *testing.T) {
	b, all := conns(t)
	nodetest.Need(t, "ssh")
	_ = b
	for name, c := range all {
		for line, want := range map[string]string{
			"printf '%s' \"$#$*\"":          "0",
			"printf '%s' $?":                "0",
			"printf 'a\\0b\\377'":           "a\x00b\xff",
			"cat; echo end":                 "in\nend\n",
			"read x; echo $x; cat | wc -l":  "in\n0\n",
			"echo out; echo err >&2":        "out\n",
			"# only a comment\necho second": "second\n",
		} {
			if res := run(t, c, nodes.Cmd{Line: line, Stdin: strings.NewReader("in\n")}); strings.ReplaceAll(string(res.Stdout), " ", "") != strings.ReplaceAll(want, " ", "") {
				t.Errorf("%s: %q: got %q, want %q", name, line, res.Stdout, want)
			}
		}
		res := run(t, c, nodes.Cmd{Line: "echo err >&2; printf rest >&2"})
		if string(res.Stderr) != "err\nrest" {
			t.Errorf("%s: stderr %q", name, res.Stderr)
		}
	}
}

func TestDirEnvArgv(t *testing.T) {
	b, all := conns(t)
	for name, c := range all {
		res := run(t, c, nodes.Cmd{Line: `printf '%s|%s|%s' "$PWD" "$A" "$B"; unset A`, Dir: nodes.RemotePath(b.Dir(0)), Env: map[string]string{"A": "x 'y' $z", "B": "\n"}})
		if want := b.Dir(0) + "|x 'y' $z|\n"; string(res.Stdout) != want {
			t.Errorf("%s: got %q, want %q", name, res.Stdout, want)
		}
		res = run(t, c, nodes.Cmd{Argv: []string{"printf", "%s|", "a b", "$(id)", "-n", "'", ""}})
		if want := "a b|$(id)|-n|'||"; string(res.Stdout) != want {
			t.Errorf("%s: got %q, want %q", name, res.Stdout, want)
		}
		if res := run(t, c, nodes.Cmd{Line: "true", Dir: "/nonesuch"}); res.Code == 0 {
			t.Errorf("%s: a missing folder was no failure", name)
		}
		_, err := c.Run(t.Context(), nodes.Cmd{Line: "true", Env: map[string]string{"A B": ""}})
		fails(t, err, nodes.Usage)
	}
}

func TestOutputIsStreamed(t *testing.T) {
	b, all := conns(t)
	for name, c := range all {
		run(t, c, nodes.Cmd{Line: "echo " + name + "-one; echo two >&2; printf " + name + "-three"})
		text := b.events.Text(nodes.Output)
		for _, line := range []string{name + "-one\n", "two\n", name + "-three\n"} {
			if !strings.Contains(text, line) {
				t.Errorf("no event for %q in %q", line, text)
			}
		}
		if strings.Contains(text, "rollsh-") {
			t.Errorf("the header was streamed: %q", text)
		}
	}
	ids := map[uint64][]nodes.EventType{}
	for _, e := range b.events.Events() {
		ids[e.ID] = append(ids[e.ID], e.Type)
	}
	for id, types := range ids {
		if types[0] != nodes.Started || types[len(types)-1] != nodes.Finished {
			t.Errorf("operation %d: %v", id, types)
		}
	}
}

func TestBigOutputIsBounded(t *testing.T) {
	b, all := conns(t)
	for name, c := range all {
		res := run(t, c, nodes.Cmd{Line: "echo first; head -c 20000000 /dev/zero; echo last", Quiet: true})
		if len(res.Stdout) > 5<<20 || !bytes.HasPrefix(res.Stdout, []byte("first\n")) || !bytes.HasSuffix(res.Stdout, []byte("last\n")) {
			t.Errorf("%s: kept %d bytes", name, len(res.Stdout))
		}
		cut := 20000000 + 11 - 4<<20
		if !bytes.Contains(res.Stdout, fmt.Appendf(nil, "%d bytes left out", cut)) {
			t.Errorf("%s: does not say that %d bytes are missing", name, cut)
		}
		var all bytes.Buffer
		run(t, c, nodes.Cmd{Line: "head -c 9000000 /dev/urandom | tee /dev/fd/2 | wc -c", Stdout: io.Discard, Stderr: &all})
		if all.Len() != 9000000 {
			t.Errorf("%s: streamed %d bytes", name, all.Len())
		}
	}
	const want = "stdout of 'echo first; head -c 20000000 /dev/zero; echo last' is longer than 4 MiB: its result lacks 15805707 bytes in the middle"
	if said := b.events.Text(nodes.Warned); strings.Count(said, want) != len(all) {
		t.Errorf("warned %q", said)
	}
}

func TestTimeoutKillsOnTheNode(t *testing.T) {
	b := start(t, 1)
	c := b.dial(t, 0)
	for _, line := range []string{
		"sleep 711", "sleep 711; true", "trap '' TERM HUP; sleep 711; sleep 711",
		"sh -c 'sh -c \"sleep 711; :\"; :' | cat", "setsid sleep 711 & wait",
	} {
		began := time.Now()
		_, err := c.Run(t.Context(), nodes.Cmd{Line: line, Timeout: 300 * time.Millisecond})
		fails(t, err, nodes.Timeout, "did not end within 300ms")
		if d := time.Since(began); d > 1400*time.Millisecond {
			t.Errorf("%q: took %s to give up", line, d)
		}
		await(t, line+" is gone", func() bool { return b.Sessions(0, "711") == 0 })
	}
}

func TestCancelKills(t *testing.T) {
	b, all := conns(t)
	for name, c := range all {
		for _, pty := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			marker := fmt.Sprintf("%s-%v", name, pty) // of this run alone: the events of all are together
			go func() {
				await(t, "the command runs", func() bool {
					return strings.Contains(b.events.Text(nodes.Output), "ready-"+marker)
				})
				cancel()
			}()
			_, err := c.Run(ctx, nodes.Cmd{Line: "echo ready-" + marker + "; sleep 712; :", Pty: pty})
			fails(t, err, nodes.Cancelled)
			if e := nodes.AsError(err, nodes.Internal); strings.TrimSpace(e.Stdout) != "ready-"+marker {
				t.Errorf("%s: output so far in the error: %q", marker, e.Stdout)
			}
			await(t, "sleep is gone", func() bool { return running(t, "sleep 712") == "" })
		}
	}
}

// running asks ps for the processes of this machine, which is every node's too.
func running(t *testing.T, text string) string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.TrimSpace(line) == text {
			return line
		}
	}
	return ""
}

func TestCutConnectionIsLost(t *testing.T) {
	b := start(t, 1)
	c := b.dial(t, 0)
	go func() {
		await(t, "the command runs", func() bool { return b.Sessions(0, "sleep 713") > 0 })
		b.Cut(0)
	}()
	_, err := c.Run(within(t, 20*time.Second), nodes.Cmd{Line: "sleep 713; exit 0"})
	fails(t, err, nodes.Lost, "web1", "not known")
	await(t, "the pool forgets it", func() bool { return len(b.pool.Live()) == 0 })
	if res := run(t, b.dial(t, 0), nodes.Cmd{Line: "echo again"}); string(res.Stdout) != "again\n" {
		t.Errorf("after the loss: %q", res.Stdout)
	}
}

func TestMissingExitStatusIsLost(t *testing.T) {
	b := start(t, 1)
	// The session's own sshd process dies: channel and connection end without a status.
	_, err := b.dial(t, 0).Run(within(t, 20*time.Second), nodes.Cmd{Line: "kill -KILL $PPID; sleep 5"})
	fails(t, err, nodes.Lost)
}

func TestNodeDownWhileRunning(t *testing.T) {
	b := start(t, 1)
	c := b.dial(t, 0)
	b.Stop(0)
	_, err := c.Run(within(t, 20*time.Second), nodes.Cmd{Line: "true"})
	fails(t, err, nodes.Lost)
	_, err = b.pool.Dial(within(t, 20*time.Second), b.Node(0))
	fails(t, err, nodes.Unreachable, "connection refused")
	if err := b.Restart(0); err != nil {
		t.Fatal(err)
	}
	run(t, b.dial(t, 0), nodes.Cmd{Line: "true"})
}

func TestPty(t *testing.T) {
	_, all := conns(t)
	for name, c := range all {
		res := run(t, c, nodes.Cmd{Line: "test -t 0 && test -t 1 && echo terminal; read x; echo got $x; exit 6", Pty: true, Stdin: strings.NewReader("typed\n")})
		if res.Code != 6 || !strings.Contains(string(res.Stdout), "terminal\r\n") || !strings.Contains(string(res.Stdout), "got typed") || strings.Contains(string(res.Stdout), "rollsh-") {
			t.Errorf("%s: %d %q", name, res.Code, res.Stdout)
		}
	}
}

func TestBrokenInputAndOutputAreFailures(t *testing.T) {
	_, all := conns(t)
	for _, c := range all {
		_, err := c.Run(t.Context(), nodes.Cmd{Line: "cat >/dev/null", Stdin: io.MultiReader(strings.NewReader("half"), broken{})})
		fails(t, err, nodes.Failed, "input", "disk on fire")
		_, err = c.Run(t.Context(), nodes.Cmd{Line: "head -c 1000000 /dev/zero", Stdout: broken{}})
		fails(t, err, nodes.Failed, "stdout", "disk on fire")
		if res := run(t, c, nodes.Cmd{Line: "head -c 1 >/dev/null; exit 3", Stdin: bytes.NewReader(make([]byte, 5<<20))}); res.Code != 3 {
			t.Errorf("input that nobody reads: %+v", res)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("disk on fire") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestStartAndKill(t *testing.T) {
	b, all := conns(t)
	for name, c := range all {
		p, err := c.Start(t.Context(), nodes.Cmd{Line: "cat; echo err >&2; exit 9"})
		if err != nil {
			t.Fatal(err)
		}
		go func() { io.WriteString(p.Stdin(), "through"); p.Stdin().Close() }()
		out, _ := io.ReadAll(p.Stdout())
		errs, _ := io.ReadAll(p.Stderr())
		res, err := p.Wait()
		if err != nil || string(out) != "through" || string(errs) != "err\n" || res.Code != 9 {
			t.Errorf("%s: %q %q %+v %v", name, out, errs, res, err)
		}
		if p, err = c.Start(t.Context(), nodes.Cmd{Line: "sleep 714; :"}); err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, p.Stdout())
		go io.Copy(io.Discard, p.Stderr())
		if res, err := p.Wait(); err == nil && res.OK() {
			t.Errorf("%s: a killed command was a success: %+v", name, res)
		}
		await(t, "sleep is gone", func() bool { return b.Sessions(0, "sleep 714") == 0 })
	}
}

func TestForcedAndSFTPOnly(t *testing.T) {
	b := start(t, 2, nodetest.Forced("/bin/sh -c 'echo forced; exit 7'", 0), nodetest.SFTPOnly(1))
	res := run(t, b.dial(t, 0), nodes.Cmd{Line: "exit 0"})
	if res.Code != 7 || string(res.Stdout) != "forced\n" {
		t.Errorf("forced: %+v", res)
	}
	_, err := b.dial(t, 1).Run(t.Context(), nodes.Cmd{Line: "true"})
	fails(t, err, nodes.Permission, "only sftp")
}

func TestSudo(t *testing.T) {
	nodetest.Need(t, "sudo")
	_, all := conns(t)
	for name, c := range all {
		_, err := c.Run(t.Context(), nodes.Cmd{Line: "true", Sudo: "nonesuch-user"})
		fails(t, err, nodes.Permission, "sudo")
		if os.Geteuid() != 0 {
			continue // sudo -n may want a password
		}
		res := run(t, c, nodes.Cmd{Line: `id -un; echo "$A"; cat; exit 4`, Sudo: "nobody", Env: map[string]string{"A": "x 'y'"}, Stdin: strings.NewReader("in"), Dir: "/tmp"})
		if string(res.Stdout) != "nobody\nx 'y'\nin" || res.Code != 4 {
			t.Errorf("%s: %q %d", name, res.Stdout, res.Code)
		}
		_, err = c.Run(t.Context(), nodes.Cmd{Line: "sleep 715; :", Sudo: "nobody", Timeout: 200 * time.Millisecond})
		fails(t, err, nodes.Timeout)
		await(t, "sleep is gone", func() bool { return running(t, "sleep 715") == "" })
	}
}

func TestThirtyTwoNodesShareNothing(t *testing.T) {
	b := start(t, 32)
	var wg sync.WaitGroup
	for round := range 2 {
		for i := range 32 {
			for range 2 {
				wg.Go(func() {
					c, err := b.pool.Dial(t.Context(), b.Node(i))
					if err != nil {
						t.Errorf("node %d: %v", i, err)
						return
					}
					res, err := c.Run(t.Context(), nodes.Cmd{Line: "echo $ROLLSH_TEST_NODE"})
					if err != nil || !strings.HasPrefix(b.Dir(i), strings.TrimSpace(string(res.Stdout))+"/") {
						t.Errorf("round %d, node %d: %q %v", round, i, res.Stdout, err)
					}
				})
			}
		}
		wg.Wait()
	}
	if n := len(b.pool.Live()); n != 32 {
		t.Errorf("%d connections for 32 nodes", n)
	}
	for i := range 32 {
		if n := strings.Count(b.Log(i), "Accepted publickey"); n != 1 {
			t.Errorf("node %d: %d logins", i, n)
		}
	}
}

// Login shells that are no POSIX shells run commands too, and a cancelled command
// ends there.
func TestLoginShells(t *testing.T) {
	for _, shell := range []string{"fish", "zsh", "tcsh", "bsd-csh"} {
		csh := strings.HasSuffix(shell, "csh")
		t.Run(shell, func(t *testing.T) {
			nodetest.Need(t, shell)
			b := start(t, 1, nodetest.Config(`ForceCommand `+shell+` -c "$SSH_ORIGINAL_COMMAND"`))
			c := b.dial(t, 0)
			errs := " >&2"
			if csh {
				errs = " >/dev/stderr"
			}
			res := run(t, c, nodes.Cmd{Line: "echo out; echo err" + errs})
			if string(res.Stdout) != "out\n" || string(res.Stderr) != "err\n" {
				t.Errorf("%q %q", res.Stdout, res.Stderr)
			}
			if _, err := c.Run(t.Context(), nodes.Cmd{Line: "if true; then echo x; fi"}); shell == "fish" {
				fails(t, err, nodes.Exit, "did not run the command: fish: ")
			}
			// Once the shell is known, one that can tells its process id itself.
			if res := run(t, c, nodes.Cmd{Line: "echo again" + errs}); string(res.Stderr) != "again\n" || len(res.Stdout) > 0 {
				t.Errorf("%q %q", res.Stdout, res.Stderr)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				await(t, "the command runs", func() bool { return strings.Contains(b.events.Text(nodes.Output), "ready") })
				cancel()
			}()
			_, err := c.Run(ctx, nodes.Cmd{Line: "echo ready; sleep 713; true"})
			fails(t, err, nodes.Cancelled)
			await(t, "sleep is gone", func() bool { return running(t, "sleep 713") == "" })
		})
	}
}

func TestMoreSessionsThanTheNodeAllows(t *testing.T) {
	b := start(t, 1, nodetest.Config("MaxSessions 3"))
	c := b.dial(t, 0)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if res, err := c.Run(t.Context(), nodes.Cmd{Line: "sleep 0.05"}); err != nil || !res.OK() {
				t.Errorf("%+v %v", res, err)
			}
		})
	}
	wg.Wait()
}

var _ nodes.Dialer = (*ssh.Pool)(nil)

// The variables that ssh_config names reach a node that accepts them; nothing is
// lost where it does not.
func TestVariablesOfTheConfig(t *testing.T) {
	b := start(t, 2, nodetest.Config("AcceptEnv ROLLSH_*", 0))
	t.Setenv("ROLLSH_SENT", "one two")
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("SendEnv ROLLSH_S*\nSetEnv ROLLSH_TEST=three OTHER=four\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.pool = ssh.NewPool(b.session, ssh.SystemConfig(file))
	t.Cleanup(b.pool.Close)
	for i, want := range []string{"one two,three,", ",,"} {
		res := run(t, b.dial(t, i), nodes.Cmd{Line: `printf %s "$ROLLSH_SENT,$ROLLSH_TEST,$OTHER"`})
		if string(res.Stdout) != want {
			t.Errorf("node %d: %q, want %q", i, res.Stdout, want)
		}
	}
}
