package sync

import (
	"os/user"
	"strconv"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// namesHere knows the names of this machine's users and groups.
type namesHere struct {
	o             *Options
	users, groups map[uint32]string
	owners        map[[2]uint32]manifest.Owner
}

// owner is who an entry shall belong to on the nodes: with owner="source" the
// names that its numbers have here, or the numbers where they have none.
func (h *namesHere) owner(e *manifest.Entry) manifest.Owner {
	key := [2]uint32{}
	if h.o.Owner == ownerOfSource {
		key = [2]uint32{e.UID, e.GID}
	}
	if o, ok := h.owners[key]; ok {
		return o
	}
	text := h.o.Owner
	if text == ownerOfSource {
		text = h.user(e.UID) + ":" + h.group(e.GID)
	}
	o, err := manifest.ParseOwner(text)
	if err != nil { // a name that chown would not take either
		o = manifest.OwnerNumbers(int64(e.UID), int64(e.GID))
	}
	h.owners[key] = o
	return o
}

func (h *namesHere) user(id uint32) string {
	name, ok := h.users[id]
	if !ok {
		name = "+" + strconv.Itoa(int(id))
		if u, err := user.LookupId(name[1:]); err == nil {
			name = u.Username
		}
		h.users[id] = name
	}
	return name
}

func (h *namesHere) group(id uint32) string {
	name, ok := h.groups[id]
	if !ok {
		name = "+" + strconv.Itoa(int(id))
		if g, err := user.LookupGroupId(name[1:]); err == nil {
			name = g.Name
		}
		h.groups[id] = name
	}
	return name
}

func newNames(o *Options) *namesHere {
	return &namesHere{o: o, users: map[uint32]string{}, groups: map[uint32]string{}, owners: map[[2]uint32]manifest.Owner{}}
}

// own says who folders shall belong to that are made around the entries.
func (s *source) own(h *namesHere) {
	if h.o.Owner == "" {
		return
	}
	var root manifest.Entry
	var st unix.Stat_t
	if unix.Fstat(s.fd, &st) == nil {
		root.UID, root.GID = st.Uid, st.Gid
	}
	s.around = h.owner(&root)
}
