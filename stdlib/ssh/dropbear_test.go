package ssh_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
)

// dropbear starts the other sshd, for the bed's key. It looks for
// authorized_keys in the home of the account, which is one of the bed's in a
// mount namespace of the server's own.
func dropbear(t *testing.T, b *bench) *nodes.Node {
	t.Helper()
	nodetest.Need(t, "dropbear", "dropbearkey", "unshare")
	if os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("needs root and mount namespaces")
	}
	dir := t.TempDir()
	home, key, passwd := filepath.Join(dir, "home"), filepath.Join(dir, "key"), filepath.Join(dir, "passwd")
	public, err := os.ReadFile(b.Key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".ssh", "authorized_keys"), string(public))
	write(t, passwd, "root:x:0:0:root:"+home+":/bin/sh\n")
	for _, private := range []string{home, filepath.Join(home, ".ssh")} {
		if err := os.Chmod(private, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	said, err := exec.Command("dropbearkey", "-t", "ed25519", "-f", key).CombinedOutput()
	if err != nil {
		t.Fatalf("dropbearkey: %v: %s", err, said)
	}
	port, err := nodetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	server := exec.Command("unshare", "-m", "sh", "-c", `mount --bind "$1" /etc/passwd && exec "$2" -F -E -s -r "$3" -P "$4" -p "$5"`, "sh",
		passwd, nodetest.Program("dropbear"), key, filepath.Join(dir, "pid"), address)
	logFile, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	server.Stderr = logFile
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		logFile.Close()
		if text, err := os.ReadFile(logFile.Name()); err == nil && t.Failed() {
			t.Logf("dropbear: %s", text)
		}
	})
	await(t, "dropbear answers", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	for line := range strings.Lines(string(said)) {
		if strings.HasPrefix(line, "ssh-ed25519 ") {
			b.known(t, "[127.0.0.1]:"+strconv.Itoa(port)+" "+line)
		}
	}
	return &nodes.Node{Name: "bear", Host: "127.0.0.1", Port: port, User: "root"}
}

func TestDropbear(t *testing.T) {
	t.Parallel()
	b := start(t, 0)
	n := dropbear(t, b)
	c, err := b.pool.Dial(within(t, 60*time.Second), n)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]nodes.Result{
		"exit 7": {Code: 7}, "kill -TERM $$": {Code: -1, Signal: "TERM"}, "printf 'a\\0\\377'": {Stdout: []byte("a\x00\xff")}, "echo err >&2; cat": {Stdout: []byte("in"), Stderr: []byte("err\n")},
	} {
		got := run(t, c, nodes.Cmd{Line: line, Stdin: strings.NewReader("in")})
		if got.Code != want.Code || got.Signal != want.Signal || !bytes.Equal(got.Stdout, want.Stdout) || !bytes.Equal(got.Stderr, want.Stderr) {
			t.Errorf("%s: %+v", line, got)
		}
	}
	_, err = c.Run(within(t, 60*time.Second), nodes.Cmd{Line: "sleep 717; :", Timeout: time.Second})
	fails(t, err, nodes.Timeout)
	await(t, "sleep is gone", func() bool { return running(t, "sleep 717") == "" })
	for range 40 { // one session begins while the one before it ends
		if res, err := c.Run(t.Context(), nodes.Cmd{Line: "cat", Stdin: strings.NewReader("x")}); err != nil || string(res.Stdout) != "x" {
			t.Errorf("%+v %v", res, err)
		}
	}
	h := ssh.NewHand(b.session)
	dir := t.TempDir()
	if err := h.Write(t.Context(), n, dir+"/f", "text", ssh.Perms{Mode: 0o640, Given: true}, ""); err != nil {
		t.Fatal(err)
	}
	if text, err := h.Read(t.Context(), n, dir+"/f"); err != nil || string(text) != "text" {
		t.Errorf("%q %v", text, err)
	}
	data := bigFile(t, dir+"/big")
	if _, err := h.Put(within(t, 120*time.Second), n, dir+"/big", dir+"/there/"); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("into a folder that is not there: %v", err)
	}
	if _, err := h.Put(within(t, 120*time.Second), n, dir+"/big", dir+"/there"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(dir + "/there"); err != nil || !bytes.Equal(text, data) {
		t.Errorf("put: %d bytes, %v", len(text), err)
	}
	w, err := b.pool.Dial(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	through, err := w.(nodes.Network).DialFrom(within(t, 60*time.Second), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port)))
	if err != nil {
		t.Fatal(err)
	}
	through.Close()
}
