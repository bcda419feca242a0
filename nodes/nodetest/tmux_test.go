package nodetest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// What runs below a shell in a pane has ended when the server has.
func TestEndTmux(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "tmux")
	dir := t.TempDir()
	socket, began, ended := filepath.Join(dir, "tmux"), filepath.Join(dir, "began"), filepath.Join(dir, "ended")
	slow := `sh -c 'trap "sleep 0.5; : >` + ended + `; exit" HUP; : >` + began + `; while :; do sleep 0.02; done'; :`
	if out, err := exec.CommandContext(t.Context(), "tmux", "-f", "/dev/null", "-S", socket, "new-session", "-d", slow).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(began); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal("the pane does not begin")
		}
	}
	nodetest.EndTmux(socket)
	if _, err := os.Stat(ended); err != nil {
		t.Error("it still runs")
	}
}
