package roll

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// processStart tells when a process began, in a form that is the same for two
// processes only if they are one: the boot and the clock ticks since it. Empty
// when the system does not tell (no /proc, or hidden from this user).
// Source: proc_pid_stat(5), field 22.
func processStart(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	text := string(stat)
	// The command's name, in parentheses, may hold anything.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[19]
}

// processLives reports whether the process that began at start still runs; a
// process that got the same pid later is another one.
func processLives(pid int, start string) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	now := processStart(pid)
	return now == "" || start == "" || now == start
}
