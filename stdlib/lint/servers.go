package lint

import (
	"context"
	"path/filepath"
)

// namedRule reads configurations of BIND. What they include is read as it is on
// this machine.
func namedRule() Rule {
	t := tool{names: []string{"named-checkconf"}, install: "bind9-utils"}
	return toolRule("named", []string{"named.conf", "named.conf.*"}, t, func(ctx context.Context, program string, j *job) error {
		j.open = includes(j.path, "INCLUDE")
		e, err := invoke(ctx, filepath.Dir(j.path), program, j.path)
		if err == nil && e.code != 0 {
			reportOutput(j, e, "named-checkconf")
		}
		return err
	})
}

// sudoersRule reads sudoers files. Who owns them and who may read them is not
// looked at: that is so on nodes, not in a tree.
func sudoersRule() Rule {
	t := tool{names: []string{"visudo"}, install: "sudo"}
	return toolRule("sudoers", []string{"sudoers", "**/sudoers.d/*", "*.sudoers"}, t, func(ctx context.Context, program string, j *job) error {
		j.open = includes(j.path, "INCLUDE")
		e, err := invoke(ctx, filepath.Dir(j.path), program, "-c", "-f", j.path)
		if err == nil && e.code != 0 {
			reportOutput(j, e, "visudo -c")
		}
		return err
	})
}
