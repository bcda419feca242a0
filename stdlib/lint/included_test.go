package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/lint"
)

// taken are trees of configurations that take files in by absolute path. On this
// machine /rollsh-test does not exist: only the tree can give what is wanted.
var taken = []struct {
	tool  string
	files map[string]string
	errs  []string // what each error begins with
	notes []string
}{
	{
		"named-checkconf",
		map[string]string{ // the whole file system
			"rollsh-test/bind/named.conf":         "options { directory \"/rollsh-test/var\"; };\n// include \"/no\";\ninclude\n  \"/rollsh-test/bind/zones\" ; include \"/rollsh-test/bind/keys.conf\"; include \"more/*.inc\";\nbad yes;\n",
			"rollsh-test/bind/zones":              "acl ours { 10.0.0.0/8; };\n",
			"rollsh-test/var/more/a.inc":          "acl theirs { ours; };\n",
			"rollsh-test/var/more/b.inc":          "acl all { ours; theirs; };\n",
			"rollsh-test/bind/named.conf.unasked": "",
		},
		[]string{"rollsh-test/bind/named.conf:5: named: unknown option 'bad'"},
		[]string{"rollsh-test/bind/named.conf: named: takes in /rollsh-test/bind/keys.conf, which the tree does not have"},
	},
	{
		"named-checkconf",
		map[string]string{ // the tree is /rollsh-test/bind
			"named.conf":       "include \"/rollsh-test/bind/named.conf.local\";\ninclude \"/rollsh-test/none\";\n",
			"named.conf.local": "nonsense yes;\n",
		},
		[]string{"named.conf: named: ", "named.conf.local:1: named: unknown option"},
		[]string{"named.conf: named: takes in /rollsh-test/none"},
	},
	{
		"visudo",
		map[string]string{
			"etc/sudoers":       "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n#include /rollsh-test/none\nALL=\n",
			"etc/sudoers.d/ops": "Cmnd_Alias OPS = /bin/true\n",
			"etc/sudoers.d/x.y": "passed over(\n",
		},
		[]string{"etc/sudoers:4: sudoers: syntax error"},
		[]string{"etc/sudoers: sudoers: takes in /rollsh-test/none, which the tree does not have"},
	},
	{
		"visudo",
		map[string]string{
			"etc/sudoers":       "@includedir /etc/sudoers.d\n",
			"etc/sudoers.d/ops": "ops ALL=(root\n",
			"etc/passwd":        "",
		},
		[]string{"etc/sudoers: sudoers: visudo -c ended with exit code 1: ", "etc/sudoers.d/ops:1: sudoers: syntax error"},
		nil,
	},
	{
		"named-checkzone",
		map[string]string{
			"var/roll.test.zone": "$TTL 1h\n@ IN SOA ns.roll.test. a.roll.test. 1 1h 1h 1h 1h\n@ IN NS ns\n$INCLUDE /rollsh-test/hosts sub\n$INCLUDE /rollsh-test/none sub ; more\n",
			"rollsh-test/hosts":  "$ORIGIN roll.test.\nns IN A 10.0.0.1\n",
		},
		nil,
		[]string{"var/roll.test.zone: zone: takes in /rollsh-test/none, which the tree does not have"},
	},
	{
		"apache2",
		map[string]string{
			"rollsh-test/apache2/apache2.conf":     "ServerName x\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nInclude /rollsh-test/apache2/on\nIncludeOptional /rollsh-test/none/*.conf\nInclude \"/rollsh-test/none\"\n",
			"rollsh-test/apache2/on/a.conf":        "Include /rollsh-test/shared/tls.conf\n",
			"rollsh-test/apache2/on/b.conf":        "",
			"rollsh-test/shared/tls.conf":          "\nNonsense on\n",
			"elsewhere/rollsh-test/apache2/README": "",
		},
		[]string{"rollsh-test/apache2/apache2.conf: apache: rollsh-test/shared/tls.conf:2: Invalid command 'Nonsense'"},
		[]string{"rollsh-test/apache2/apache2.conf: apache: takes in /rollsh-test/none, which the tree does not have"},
	},
	{
		"visudo",
		map[string]string{
			"sudoers": "@include /rollsh-test/none\nDefaults badness_of=\"x\n",
		},
		[]string{"sudoers:2: sudoers: "},
		[]string{"sudoers: sudoers: takes in /rollsh-test/none"},
	},
	{
		"apache2",
		map[string]string{
			"conf/httpd.conf":          "Include /rollsh-test/modules.conf\n",
			"rollsh-test/modules.conf": "LoadModule evil_module modules/evil.so\n",
		},
		[]string{"conf/httpd.conf: apache: not checked, as that would run it: LoadModule"},
		nil,
	},
}

// TestTakenIn: what a configuration takes in is the tree's, wherever the tree
// begins; what the tree lacks is said, and not looked for on this machine.
func TestTakenIn(t *testing.T) {
	for _, c := range taken {
		nodetest.Need(t, c.tool)
		dir := t.TempDir()
		for name := range c.files {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write(t, dir, c.files)
		l := lint.New(session(t), nil)
		res := check(t, l, dir)
		compare(t, c.tool, res.Errors, c.errs)
		compare(t, c.tool, res.Notes, c.notes)
		compare(t, c.tool+" again", check(t, l, dir).Notes, c.notes)
		for _, p := range res.Errors {
			if strings.Contains(p.Message, "rollsh-lint-") {
				t.Errorf("the name of a copy is shown: %s", p)
			}
		}
	}
}

func compare(t *testing.T, what string, got []lint.Problem, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		ok = ok && strings.HasPrefix(got[i].String(), want[i])
	}
	if !ok {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// TestTakenInOutside: a tree leads to no file outside of it, and a circle ends.
func TestTakenInOutside(t *testing.T) {
	nodetest.Need(t, "named-checkconf")
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	write(t, filepath.Dir(secret), map[string]string{"secret": "nonsense yes;\n"})
	write(t, dir, map[string]string{
		"named.conf": "include \"" + secret + "\";\ninclude \"../" + filepath.Base(filepath.Dir(secret)) + "/secret\";\ninclude \"/x/link\";\ninclude \"/x/round\";\n",
		"round":      "include \"/x/round2\";\n",
		"round2":     "include \"/x/round\";\n",
	})
	if err := os.Symlink(secret, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	res := check(t, lint.New(session(t), nil), dir)
	if len(res.Notes) != 3 || len(res.Errors) != 1 || strings.Contains(res.Errors[0].Message, "nonsense") {
		t.Errorf("%q %q", res.Notes, res.Errors)
	}
}
