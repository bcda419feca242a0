package manifest

import (
	"fmt"
	"strconv"
	"strings"
	"unique"
)

// Owner says who an entry shall belong to, as chown(1) takes it: "user",
// "user:group" or ":group", each by name or, as "+33", by number. The zero
// value leaves both as they come.
type Owner struct{ text unique.Handle[string] }

// longestOwner limits what is taken from the other side.
const longestOwner = 200

// ParseOwner checks the text of an owner; empty gives the zero value.
func ParseOwner(text string) (Owner, error) {
	if text == "" {
		return Owner{}, nil
	}
	user, group, _ := strings.Cut(text, ":")
	bad := strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
	if bad || user == "" && group == "" || strings.Contains(group, ":") || len(text) > longestOwner {
		return Owner{}, fmt.Errorf("expected an owner such as \"www-data\", \"www-data:www-data\" or \":www-data\", got %q", text)
	}
	return Owner{unique.Make(strings.TrimSuffix(text, ":"))}, nil
}

// OwnerNumbers is the owner with these numbers; below 0 leaves that part as it
// comes.
func OwnerNumbers(uid, gid int64) Owner {
	text := ""
	if uid >= 0 {
		text = "+" + strconv.FormatInt(uid, 10)
	}
	if gid >= 0 {
		text += ":+" + strconv.FormatInt(gid, 10)
	}
	o, _ := ParseOwner(text)
	return o
}

// Given reports whether anything is said.
func (o Owner) Given() bool { return o != Owner{} }

// String gives the text, empty for the zero value.
func (o Owner) String() string {
	if !o.Given() {
		return ""
	}
	return o.text.Value()
}

// MarshalText implements encoding.TextMarshaler.
func (o Owner) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler, as ParseOwner.
func (o *Owner) UnmarshalText(b []byte) (err error) {
	*o, err = ParseOwner(string(b))
	return err
}

// Parts gives user and group; what is not said is empty.
func (o Owner) Parts() (user, group string) {
	user, group, _ = strings.Cut(o.String(), ":")
	return user, group
}

// Number reads a part that is a number: "+33".
func Number(part string) (uint32, bool) {
	text, ok := strings.CutPrefix(part, "+")
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), ok && err == nil
}

// NoID is the number of a user or group that there is not.
const NoID = ^uint32(0)

// FolderOf is a folder of an owner that is given in numbers.
func FolderOf(numbers Owner) Entry {
	e := Entry{Kind: Dir, Owner: numbers}
	e.own()
	return e
}

// own fills in the numbers where the owner is made of numbers.
func (e *Entry) own() {
	user, group := e.Owner.Parts()
	if n, ok := Number(user); ok {
		e.UID = n
	}
	if n, ok := Number(group); ok {
		e.GID = n
	}
}

// IDs gives the numbers that the entry's owner stands for; -1 for what it
// leaves as it comes.
func (e *Entry) IDs() (uid, gid int) {
	user, group := e.Owner.Parts()
	uid, gid = -1, -1
	if user != "" {
		uid = int(e.UID)
	}
	if group != "" {
		gid = int(e.GID)
	}
	return uid, gid
}

// sameOwner compares an entry that says who it shall belong to with one that
// was found; where neither says so, all owners are the same.
func (e *Entry) sameOwner(b *Entry) bool {
	if e.Owner == b.Owner {
		return true
	}
	if e.Owner.Given() && b.Owner.Given() {
		return false
	}
	want, live := e, b
	if !want.Owner.Given() {
		want, live = b, e
	}
	uid, gid := want.IDs()
	return (uid < 0 || uint32(uid) == live.UID) && (gid < 0 || uint32(gid) == live.GID)
}

// sameAccess compares permissions and owner.
func (e *Entry) sameAccess(b *Entry) bool { return e.sameMode(b) && e.sameOwner(b) }
