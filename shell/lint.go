package shell

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// lintFlags are those of rollsh lint.
type lintFlags struct {
	format string
	on     string
	rules  []string
}

func (a *app) lintCommand() *cobra.Command {
	f := &lintFlags{}
	c := &cobra.Command{
		Use: "lint [PATHS]", Short: "Check files of every kind, as a roll does before it sends them",
		RunE: func(_ *cobra.Command, paths []string) error { return a.lint(paths, f) },
	}
	c.Flags().StringVar(&f.format, "format", "text", "write findings as `text`, github or checkstyle")
	c.Flags().StringVar(&f.on, "on", "", "PHP is judged by the nodes of the nodes file `NODES`")
	c.Flags().StringSliceVar(&f.rules, "rules", nil, "only these `RULES`, such as php,zone")
	return c
}

// lint checks files and shows what was found on standard output: with --json one
// finding a line. What was found is an error of kind lint.
func (a *app) lint(paths []string, f *lintFlags) error {
	if err := a.open(""); err != nil {
		return err
	}
	src, err := a.lintCode(paths, f)
	if err != nil {
		return err
	}
	values, err := a.commanded(src)
	if err != nil {
		return err
	}
	result, _ := a.host.Value(values[0]).(map[string]any)
	found, _ := result["errors"].([]any)
	text, _ := a.host.Value(values[1]).(string)
	switch {
	case a.json != nil:
		a.writeFindings(found)
	case text != "":
		a.person.Show(strings.TrimRight(text, "\n"))
	}
	if len(found) > 0 {
		return &nodes.Error{Kind: nodes.Lint, Message: nodes.Count(len(found), "error") + " in the files that were checked"}
	}
	if a.json == nil && f.format == "text" {
		a.showPassed(result)
	}
	return nil
}

// lintCode is the line of Lua that checks the paths, the folder that one is in
// without any; names that are shown are relative to the project.
func (a *app) lintCode(paths []string, f *lintFlags) (string, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	quoted := make([]string, len(paths))
	for i, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		if rel, err := filepath.Rel(a.session.Project, abs); err == nil && a.session.Project != "" && filepath.IsLocal(rel) {
			p = rel
		}
		quoted[i] = lua.Quote(p)
	}
	options := "fail=false"
	for i, r := range f.rules {
		f.rules[i] = lua.Quote(r)
	}
	if len(f.rules) > 0 {
		options += ", rules={" + strings.Join(f.rules, ", ") + "}"
	}
	if f.on != "" {
		options += ", on=nodes " + lua.Quote(f.on)
	}
	return fmt.Sprintf("local r = lint.check({%s}, {%s}) return r, lint.format(r, %s)", strings.Join(quoted, ", "), options, lua.Quote(f.format)), nil
}

// writeFindings writes each thing that lint found as a record.
func (a *app) writeFindings(found []any) {
	for _, item := range found {
		m, _ := item.(map[string]any)
		line, _ := m["line"].(float64) // 0 where none is named
		a.json.write(record{
			Time: stamp(time.Time{}), Type: "finding", Node: field(m, "node"), File: field(m, "file"), Line: int(line),
			Op: "lint." + field(m, "rule"), Text: field(m, "message"),
		})
	}
}

// showPassed says that nothing was found, and in how much.
func (a *app) showPassed(result map[string]any) {
	checked, _ := result["checked"].(float64)
	cached, _ := result["cached"].(float64)
	text := "no errors in " + nodes.Count(int(checked), "file")
	if cached > 0 {
		text += fmt.Sprintf(" (%.0f known from before)", cached)
	}
	a.person.Show(text)
}
