package ssh

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// outputs are files of this machine that a command's streams go to. In memory
// their first and last part is kept, as of any output. Nil: there are none.
type outputs struct {
	files [2]*os.File
	kept  [2]*tail
}

// intoFiles opens the files that are asked for and puts them into the command.
// For a Set they are folders, with a file for each node.
func (h Hand) intoFiles(ctx context.Context, n *nodes.Node, c *nodes.Cmd, names ...string) (*outputs, error) {
	if strings.Join(names, "") == "" {
		return nil, nil
	}
	o := &outputs{}
	perNode := strings.HasPrefix(nodes.CallerOf(ctx).Op, "set:")
	for i, name := range names {
		if name == "" {
			continue
		}
		f, err := h.outputFile(n, name, perNode)
		if err != nil {
			return nil, o.close(&nodes.Result{}, err)
		}
		o.files[i], o.kept[i] = f, newTail(keep)
		to := io.MultiWriter(f, o.kept[i])
		if i == 0 {
			c.Stdout = to
		} else {
			c.Stderr = to
		}
	}
	return o, nil
}

func (h Hand) outputFile(n *nodes.Node, name string, perNode bool) (*os.File, error) {
	local := h.session.Path(name)
	if strings.HasSuffix(name, "/") {
		if err := os.MkdirAll(local, 0o755); err != nil {
			return nil, localError("make", local, err)
		}
		local = filepath.Join(local, filepath.Base(string(n.Name)))
	} else if perNode {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: name + " is no folder: the output of several nodes needs one", Hint: "write it with a / at the end"}
	}
	f, err := os.Create(local)
	return f, localError("write", local, err)
}

// rewind empties the files before a command is run once more.
func (o *outputs) rewind() error {
	if o == nil {
		return nil
	}
	for i, f := range o.files {
		if f == nil {
			continue
		}
		o.kept[i].reset()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return localError("write", f.Name(), err)
		}
		if err := f.Truncate(0); err != nil {
			return localError("write", f.Name(), err)
		}
	}
	return nil
}

// close ends the files and puts what was kept into the result.
func (o *outputs) close(res *nodes.Result, err error) error {
	if o == nil {
		return err
	}
	for i, f := range o.files {
		if f == nil {
			continue
		}
		if closed := f.Close(); err == nil && closed != nil && !errors.Is(closed, os.ErrClosed) {
			err = localError("write", f.Name(), closed)
		}
		if i == 0 {
			res.Stdout = o.kept[i].bytes()
		} else {
			res.Stderr = o.kept[i].bytes()
		}
	}
	return err
}
