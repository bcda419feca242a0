package ssh

import (
	"fmt"
	"io/fs"

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
	bits, err := nodes.ParseMode(text)
	return modeOf(bits), err
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
