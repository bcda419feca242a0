package ssh

import (
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
