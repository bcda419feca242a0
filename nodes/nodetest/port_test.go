package nodetest_test

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// TestFreePortIsGivenOnce asks from several processes at once.
func TestFreePortIsGivenOnce(t *testing.T) {
	if os.Getenv("NODETEST_PORTS") != "" {
		for range 50 {
			port, err := nodetest.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			os.Stdout.WriteString("port " + strconv.Itoa(port) + "\n")
		}
		_, _ = os.Stdin.Read(make([]byte, 1)) // the ports are ours until then
		return
	}
	hold, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer release.Close()
	outputs := make(chan string)
	for range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFreePortIsGivenOnce$")
		cmd.Env, cmd.Stdin = append(os.Environ(), "NODETEST_PORTS=1"), hold
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() })
		go func() {
			var text []byte
			buf := make([]byte, 4096)
			for strings.Count(string(text), "port ") < 50 || !strings.HasSuffix(string(text), "\n") {
				n, err := out.Read(buf)
				if text = append(text, buf[:n]...); err != nil {
					break
				}
			}
			outputs <- string(text)
		}()
	}
	seen := map[string]bool{}
	for range 4 {
		ports := strings.Fields(strings.ReplaceAll(<-outputs, "port ", ""))
		if len(ports) != 50 {
			t.Errorf("%d ports: %q", len(ports), ports)
		}
		for _, p := range ports {
			if seen[p] {
				t.Errorf("port %s was given twice", p)
			}
			seen[p] = true
		}
	}
	_ = release.Close()
}

func TestFreePortCanBeListenedOn(t *testing.T) {
	port, err := nodetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
}
