package ssh

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

func TestPickAlgorithms(t *testing.T) {
	all, weak := []string{"a1", "a2", "b1"}, []string{"w1", "w2"}
	for spec, want := range map[string]string{
		"": "a1 a2 b1", "b1,a1,zz": "b1 a1", "-a*": "b1", "^b1": "b1 a1 a2", "+zz": "a1 a2 b1", "a*": "a1 a2", "+w1": "a1 a2 b1 w1",
		"w2": "w2", "+w*,a1": "a1 a2 b1 w1 w2", "^w2,a2": "w2 a2 a1 b1", "-*": "", "-w1": "a1 a2 b1", "b1,b1": "b1",
	} {
		if got := strings.Join(pickAlgorithms(all, weak, spec), " "); got != want {
			t.Errorf("%q: got %q, want %q", spec, got, want)
		}
	}
}

// ownDefaults are where the defaults differ: what x/crypto has and this ssh has
// not yet. They are named in the documentation of the package.
var ownDefaults = []string{"mlkem768x25519-sha256", "ssh-mldsa"}

// lists finds a list by the keyword that changes it.
var lists = map[string]func(algorithms) []string{
	"ciphers": func(a algorithms) []string { return a.ciphers }, "macs": func(a algorithms) []string { return a.macs },
	"kexalgorithms": func(a algorithms) []string { return a.exchanges }, "hostkeyalgorithms": func(a algorithms) []string { return a.hostKeys },
	"pubkeyacceptedalgorithms": func(a algorithms) []string { return a.logins },
}

// What is negotiated after a directive is what ssh negotiates, as far as rollsh
// speaks it: the same set, and the same order where one was written.
func TestAlgorithmsAgreeWithSSH(t *testing.T) {
	nodetest.Need(t, "ssh")
	specs := map[string][]string{
		"ciphers":                  {"", "+aes128-cbc", "-aes*-ctr", "^aes256-ctr", "aes256-ctr,aes128-ctr,aes256-cbc", "+3des-cbc,aes128-cbc", "-chacha20*"},
		"macs":                     {"", "hmac-sha2-512,umac-64@openssh.com", "-*-etm@openssh.com", "^hmac-sha1", "+hmac-sha1-96"},
		"kexalgorithms":            {"", "+diffie-hellman-group14-sha1", "-ecdh*", "^diffie-hellman-group16-sha512", "curve25519-sha256"},
		"hostkeyalgorithms":        {"", "+ssh-rsa", "ssh-ed25519,rsa-sha2-256", "-*cert*", "^rsa-sha2-512,ssh-ed25519", "+ssh-rsa,ssh-dss"},
		"pubkeyacceptedalgorithms": {"", "+ssh-rsa", "ssh-ed25519", "-rsa*", "^ecdsa-sha2-nistp256", "+ssh-rsa-cert-v01@openssh.com"},
	}
	count := 0
	for key, list := range lists {
		file := filepath.Join(t.TempDir(), "config")
		for _, spec := range specs[key] {
			text := ""
			if spec != "" {
				text = key + " " + spec + "\n"
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			values, said := theirs(t, file, "web1")
			s, err := loadFrom(t, account{home: t.TempDir(), user: "me", system: "/dev/null"}, file, "web1")
			if err != nil || values == nil {
				t.Fatalf("%s: %v, ssh: %s", text, err, said)
			}
			a, err := s.algorithms()
			if err != nil {
				t.Fatal(err)
			}
			sameAlgorithms(t, key+" "+spec, list(a), strings.Split(values[key], ","), spec != "" && !strings.ContainsAny(spec[:1], "+-^"))
			count++
		}
	}
	t.Logf("%d lists compared", count)
}

func sameAlgorithms(t *testing.T, what string, got, want []string, ordered bool) {
	t.Helper()
	got = slices.DeleteFunc(slices.Clone(got), func(a string) bool {
		return slices.ContainsFunc(ownDefaults, func(own string) bool { return strings.HasPrefix(a, own) })
	})
	spoken := everySpoken(t, strings.Fields(what)[0])
	want = slices.DeleteFunc(slices.Clone(want), func(a string) bool { return !slices.Contains(spoken, a) })
	if !ordered {
		slices.Sort(got)
		slices.Sort(want)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// everySpoken is all of a list that x/crypto can speak, weak or not.
func everySpoken(t *testing.T, key string) []string {
	t.Helper()
	a, err := (&settings{values: map[string][]string{key: {"*"}}}).algorithms()
	if err != nil {
		t.Fatal(err)
	}
	return lists[key](a)
}

func TestNothingSpokenIsRefused(t *testing.T) {
	s := &settings{alias: "web1", values: map[string][]string{"ciphers": {"nonesuch"}}}
	_, err := s.algorithms()
	if nodes.KindOf(err) != nodes.Usage || !strings.Contains(err.Error(), "nothing that rollsh speaks") {
		t.Error(err)
	}
}

// RevokedHostKeys takes a list of keys and a KRL.
func TestRevokedList(t *testing.T) {
	nodetest.Need(t, "ssh-keygen")
	dir := t.TempDir()
	revoked, other := filepath.Join(dir, "revoked"), filepath.Join(dir, "other")
	for _, name := range []string{revoked, other} {
		if _, err := nodetest.WriteKey(name, "x"); err != nil {
			t.Fatal(err)
		}
	}
	krl := filepath.Join(dir, "krl")
	if out, err := exec.Command("ssh-keygen", "-q", "-k", "-f", krl, revoked+".pub").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, list := range []string{revoked + ".pub", krl} {
		for name, text := range map[string]string{revoked: "lists it", other: ""} {
			f, err := readKeyFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := inRevoked(list, f.public); (err == nil) != (text == "") || (err != nil && !strings.Contains(err.Error(), text)) {
				t.Errorf("%s in %s: %v", name, list, err)
			}
		}
	}
	f, _ := readKeyFile(other)
	if err := inRevoked(filepath.Join(dir, "none"), f.public); err == nil {
		t.Error("a list that is not there revokes nothing")
	}
}
