package nodetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Syslog is a real rsyslogd that takes what comes to its socket.
type Syslog struct {
	Socket string
	t      TB
	cmd    *exec.Cmd
	file   string
}

const syslogConfig = `module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="%[1]s/log")
template(name="entry" type="string" string="%%pri-text%% %%syslogtag%%%%msg%%\n")
*.* action(type="omfile" file="%[1]s/entries" template="entry")
`

// StartSyslog starts one, which ends with the test.
func StartSyslog(t TB) *Syslog {
	t.Helper()
	Need(t, "rsyslogd")
	dir, err := os.MkdirTemp("", "syslog-") // the path of a socket is short
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, fmt.Appendf(nil, syslogConfig, dir), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	l := &Syslog{Socket: filepath.Join(dir, "log"), t: t, file: filepath.Join(dir, "entries")}
	l.cmd = exec.Command(Program("rsyslogd"), "-n", "-f", config, "-i", filepath.Join(dir, "pid"))
	if err := l.cmd.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(l.Stop)
	for end := time.Now().Add(30 * time.Second); !l.answers(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("rsyslogd does not take anything after 30 s")
		}
	}
	return l
}

func (l *Syslog) answers() bool {
	c, err := net.Dial("unixgram", l.Socket)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// Stop ends it when it has written down what came.
func (l *Syslog) Stop() {
	if l.cmd.ProcessState == nil {
		_ = l.cmd.Process.Signal(syscall.SIGTERM)
		_ = l.cmd.Wait()
	}
}

// Text is all that came, an entry a line, each with its facility and severity. It
// stops the log.
func (l *Syslog) Text() string {
	l.t.Helper()
	l.Stop()
	b, err := os.ReadFile(l.file)
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	return string(b)
}
