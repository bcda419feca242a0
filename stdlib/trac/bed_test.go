package trac_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// python is Debian's own, which sees Subversion's bindings.
const python = "/usr/bin/python3"

// bed is a real Trac 1.6 over a real repository.
type bed struct {
	dir, url, repo string
	t              *testing.T
}

// startTrac installs Trac from PyPI into a folder of the test, makes a
// repository and two tickets, and serves them.
func startTrac(t *testing.T) *bed {
	t.Helper()
	nodetest.Need(t, "svn", "svnadmin")
	for pkg, module := range map[string]string{"python3-subversion": "svn.core", "python3-venv": "ensurepip"} {
		if exec.Command(python, "-c", "import "+module).Run() != nil {
			nodetest.Need(t, pkg)
		}
	}
	b := &bed{dir: t.TempDir(), t: t}
	b.run(python, "-m", "venv", "--system-site-packages", b.path("venv"))
	pip := exec.Command(b.path("venv/bin/pip"), "install", "--quiet", "Trac==1.6", "setuptools<80")
	if out, err := pip.CombinedOutput(); err != nil {
		t.Logf("pip: %v\n%s", err, out)
		nodetest.Need(t, "trac (PyPI: Trac==1.6)")
	}
	b.repository()
	b.environment()
	b.serve()
	return b
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bed) run(name string, args ...string) string {
	b.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func (b *bed) admin(args ...string) {
	b.t.Helper()
	b.run(b.path("venv/bin/trac-admin"), append([]string{b.path("env")}, args...)...)
}

func (b *bed) repository() {
	b.t.Helper()
	b.repo = b.path("repo")
	b.run("svnadmin", "create", b.repo)
	hook := "#!/bin/sh\nexit 0\n"
	if err := os.WriteFile(filepath.Join(b.repo, "hooks/pre-revprop-change"), []byte(hook), 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.commit("anna", "make trunk", "mkdir", "trunk")
	b.commit("bob@example.org", message, "mkdir", "trunk/b")
	b.commit("eve", "Sun, 22 Nov 2026 23:47:53 GMT root [1]\n\t* trunk/x (deleted)\n\nSun, 22 Nov 2026 23:47:53 GMT root [7]\n# comment", "mkdir", "trunk/c")
	b.commit("anna", "no \x0c more", "rm", "trunk/b")
	b.commit("", "without an author", "mkdir", "trunk/d")
}

// message has lines of every length around the column where Trac wraps.
var message = "fixes #1: a first line that is longer than the seventy columns at which Trac wraps what it shows\n\n" +
	"ümläut <b>&amp;</b> ]]> refs #2\n\n" + strings.Repeat("x", 200) + "\n" + "\n" + strings.Repeat("word ", 30) + "end\n  indented"

func (b *bed) commit(author, message string, args ...string) {
	b.t.Helper()
	file := b.path("message")
	if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
		b.t.Fatal(err)
	}
	url := "file://" + b.repo
	b.run("svn", args[0], "--quiet", "--force-log", "--encoding", "UTF-8", "--username", "x"+author, "-F", file, url+"/"+args[1])
	if author == "" {
		b.run("svn", "propdel", "--quiet", "--revprop", "-rHEAD", "svn:author", url)
		return
	}
	b.run("svn", "propset", "--quiet", "--revprop", "-rHEAD", "svn:author", author, url)
}

// makeEnvironment does in one process what a dozen calls of trac-admin do.
const makeEnvironment = `
import sys
from trac.env import Environment
from trac.perm import PermissionSystem
from trac.ticket.model import Ticket
from trac.versioncontrol.api import RepositoryManager
path, repo = sys.argv[1:]
env = Environment(path, create=True, options=[
    ('project', 'name', 'roll'), ('trac', 'database', 'sqlite:db/trac.db'), ('components', 'tracopt.versioncontrol.svn.*', 'enabled'),
    ('repositories', 'main.dir', repo), ('repositories', 'main.type', 'svn'), ('repositories', '.alias', 'main')])
RepositoryManager(env).get_repository('main').sync()
perm = PermissionSystem(env)
for right in ('TICKET_APPEND', 'EMAIL_VIEW'):
    perm.grant_permission('bot', right)
perm.revoke_permission('authenticated', 'TICKET_MODIFY')
for summary in ('broken "login", ü', 'slow search'):
    t = Ticket(env)
    t.populate({'summary': summary, 'reporter': 'anna', 'status': 'new', 'description': 'a\nb,c'})
    t.insert()
`

func (b *bed) environment() {
	b.t.Helper()
	hash := strings.TrimSpace(b.run("openssl", "passwd", "-apr1", "bot-pw"))
	if err := os.WriteFile(b.path("htpasswd"), []byte("bot:"+hash+"\nguest:"+hash+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path("make.py"), []byte(makeEnvironment), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.run(b.path("venv/bin/python"), b.path("make.py"), b.path("env"), b.repo)
}

func (b *bed) serve() {
	b.t.Helper()
	port, err := nodetest.FreePort()
	if err != nil {
		b.t.Fatal(err)
	}
	b.url = "http://127.0.0.1:" + strconv.Itoa(port)
	var log bytes.Buffer
	cmd := exec.Command(b.path("venv/bin/tracd"), "--hostname", "127.0.0.1", "-p", strconv.Itoa(port), "-s",
		"--basic-auth=env,"+b.path("htpasswd")+",roll", b.path("env"))
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		if res, err := http.Get(b.url); err == nil {
			_ = res.Body.Close()
			return
		}
	}
	b.t.Fatalf("tracd does not answer\n%s", log.String())
}
