package stdlib_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib"
)

// TestHostsOfSSHConfigAreNodes: in a project, a name that ssh_config knows needs
// no nodes file; patterns are no names.
func TestHostsOfSSHConfigAreNodes(t *testing.T) {
	home, project := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(home, ".ssh", "config"):        "Include more/*\nHost web1 web2 !web3 app*\n  Port 2222\nMatch host db1\nHost=\"spare\"\n",
		filepath.Join(home, ".ssh", "more", "a"):     "Host included\nInclude deeper\n",
		filepath.Join(home, ".ssh", "deeper"):        "Host deep\n",
		filepath.Join(project, "recipes", "a.lua"):   "",
		filepath.Join(project, "nodes", "prod"):      "cdn1 10.0.0.1\n",
		filepath.Join(home, ".ssh", "more-not-this"): "Host elsewhere\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &nodes.Session{Project: project, Home: home, Events: nodes.Discard{}, Service: nodes.NewService(), Cache: t.TempDir(), State: t.TempDir()}
	l := stdlib.New(s)
	t.Cleanup(l.Close)
	h := lua.New(s, l.Modules)
	for _, name := range []string{"web1", "web2", "spare", "included", "deep", "cdn1"} {
		if values, err := h.Eval(t.Context(), `return node("`+name+`").name`); err != nil || len(values) != 1 || h.Inspect(values[0]) != `"`+name+`"` {
			t.Errorf("%s: %v, %v", name, values, err)
		}
	}
	for name, hint := range map[string]string{"web3": "web", "app1": "", "elsewhere": "", "db1": "", "includid": "did you mean 'included', as ssh_config has it?"} {
		_, err := h.Eval(t.Context(), `return node("`+name+`")`)
		if nodes.KindOf(err) != nodes.NotFound || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v, want hint %q", name, err, hint)
		}
	}
}

// TestNamesOfKnownHosts: those that ssh can be called with, each once.
func TestNamesOfKnownHosts(t *testing.T) {
	home := t.TempDir()
	const key = " ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2lKBJvuOZpZoXcOHCZGfLw0Yk5kXcUwuVY9hVtJ5Bv\n"
	known := "# web0" + key + "web1,10.0.0.1" + key + "10.0.0.2" + key + "|1|AAAA|BBBB" + key + "[web3]:2200,web4" + key +
		"@cert-authority *.example.org" + key + "@revoked web5" + key + "*.example.net,!bad" + key + "web1" + key + "cut ssh-rsa\n\n"
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &nodes.Session{Home: home, Events: nodes.Discard{}, Service: nodes.NewService(), Cache: t.TempDir(), State: t.TempDir()}
	l := stdlib.New(s)
	t.Cleanup(l.Close)
	if got := strings.Join(s.SSHKnown(), " "); !strings.HasPrefix(got+" ", "web1 10.0.0.2 web4 ") || strings.Contains(got, "web5") {
		t.Errorf("got %q", got)
	}
}
