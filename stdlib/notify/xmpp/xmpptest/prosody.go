package xmpptest

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// ProsodyOptions choose how Prosody keeps passwords, which decides what logins
// it offers.
type ProsodyOptions struct {
	Plain bool   // keep passwords as they are: all of SCRAM and PLAIN are offered
	Hash  string // SHA-1 (default) or SHA-256: only this SCRAM and PLAIN are offered

	Clear bool   // no encryption at all
	Extra string // lines of the configuration's global part
	Muc   string // lines of the chat service's part

	direct bool // TLS from the first byte
}

// ProsodyDirect is Prosody with a port that wants TLS from the first byte.
func ProsodyDirect(t testing.TB) *Server {
	t.Helper()
	return Prosody(t, ProsodyOptions{direct: true})
}

// Prosody starts Prosody for the test, as root or anybody else.
func Prosody(t testing.TB, o ProsodyOptions) *Server {
	t.Helper()
	nodetest.Need(t, "prosody", "prosodyctl")
	s := newServer(t, "prosody")
	conf := s.file(t, "prosody.cfg.lua", s.prosodyConfig(o))
	root := []string{}
	if os.Geteuid() == 0 {
		root = []string{"--root"}
	}
	for _, user := range []string{"bot", "dev"} {
		args := slices.Concat(root, []string{"--config", conf, "register", user, Domain, user + "-pw"})
		if out, err := exec.Command(nodetest.Program("prosodyctl"), args...).CombinedOutput(); err != nil {
			t.Fatalf("prosodyctl register %s: %v\n%s", user, err, out)
		}
	}
	s.ready = s.listens
	s.command = func() *exec.Cmd {
		return exec.Command(nodetest.Program("prosody"), slices.Concat(root, []string{"-F", "--config", conf})...)
	}
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

func (s *Server) prosodyConfig(o ProsodyOptions) string {
	auth, hash := "internal_hashed", o.Hash
	if o.Plain {
		auth = "internal_plain"
	}
	if hash == "" {
		hash = "SHA-1"
	}
	tls, off, ports := `"tls",`, "", "c2s_ports"
	if o.Clear {
		tls, off = "", `, "tls"`
	}
	if o.direct {
		certificate := `{ key = "` + s.dir + `/key.pem", certificate = "` + s.dir + `/cert.pem" }`
		ports = "c2s_ports = { }\nc2s_direct_tls_ssl = " + certificate + "\nc2s_direct_tls_ports"
	}
	return fmt.Sprintf(`run_as_root = %[1]t
pidfile = "%[2]s/prosody.pid"
data_path = "%[2]s/data"
certificates = "%[2]s"
log = { debug = "%[2]s/prosody.log" }
interfaces = { "127.0.0.1" }
%[11]s = { %[3]d }
s2s_ports = { }
modules_enabled = { "roster", "saslauth", %[8]s "disco", "ping", "posix" }
modules_disabled = { "s2s" %[9]s }
authentication = "%[4]s"
password_hash = "%[5]s"
c2s_require_encryption = %[10]t
allow_registration = false
limits = { }
%[6]s
VirtualHost "roll.test"
  ssl = { key = "%[2]s/key.pem", certificate = "%[2]s/cert.pem" }
Component "rooms.roll.test" "muc"
  muc_room_locking = false
  muc_room_default_persistent = true
  ssl = { key = "%[2]s/key.pem", certificate = "%[2]s/cert.pem" }
%[7]s
`, os.Geteuid() == 0, s.dir, s.port, auth, hash, o.Extra, o.Muc, tls, off, !o.Clear, ports)
}
