package svn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Edit opens the file in $VISUAL or $EDITOR on the person's terminal, and ends
// the conflict when no marker is left in it; of a property conflict its values.
func (k *Conflict) Edit(ctx context.Context) error {
	if k.jointKind() != "" {
		return k.joinWith(ctx, func(pair *Conflict) error { return pair.Edit(ctx) })
	}
	if k.Kind == propertyConflict {
		return k.editProperties(ctx)
	}
	if k.Kind != textConflict || k.Binary || k.Symlink {
		return &nodes.Error{Kind: nodes.Usage, Message: k.Path + " has no text conflict to edit", Hint: "choose of " + strings.Join(k.Possible(), ", ")}
	}
	if k.settled != nil {
		s, _ := newSheet(k)
		text, err := k.merge.editText(ctx, filepath.Base(k.Path), string(s.marked()))
		if err != nil {
			return err
		}
		return k.ResolveWith(ctx, []byte(text))
	}
	if err := k.merge.edit(ctx, filepath.Join(k.merge.Into.Path, k.Path)); err != nil {
		return err
	}
	return k.Resolve(ctx, "working")
}

// edit runs the person's editor. What they set may hold options, so a shell
// splits it, as other programs do; the file is an argument of its own.
func (m *Merge) edit(ctx context.Context, file string) error {
	editor := firstNonEmpty(os.Getenv("VISUAL"), firstNonEmpty(os.Getenv("EDITOR"), "vi"))
	err := nodes.Hand(ctx, m.Into.svn.session.Person, []string{"sh", "-c", editor + ` "$1"`, "editor", file}, m.Into.Path, nil)
	return unresolved("editor", editor, err)
}

// unresolved says of a program that failed what that means for the conflict.
func unresolved(what, command string, err error) error {
	switch nodes.KindOf(err) {
	case nodes.Refused:
		return &nodes.Error{Kind: nodes.Refused, Message: "there is no terminal for the " + what + " " + oneLine(command), Cause: err}
	case nodes.Exit:
	default:
		return err
	}
	e := *nodes.AsError(err, nodes.Exit)
	e.Message = fmt.Sprintf("the %s ended with exit code %s, so nothing is resolved", what, e.Code)
	if e.Code == "127" { // the shell found no such program
		e.Kind, e.Message = nodes.NotFound, fmt.Sprintf("there is no %s to run: %s", what, oneLine(command))
	}
	return &e
}

// tool runs the merge tool of $ROLLSH_MERGE_TOOL, which finds the three sides
// and the result in $BASE, $LOCAL, $REMOTE and $MERGED, as with git mergetool.
func (k *Conflict) tool(ctx context.Context) error {
	tool := os.Getenv("ROLLSH_MERGE_TOOL")
	if tool == "" {
		return &nodes.Error{Kind: nodes.Usage, Message: "no merge tool is set", Hint: `ROLLSH_MERGE_TOOL='meld "$LOCAL" "$MERGED" "$REMOTE"'`}
	}
	files, merged := k.files, filepath.Join(k.merge.Into.Path, k.Path)
	if k.settled != nil {
		dir, remove, err := k.merge.Into.svn.scratch("edit")
		if err != nil {
			return err
		}
		defer remove()
		if files, merged, err = k.layOut(dir); err != nil {
			return err
		}
	}
	env := map[string]string{"BASE": files[0], "LOCAL": files[1], "REMOTE": files[2], "MERGED": merged}
	if err := nodes.Hand(ctx, k.merge.Into.svn.session.Person, []string{"sh", "-c", tool}, k.merge.Into.Path, env); err != nil {
		return unresolved("merge tool", tool, err)
	}
	if k.settled == nil {
		return k.Resolve(ctx, "working")
	}
	text, err := readSome(merged)
	if err != nil {
		return diskError(err)
	}
	return k.ResolveWith(ctx, text)
}

// layOut writes the three sides and what they merge to into a folder, for a tool.
func (k *Conflict) layOut(dir string) (files [3]string, merged string, err error) {
	s, _ := newSheet(k)
	ext := filepath.Ext(k.Path)
	for i, side := range []string{"base", "mine", "theirs"} {
		files[i] = filepath.Join(dir, side+ext)
		err = errors.Join(err, os.WriteFile(files[i], []byte(*k.sides[i]), 0o600))
	}
	merged = filepath.Join(dir, filepath.Base(k.Path))
	return files, merged, diskError(errors.Join(err, os.WriteFile(merged, s.marked(), 0o600)))
}

// editLines lets the person edit the lines of one clash, both sides after each
// other, in a file named like the original.
func (a *assistant) editLines(ctx context.Context, k *Conflict, s *sheet, at int) error {
	c := s.clash(at)
	text, err := a.m.editText(ctx, filepath.Base(k.Path), strings.Join(slices.Concat(c.Mine, c.Theirs), ""))
	if err == nil {
		s.choose(at, splitLines(text))
	}
	return err
}
