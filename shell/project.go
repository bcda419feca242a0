package shell

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"

	"github.com/rollsh/rollsh/nodes"
)

// sharedStates is where projects keep their state for all users of a host;
// `rollsh init --shared` makes the folder in it.
const sharedStates = "/var/lib/rollsh"

func usage(format string, args ...any) *nodes.Error {
	return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf(format, args...)}
}

func withHint(e *nodes.Error, hint string) *nodes.Error {
	e.Hint = hint
	return e
}

// findProject looks upward from dir for a folder with recipes/ or nodes/; empty
// when there is none.
func findProject(dir string) string {
	for {
		for _, sign := range []string{"recipes", "nodes"} {
			if info, err := os.Stat(filepath.Join(dir, sign)); err == nil && info.IsDir() {
				return dir
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// projectOf decides about the project: the flag, the folder of the recipe, the
// working folder.
func projectOf(flag, recipe string) (string, error) {
	if flag != "" {
		dir, err := filepath.Abs(flag)
		if err != nil {
			return "", err
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return "", usage("--project %s: no such folder", flag)
		}
		return dir, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if recipe != "" {
		if dir := findProject(filepath.Dir(recipe)); dir != "" {
			return dir, nil
		}
	}
	return findProject(here), nil
}

// stateOf is the folder of journal and locks, and whether all users of the
// project see it.
func stateOf(project string, env func(string) string) (dir string, shared bool) {
	if dir := env("ROLLSH_STATE"); dir != "" {
		return dir, true
	}
	name := "default"
	if project != "" {
		name = filepath.Base(project)
	}
	dir = filepath.Join(sharedStates, name)
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return dir, true
	}
	return filepath.Join(userState(env), ownName(project, name)), false
}

// ownName tells projects of one name apart by where they are: www-1f0c2a9b. There
// is one user's folder for all of them.
func ownName(project, name string) string {
	if project == "" {
		return name
	}
	if real, err := filepath.EvalSymlinks(project); err == nil {
		project = real
	}
	sum := sha256.Sum256([]byte(project))
	return name + "-" + hex.EncodeToString(sum[:4])
}

// takeOver moves the folder that an earlier rollsh had for all projects of this
// name, where the journal in it speaks of this one.
func takeOver(project, dir string) error {
	old := filepath.Join(filepath.Dir(dir), filepath.Base(project))
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range []string{"journal.db", "journal.db-wal"} {
		text, err := os.ReadFile(filepath.Join(old, name))
		if err != nil || !bytes.Contains(text, []byte(project+"/")) {
			continue
		}
		if err = os.Rename(old, dir); errors.Is(err, fs.ErrNotExist) { // another rollsh was quicker
			return nil
		}
		return err
	}
	return nil
}

// userState is this user's folder for state and history.
func userState(env func(string) string) string {
	return under(env, "XDG_STATE_HOME", ".local/state")
}

func under(env func(string) string, name, otherwise string) string {
	dir := env(name)
	if !filepath.IsAbs(dir) { // the XDG rules: a relative path is to be ignored
		dir = filepath.Join(env("HOME"), otherwise)
	}
	return filepath.Join(dir, "rollsh")
}

// newSession makes the session of one run; dialer, sink and person are still to
// come.
func newSession(o *options, recipe string, env func(string) string) (*nodes.Session, error) {
	project, err := projectOf(o.project, recipe)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	s := &nodes.Session{
		Project: project, Cache: under(env, "XDG_CACHE_HOME", ".cache"), Home: env("HOME"), User: whoRolls(env), Host: host,
		Service: nodes.NewService(), Stand: env(testStand),
		Recipe: &nodes.Recipe{
			Path: recipe, Failed: o.failed, RecipeChanged: o.recipeChanged, Takeover: o.takeover,
		},
	}
	s.State, s.Shared = stateOf(project, env)
	if project != "" && !s.Shared {
		if err := takeOver(project, s.State); err != nil {
			return nil, &nodes.Error{Kind: nodes.Permission, Message: "cannot move the project's state: " + err.Error(), Cause: err}
		}
	}
	return s, nil
}

// whoRolls is the person behind sudo, or else the user.
func whoRolls(env func(string) string) string {
	u, err := user.Current()
	if err != nil {
		return env("USER")
	}
	if behind := env("SUDO_USER"); u.Uid == "0" && behind != "" {
		return behind
	}
	return u.Username
}
