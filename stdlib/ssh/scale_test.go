package ssh_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/rollsh/rollsh/nodes"
)

// sshd costs 30 ms of processor time a login; these servers, in a process of
// their own, let many nodes be tried quickly. ROLLSH_SCALE says how many: make
// bench-ssh takes 1000.
func TestManyNodes(t *testing.T) {
	count := 100
	if n, err := strconv.Atoi(os.Getenv("ROLLSH_SCALE")); err == nil {
		count = n
	}
	b := start(t, 0)
	b.known(t, "")
	b.config(t, "StrictHostKeyChecking accept-new\nUserKnownHostsFile "+filepath.Join(t.TempDir(), "known"))
	all := manyNodes(t, count)
	before := runtime.NumGoroutine()
	began := time.Now()
	onAll(t, b, all)
	cold := time.Since(began)
	began = time.Now()
	onAll(t, b, all)
	warm := time.Since(began)
	if n := len(b.pool.Live()); n != count {
		t.Errorf("%d connections for %d nodes", n, count)
	}
	resident, goroutines := residentMB(t), runtime.NumGoroutine()-before
	b.pool.Close()
	await(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	t.Logf("%d nodes: cold %s, warm %s, %d MB resident at most (peak), %d goroutines while open, none after",
		count, cold.Round(time.Millisecond), warm.Round(time.Millisecond), resident, goroutines)
	if resident > 200 && !raced {
		t.Errorf("%d MB for %d nodes: more than 200", resident, count)
	}
}

func onAll(t *testing.T, b *bench, all []*nodes.Node) {
	t.Helper()
	var wg sync.WaitGroup
	for _, n := range all {
		wg.Go(func() {
			c, err := b.pool.Dial(t.Context(), n)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := c.Run(t.Context(), nodes.Cmd{Line: "true"})
			if err != nil || string(res.Stdout) != "done\n" {
				t.Errorf("%+v %v", res, err)
			}
		})
	}
	wg.Wait()
}

// residentMB is the most memory that this process has taken so far.
func residentMB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc")
	}
	for line := range bytes.Lines(text) {
		var kb int
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kb); n == 1 {
			return kb >> 10
		}
	}
	return 0
}

// manyNodes starts the servers.
func manyNodes(t *testing.T, count int) []*nodes.Node {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLLSH_SERVERS="+strconv.Itoa(count))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { alive.Close(); cmd.Wait() })
	var all []*nodes.Node
	lines := bufio.NewScanner(out)
	for len(all) < count && lines.Scan() {
		if port, ok := strings.CutPrefix(lines.Text(), "port "); ok {
			p, _ := strconv.Atoi(port)
			all = append(all, &nodes.Node{Name: nodes.Name("n" + strconv.Itoa(len(all)+1)), Host: "127.0.0.1", Port: p})
		}
	}
	if len(all) != count {
		t.Fatalf("%d of %d servers", len(all), count)
	}
	go io.Copy(io.Discard, out)
	return all
}

// TestMain runs the tests; started by manyNodes, the process is its servers.
func TestMain(m *testing.M) {
	if count, err := strconv.Atoi(os.Getenv("ROLLSH_SERVERS")); err == nil {
		if err := serveMany(count); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	m.Run()
}

// serveMany is the process of the servers; it ends with its input.
func serveMany(count int) error {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	config := &xssh.ServerConfig{PublicKeyCallback: func(xssh.ConnMetadata, xssh.PublicKey) (*xssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(signer)
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println("port", l.Addr().(*net.TCPAddr).Port)
		go serveAll(l, config)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func serveAll(l net.Listener, config *xssh.ServerConfig) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, channels, requests, err := xssh.NewServerConn(conn, config)
			if err != nil {
				return
			}
			go xssh.DiscardRequests(requests)
			for ch := range channels {
				go answer(ch)
			}
		}()
	}
}

// answer ends every command with an output and exit code 0.
func answer(ch xssh.NewChannel) {
	c, asked, err := ch.Accept()
	if err != nil {
		return
	}
	for r := range asked {
		r.Reply(r.Type == "exec", nil)
		if r.Type == "exec" {
			io.WriteString(c, "done\n")
			c.SendRequest("exit-status", false, xssh.Marshal(struct{ Code uint32 }{}))
			c.Close()
		}
	}
}
