package lua

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"

	"github.com/rollsh/rollsh/nodes"
)

// fromHere is an argument that may name a file of this machine; empty: it names
// none.
type fromHere interface{ FileHere() string }

// lookHere refuses arguments that name files of this machine which are not there:
// those with the flag here. No node is asked, and none is to blame.
func (c *Call) lookHere(s *spec, args any) error {
	fields := reflect.ValueOf(args)
	for _, p := range slices.Concat(s.pos, s.keys) {
		if !p.here {
			continue
		}
		name := ""
		switch v := fields.FieldByIndex(p.index).Interface().(type) {
		case string:
			name = v
		case fromHere:
			name = v.FileHere()
		}
		if name == "" {
			continue
		}
		file := c.Host.Session.Path(name)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			e := &nodes.Error{Kind: nodes.NotFound, Message: "there is no file or folder " + nodes.Clean(file) + " on this machine", Cause: err}
			if file != name {
				e.Hint = "relative names are relative to the project"
			}
			return e
		}
	}
	return nil
}
