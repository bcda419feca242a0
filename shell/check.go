package shell

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// check looks at recipes and nodes files: those named, or all of the project.
// Findings are results, one a line, as editors and build machines read them:
// FILE:LINE:COLUMN: text.
func (a *app) check(_ *cobra.Command, files []string) error {
	if err := a.open(""); err != nil {
		return err
	}
	named := len(files) > 0
	if !named {
		files = a.ownFiles()
		if len(files) == 0 && a.session.Project == "" {
			return usage("no project here, and no files named")
		}
	}
	var found []lua.Finding
	for _, file := range files {
		more, err := a.checkFile(file)
		if err != nil {
			return err
		}
		found = append(found, more...)
	}
	if !named {
		found = append(found, a.checkNodesFiles()...)
	}
	wrong := a.showFindings(slices.Compact(found))
	if wrong > 0 {
		return usage("%s found", nodes.Count(wrong, "mistake"))
	}
	return nil
}

// checkFile looks at a recipe, or at a nodes file: a name without a dot.
func (a *app) checkFile(file string) ([]lua.Finding, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if strings.Contains(filepath.Base(path), ".") {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, a.noRecipe(file)
		}
		return a.host.CheckFile(path)
	}
	_, err = nodes.Load(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if nodes.KindOf(err) == nodes.NotFound {
		e := *nodes.AsError(err, nodes.Usage)
		e.Kind = nodes.Usage // a wrong word on the command line, as a recipe's is
		return nil, &e
	}
	return findingsOf(err), nil
}

// ownFiles are the Lua files of the project: recipes/, lib/ and tests/.
func (a *app) ownFiles() []string {
	var out []string
	for _, dir := range []string{"recipes", "lib", "tests"} {
		if a.session.Project == "" {
			break
		}
		// A folder that is not there, or not readable, has no files.
		_ = filepath.WalkDir(filepath.Join(a.session.Project, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".lua") && !strings.HasSuffix(path, typesFile) {
				out = append(out, path)
			}
			return nil
		})
	}
	return out
}

// checkNodesFiles loads every nodes file; all mistakes of all come at once.
func (a *app) checkNodesFiles() []lua.Finding {
	files, err := nodeFiles(a.session.Project)
	found := findingsOf(err)
	for _, file := range files {
		_, err := nodes.Load(nodes.Folder(a.session.Project), file)
		found = append(found, findingsOf(err)...)
	}
	return found
}

// findingsOf takes an error about files apart.
func findingsOf(err error) []lua.Finding {
	if err == nil {
		return nil
	}
	e := nodes.AsError(err, nodes.Usage)
	if len(e.Errors) > 0 {
		var out []lua.Finding
		for _, sub := range e.Errors {
			out = append(out, findingsOf(sub)...)
		}
		return out
	}
	f := lua.Finding{File: e.Where, Message: e.Message, Hint: e.Hint}
	if file, line, ok := strings.Cut(e.Where, ":"); ok {
		if n, err := strconv.Atoi(line); err == nil {
			f.File, f.Line = file, n
		}
	}
	return []lua.Finding{f}
}

// showFindings prints findings and counts those that are no warnings.
func (a *app) showFindings(found []lua.Finding) (wrong int) {
	for _, f := range found {
		if !f.Warning {
			wrong++
		}
		if a.json != nil {
			a.json.write(record{
				Time: stamp(time.Time{}), Type: "finding", File: f.File, Line: f.Line, Column: f.Column, Text: f.Message, Hint: f.Hint, Warning: f.Warning,
			})
			continue
		}
		text := f.String()
		if f.Warning {
			text = strings.Replace(text, " "+f.Message, " warning: "+f.Message, 1)
		}
		a.person.Show(clean(text))
	}
	return wrong
}

// refuse checks a recipe before it is run; what check finds wrong stops it.
func (a *app) refuse(path string) error {
	found, err := a.host.CheckFile(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range found {
		if !f.Warning {
			where := f.File + ":" + strconv.Itoa(f.Line)
			errs = append(errs, &nodes.Error{Kind: nodes.Usage, Where: where, Message: f.Message, Hint: f.Hint})
		}
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return &nodes.Error{Kind: nodes.Usage, Message: nodes.Count(len(errs), "mistake") + ", so it is not run", Errors: errs}
}
