package recipes_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// guarded is a project of root in which another user works over ssh, under a policy.
type guarded struct {
	*project
	bed       *nodetest.Bed // the first node is the staging server, the second another
	log       *nodetest.Syslog
	user      string
	policy    string
	forbidden string // a file that nothing may make
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	nodetest.Need(t, "sshd", "ssh", "useradd")
	if os.Geteuid() != 0 {
		t.Skip("nobody else is to be had without root")
	}
	dir, err := os.MkdirTemp("/srv", "rollsh-policy-") //nolint:usetesting // others may write above t.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	g := &guarded{project: newProjectIn(t, dir), user: "rt" + strings.TrimPrefix(filepath.Base(dir), "rollsh-policy-"), policy: filepath.Join(dir, "policy")}
	g.log = nodetest.StartSyslog(t)
	g.must("chmod", "755", dir, filepath.Dir(g.log.Socket))
	g.forbidden = filepath.Join(dir, "home", "forbidden")
	g.must("useradd", "-M", "-p", "*", "-s", "/bin/sh", "-d", dir+"/home", g.user)
	t.Cleanup(func() {
		if out, err := exec.Command("userdel", g.user).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	g.must("mkdir", "-p", "home/.ssh", "state", "checkouts", "nodes", "lib")
	g.must("cp", g.rollsh, "rollsh")
	words := "HOME=" + dir + "/home ROLLSH_STATE=" + dir + "/state VISUAL=false"
	g.bed, err = nodetest.Open(filepath.Join(dir, "bed"), 2, nodetest.Config("ForceCommand cd "+dir+" && "+words+
		" exec "+dir+"/rollsh --audit="+g.log.Socket+" --policy="+g.policy+` -c "$SSH_ORIGINAL_COMMAND"`+"\nDisableForwarding yes\nPermitUserRC no", 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.bed.Close)
	g.must("chmod", "755", "bed") // sshd reads the user's key as the user
	g.must("cp", g.bed.Key, g.bed.KnownHosts, "home/.ssh")
	g.must("chown", "-R", g.user, "home", "state", "checkouts", "repository")
	return g
}

// allows writes the policy.
func (g *guarded) allows(lines ...string) {
	g.t.Helper()
	g.write("policy", "# what the developers may do\n\n"+strings.Join(lines, "\n")+"\n")
}

// ssh is the command line by which the user asks for something.
func (g *guarded) ssh(asked string, options ...string) []string {
	return append(append([]string{"ssh", "-F", g.bed.Config, "-l", g.user}, options...), "--", string(g.bed.Node(0).Name), asked)
}

// asks has the user ask for something, which must end with a code and say the words.
func (g *guarded) asks(code int, asked string, words ...string) {
	g.t.Helper()
	out, got := g.run(g.ssh(asked)...)
	if got != code {
		g.t.Errorf("%s: exit code %d, not %d: %s", asked, got, code, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			g.t.Errorf("%s does not say %q: %s", asked, w, out)
		}
	}
	if _, err := os.Lstat(g.forbidden); err == nil {
		g.t.Errorf("%s was done: %s", asked, out)
		g.must("rm", "-rf", g.forbidden)
	}
}

// logged looks for words in the system log.
func (g *guarded) logged(words ...string) {
	g.t.Helper()
	text := g.log.Text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			g.t.Errorf("%q is not in the system log:\n%s", w, text)
		}
	}
}

// TestPolicy: over ssh, another user than root does what root's policy names, and
// nothing else.
func TestPolicy(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.allows("recipe "+g.dir+"/recipes/staging.lua # picks", "call svn.checkout merge:* lint.check")
	s := g.terminal(80, g.ssh("recipes/staging.lua", "-t")...)
	s.answer("numbers such as", "1")
	s.answer("people can try it now. Commit it?", "y")
	s.sees("committed as r6")
	s.ends("0")
	if out := g.must("svn", "log", "-q", "-r6", g.url); !strings.Contains(out, g.user) {
		t.Errorf("r6 is not the user's: %s", out)
	}

	would := func(line string) string { return "the line `" + line + "` in it would allow it" }
	g.write("recipes/other.lua", "say 'other'")
	g.asks(4, "recipes/other.lua", g.dir+"/recipes/other.lua is not allowed by the policy "+g.policy, would("recipe "+g.dir+"/recipes/other.lua"))
	g.asks(4, "plan recipes/other.lua", "is not allowed")
	g.asks(4, "recipes/other.lua --help", "is not allowed")
	for _, typed := range []string{"print(1)", "!touch " + g.forbidden, "-e 'print(1)'", "--project=/tmp -e 1", "touch " + g.forbidden} {
		g.asks(4, typed, "typing Lua is not allowed", would("shell"))
	}
	g.asks(2, "--policy=/dev/null recipes/other.lua", "--policy is given once")
	g.asks(2, "recipes/staging.lua --policy="+g.dir+"/home/own", "--policy is given once")
	for _, command := range []string{"init", "test", "check", "lint recipes", "types", "man", "replay x", "reference home/forbidden", "completion bash"} {
		g.asks(4, command, "is not allowed", "under a policy there are recipes, and help, plan")
	}
	g.asks(0, "help sync.push", "sync.push")
	g.asks(0, "status", "no roll")
	g.asks(4, "lock www why", "roll.lock: roll.lock is not allowed", would("call roll.lock"))
	g.asks(4, "back", would("call roll.back"))
	g.logged(": merge:commit ", " done\n", ": denied: running "+g.dir+"/recipes/other.lua\n", ": denied: typing Lua\n", ": denied: rollsh init\n", ": denied: roll.lock\n", ": ends with exit code 4\n")
}

// TestPolicyOfCalls: a recipe that may be run does not call what no line names, in
// whatever way it calls it; and what it is made of is not the user's to write.
func TestPolicyOfCalls(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.allows("recipe "+g.dir+"/recipes/*.lua", "call roll lint.check")
	would := func(call string) string { return "the line `call " + call + "` in it would allow it" }
	for line, call := range map[string]string{
		`sh "touch FILE"`:                                        "sh",
		`here:run "touch FILE"`:                                  "node:run",
		`here:test "touch FILE"`:                                 "node:test",
		`here:wait{ run="touch FILE" }`:                          "node:wait",
		`here:http("http://127.0.0.1:1/")`:                       "node:http",
		`here:forward{ to=1 }`:                                   "node:forward",
		`here:write("FILE", "")`:                                 "node:write",
		`lint.rule{ name="x", files={"*"}, run="true" }`:         "lint.rule",
		`svn.checkout("FILE", { url="URL/trunk", create=true })`: "svn.checkout",
		`assert(loadstring('sh "touch FILE"', "rollsh:roll"))()`: "sh",
		`assert(loadstring('sh "touch FILE"', "[G]"))()`:         "sh",
		`parallel{ function() sh "touch FILE" end }`:             "sh",
		`coroutine.wrap(function() sh "touch FILE" end)()`:       "sh",
		`sh("touch FILE", { read=true })`:                        "sh",
	} {
		line = strings.NewReplacer("FILE", g.forbidden, "URL", g.url).Replace(line)
		g.write("recipes/calls.lua", "say 'begun'\n"+line)
		g.asks(4, "recipes/calls.lua", "begun", " is not allowed by the policy "+g.policy, would(call))
	}
	g.write("recipes/calls.lua", `here:test "touch `+g.forbidden+`"`)
	g.asks(4, "plan recipes/calls.lua", would("node:test")) // a plan does it as well
	g.write("recipes/caught.lua", `local ok, e = pcall(sh, "touch `+g.forbidden+`") say(tostring(ok) .. " " .. e.kind)`)
	g.asks(0, "recipes/caught.lua", "false policy")

	g.write("lib/mine.lua", "return 1")
	g.write("recipes/needs.lua", `require "mine"`)
	g.asks(0, "recipes/needs.lua")
	g.must("chown", g.user, "lib/mine.lua")
	g.asks(4, "recipes/needs.lua", "lib/mine.lua belongs to the user who runs rollsh")
	g.must("chown", "root", "lib/mine.lua")
	g.must("chmod", "o+w", "lib")
	g.asks(4, "recipes/needs.lua", g.dir+"/lib can be written by the user who runs rollsh")
	g.write("home/own.lua", "sh 'touch "+g.forbidden+"'")
	g.must("ln", "-s", g.dir+"/home/own.lua", "recipes/link.lua")
	g.asks(4, "recipes/link.lua", g.dir+"/home belongs to the user who runs rollsh")
	g.write("nodes/prod", "web1 127.0.0.1 drain='local: touch "+g.forbidden+"'\n")
	g.write("recipes/nodes.lua", `say(nodes("prod"):fold())`)
	g.asks(0, "recipes/nodes.lua", "web1")
	g.must("chown", g.user, "nodes/prod")
	g.asks(4, "recipes/nodes.lua", "nodes/prod belongs to the user who runs rollsh")
	g.logged(": denied: sh\n", `: sh "touch `+g.forbidden+`"`, " failed (policy): sh is not allowed")
}

// TestPolicyOfNodes: connections are made to what a node line names, as it is dialed.
func TestPolicyOfNodes(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	at := fmt.Sprintf("root@127.0.0.1:%d", g.bed.Node(1).Port)
	g.allows("shell", "call editor", "node "+at+" *.staging.example")
	n := func(fields string) string {
		return strings.ReplaceAll(`node{ name="x", port=PORT, user="root", `+fields+` }:read "/etc/hostname"`, "PORT", fmt.Sprint(g.bed.Node(1).Port))
	}
	g.asks(0, n(`host="127.0.0.1"`))
	g.asks(4, n(`host="127.0.0.2"`), "a connection to root@127.0.0.2:", "is not allowed", "the line `node root@127.0.0.2:")
	g.asks(4, strings.Replace(n(`host="127.0.0.1"`), "root", g.user, 1), "a connection to "+g.user+"@127.0.0.1:", "is not allowed")
	g.asks(4, n(`host="127.0.0.1", jump="root@192.0.2.1"`), "a connection to root@192.0.2.1:22 is not allowed")
	g.asks(4, n(`host="a.staging.example", jump="root@192.0.2.1"`), "a connection to root@192.0.2.1:22 is not allowed")
	g.asks(4, n(`host="127.0.0.1", proxy="touch `+g.forbidden+`"`), "no ProxyCommand")
	g.asks(4, `nodes.new{ {name="x", host="192.0.2.1"}, {name="y", host="192.0.2.2"} }:read "/etc/hostname"`, "is not allowed")
	g.asks(4, `http.get "http://192.0.2.1/"`, "a connection to 192.0.2.1:80 is not allowed")
	g.asks(4, `http.ok "https://192.0.2.1/"`, "a connection to 192.0.2.1:443 is not allowed")
	g.asks(4, `trac.open "https://192.0.2.1/"`, "a connection to 192.0.2.1:443 is not allowed")
	g.asks(4, `notify.webhook{ url="https://192.0.2.1/x" }`, "a connection to 192.0.2.1:443 is not allowed")
	g.asks(4, strings.Replace(n(`host="127.0.0.1"`), `:read "/etc/hostname"`, `:run "touch `+g.forbidden+`"`, 1), "node:run is not allowed")
	g.write("home/.ssh/config", "Match exec \"touch "+g.forbidden+"\"\n")
	g.asks(4, n(`host="127.0.0.1"`), g.dir+"/home/.ssh/config is not trusted")
	g.logged(": denied: a connection to root@192.0.2.1:22\n")
}

// TestPolicyOfRoot: a policy that others than root can change, or that cannot be read,
// allows nothing.
func TestPolicyOfRoot(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.write("recipes/a.lua", "say 'done'")
	good := "recipe " + g.dir + "/recipes/a.lua\n"
	g.write("policy", good)
	g.asks(0, "recipes/a.lua", "done")
	for text, want := range map[string]string{
		"recipes x": "unknown word 'recipes'", "shell yes": "shell stands alone", "call": "call: nothing is named", "call a[": "'a[' is no pattern", "recipe a.lua": "is no absolute path",
	} {
		g.write("policy", good+text+"\n")
		g.asks(4, "recipes/a.lua", g.policy+":2: ", want)
	}
	g.write("policy", good)
	for _, c := range []struct{ change, want, back string }{
		{"chmod g+w policy", g.policy + " can be written by others than root", "chmod g-w policy"},
		{"chown " + g.user + " policy", g.policy + " belongs to uid ", "chown root policy"},
		{"chmod o+w .", g.dir + " can be written by others than root", "chmod o-w ."},
		{"chmod 700 policy && chmod 0 policy", "permission denied", "chmod 644 policy"},
		{"mv policy home/policy && ln -s home/policy policy", g.dir + "/home belongs to uid ", "rm policy && mv home/policy policy"},
		{"mv home home2 && ln -s home2 home && mv policy home2/policy && ln -s home/policy policy", g.dir + "/home2 belongs to uid ", "rm policy home && mv home2 home && mv home/policy policy"},
		{"mv policy p && mkdir policy", g.policy + " is no file", "rmdir policy && mv p policy"},
		{"mv policy p", "no such file", "mv p policy"},
	} {
		g.must("sh", "-c", c.change)
		g.asks(4, "recipes/a.lua", "so nothing is allowed: ", c.want)
		g.must("sh", "-c", c.back)
	}
	g.must("sh", "-c", "mv policy p && ln -s p policy")
	g.asks(0, "recipes/a.lua", "done")
}
