package shell_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// audited runs code with an audit, and gives what it says and how it ends.
func audited(t *testing.T, dir, socket, code string, env ...string) (said string, exit int) {
	t.Helper()
	cmd := rollshIn(t, dir, code)
	cmd.Args = append([]string{cmd.Args[0], "--audit=" + socket}, cmd.Args[1:]...)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// What is run, each call that may change something, and how both end, is in the
// system log; secrets are not, and nothing can forge a line.
func TestAudit(t *testing.T) {
	t.Parallel()
	log := nodetest.StartSyslog(t)
	dir := t.TempDir()
	_, code := audited(t, dir, log.Socket, `
		local pw = secret "db"
		sh("true '\27[2J\nroot (uid 0): #9 done'")
		sh("true", { stdin = pw })
		print(1 + 1)
		pcall(function() sh "exit 3" end)
		sh("cat >/dev/null; exit 4", { stdin = pw })`,
		"ROLLSH_SECRET_DB=correct horse", "SSH_CONNECTION=203.0.113.5 4000 192.0.2.1 22")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	text := log.Text()
	for _, want := range []string{
		" from 203.0.113.5: begins: rollsh '--audit=" + log.Socket + "' -e ",
		": runs: ", `: #1 shell:3: sh "true '\027[2J\nroot (uid 0): #9 done'"`, ": #1 done\n", ": #2 shell:4: sh \"true\", { stdin = Secret([secret]) }\n", ": #2 done\n",
		": #3 shell:6: sh \"exit 3\"\n", ": #3 failed (exit): ", ": #4 failed (exit): ", ": ends with exit code 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "authpriv.notice rollsh[") || strings.Contains(line, "correct horse") {
			t.Errorf("an entry is %s", line)
		}
	}
	if n := strings.Count(text, "\n"); n != 11 {
		t.Errorf("%d entries:\n%s", n, text)
	}
}

// Without its system log rollsh does nothing, and no more once that is gone.
func TestAuditOrNothing(t *testing.T) {
	t.Parallel()
	log := nodetest.StartSyslog(t)
	dir := t.TempDir()
	for name, line := range map[string]string{
		"gone":  `sh "touch gone"`,
		"later": `sh("kill $(cat ` + filepath.Dir(log.Socket) + `/pid); while [ -e ` + log.Socket + ` ]; do sleep 0.01; done") pcall(function() sh "touch later" end) sh "touch later"`,
	} {
		socket := log.Socket
		if name == "gone" {
			socket += "-gone"
		}
		said, code := audited(t, dir, socket, line)
		if code != 4 || !strings.Contains(said, "cannot write to the system log: ") || !strings.Contains(said, "hint: --audit is set") {
			t.Errorf("%s: exit code %d: %s", name, code, said)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s: it was done all the same", name)
		}
	}
}
