package shell

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/recipes"
)

const sampleNodes = `# nodes/prod: the nodes that prod.lua rolls to, in the order of the roll.
# NAME [ADDRESS] [key=value ...]; [tier] begins a tier and sets defaults in it. The keys: rollsh help nodes-files
#
# [cdn] at_once=2
# cdn[1-2]  cdn[1-2].example.org
#
# [app] path=/var/www/html check="curl -fsS -o /dev/null http://127.0.0.1/"
# web1  10.0.0.11
# web2  10.0.0.12
`

const sampleStaging = `# nodes/staging: where people look at what is merged and not committed yet; as nodes/prod.
#
# try  try.example.org  path=/var/www/html
`

const luarc = `{
  "$schema": "https://raw.githubusercontent.com/LuaLS/vscode-lua/master/setting/schema.json",
  "runtime.version": "LuaJIT",
  "runtime.builtin": { "bit": "disable", "debug": "disable", "ffi": "disable", "io": "disable", "jit": "disable", "os": "disable", "utf8": "disable" },
  "workspace.library": ["` + typesFile + `"],
  "diagnostics.disable": ["lowercase-global", "access-invisible"]
}
`

// firstSteps is what to do after init.
const firstSteps = `next: name your repository in recipes/site.lua and your nodes in nodes/prod; then
  rollsh check                        finds mistakes
  rollsh -e 'nodes "prod":run "id"'   tries the nodes
  rollsh plan recipes/prod.lua        shows what a roll would do
`

func (a *app) initCommand() *cobra.Command {
	var group string
	c := &cobra.Command{
		Use: "init [--shared GROUP]", Short: "Make recipes/, nodes/ and editor types here", Args: none,
		RunE: func(*cobra.Command, []string) error {
			dir := a.opts.project
			if dir == "" {
				dir = "."
			}
			dir, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			if err := a.initShared(dir, group); err != nil { // first: without it nothing is written
				return err
			}
			return a.initProject(dir)
		},
	}
	c.Flags().StringVar(&group, "shared", "", "make the state folder that all users of `GROUP` share")
	return c
}

// initProject writes what is not there yet; a file that is there is left alone.
func (a *app) initProject(dir string) error {
	a.opts.project = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: err.Error(), Cause: err}
	}
	if err := a.open(""); err != nil {
		return err
	}
	files := map[string]string{".luarc.json": luarc, "nodes/prod": sampleNodes, "nodes/staging": sampleStaging}
	names := []string{".luarc.json", "nodes/prod", "nodes/staging"}
	entries, err := fs.ReadDir(recipes.Files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(recipes.Files, e.Name())
		if err != nil {
			return err
		}
		name := "recipes/" + e.Name()
		files[name] = string(text)
		names = append(names, name)
	}
	for _, name := range names {
		if err := a.writeNew(filepath.Join(dir, name), name, files[name]); err != nil {
			return err
		}
	}
	// Types follow the program: they are written anew each time.
	if err := os.WriteFile(filepath.Join(dir, typesFile), []byte(typesText(a.host)), 0o644); err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: err.Error(), Cause: err}
	}
	a.screen.line("wrote " + typesFile + "\n" + firstSteps)
	return nil
}

func (a *app) writeNew(path, name, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: err.Error(), Cause: err}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		a.screen.line(name + " is there: left as it is\n")
		return nil
	}
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: err.Error(), Cause: err}
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return &nodes.Error{Kind: nodes.Space, Message: err.Error(), Cause: err}
	}
	a.screen.line("wrote " + name + "\n")
	return nil
}

// initShared makes the state folder of the project for all users of a group:
// new files belong to the group, and others see nothing.
func (a *app) initShared(dir, group string) error {
	if group == "" {
		return nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return usage("no group '%s' on this machine", group)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return usage("the group '%s' has no number", group)
	}
	state := filepath.Join(sharedStates, filepath.Base(dir))
	err = os.MkdirAll(sharedStates, 0o755)
	if err == nil {
		err = os.MkdirAll(state, 0o770)
	}
	if err == nil {
		err = os.Chown(state, -1, gid)
	}
	if err == nil {
		err = os.Chmod(state, 0o770|fs.ModeSetgid)
	}
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: strings.TrimSpace(err.Error()), Hint: "run it as root: `sudo rollsh init --shared " + group + "`", Cause: err}
	}
	a.screen.line("journal and locks of this project are in " + state + ", shared by " + group + "\n")
	if text := leftBehind(dir, state, a.env); text != "" {
		a.note(text)
	}
	return nil
}
