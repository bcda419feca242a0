package sync_test

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
)

// noise gives bytes that do not compress.
func noise(n int, seed int64) string {
	b := make([]byte, n)
	_, _ = rand.New(rand.NewSource(seed)).Read(b)
	return string(b)
}

// A push that was cut off goes on where it ended: what arrived whole is not
// sent again, and of a huge file only the rest, whether the line was cut or the
// agent killed, on a first push or on a later one.
func TestResume(t *testing.T) {
	b := newBench(t)
	conn := &cutConn{Conn: ssh.NewLocal(b.s), oneWay: true}
	conn.frames.Store(-1)
	counted := &countConn{Conn: conn}
	b.s.Here = counted
	for name, cut := range map[string]func(){
		"a first push, cut":    func() { conn.frames.Store(75); b.renew() },
		"a later push, killed": func() { b.renew(agent.CrashVariable + "=receive:6") },
	} {
		must(t, os.RemoveAll(filepath.Dir(b.live)))
		must(t, os.RemoveAll(b.src))
		b.file("old", "1")
		if strings.HasPrefix(name, "a later") {
			b.renew()
			b.push()
		}
		for i := range 5 {
			b.file(fmt.Sprintf("a/%d", i), noise(100_000, int64(i)))
		}
		b.file("huge", noise(16<<20, 99))
		b.file("zz", noise(300_000, 98))
		cut()
		b.engine.SlowToStart() // as on a busy machine: that opens no further ways, which would not be cut
		wantKind(t, b.try(), nodes.Lost)
		conn.frames.Store(-1)
		b.renew()
		counted.sent.Store(0)
		b.push()
		if d := difference(t, b.src, b.live); d != "" {
			t.Fatalf("%s:\n%.300s", name, d)
		}
		b.tidy(0)
		t.Logf("%s: %d bytes sent again", name, counted.sent.Load())
		if counted.sent.Load() > 14<<20 {
			t.Errorf("%s: %d bytes of 17.6 million were sent again", name, counted.sent.Load())
		}
	}
}
