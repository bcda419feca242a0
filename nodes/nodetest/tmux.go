package nodetest

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EndTmux ends the tmux server behind a socket, and waits until what ran in its
// panes has ended too: it may still write into its folders. A server that ended by
// itself is fine.
func EndTmux(socket string) {
	out, _ := exec.Command("tmux", "-S", socket, "list-panes", "-a", "-F", "#{pane_pid}").Output()
	_ = exec.Command("tmux", "-S", socket, "kill-server").Run()
	left := strings.Fields(string(out))
	for end := time.Now().Add(10 * time.Second); len(left) > 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		running := table()
		left = slices.DeleteFunc(left, func(pid string) bool {
			return !slices.ContainsFunc(running, func(p process) bool { return strconv.Itoa(p.pid) == pid })
		})
	}
}
