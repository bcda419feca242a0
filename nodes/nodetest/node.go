package nodetest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// node is one sshd process.
type node struct {
	name     string
	dir      string
	port     int
	known    string // "ssh-ed25519 AAAA", as known_hosts is to have it
	extra    string // lines of sshd_config
	env      []string
	noSFTP   bool
	wrongKey bool
	refused  bool
	cmd      *exec.Cmd
	ended    chan struct{}
}

// open makes the node's folder and keys and starts it on a free port.
func (n *node) open(sshd, authorized string) error {
	for _, sub := range []string{"files", "home"} {
		if err := os.MkdirAll(filepath.Join(n.dir, sub), 0o755); err != nil {
			return err
		}
	}
	err := n.writeEnter("")
	if err != nil {
		return err
	}
	if n.known, err = WriteKey(filepath.Join(n.dir, "host"), "host-"+n.name); err != nil {
		return err
	}
	if n.wrongKey {
		if n.known, err = WriteKey(filepath.Join(n.dir, "other"), "other"); err != nil {
			return err
		}
	}
	if n.refused {
		authorized = ""
	}
	if err := os.WriteFile(filepath.Join(n.dir, "authorized_keys"), []byte(authorized+"\n"), 0o644); err != nil {
		return err
	}
	for range 5 { // somebody else may take the port first
		if err = n.choosePort(); err != nil {
			return err
		}
		if err = n.serve(sshd); err == nil {
			return nil
		}
	}
	return err
}

// enter names the file that bash reads before a command of sshd, and no bash
// under it does.
func (n *node) enter() string { return filepath.Join(n.dir, "enter") }

// writeEnter writes it, with more lines at its end.
func (n *node) writeEnter(lines string) error {
	return os.WriteFile(n.enter(), []byte("unset BASH_ENV\ncd\n"+lines), 0o644)
}

// choosePort finds a free port and writes the node's sshd_config with it.
func (n *node) choosePort() error {
	port, err := FreePort()
	if err != nil {
		return err
	}
	n.port = port
	return os.WriteFile(filepath.Join(n.dir, "sshd_config"), []byte(n.config()), 0o644)
}

// config is the node's sshd_config. bash that is run by sshd reads ~/.bashrc
// even for a plain command, unless it is not the outermost shell: hence SHLVL
// (bash, shell.c, run_startup_files). HOME is the node's own, and commands and
// SFTP begin there: sshd goes to the home of the user who runs the test, which
// no relative path of a recipe may reach. A login shell other than bash stays
// there.
func (n *node) config() string {
	home := filepath.Join(n.dir, "home")
	env := append([]string{"SHLVL=1", "HOME=" + home, "BASH_ENV=" + n.enter(), marker + "=" + n.dir}, n.env...)
	const before = "MaxStartups 1000\n" // of this the last value wins (9.2, servconf.c)
	text := before + n.extra + fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %[2]s/host
PidFile none
AuthorizedKeysFile %[2]s/authorized_keys
StrictModes no
UseDNS no
UsePAM no
PrintMotd no
PrintLastLog no
MaxSessions 200
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
SetEnv %[3]s
`, n.port, n.dir, strings.Join(env, " "))
	if !n.noSFTP {
		text += "Subsystem sftp internal-sftp -d " + home + "\n"
	}
	return text
}

// serve starts sshd and waits until it answers.
func (n *node) serve(sshd string) error {
	log := filepath.Join(n.dir, "log")
	cmd := exec.Command(sshd, "-D", "-f", filepath.Join(n.dir, "sshd_config"), "-E", log)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	n.cmd, n.ended = cmd, ended
	err := awaitBanner(net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)), "SSH-2.0-", ended)
	if err == nil {
		return nil
	}
	sweep(n.dir, cmd.Process.Pid)
	<-ended
	text, _ := os.ReadFile(log)
	return fmt.Errorf("sshd of %s: %w: %s%s", n.name, err, said.Bytes(), text)
}

// reap waits for the end of the killed sshd.
func (n *node) reap() {
	if n.ended != nil {
		<-n.ended
	}
}

// awaitBanner waits until a server at addr greets with want, or ended is
// closed, or ten seconds passed.
func awaitBanner(addr, want string, ended <-chan struct{}) error {
	err := errors.New("does not answer")
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		select {
		case <-ended:
			return errors.New("ended at once")
		case <-time.After(5 * time.Millisecond):
		}
		if err = greets(addr, want); err == nil {
			return nil
		}
	}
	return err
}

func greets(addr, want string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	got := make([]byte, len(want))
	if _, err := c.Read(got); err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("greets with %q", got)
	}
	return nil
}

// isSSHD reports whether a process name is one of sshd's (9.8 split it up).
func isSSHD(name string) bool { return strings.HasPrefix(name, "sshd") }

func holds(pid int, text string) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err == nil && bytes.Contains(bytes.ReplaceAll(line, []byte{0}, []byte{' '}), []byte(text))
}
