//go:build linux

package agent

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// CrashVariable names a point of the work, as NAME:N, at whose Nth passing the
// agent kills itself. The fault tests set it; nothing else does.
const CrashVariable = "ROLLSH_AGENT_CRASH"

var passed atomic.Int64

// crash ends the process as kill -9 would when the fault tests ask for it.
func crash(point string) {
	at := os.Getenv(CrashVariable)
	if at == "" {
		return
	}
	name, count, _ := strings.Cut(at, ":")
	if name != point && name != "any" {
		return
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err == nil && passed.Add(1) == n {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}
