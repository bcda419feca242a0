package xmpptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// bootModule starts ejabberd, makes the accounts and says that it is ready.
const bootModule = `-module(boot). -export([start/0]).
start() -> {ok,_} = application:ensure_all_started(ejabberd),
  [ejabberd_auth:try_register(U, <<"roll.test">>, <<U/binary, "-pw">>) || U <- [<<"bot">>, <<"dev">>]],
  file:write_file(os:getenv("READY_FILE"), <<"ready\n">>).
`

// Ejabberd starts ejabberd for the test. hash is sha (SCRAM-SHA-1), sha256 or
// sha512: the one that it keeps passwords by and offers. It is started by erl
// itself, with no node name, since Debian's ejabberdctl insists on a user of
// its own and leaves a name service behind.
func Ejabberd(t testing.TB, hash string) *Server {
	t.Helper()
	nodetest.Need(t, "erl", "erlc", "ejabberdctl")
	s := newServer(t, "ejabberd")
	conf := s.file(t, "ejabberd.yml", s.ejabberdConfig(hash))
	s.file(t, "boot.erl", bootModule)
	compile := exec.Command(nodetest.Program("erlc"), "boot.erl")
	compile.Dir = s.dir
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("erlc: %v\n%s", err, out)
	}
	readyFile := filepath.Join(s.dir, "ready")
	s.ready = func() bool {
		_, err := os.Stat(readyFile)
		return err == nil && s.listens()
	}
	s.command = func() *exec.Cmd {
		_ = os.Remove(readyFile) // there is none at the first start
		c := exec.Command(nodetest.Program("erl"), "-noinput", "+A", "4", "+S", "2:2", "-pa", s.dir,
			"-mnesia", "dir", `"`+s.dir+`/spool"`, "-s", "boot")
		c.Env = append(os.Environ(), "EJABBERD_CONFIG_PATH="+conf, "EJABBERD_LOG_PATH="+filepath.Join(s.dir, "ejabberd.log"),
			"ERL_LIBS="+libraries(), "READY_FILE="+readyFile, "HOME="+s.dir, "ERL_CRASH_DUMP="+filepath.Join(s.dir, "crash.dump"))
		return c
	}
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// libraries is where Debian keeps the Erlang applications, by architecture.
func libraries() string {
	found, _ := filepath.Glob("/usr/lib/*/ejabberd-*") // the pattern is right
	if len(found) == 0 {
		return "/usr/lib/x86_64-linux-gnu"
	}
	return filepath.Dir(found[0])
}

func (s *Server) ejabberdConfig(hash string) string {
	return fmt.Sprintf(`hosts: [roll.test]
loglevel: info
certfiles: ["%[1]s/both.pem"]
auth_password_format: scram
auth_scram_hash: %[2]s
listen:
  - port: %[3]d
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls_required: true
    max_stanza_size: 262144
    shaper: none
access_rules:
  c2s: [allow: all]
modules:
  mod_disco: {}
  mod_ping: {}
  mod_roster: {}
  mod_stream_mgmt: {}
  mod_muc:
    host: rooms.roll.test
    access: all
    access_create: all
    default_room_options: {mam: false, persistent: true}
`, s.dir, hash, s.port)
}
