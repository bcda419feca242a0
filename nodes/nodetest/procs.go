package nodetest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// marker is set in the environment of every session of a node: its value is
// the node's folder.
const marker = "ROLLSH_TEST_NODE"

// process is a line of the process table.
type process struct {
	pid, parent int
	name        string
}

// table reads the process table. Source: proc(5), /proc/pid/stat: the name
// stands in brackets and may hold any character.
func table() []process {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var out []process
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		if open < 0 || shut < open {
			continue
		}
		fields := strings.Fields(string(text[shut+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:open])))
		parent, _ := strconv.Atoi(fields[1])
		out = append(out, process{pid, parent, string(text[open+1 : shut])})
	}
	return out
}

// under lists the processes below root in the table, root not included.
func under(procs []process, root int) []process {
	var out []process
	for _, p := range procs {
		if p.parent == root {
			out = append(append(out, p), under(procs, p.pid)...)
		}
	}
	return out
}

// carries reports whether the process has the marker of a folder at or below
// dir in its environment.
func carries(pid int, dir string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for word := range bytes.SplitSeq(env, []byte{0}) {
		value, ok := strings.CutPrefix(string(word), marker+"=")
		if ok && (value == dir || strings.HasPrefix(value, dir+"/")) {
			return true
		}
	}
	return false
}

// Sweep kills all nodes whose files are below dir, and all that was started on
// them, whoever started the nodes. sshd writes its title over its environment,
// but the title names its configuration file.
func Sweep(dir string) {
	var roots []int
	for _, p := range table() {
		if isSSHD(p.name) && holds(p.pid, dir+"/") {
			roots = append(roots, p.pid)
		}
	}
	sweep(dir, roots...)
}

// sweep kills what roots and the sessions of dir have started, until nothing
// is left; roots included.
func sweep(dir string, roots ...int) {
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		procs := table()
		var found []int
		for _, root := range roots {
			for _, p := range under(procs, root) {
				found = append(found, p.pid)
			}
		}
		for _, p := range procs {
			if p.pid != os.Getpid() && carries(p.pid, dir) {
				found = append(found, p.pid)
			}
		}
		for _, root := range roots {
			_ = syscall.Kill(root, syscall.SIGKILL)
		}
		if len(found) == 0 {
			return
		}
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
