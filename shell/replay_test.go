package shell_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A recorded run is drawn at the pace that is asked for; without a terminal, and
// at most speed, at once.
func TestReplayKeepsThePace(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "run.json")
	const run = `{"time":"2026-11-30T03:54:56Z","type":"said","text":"one"}
{"time":"2026-11-30T03:54:58Z","type":"said","text":"two"}
`
	if err := os.WriteFile(file, []byte(run), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const gap = 2 * time.Second
	for flag, least := range map[string]time.Duration{"--speed=8": gap / 8, "--speed=max": 0, "": 0} {
		cmd := exec.CommandContext(t.Context(), self, strings.Fields("replay "+file+" "+flag)...)
		cmd.Env = append(os.Environ(), "ROLLSH_TEST_AS_PROGRAM=1")
		began := time.Now()
		out, err := cmd.CombinedOutput()
		took := time.Since(began)
		if err != nil || string(out) != "one\ntwo\n" {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
		if took < least || least == 0 && took > gap {
			t.Errorf("%q took %v", flag, took)
		}
	}
}
