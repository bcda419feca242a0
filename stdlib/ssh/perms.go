package ssh

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Perms are permissions as chmod reads them, without +, - and X: "0644",
// "u=rw,go=r".
type Perms struct {
	Mode  fs.FileMode
	Given bool
}

// UnpackLua reads them from a string.
func (p *Perms) UnpackLua(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("expected a string such as \"0644\" or \"u=rw,go=r\", got %s", nodes.TypeOf(v))
	}
	mode, err := ParsePerms(text)
	p.Mode, p.Given = mode, err == nil
	return err
}

// ParsePerms reads permissions; setuid, setgid and sticky only as digits.
func ParsePerms(text string) (fs.FileMode, error) {
	bad := fmt.Errorf("expected permissions such as \"0644\" or \"u=rw,go=r\", got %q", text)
	if n, err := strconv.ParseUint(text, 8, 32); err == nil {
		if n > 0o7777 || len(text) < 3 {
			return 0, bad
		}
		return modeOf(uint32(n)), nil
	}
	var mode fs.FileMode
	for clause := range strings.SplitSeq(text, ",") {
		who, what, ok := strings.Cut(clause, "=")
		if !ok || who == "" || strings.Trim(who, "ugoa") != "" || strings.Trim(what, "rwx") != "" {
			return 0, bad
		}
		var bits fs.FileMode
		for i, c := range "rwx" {
			if strings.ContainsRune(what, c) {
				bits |= 4 >> i
			}
		}
		for i, c := range "ugo" {
			if strings.ContainsRune(who, c) || strings.Contains(who, "a") {
				shift := 6 - 3*i
				mode = mode&^(7<<shift) | bits<<shift
			}
		}
	}
	return mode, nil
}

// modeOf turns Unix bits into Go's.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// permText writes permissions as four octal digits.
func permText(mode fs.FileMode) string {
	bits := uint32(mode.Perm())
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return fmt.Sprintf("%04o", bits)
}
