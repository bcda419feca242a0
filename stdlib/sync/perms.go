package sync

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// UnpackLua reads "source", or a table with files= and dirs=.
func (p *Perms) UnpackLua(v any) error {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		if v != "source" {
			return fmt.Errorf(`expected "source" or {files="0644", dirs="0755"}, got %q`, v)
		}
		return nil
	case map[string]any:
		if err := nodes.UnknownKeys(v, "files", "dirs"); err != nil {
			return err
		}
		for key, value := range v {
			text, ok := value.(string)
			if !ok {
				return fmt.Errorf(`%s: expected a string such as "0644" or "u=rw,go=r"`, key)
			}
			mode, err := parseMode(text)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			switch key {
			case "files":
				p.Files = &mode
			case "dirs":
				if mode&0o500 != 0o500 {
					return fmt.Errorf("dirs: %q keeps their owner out of the folders: expected r and x for the user, such as \"0755\"", text)
				}
				p.Dirs = &mode
			}
		}
		return nil
	}
	return fmt.Errorf(`expected "source" or {files="0644", dirs="0755"}`)
}

// parseMode reads "0644" and "u=rw,go=r".
func parseMode(text string) (uint32, error) {
	if n, err := strconv.ParseUint(text, 8, 32); err == nil && n <= 0o7777 && len(text) >= 3 {
		return uint32(n), nil
	}
	var mode uint32
	for clause := range strings.SplitSeq(text, ",") {
		who, what, ok := strings.Cut(clause, "=")
		if !ok || who == "" || strings.Trim(who, "ugoa") != "" || strings.Trim(what, "rwx") != "" {
			return 0, fmt.Errorf(`expected permissions such as "0644" or "u=rw,go=r", got %q`, text)
		}
		var bits uint32
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
