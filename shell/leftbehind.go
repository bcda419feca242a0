package shell

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"

	"github.com/rollsh/rollsh/nodes"
)

// leftBehind says where the journal of the rolls before is that a shared one, new
// and empty, does not have; empty where there was none. Looked for is that of
// whoever runs this, also behind sudo; those of others are not known.
func leftBehind(dir, state string, env func(string) string) string {
	if _, err := os.Stat(filepath.Join(state, "journal.db")); err == nil {
		return ""
	}
	folders := []string{userState(env)}
	if u, err := user.Lookup(env("SUDO_USER")); err == nil {
		folders = append(folders, filepath.Join(u.HomeDir, ".local/state/rollsh"))
	}
	for _, folder := range folders {
		old := filepath.Join(folder, ownName(dir, filepath.Base(dir)))
		if _, err := os.Stat(filepath.Join(old, "journal.db")); err == nil {
			return fmt.Sprintf("the shared journal begins empty: the rolls so far are in %s, and status, back and resume no longer know them\n"+
				"to take them along, while nobody rolls: `sudo install -m 660 %s/journal.db* %s`", old, nodes.Quote(old), nodes.Quote(state))
		}
	}
	return ""
}
