package recipes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// TestStagingAndNothingElse: a developer whose key is bound to staging.lua, as
// docs/start.md has it, picks, tries and commits over ssh. Whatever else is asked
// for is not done, and what is done is in the system log.
func TestStagingAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	nodetest.Need(t, "sshd", "ssh", "sftp")
	log := nodetest.StartSyslog(t)
	words := "HOME=" + p.dir + " ROLLSH_STATE=" + p.dir + "/state VISUAL=false"
	escaped := filepath.Join(t.TempDir(), "escaped")
	bed, err := nodetest.Open(filepath.Join(t.TempDir(), "bed"), 1, nodetest.Env("VISUAL", "touch "+escaped), nodetest.Config(
		"ForceCommand cd "+p.dir+" && "+words+" exec "+p.rollsh+" --audit="+log.Socket+" recipes/staging.lua\nDisableForwarding yes\nPermitUserRC no\nPermitUserEnvironment no"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bed.Close)
	ssh := func(options ...string) []string {
		return append(append([]string{"ssh", "-F", bed.Config}, options...), string(bed.Node(0).Name))
	}
	for _, argv := range [][]string{
		append(ssh(), "touch", escaped),
		append(ssh(), "--", "-e", "sh 'touch "+escaped+"'"),
		ssh("-o", "SetEnv=EDITOR=touch"),
		{"sh", "-c", "echo put page " + escaped + " | sftp -F " + bed.Config + " -b - " + string(bed.Node(0).Name)},
	} {
		out, code := p.run(argv...)
		if code == 0 || argv[0] == "ssh" && (code != 4 || !strings.Contains(out, "there is no terminal")) {
			t.Errorf("%q: exit code %d: %s", argv, code, out)
		}
	}
	s := p.terminal(80, ssh("-t")...)
	s.sees("which changesets go to production?", "  1  r4")
	s.tmux("send-keys", "C-z")
	s.tmux("send-keys", "C-c")
	s.ends("130")
	s = p.terminal(80, append(ssh("-t"), "recipes/other.lua")...)
	s.answer("numbers such as", "1")
	s.answer("people can try it now. Commit it?", "y")
	s.sees("committed as r6")
	s.ends("0")
	p.put("branches/production", "r7 hotfix", "1\ndeux\n3\n4\n5\n")
	s = p.terminal(80, ssh("-t")...)
	s.answer("numbers such as", "1")
	s.answer("key:", "e") // what the account has as its editor is not run
	s.sees("the editor ended with exit code 1")
	s.answer("key:", "q")
	s.ends("4")
	if _, err := os.Lstat(escaped); err == nil {
		t.Error("something else was run")
	}
	text := log.Text()
	for _, want := range []string{" from 127.0.0.1: begins: rollsh ", ":commit ", " done\n", ": ends with exit code 130\n", ": ends with exit code 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the system log:\n%s", want, text)
		}
	}
}
