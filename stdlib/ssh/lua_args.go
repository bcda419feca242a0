package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// input is what a command reads: a text, a file of this machine, or what a
// function gives.
type input struct {
	text string
	file string
	next lua.Callback
}

// UnpackLua takes any of them.
func (i *input) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		i.text = v
		return nil
	case nodes.Secret:
		i.text = v.Reveal()
		return nil
	case lua.Callback:
		i.next = v
		return nil
	case map[string]any:
		if file, ok := v["file"].(string); ok && file != "" && len(v) == 1 {
			i.file = file
			return nil
		}
	}
	return errors.New(`expected a string, a secret, {file="name"} or a function`)
}

// FileHere is the file that is read.
func (i input) FileHere() string { return i.file }

func (i *input) given() bool { return i.text != "" || i.file != "" || !i.next.IsZero() }

func (i *input) open(ctx context.Context, s *nodes.Session) (io.ReadCloser, error) {
	switch {
	case i.file != "":
		f, err := os.Open(s.Path(i.file))
		if err != nil {
			return nil, localError("read", i.file, err)
		}
		return f, nil
	case !i.next.IsZero():
		return io.NopCloser(&pieces{ctx: ctx, next: i.next}), nil
	}
	return io.NopCloser(strings.NewReader(i.text)), nil
}

// pieces reads what a Lua function gives, until it gives nil.
type pieces struct {
	ctx  context.Context // of the command that reads
	next lua.Callback
	rest string
}

// Read asks the function when nothing is left.
func (p *pieces) Read(b []byte) (int, error) {
	for p.rest == "" {
		values, err := p.next.Call(p.ctx)
		if err != nil {
			return 0, err
		}
		if len(values) == 0 || values[0] == nil {
			return 0, io.EOF
		}
		piece, ok := values[0].(string)
		if !ok {
			return 0, &nodes.Error{Kind: nodes.Usage, Message: "the function of stdin gave something else: a string or nil is wanted"}
		}
		p.rest = piece
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// command is a shell line or a list of words.
type command struct{ cmd nodes.Cmd }

// UnpackLua takes a line or a list of words.
func (c *command) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		c.cmd.Line = v
		return nil
	case []any:
		for _, w := range v {
			s, ok := w.(string)
			if n, number := w.(float64); number {
				s, ok = fmt.Sprintf("%.14g", n), true
			}
			if !ok {
				return fmt.Errorf("expected a list of strings and numbers, got %s in it", nodes.TypeOf(w))
			}
			c.cmd.Argv = append(c.cmd.Argv, s)
		}
		if len(c.cmd.Argv) > 0 {
			return nil
		}
	}
	return errors.New("expected a string or a list of strings")
}

// text is a string or a secret.
type text string

// UnpackLua takes either.
func (t *text) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		*t = text(v)
	case nodes.Secret:
		*t = text(v.Reveal())
	default:
		return errors.New("expected a string or a secret")
	}
	return nil
}

// variables are strings, numbers or secrets by name.
type variables map[string]string

// UnpackLua takes a table of them.
func (e *variables) UnpackLua(v any) error {
	table, ok := v.(map[string]any)
	if list, empty := v.([]any); empty && len(list) == 0 {
		return nil
	}
	if !ok {
		return errors.New("expected a table of names and values")
	}
	*e = variables{}
	for name, value := range table {
		switch value := value.(type) {
		case string:
			(*e)[name] = value
		case float64:
			(*e)[name] = fmt.Sprintf("%.14g", value)
		case nodes.Secret:
			(*e)[name] = value.Reveal()
		default:
			return fmt.Errorf("expected a string for '%s'", name)
		}
	}
	return nil
}

// sudoUser is whom sudo makes of the login.
type sudoUser string

// UnpackLua takes true for root, or a name.
func (u *sudoUser) UnpackLua(v any) error {
	switch v := v.(type) {
	case bool:
		if v {
			*u = "root"
		}
		return nil
	case string:
		if v != "" && !strings.HasPrefix(v, "-") {
			*u = sudoUser(v)
			return nil
		}
	}
	return errors.New("expected true or the name of a user")
}

// tlsMode is whether TLS is spoken, and whether the certificate is verified.
type tlsMode struct{ on, trust bool }

// UnpackLua takes true, false or "insecure".
func (m *tlsMode) UnpackLua(v any) error {
	switch v {
	case true:
		m.on = true
	case false:
	case "insecure":
		m.on, m.trust = true, true
	default:
		return errors.New(`expected true, false or "insecure"`)
	}
	return nil
}
