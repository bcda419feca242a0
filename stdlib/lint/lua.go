package lint

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// Module is the lint module of a session; Lua files are checked for syntax.
func Module(s *nodes.Session) lua.Module { return New(s, LuaSyntax).Module() }

// Module is the lint module over this linter.
func (l *Linter) Module() lua.Module {
	return lua.Module{
		Name: "lint",
		Doc: `Checks files before they are rolled, with the real tool for each kind; nothing that is checked is run.
What was checked before, by the same rule, tool and content, is not checked again.
Built in: php (.php .html .phtml .inc), lua (recipes as rollsh check does), sh, shellcheck, json, yaml, xml, js, css, apache
(apache2.conf, httpd.conf), zone (.zone), serial (of zones that change), named (named.conf), puppet (.pp), crontab, sudoers, nodes.
A tool that is not installed is an error once a file needs it; for shellcheck it is only said, for others after
lint.rule{ name="puppet", required=false }.`,
		Funcs: []lua.Func{
			{
				Name: "check", Doc: "Checks a folder, files, a Checkout (or what changed in it), or all that a Merge changed. Raises kind lint when there are errors, unless fail=false.",
				Example: `lint.check(co, { from = "r120" })`,
				Returns: "table", Acts: true, Do: lua.Go(l.luaCheck),
			},
			{
				Name: "format", Doc: `Writes what check found: text (folded by file), github (annotations of its build machines) or checkstyle (XML);
the latter two have notes as warnings.
Give check a list, as in lint.check({"htdocs"}, { fail=false }), and the names of files begin with what you gave.`,
				Example: `print(lint.format(lint.check({"htdocs"}, { fail = false }), "github"))`,
				Returns: "string", Do: lua.Pure(func(a formatArgs) (string, error) { return a.Result.Format(a.Format) }),
			},
			{
				Name: "rule", Doc: `Adds a rule: a command, in which {file} and {name} (without folder and extension) are quoted for you, or a function(path, text)
that returns nil or a list of {line=, message=}. A rule of the same name is replaced. With name and required alone: of a rule
that is there, whether a missing tool is an error.`,
				Example: `lint.rule{ name="zone", files={"*.zone"}, run="named-checkzone {name} {file}" }`,
				Returns: "nil", Acts: true, Do: lua.Pure(l.luaRule), // check, and a merge's commit, run its command
			},
		},
	}
}

type checkArgs struct {
	What    What       `lua:"what,pos" type:"Checkout|Merge|string|string[]" doc:"a Checkout, a Merge, a folder, a file or a list of those"`
	Fail    bool       `lua:"fail" default:"true" doc:"raise when there are errors"`
	Rules   []string   `lua:"rules" doc:"names of rules; all without it"`
	Changes changesets `lua:"changes" type:"Changesets" doc:"of a Checkout: the files that these touch"`
	From    revision   `lua:"from" type:"number|string" doc:"of a Checkout: the files that changed since this revision"`
	On      nodes.Set  `lua:"on" doc:"nodes whose php judges PHP files instead of this machine's; each version is asked once"`
	To      revision   `lua:"to" type:"number|string" doc:"and up to this one, included; what the Checkout is at without it"`
}

func (l *Linter) luaCheck(ctx context.Context, a checkArgs) (Result, error) {
	res, err := l.Check(ctx, a.What, Options{
		Rules: a.Rules, Changes: nodes.Changesets(a.Changes),
		From: nodes.Revision(a.From), To: nodes.Revision(a.To), On: a.On,
	})
	if err != nil {
		return Result{}, err
	}
	if a.Fail {
		err = res.Err()
	}
	return *res, err
}

type formatArgs struct {
	Result findings `lua:"result,pos" type:"table" doc:"what check returned"`
	Format string   `lua:"format,pos" default:"text" enum:"text|github|checkstyle" doc:"how to write it"`
}

// findings are the problems in a result of check, as Lua has it.
type findings struct{ *Result }

// UnpackLua reads errors and notes of a result.
func (f *findings) UnpackLua(v any) error {
	fields, ok := v.(map[string]any)
	_, ok2 := fields["errors"].([]any)
	f.Result = &Result{}
	if !ok || !ok2 || !readProblems(fields["errors"], &f.Errors) || !readProblems(fields["notes"], &f.Notes) {
		return errors.New("expected what lint.check returned")
	}
	return nil
}

// readProblems reads a list of problems as Lua has it; none is an empty one.
func readProblems(v any, to *[]Problem) bool {
	list, ok := v.([]any)
	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok {
			return false
		}
		p := Problem{}
		p.File, _ = fields["file"].(string) // what is absent stays empty
		p.Message, _ = fields["message"].(string)
		p.Rule, _ = fields["rule"].(string)
		p.Node, _ = fields["node"].(string)
		line, _ := fields["line"].(float64)
		p.Line = int(line)
		*to = append(*to, p)
	}
	return ok || v == nil
}

// changesets are those of a Changesets object.
type changesets nodes.Changesets

// UnpackLua takes the object; an empty one is not nil.
func (c *changesets) UnpackLua(v any) error {
	cs, ok := v.(nodes.Changesets)
	if !ok {
		return errors.New("expected Changesets")
	}
	*c = append(changesets{}, cs...)
	return nil
}

// revision is 123, "123", "r123" or "HEAD".
type revision nodes.Revision

// UnpackLua reads a number or a string.
func (r *revision) UnpackLua(v any) error {
	text, ok := v.(string)
	if n, number := v.(float64); number && n == float64(int64(n)) && n >= 0 {
		text, ok = strconv.FormatInt(int64(n), 10), true
	}
	if !ok {
		return errors.New(`expected a revision, such as 123 or "HEAD"`)
	}
	*r = revision(strings.TrimPrefix(text, "r"))
	return nil
}

// given is a boolean that may be left out.
type given struct{ given, yes bool }

// UnpackLua takes a boolean.
func (g *given) UnpackLua(v any) error {
	yes, ok := v.(bool)
	if !ok {
		return errors.New("expected true or false")
	}
	*g = given{true, yes}
	return nil
}

type ruleArgs struct {
	Name     string       `lua:"name,required" doc:"its name, shown with what it finds"`
	Files    []string     `lua:"files" doc:"globs: *.zone for names; conf/**/*.cfg for paths in what is checked, or in the project"`
	Run      string       `lua:"run" doc:"a command; an exit code other than 0 is an error"`
	Fn       lua.Callback `lua:"fn" calls:"path: string, text: string" doc:"function(path, text), instead of run"`
	Required given        `lua:"required" type:"boolean" doc:"a missing tool is an error (default true); false: it is said, and the files pass"`
}

func (l *Linter) luaRule(a ruleArgs) (lua.None, error) {
	err := l.setRule(a)
	if err == nil && a.Required.given {
		err = l.Require(a.Name, a.Required.yes)
	}
	return lua.None{}, err
}

func (l *Linter) setRule(a ruleArgs) error {
	switch {
	case a.Required.given && len(a.Files) == 0 && a.Run == "" && a.Fn.IsZero():
		return nil // it only says so of a rule that is there
	case a.Run != "" == !a.Fn.IsZero():
		return &nodes.Error{Kind: nodes.Usage, Message: "a rule takes either run= or fn="}
	case a.Run != "":
		return l.Add(CommandRule(a.Name, a.Files, a.Run))
	}
	return l.Add(FunctionRule(a.Name, a.Files, func(ctx context.Context, path, text string) ([]Problem, error) {
		values, err := a.Fn.Call(ctx, path, text)
		if err != nil || len(values) == 0 || values[0] == nil {
			return nil, err
		}
		return problems(a.Name, values[0])
	}))
}

// problems reads what a rule's function returned.
func problems(rule string, v any) ([]Problem, error) {
	wrong := &nodes.Error{Kind: nodes.Usage, Message: "the function of the rule " + rule + " returned something else than nil or a list of {line=, message=}"}
	list, ok := v.([]any)
	if !ok {
		return nil, wrong
	}
	var out []Problem
	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok {
			return nil, wrong
		}
		message, ok := fields["message"].(string)
		if !ok {
			return nil, wrong
		}
		line, _ := fields["line"].(float64) // may be absent
		out = append(out, Problem{Line: int(line), Message: message})
	}
	return out, nil
}

// LuaSyntax is a LuaCheck that finds what does not parse.
func LuaSyntax(path string, text []byte) []Problem {
	err := lua.Parse(string(text), path)
	if err == nil {
		return nil
	}
	e := nodes.AsError(err, nodes.Usage)
	line := 0
	if at := strings.LastIndexByte(e.Where, ':'); at >= 0 {
		line, _ = strconv.Atoi(e.Where[at+1:]) // 0 where none is named
	}
	return []Problem{{Line: line, Message: e.Message}}
}
