package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// network is nodes with real sshds, each in a network namespace of its own, a
// round trip away from the controller's.
type network struct {
	dir        string
	controller string // the namespace
	spaces     []string
	wire       *wire
	sshds      []*exec.Cmd
}

// newNetwork starts n nodes, rtt away.
func newNetwork(dir string, n int, rtt time.Duration) (*network, error) {
	tag := fmt.Sprintf("rb%d", os.Getpid()%100000)
	w := &network{dir: dir, controller: tag + "c"}
	for i := range n {
		w.spaces = append(w.spaces, fmt.Sprintf("%sn%d", tag, i+1))
	}
	if err := w.start(rtt); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *network) start(rtt time.Duration) error {
	for _, ns := range append([]string{w.controller}, w.spaces...) {
		if err := ip("netns", "add", ns); err != nil {
			return err
		}
		if err := ip("-n", ns, "link", "set", "lo", "up"); err != nil {
			return err
		}
	}
	var err error
	if w.wire, err = startWire(rtt, w.controller, w.spaces); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "home", ".ssh"), 0o700); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		return err
	}
	public, err := nodetest.WriteKey(w.home(".ssh/id_ed25519"), "bench")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "authorized_keys"), []byte(public+"\n"), 0o600); err != nil {
		return err
	}
	var known strings.Builder
	for i := range w.spaces {
		key, err := w.serve(i)
		if err != nil {
			return err
		}
		fmt.Fprintf(&known, "%s %s\n", address(i+1), key)
	}
	if err := os.WriteFile(w.home(".ssh/known_hosts"), []byte(known.String()), 0o600); err != nil {
		return err
	}
	config := fmt.Sprintf("Host *\n User root\n IdentityFile %s\n IdentitiesOnly yes\n UserKnownHostsFile %s\n GlobalKnownHostsFile /dev/null\n BatchMode yes\n",
		w.home(".ssh/id_ed25519"), w.home(".ssh/known_hosts"))
	if err := os.WriteFile(w.home(".ssh/config"), []byte(config), 0o600); err != nil {
		return err
	}
	return w.ready()
}

func (w *network) home(name string) string     { return filepath.Join(w.dir, "home", name) }
func (w *network) node(i int) string           { return filepath.Join(w.dir, "node", strconv.Itoa(i)) }
func (w *network) tree(i int, p string) string { return filepath.Join(w.node(i), p) }

// serve starts the sshd of a node and gives its public host key.
func (w *network) serve(i int) (string, error) {
	home := filepath.Join(w.node(i), "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", err
	}
	key, err := nodetest.WriteKey(filepath.Join(w.node(i), "host"), "host")
	if err != nil {
		return "", err
	}
	config := fmt.Sprintf(`Port 22
ListenAddress %s
HostKey %s/host
AuthorizedKeysFile %s/authorized_keys
PidFile none
StrictModes no
UseDNS no
UsePAM no
PermitRootLogin yes
MaxStartups 500
MaxSessions 200
SetEnv SHLVL=1 HOME=%s
Subsystem sftp internal-sftp
`, address(i+1), w.node(i), w.dir, home)
	file := filepath.Join(w.node(i), "sshd_config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("ip", "netns", "exec", w.spaces[i], nodetest.Program("sshd"), "-D", "-f", file, "-E", filepath.Join(w.node(i), "log"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.sshds = append(w.sshds, cmd)
	return key, cmd.Start()
}

// ready waits until every node lets us in.
func (w *network) ready() error {
	for i := range w.spaces {
		var err error
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
			if err = w.command("ssh", "-F", w.home(".ssh/config"), address(i+1), "true").Run(); err == nil {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("node %d does not answer: %w", i+1, err)
		}
	}
	return nil
}

// command is a program in the controller's namespace.
func (w *network) command(args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", w.controller}, args...)...)
}

// cpu is the processor time of the nodes so far: of the sshds and of all
// sessions that ended.
func (w *network) cpu() time.Duration {
	var ticks int64
	for _, cmd := range w.sshds {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		for _, s := range f[11:15] {
			n, _ := strconv.ParseInt(s, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * (time.Second / 100)
}

// close ends what was started, by the process ids that are in the namespaces.
func (w *network) close() {
	for _, ns := range append([]string{w.controller}, w.spaces...) {
		out, _ := exec.Command("ip", "netns", "pids", ns).Output()
		for p := range strings.FieldsSeq(string(out)) {
			if pid, err := strconv.Atoi(p); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	for _, cmd := range w.sshds {
		if cmd.Process != nil {
			_ = cmd.Wait()
		}
	}
	if w.wire != nil {
		w.wire.stop()
	}
	for _, ns := range append([]string{w.controller}, w.spaces...) {
		_ = ip("netns", "del", ns)
	}
}

// parallel runs f for every node, four at a time, and gives the first error.
func (w *network) parallel(ctx context.Context, f func(i int) error) error {
	slots, errs := make(chan struct{}, 4), make(chan error, len(w.spaces))
	for i := range w.spaces {
		slots <- struct{}{}
		go func() { errs <- f(i); <-slots }()
	}
	var first error
	for range w.spaces {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	if first == nil {
		first = ctx.Err()
	}
	return first
}
