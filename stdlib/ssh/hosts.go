package ssh

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Hosts lists the names that Host lines of the person's and the system's
// ssh_config give, with what they include, without patterns; in the order of the
// files, each once. A file that cannot be read has none: what is wrong with it is
// said when a node is connected to.
func (p *Pool) Hosts() []string {
	var out []string
	ssh := filepath.Join(p.who.home, ".ssh")
	hostsOf(&out, filepath.Join(ssh, "config"), p.who.home, ssh, 0)
	hostsOf(&out, p.who.system, p.who.home, filepath.Dir(p.who.system), 0)
	return out
}

func hostsOf(out *[]string, name, home, base string, depth int) {
	lines, err := readConfig(name)
	if err != nil || depth > 16 {
		return
	}
	for _, line := range lines {
		words, err := line.words()
		if err != nil {
			continue
		}
		for _, w := range words {
			switch {
			case line.key == "include":
				for _, f := range includes(w, home, base) {
					hostsOf(out, f, home, base, depth+1)
				}
			case line.key == "host" && !strings.ContainsAny(w, "*?!") && !slices.Contains(*out, w):
				*out = append(*out, w)
			}
		}
	}
}

// Known lists the names that the person's and the system's known_hosts have in the
// clear, each once, in the order of the files: no patterns, no revoked keys and no
// names with a port, as none of these is what ssh would be called with, and an
// address only where its line has no name. A file that cannot be read has none.
func (p *Pool) Known() []string {
	var out []string
	seen := map[string]bool{}
	ssh := filepath.Join(p.who.home, ".ssh")
	for _, name := range []string{filepath.Join(ssh, "known_hosts"), filepath.Join(ssh, "known_hosts2"), "/etc/ssh/ssh_known_hosts"} {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			for _, w := range knownNames(line) {
				if !seen[w] {
					seen[w] = true
					out = append(out, w)
				}
			}
		}
	}
	return out
}

// knownNames are the names of a line of known_hosts that ssh can be called with.
func knownNames(line string) []string {
	fields := strings.Fields(line)
	if len(fields) < 3 || strings.ContainsAny(fields[0][:1], "#@|") {
		return nil
	}
	var names, addresses []string
	for w := range strings.SplitSeq(fields[0], ",") {
		switch {
		case w == "" || strings.ContainsAny(w, "*?![|"):
		case net.ParseIP(w) != nil:
			addresses = append(addresses, w)
		default:
			names = append(names, w)
		}
	}
	if len(names) == 0 {
		return addresses
	}
	return names
}
