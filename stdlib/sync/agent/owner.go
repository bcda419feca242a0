//go:build linux

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// owners knows the numbers of this node's users and groups.
type owners struct {
	users, groups map[string]uint32
}

// number looks one up, as chown does: by name, then as a number. NoID stands
// for one that there is not.
func (o *owners) number(part string, group bool) uint32 {
	known, database := &o.users, "passwd"
	if group {
		known, database = &o.groups, "group"
	}
	if id, ok := (*known)[part]; ok {
		return id
	}
	if *known == nil {
		*known = map[string]uint32{}
	}
	id, ok := manifest.Number(part)
	if !ok {
		id = lookUp(database, part)
	}
	(*known)[part] = id
	return id
}

func lookUp(database, name string) uint32 {
	text := ""
	if database == "group" {
		if g, err := user.LookupGroup(name); err == nil {
			text = g.Gid
		}
	} else if u, err := user.Lookup(name); err == nil {
		text = u.Uid
	}
	if text == "" {
		text = getent(database, name)
	}
	if text == "" {
		text = name
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n)
	}
	return manifest.NoID
}

// getent asks the system's own databases, LDAP and the like among them, which
// a static program does not read. Source: getent(1), passwd(5), group(5).
func getent(database, name string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "getent", database, name).Output()
	fields := strings.Split(strings.TrimSpace(string(out)), ":")
	if err != nil || len(fields) < 3 || fields[0] != name {
		return ""
	}
	return fields[2]
}

// fill puts into an entry what its owner means here, NoID for those that there
// are not, and names one of these.
func (o *owners) fill(e *manifest.Entry) (unknown string) {
	u, g := e.Owner.Parts()
	if u != "" {
		if e.UID = o.number(u, false); e.UID == manifest.NoID {
			unknown = "user '" + u + "'"
		}
	}
	if g != "" {
		if e.GID = o.number(g, true); e.GID == manifest.NoID {
			unknown = "group '" + g + "'"
		}
	}
	return unknown
}

// resolved is a list with what its owners mean here, as fill tells it.
func (o *owners) resolved(l manifest.List) (_ manifest.List, unknown string) {
	given := l.Traits().Owners
	for _, owner := range given {
		if who := o.fill(&manifest.Entry{Owner: owner}); who != "" {
			unknown = who
		}
	}
	if len(given) == 0 {
		return l, ""
	}
	return manifest.Mapped(l, func(e *manifest.Entry) {
		if e.Owner.Given() {
			o.fill(e)
		}
	}), unknown
}

// resolved is owners.resolved for what is wanted, where all must be known. Those
// that the list may have are more than it has: whom an earlier roll gave files to
// may be gone from the node by now.
func (c *comparison) resolved(l manifest.List) (manifest.List, error) {
	l, unknown := c.t.owners.resolved(l)
	if unknown == "" {
		return l, nil
	}
	s := l.Read()
	for e := s.Next(); e != nil; e = s.Next() {
		if unknown := c.t.owners.fill(e); unknown != "" {
			return nil, noSuch(unknown)
		}
	}
	if s.Err() != nil {
		return nil, c.unreadable(s.Err())
	}
	return l, nil
}

func noSuch(who string) error {
	return hinted("refused", "owner: there is no "+who+" on the node", "make it there, or give another owner")
}

// blockOwners finds what shall belong to somebody to whom this login may not
// give it: only root may give files away, and others only to groups they are
// in. Source: chown(2).
func (c *comparison) blockOwners() error {
	around, err := c.around()
	if err != nil || os.Geteuid() == 0 {
		return err
	}
	groups, _ := os.Getgroups()
	groups = append(groups, os.Getegid())
	count, first := 0, ""
	check := func(e *manifest.Entry) {
		uid, gid := e.IDs()
		if e.Kind == manifest.Dir && c.ownedBy(e.Path, uid, gid) {
			return
		}
		if uid >= 0 && uid != os.Geteuid() || gid >= 0 && !slices.Contains(groups, gid) {
			if count++; first == "" {
				first = manifest.Quote(e.Path) + " to " + e.Owner.String()
			}
		}
	}
	if c.t.root < 0 {
		check(&around)
	}
	err = c.changes(func(one *manifest.Change) error {
		if one.Put {
			check(one.Want)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if count > 1 {
		first += fmt.Sprintf(", and %d more", count-1)
	}
	if count > 0 {
		c.dec.Blocked = append(c.dec.Blocked, fmt.Sprintf("owner: %s may not give %s: log in as root, or leave owner= out", loginName(), first))
	}
	return nil
}

// around is a folder that belongs to whom the request wants folders to belong
// that are made around the entries.
func (c *comparison) around() (manifest.Entry, error) {
	e := manifest.Entry{Kind: manifest.Dir}
	var err error
	if e.Owner, err = manifest.ParseOwner(c.req.Owner); err != nil {
		return e, failure("usage", "owner: "+err.Error())
	}
	if unknown := c.t.owners.fill(&e); unknown != "" {
		return e, noSuch(unknown)
	}
	return asNumbers(e), nil
}

func loginName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Geteuid())
}

// ownedBy reports whether a live path belongs to these already; -1 is nobody in
// particular.
func (c *comparison) ownedBy(p string, uid, gid int) bool {
	e, err := c.t.lstat(p)
	return err == nil && (uid < 0 || e.UID == uint32(uid)) && (gid < 0 || e.GID == uint32(gid))
}

// asNumbers gives an entry's owner in numbers, for the journal: it must mean
// the same later, whatever happens to the names.
func asNumbers(e manifest.Entry) manifest.Entry {
	uid, gid := e.IDs()
	e.Owner = manifest.OwnerNumbers(int64(uid), int64(gid))
	return e
}

// asFound makes who a live entry belongs to part of it, for the journal.
func asFound(e manifest.Entry) manifest.Entry {
	e.Owner = manifest.OwnerNumbers(int64(e.UID), int64(e.GID))
	return e
}

// makeFolder makes a folder, for an owner that is given in numbers, unless
// something of its name is there.
func makeFolder(at int, name, owner string) error {
	if err := unix.Mkdirat(at, name, 0o755); errors.Is(err, unix.EEXIST) {
		return nil
	} else if err != nil {
		return err
	}
	fd, err := openSub(at, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return giveFolder(fd, owner)
}

// giveFolder sets the owner, given in numbers, of an open folder.
func giveFolder(fd int, numbers string) error {
	owner, err := manifest.ParseOwner(numbers)
	if err == nil && owner.Given() {
		e := manifest.FolderOf(owner)
		_, err = giveName(fd, ".", &e)
	}
	return err
}

// giveName sets the owner of a name in the open folder fd where the entry says
// one that it does not have; changed reports whether it did.
func giveName(fd int, name string, e *manifest.Entry) (changed bool, err error) {
	uid, gid := e.IDs()
	if uid < 0 && gid < 0 {
		return false, nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if (uid < 0 || st.Uid == uint32(uid)) && (gid < 0 || st.Gid == uint32(gid)) {
		return false, nil
	}
	return true, unix.Fchownat(fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}
