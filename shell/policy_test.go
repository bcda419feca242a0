package shell_test

import (
	"testing"

	"github.com/rollsh/rollsh/shell"
)

// What a node line of a policy lets be connected to, and what only looks like it.
func TestPolicyNodeLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, user, host, port string
		want                   bool
	}{
		{"app*.staging.example", "me", "app1.staging.example", "22", true},
		{"app*.staging.example", "me", "APP1.Staging.Example.", "22", true},
		{"app*.staging.example", "me", "app1.staging.example.evil.org", "22", false},
		{"10.0.3.*", "me", "10.0.3.9", "2222", true},
		{"10.0.3.*", "me", "10.0.3.9.evil.org", "22", false},
		{"10.0.3.*", "me", "10.0.3.9.1", "22", false},
		{"10.0.3.*", "me", "::ffff:10.0.3.9", "22", true},
		{"10.0.3.0/24", "", "10.0.3.255", "80", true},
		{"10.0.3.0/24", "", "10.0.4.1", "80", false},
		{"10.0.3.0/24", "", "app1", "80", false},
		{"2001:db8::/32", "me", "2001:DB8:0::1", "22", true},
		{"2001:db8::1", "me", "2001:db8:0:0::1", "22", true},
		{"[2001:db8::1]:22", "me", "2001:db8::1", "22", true},
		{"[2001:db8::1]:22", "me", "2001:db8::1", "23", false},
		{"deploy@app1:22", "deploy", "app1", "22", true},
		{"deploy@app1:22", "root", "app1", "22", false},
		{"deploy@app1:22", "deploy", "app1", "80", false},
		{"deploy@app1", "", "app1", "80", false},
		{"app[1-3]", "me", "app2", "22", true},
		{"app[1-3]", "me", "app4", "22", false},
		{"[ab]pp1:22", "me", "app1", "22", true},
		{"[ab]pp1:22", "me", "ab", "22", false},
		{"*", "me", "anything.example", "22", true},
		{"*", "me", "2001:db8::1", "22", true},
	} {
		if got := shell.PolicyLets(c.line, c.user, c.host, c.port); got != c.want {
			t.Errorf("node %s: %s@%s port %s: %v", c.line, c.user, c.host, c.port, got)
		}
	}
}
