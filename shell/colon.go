package shell

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// colon runs a command of the prompt itself.
func (r *repl) colon(line string) {
	words, err := splitWords(line[1:])
	switch {
	case err != nil:
	case len(words) == 2 && words[0] == "save":
		err = r.save(words[1])
	case len(words) == 1 && words[0] == "edit":
		err = r.edit()
	default:
		err = withHint(usage("unknown command '%s'", clean(strings.TrimSpace(line))), ":save FILE.lua writes what was typed in this session, :edit opens the last chunk in your editor")
	}
	if err != nil {
		r.app.complain(err)
	}
}

// save writes the session as a recipe; a file that is there is not touched.
func (r *repl) save(name string) error {
	if !strings.HasSuffix(name, ".lua") {
		name += ".lua"
	}
	path := r.app.session.Path(name)
	if err := r.app.permit("save", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return withHint(&nodes.Error{Kind: nodes.Refused, Message: "cannot save: " + clean(name) + " is there already", Cause: err}, "give another name; what is there is not overwritten")
	}
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot save: " + err.Error(), Cause: err}
	}
	_, err = f.WriteString(asRecipe(r.typed, filepath.Base(path)))
	if err := errors.Join(err, f.Close()); err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot save: " + err.Error(), Cause: err}
	}
	r.app.screen.line("wrote " + clean(path) + "\n")
	found, err := r.app.host.CheckFile(path)
	if err == nil {
		r.app.showFindings(found)
	}
	return err
}

// edit opens the last chunk in the person's editor, and runs what they leave; an
// empty file, or an editor that fails, runs nothing.
func (r *repl) edit() error {
	dir, err := os.MkdirTemp("", "rollsh-edit-") // for its owner only
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot edit: " + err.Error(), Cause: err}
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "chunk.lua")
	if err := os.WriteFile(path, []byte(r.last+"\n"), 0o600); err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot edit: " + err.Error(), Cause: err}
	}
	err = r.app.during(func(ctx context.Context) error {
		// What they set may hold options.
		return r.app.person.Hand(ctx, []string{"sh", "-c", editorOf(r.app.env) + ` "$1"`, "editor", path}, r.app.session.Project, nil)
	})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot edit: " + err.Error(), Cause: err}
	}
	if chunk := strings.TrimRight(string(text), " \t\r\n"); chunk != "" {
		r.app.screen.line(r.app.errPaint.as(dim, cleanLines(chunk)) + "\n")
		r.take(chunk)
	}
	return nil
}

// editorOf is the person's editor.
func editorOf(env func(string) string) string {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if editor := strings.TrimSpace(env(name)); editor != "" {
			return editor
		}
	}
	return "vi"
}
