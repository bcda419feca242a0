package nodetest

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EndTmux ends the tmux server behind a socket, and waits until what ran in its
// panes, and below it, has ended too: it may still write into its folders. A server
// that ended by itself is fine.
func EndTmux(socket string) {
	out, _ := exec.Command("tmux", "-S", socket, "list-panes", "-a", "-F", "#{pane_pid}").Output()
	procs := table()
	var left []process
	for _, text := range strings.Fields(string(out)) {
		pid, _ := strconv.Atoi(text)
		left = append(append(left, process{pid: pid}), under(procs, pid)...)
	}
	_ = exec.Command("tmux", "-S", socket, "kill-server").Run()
	for end := time.Now().Add(10 * time.Second); len(left) > 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		running := table()
		left = slices.DeleteFunc(left, func(was process) bool {
			return !slices.ContainsFunc(running, func(p process) bool { return p.pid == was.pid })
		})
	}
}
