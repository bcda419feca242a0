package ssh

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// compared are the keywords whose effective values must be those of ssh -G,
// with what ssh has where nothing is given.
var compared = map[string]string{
	"hostname": "", "user": "", "port": "22", "proxyjump": "", "proxycommand": "", "certificatefile": "", "identityagent": "",
	"identitiesonly": "no", "stricthostkeychecking": "ask", "serveraliveinterval": "0", "serveralivecountmax": "3",
	"hostkeyalias": "", "hashknownhosts": "no", "addressfamily": "any", "bindaddress": "", "batchmode": "no",
	"numberofpasswordprompts": "3", "preferredauthentications": "", "userknownhostsfile": "", "globalknownhostsfile": "",
	"connecttimeout": "none", "passwordauthentication": "yes", "kbdinteractiveauthentication": "yes", "setenv": "", "identityfile": "",
	"checkhostip": "no", "forwardagent": "no", "rekeylimit": "0 0", "controlpath": "", "revokedhostkeys": "", "sendenv": "",
	"pubkeyauthentication": "true",
}

// ours gives the values as ssh -G writes them.
func ours(s *settings, key string) string {
	value := strings.Join(s.values[key], " ")
	switch key {
	case "hostname":
		return s.hostname()
	case "user":
		return s.login()
	case "connecttimeout", "serveraliveinterval":
		if d := s.seconds(key, -1); d >= 0 {
			return fmt.Sprint(int(d.Seconds()))
		}
	case "identitiesonly", "hashknownhosts", "batchmode", "passwordauthentication", "kbdinteractiveauthentication",
		"checkhostip":
		if s.has(key) {
			return map[bool]string{true: "yes", false: "no"}[s.yes(key, compared[key] == "yes")]
		}
	case "stricthostkeychecking":
		return map[string]string{"yes": "true", "no": "false", "off": "false"}[s.strict()] + map[string]string{"ask": "ask", "accept-new": "accept-new"}[s.strict()]
	case "userknownhostsfile", "globalknownhostsfile":
		if value != "none" {
			value = strings.Join(s.paths(key), " ")
		}
	case "hostkeyalias", "addressfamily", "preferredauthentications":
		value = strings.ToLower(value)
	case "rekeylimit":
		if value != "" {
			return fmt.Sprint(s.rekeyBytes()) // the time is not taken
		}
	case "forwardagent":
		return s.forwardAgent()
	case "pubkeyauthentication":
		return fmt.Sprint(s.yes(key, true))
	case "sendenv": // ssh -G sorts nothing, but writes one a line
	case "controlpath", "revokedhostkeys":
		if strings.EqualFold(value, "none") {
			return compared[key]
		}
		return strings.Join(s.paths(key), " ")
	case "proxyjump", "proxycommand":
		if strings.EqualFold(value, "none") {
			return ""
		}
		value = strings.TrimPrefix(value, "ssh://") // read where the jump is made
	case "identityagent":
		if value != "" && value != "none" && !strings.HasPrefix(value, "SSH_") {
			return s.path(value)
		}
	}
	if value == "" {
		return compared[key]
	}
	return value
}

// theirs asks ssh -G.
func theirs(t *testing.T, file, host string) (map[string]string, string) {
	t.Helper()
	out, err := exec.Command("ssh", "-G", "-F", file, host).CombinedOutput()
	if err != nil {
		return nil, string(out)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if old, ok := values[key]; ok {
			value = old + " " + value
		}
		values[key] = value
	}
	return values, ""
}

func compareWithSSH(t *testing.T, text, host string) {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "DIR", home)
	file := filepath.Join(home, ".ssh", "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one.conf", "two.conf"} {
		body := "Host web1\n  Port 10" + name[:1] + "1\n  User of-" + name + "\nHost *\n  BindAddress 127.0.0.9\n"
		body = strings.ReplaceAll(strings.ReplaceAll(body, "10o1", "1011"), "10t1", "1012")
		if err := os.WriteFile(filepath.Join(home, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, said := theirs(t, file, host)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	who := account{home: me.HomeDir, user: me.Username, host: name, system: "/dev/null"}
	got, err := loadFrom(t, who, file, host)
	if want == nil {
		if err == nil {
			t.Logf("ssh refuses and we do not: %s", said)
		}
		return
	}
	if err != nil {
		t.Errorf("ssh takes it, we do not: %v\n%s", err, text)
		return
	}
	for key := range compared {
		w := want[key]
		if w == "" {
			w = compared[key]
		}
		switch key {
		case "identityfile", "userknownhostsfile", "globalknownhostsfile", "serveraliveinterval", "sendenv":
			if !got.has(key) {
				continue // the defaults; Debian's ssh has an interval of its own with BatchMode
			}
		}
		if key == "sendenv" { // ssh lists, and sends, a name as often as it is given
			w = strings.Join(slices.Compact(strings.Fields(w)), " ")
		}
		if key == "rekeylimit" && got.has(key) {
			w, _, _ = strings.Cut(w, " ")
		}
		if g := ours(got, key); g != w {
			t.Errorf("%s for %s: got %q, ssh has %q in\n%s", key, host, g, w, text)
		}
	}
}

// loadFrom is load with one file in place of ~/.ssh/config.
func loadFrom(t *testing.T, who account, file, host string) (*settings, error) {
	t.Helper()
	s := &settings{account: who, alias: host, values: map[string][]string{}}
	l := &loader{settings: s, host: host, ctx: t.Context()}
	evaluate := func() error { return l.file(file, filepath.Join(who.home, ".ssh"), 0, true) }
	if err := l.evaluate(evaluate); err != nil {
		return nil, err
	}
	return s, s.check()
}

// written are configurations with one point each.
var written = []string{
	"", "Host web1\n  Port 2201\nHost *\n  Port 22\n  User deploy\n",
	"Port = 2202\nUser=\"bob\"\nHost web1\n\tPort 9\n",
	"Host web?\n  User q\nHost web*\n  User s\n", "Host web1 !web1\n  User no\nHost * !db*\n  User yes\n",
	"Host \"web1\"\n  User quoted\n", "Host WEB1\n  User upper\n", "Host=web1\n  User equals\n",
	"HostName %h.example.com\n", "HostName 10.0.0.1 # comment\nUser \"a#b\"\n",
	"Match host web1\n  User m\n", "Match originalhost web1\n  User m\n", "Match user root\n  Port 3\n", "User bob\nMatch user bob\n  Port 4\n",
	"Match localuser root,bob\n  Port 5\n", "Match exec \"test %h = web1\"\n  Port 6\n", "Match exec \"exit 1\"\n  Port 7\nMatch all\n  Port 8\n",
	"Match !host web1\n  Port 9\nMatch host *1,!web1\n  Port 10\nMatch host web*,!db\n  Port 11\n",
	"HostName real.example.com\nMatch host real.example.com\n  User resolved\nMatch host web1\n  User alias\n",
	"Host web1\n  HostName real.example.com\nMatch final host real.*\n  User final\nMatch canonical\n  Port 12\n",
	"Match final\n  User late\nHost web1\n  User early\n", "Match originalhost web1 user root exec true\n  Port 13\n",
	"Match host=web1\n  Port 14\n", "Host web1\n  HostName real.example.com\nHost real.example.com\n  Port 15\nMatch final\n  User f\n",
	"Include DIR/one.conf\nUser main\n", "Include DIR/*.conf\n", "Host db\n  Include DIR/one.conf\nHost *\n  User outside\n",
	"Host web1\n  Include DIR/two.conf\n  User after\n", "Include DIR/none.conf\nPort 16\n", "Include DIR/two.conf DIR/one.conf\n",
	"Match host db1\n  Include DIR/one.conf\n  Port 17\n",
	"ProxyJump a,b\nProxyCommand none\n", "ProxyCommand nc %h %p # not a comment\nProxyJump a\n", "Host web1\n  ProxyJump none\nHost *\n  ProxyJump bastion\n",
	"Host web1\n  ProxyCommand none\nHost *\n  ProxyCommand nc x y\n", "ProxyJump bob@bastion:2222\n",
	"IdentityFile ~/.ssh/a\nIdentityFile \"DIR/b c\"\nIdentityFile ~/.ssh/a\nHost *\nIdentityFile %d/x-%h\n", "IdentityFile none\n",
	"IdentitiesOnly yes\nIdentityAgent none\n", "IdentityAgent DIR/sock\nCertificateFile DIR/a\nCertificateFile DIR/b\n", "IdentityAgent SSH_AUTH_SOCK\n",
	"UserKnownHostsFile ~/.ssh/kh \"DIR/k h\"\nGlobalKnownHostsFile /dev/null\n", "UserKnownHostsFile none\n",
	"HostKeyAlias Alias.Example\nHashKnownHosts yes\n", "StrictHostKeyChecking yes\n", "StrictHostKeyChecking accept-new\n", "StrictHostKeyChecking off\n",
	"StrictHostKeyChecking no\nStrictHostKeyChecking yes\n", "ConnectTimeout 5\nServerAliveInterval 1m30\nServerAliveCountMax 7\n", "ConnectTimeout 2m\n",
	"ServerAliveInterval 1h\nBatchMode yes\nAddressFamily inet6\n", "SetEnv A=b C=\"d e\"\nSetEnv X=y\n", "PasswordAuthentication no\nChallengeResponseAuthentication no\n",
	"PreferredAuthentications publickey\nNumberOfPasswordPrompts 1\nBindAddress 10.1.2.3\n", "  Host web1 # comment\n  User c\n", "Host db,web1\n  User comma\n",
	"host web1\nUSER lower\npOrT 18\n", "User 'single quoted'\n", "IgnoreUnknown Nonesuch\nNonesuch yes\nPort 19\n", "Host web1\r\n  User crlf\r\n",
	"Host\tweb1\n\tUser\ttab\n", "#Host x\n\n\n   # y\nUser z\n", "Match all\n  User a\nMatch host web1\n  Port 20\n",
	"CheckHostIP yes\nForwardAgent yes\n", "Host db\n  ForwardAgent no\nHost web1\n  ForwardAgent DIR/agent\n", "ForwardAgent $SSH_AUTH_SOCK\n",
	"RekeyLimit 1G 1h\n", "RekeyLimit 500M\n", "RekeyLimit default none\n", "RekeyLimit 64K 90\n", "RekeyLimit default 30m\n",
	"ControlPath DIR/cm-%r@%h:%p\nControlMaster auto\n", "ControlPath none\nControlPath DIR/x\n", "User eve\nPort 24\nControlPath ~/%C-%h\n", "IdentityAgent ~/agent-%u\nProxyJump ssh://carol@j3:44\n", "RevokedHostKeys DIR/revoked\n",
	"SendEnv A_* B\nSendEnv C\n", "SendEnv A_* B LANG\nHost web1\n  SendEnv -A_\\* -L*\nHost db\n  SendEnv -*\n", "PubkeyAuthentication no\n", "DSAAuthentication yes\nProtocol 2\nUser old\n",
	"Match exec \"test %n-%r-%u = %n-%r-%u\" user *\n  User tokens\n", "Host 10.0.0.? web[1]\n  User brackets\nHost web1*\n  User b\n",
	"CanonicalizeHostname yes\nCanonicalDomains localhost\nHost *.localhost\n  User local\nMatch canonical host web1.*\n  Port 31\n",
	"CanonicalizeHostname yes\nCanonicalDomains nonesuch.invalid localhost\nMatch canonical\n  Port 32\n",
	"CanonicalizeHostname yes\nCanonicalDomains localhost\nHostName a.b.c\nHost a.b.c\n  Port 33\n",
	"CanonicalizeHostname yes\nCanonicalDomains localhost\nCanonicalizeMaxDots 2\nHostName a.b.c\nHost a.b.c.*\n  Port 34\n",
	"CanonicalizeHostname yes\nCanonicalDomains localhost\nProxyJump a\nHost *.localhost\n  Port 35\n",
	"CanonicalizeHostname always\nCanonicalDomains localhost\nProxyJump a\nHost *.localhost\n  Port 36\n",
	"CanonicalizeHostname yes\nCanonicalDomains localhost\nProxyJump none\nHost *.localhost\n  Port 40\n",
	"CanonicalizeHostname yes\nCanonicalDomains localhost\nProxyCommand none\nHost *.localhost\n  Port 41\n",
	"CanonicalizeHostname yes\nCanonicalDomains none\nMatch canonical all\n  Port 37\n", "CanonicalDomains localhost\nMatch canonical\n  Port 38\n",
	"CanonicalizeHostname yes\nCanonicalDomains nonesuch.invalid\nCanonicalizeFallbackLocal no\n", "CanonicalizeHostname yes\nHostName 0:0:0:0:0:0:0:1\n",
	"CanonicalizeHostname yes\nCanonicalDomains LocalHost\nCanonicalizePermittedCNAMEs *.localhost:*.localhost\nHost web1\n  HostName WEB1\n",
	"HostName Real.Example.COM\nMatch host real.*\n  Port 39\n",
	"Include ~/nonesuch/*\nInclude DIR/one.conf\nHost *\n  Port 30\n", "HostName [::1]\n", "HostName 10.0.0.%%\n",
}

func TestConfigAgreesWithSSH(t *testing.T) {
	nodetest.Need(t, "ssh")
	for _, text := range written {
		for _, host := range []string{"web1", "db", "Web1"} {
			compareWithSSH(t, text, host)
		}
	}
}

// Configurations put together at random from blocks; the seed is fixed.
func TestRandomConfigsAgreeWithSSH(t *testing.T) {
	nodetest.Need(t, "ssh")
	heads := []string{
		"Host web1", "Host *", "Host web* !web2", "Host db1 web2", "Match host web1", "Match user bob", "Match originalhost web?,!web3",
		"Match final", "Match exec \"test %p = 22\"", "Match !user root", "Match host *.example.com", "Host *.example.com", "Match all",
		"Match canonical", "Match canonical host *.localhost", "Match !final", "Host *.localhost", "Match final user bob",
	}
	lines := []string{
		"Port 2201", "Port 2202", "User bob", "User eve", "HostName %h.example.com", "HostName 10.0.0.1", "ProxyJump a,b", "ProxyCommand nc %h %p",
		"ProxyJump none", "ProxyCommand none", "IdentityFile ~/.ssh/x", "IdentityFile ~/.ssh/y", "StrictHostKeyChecking accept-new", "ConnectTimeout 7", "HostKeyAlias k", "Include DIR/one.conf",
		"Include DIR/two.conf", "ServerAliveInterval 9", "BatchMode yes", "UserKnownHostsFile DIR/a DIR/b",
		"CanonicalizeHostname yes", "CanonicalizeHostname always", "CanonicalDomains localhost", "CanonicalizeMaxDots 3", "ControlPath ~/%C",
		"SendEnv A_*", "SendEnv -A*", "UserKnownHostsFile ~/k-%h", "IdentityAgent ~/a-%u", "ProxyJump ssh://carol@j3:44", "SetEnv A=1 B=2",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(heads[r.IntN(len(heads))] + "\n")
			for range r.IntN(4) {
				b.WriteString("  " + lines[r.IntN(len(lines))] + "\n")
			}
		}
		compareWithSSH(t, b.String(), []string{"web1", "web2", "db1"}[r.IntN(3)])
	}
}

func TestMatchLocalNetwork(t *testing.T) {
	for _, c := range []struct {
		networks string
		want     string
	}{{"127.0.0.0/8", "here"}, {"203.0.113.0/24,127.0.0.1", "here"}, {"203.0.113.0/24,2001:db8::/32", "away"}, {"127.0.0.0/99", ""}} {
		file := filepath.Join(t.TempDir(), "config")
		text := "Match localnetwork " + c.networks + "\n  User here\nHost *\n  User away\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := loadFrom(t, account{home: t.TempDir(), system: "/dev/null"}, file, "web1")
		switch {
		case c.want == "" && (err == nil || !strings.Contains(err.Error(), file+":1")):
			t.Errorf("%s: %v", c.networks, err)
		case c.want != "" && (err != nil || s.login() != c.want):
			t.Errorf("%s: %v, %v", c.networks, s, err)
		}
	}
}

func TestNodeWinsOverConfig(t *testing.T) {
	home := t.TempDir()
	os.Mkdir(filepath.Join(home, ".ssh"), 0o700)
	text := "Host *\n  User bob\n  Port 1\n  IdentityFile ~/k\n  ProxyJump b\n"
	if err := os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &nodes.Node{Name: "web1", Host: "10.0.0.1", User: "eve", Port: 2, Key: "~/mine", Proxy: "nc %h %p %r %u %d %n %%"}
	s, err := load(t.Context(), account{home: home, user: "me", system: "/dev/null"}, n)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{s.login(), s.port(), s.hostname(), s.first("proxyjump", "-"), s.expand(s.first("proxycommand", ""))}
	got = append(got, s.paths("identityfile")...)
	want := []string{"eve", "2", "10.0.0.1", "-", "nc 10.0.0.1 2 eve me " + home + " 10.0.0.1 %", home + "/mine", home + "/k"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestBadConfig(t *testing.T) {
	for text, want := range map[string]string{
		"Port x": "1 to 65535", "Port 0": "1 to 65535", "Match host": "needs a value", "Match nonesuch x": "not known",
		"User \"open": "quote", "StrictHostKeyChecking maybe": "accept-new", "HostName -oProxyCommand=x": "begin with -",
	} {
		home := t.TempDir()
		os.Mkdir(filepath.Join(home, ".ssh"), 0o700)
		os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte("\n"+text+"\n"), 0o600)
		_, err := load(t.Context(), account{home: home, system: "/dev/null"}, &nodes.Node{Name: "web1"})
		if nodes.KindOf(err) != nodes.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzWild(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		got := wild(pattern, s)
		if !strings.ContainsAny(pattern, "*?") && got != (pattern == s) {
			t.Errorf("%q against %q: %v", pattern, s, got)
		}
		if !wild("*"+pattern+"*", pattern) && !strings.Contains(pattern, "?") {
			t.Errorf("*%q* does not match itself", pattern)
		}
	})
}
