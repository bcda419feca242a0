package sync

import (
	"fmt"

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
			mode, err := nodes.ParseMode(text)
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
