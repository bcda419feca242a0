package lint

import (
	"context"
	"path/filepath"
	"strings"
)

// namedRule reads configurations of BIND. What they include is read as it is on
// this machine.
func namedRule() Rule {
	t := tool{names: []string{"named-checkconf"}, install: "bind9-utils"}
	r := toolRule("named", []string{"named.conf", "named.conf.*"}, t, func(ctx context.Context, program string, j *job) error {
		j.open = includes(j.path, "INCLUDE")
		e, err := invoke(ctx, filepath.Dir(j.path), program, j.path)
		if err == nil && e.code != 0 {
			reportOutput(j, e, "named-checkconf")
		}
		return err
	})
	r.only = func(f *file) bool { return !template(f.name) }
	return r
}

// template reports whether a file is the draft of a configuration, or left over.
func template(name string) bool {
	switch filepath.Ext(name) {
	case ".erb", ".epp", ".j2", ".tpl", ".tmpl", ".template", ".mustache", ".in", ".dist", ".orig", ".rej", ".bak", ".md", ".txt":
		return true
	}
	return strings.HasSuffix(name, "~")
}

// sudoersRule reads sudoers files. Who owns them and who may read them is not
// looked at: that is so on nodes, not in a tree.
func sudoersRule() Rule {
	t := tool{names: []string{"visudo"}, install: "sudo"}
	r := toolRule("sudoers", []string{"sudoers", "**/sudoers.d/*", "*.sudoers"}, t, func(ctx context.Context, program string, j *job) error {
		j.open = includes(j.path, "INCLUDE")
		e, err := invoke(ctx, filepath.Dir(j.path), program, "-c", "-f", j.path)
		if err == nil && e.code != 0 {
			reportOutput(j, e, "visudo -c")
		}
		return err
	})
	r.only = func(f *file) bool { // sudo passes over such names in sudoers.d
		base := filepath.Base(f.path)
		return filepath.Base(filepath.Dir(f.path)) != "sudoers.d" || !strings.Contains(base, ".") && !strings.HasSuffix(base, "~")
	}
	return r
}
