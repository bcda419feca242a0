package person

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// secretName is what a secret may be called; it is part of a file name and of
// the name of an environment variable.
var secretName = nodes.Pattern(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// Secret finds a secret by name. It fails with Usage for a bad name, with
// Permission for a file that others can read, and as Person.Ask does. Where
// nothing is done, as in a plan, the person is asked when the secret is needed:
// that for a notice never is.
func Secret(ctx context.Context, s *nodes.Session, name string) (nodes.Secret, error) {
	if !secretName().MatchString(name) {
		return nodes.Secret{}, &nodes.Error{Kind: nodes.Usage, Message: "'" + name + "' is not a name of a secret: letters, digits, '_' and '-'"}
	}
	if text, ok := s.Secrets.Given(name); ok {
		return nodes.NewSecret(text), nil
	}
	path := filepath.Join(s.State, "secrets", name)
	text, err := readPrivate(path, s.State)
	if err == nil {
		s.Secrets.Keep(text)
		return nodes.NewSecret(text), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nodes.Secret{}, err
	}
	ask := func() (string, error) {
		text, err := s.Person.Ask(ctx, nodes.Question{Text: "secret " + name, Secret: true})
		if err == nil {
			return text, nil
		}
		e := *nodes.AsError(err, nodes.Refused)
		if e.Kind == nodes.Refused {
			e.Hint = fmt.Sprintf("set %s, or put it into %s with mode 0600", nodes.SecretVariable(name), path)
		}
		return "", &e
	}
	if s.Recipe != nil && (s.Recipe.Mode == nodes.ModePlan || s.Recipe.Mode == nodes.ModePending) {
		return nodes.LaterSecret(func() string { return orWarn(ctx, s, ask) }), nil
	}
	text, err = ask()
	return nodes.NewSecret(text), err
}

// orWarn asks, and warns where nobody answers: what needs the secret goes on
// without.
func orWarn(ctx context.Context, s *nodes.Session, ask func() (string, error)) string {
	text, err := ask()
	if err != nil {
		c := nodes.CallerOf(ctx)
		s.Events.Emit(nodes.Event{Time: time.Now(), Type: nodes.Warned, Op: c.Op, Where: c.Where, Text: err.Error()})
	}
	return text
}

// readPrivate reads a file that nobody but its owner can read, or, in a state folder
// that a group shares, nobody but that group.
func readPrivate(path, state string) (string, error) {
	group, shared := sharedWith(state)
	info, err := os.Stat(path)
	if err == nil {
		perm, private := info.Mode().Perm(), fs.FileMode(0o077)
		if gid, ok := groupOf(info); ok && shared && gid == group {
			private = 0o037 // the group reads it, and does not write to it
		}
		if perm&private != 0 {
			return "", &nodes.Error{Kind: nodes.Permission, Message: fmt.Sprintf("%s can be read by others (mode %04o)", path, perm), Hint: "chmod 600 " + path}
		}
		var text []byte
		if text, err = os.ReadFile(path); err == nil {
			return strings.TrimRight(string(text), "\r\n"), nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	e := &nodes.Error{Kind: nodes.Permission, Message: err.Error()}
	if dir := filepath.Dir(path); shared && errors.Is(err, fs.ErrPermission) {
		e.Hint = fmt.Sprintf("who made it shares it with your group by `chgrp %d %s %s; chmod 750 %s; chmod 640 %s`", group, dir, path, dir, path)
	}
	return "", e
}

// sharedWith gives the group that a state folder is shared with, as rollsh init
// --shared makes it.
func sharedWith(state string) (group uint32, ok bool) {
	info, err := os.Stat(state)
	if err != nil || info.Mode().Perm()&0o077 != 0o070 {
		return 0, false
	}
	return groupOf(info)
}

func groupOf(info fs.FileInfo) (uint32, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Gid, true
}
