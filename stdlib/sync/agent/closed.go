//go:build linux

package agent

import (
	"fmt"
	"os"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// blockClosed finds folders of somebody else that this login may not change, and in
// which something is to be changed, or whose permissions are: its own are opened for
// the burst, and those of a release are made anew.
func (c *comparison) blockClosed() error {
	if os.Geteuid() == 0 || c.t.releases || c.t.root < 0 {
		return nil
	}
	first, last := "", "/"
	told := map[string]bool{}
	tell := func(folder, who string) {
		if told[folder] = true; first == "" {
			first = nameOf(folder) + ", which belongs to " + who
		}
	}
	err := c.changes(func(one *manifest.Change) error {
		if !one.Put && !one.Goes {
			return nil
		}
		if l := one.Live; one.Put && l != nil && l.Kind == manifest.Dir && one.Want.Kind == manifest.Dir && int(l.UID) != os.Geteuid() {
			tell(l.Path, owner(map[uint32]string{}, l.UID))
		}
		if d, _ := beneath.Split(one.Path()); d != last {
			last = d
			if who, closed := c.t.closed(d); closed {
				tell(d, who)
			}
		}
		return nil
	})
	if len(told) > 1 {
		first += fmt.Sprintf(", and %d more", len(told)-1)
	}
	if first != "" {
		c.dec.Blocked = append(c.dec.Blocked, loginName()+" may not change "+first+": let it, or leave the folder alone with exclude=")
	}
	return err
}

func nameOf(folder string) string {
	if folder == "" {
		return "the tree's root"
	}
	return manifest.Quote(folder)
}

// closed reports whether the folder p is somebody else's and may not be written to,
// and whose.
func (t *tree) closed(p string) (who string, closed bool) {
	fd, err := t.dir(p)
	var st unix.Stat_t
	if err != nil || unix.Fstat(fd, &st) != nil || int(st.Uid) == os.Geteuid() {
		return "", false // it will be made, for one
	}
	if unix.Faccessat(fd, ".", unix.W_OK|unix.X_OK, 0) == nil {
		return "", false
	}
	return owner(map[uint32]string{}, st.Uid), true
}
