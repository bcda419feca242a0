package svn

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// Revision is one revision as a recipe writes it: 123, "123", "r123" or "HEAD".
type Revision nodes.Revision

// UnpackLua reads a revision from a number or a string.
func (r *Revision) UnpackLua(v any) error {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && v >= 0 && v <= math.MaxInt32 {
			*r = Revision(strconv.Itoa(int(v)))
			return nil
		}
	case string:
		*r = Revision(v)
		return nil
	}
	return fmt.Errorf(`expected a revision such as 123, "r123" or "HEAD"`)
}

func changesetClass() lua.Class {
	type set = nodes.Changeset
	return lua.Class{
		Name: "Changeset", Doc: "One committed revision.", Of: set{},
		String: lua.StringOf(func(c set) string { return "r" + strconv.Itoa(c.Rev) + " " + c.Author + ": " + oneLine(c.Subject()) }),
		Fields: []lua.Field{
			lua.FieldOf("rev", "integer", "its number", func(c set) any { return c.Rev }),
			lua.FieldOf("author", "string", "who committed it", func(c set) any { return c.Author }),
			lua.FieldOf("date", "string", "when, as 2026-11-22T21:04:05Z", func(c set) any { return c.Date }),
			lua.FieldOf("message", "string", "the whole log message", func(c set) any { return c.Message }),
			lua.FieldOf("paths", "{path: string, action: string}[]", "what it touched: path in the repository and svn's action", func(c set) any { return c.Paths }),
			lua.FieldOf("tickets", "string[]", "the tickets that the message names", func(c set) any { return c.Tickets() }),
			lua.FieldOf("merged", "Changesets", "of a merge that was committed with the message of m:commit(), what it brought; else empty", func(c set) any {
				return append(nodes.Changesets{}, c.Merged()...)
			}),
			lua.FieldOf("note", "string?", "what its list says of it: who blocked it, when and why; that some of its paths are merged already", func(c set) any {
				if c.Note == "" {
					return nil
				}
				return c.Note
			}),
		},
	}
}

type byArgs struct {
	Author string `lua:"author,pos,required" doc:"whose"`
}

type grepArgs struct {
	Pattern string `lua:"pattern,pos,required" doc:"a regular expression (RE2), such as '(?i)price'"`
}

type onlyArgs struct {
	Revs Revisions `lua:"revs,pos,required" type:"number|string|table|Changesets" doc:"such as '120-123,130'"`
}

func changesetsClass(s *nodes.Session) lua.Class {
	type list = nodes.Changesets
	return lua.Class{
		Name: "Changesets", Doc: "An ordered list of changesets.", Of: list(nil),
		String: lua.StringOf(func(c list) string { return c.Revs() }),
		Seq:    lua.SeqOf(func(c list) int { return len(c) }, func(c list, i int) any { return c[i] }),
		Fields: []lua.Field{lua.FieldOf("revs", "string", "the revisions, as r12-14,r20", func(c list) any { return c.Revs() })},
		Funcs: []lua.Func{
			{
				Name: "authors", Doc: "Lists the authors, each once.", Example: `print(#c:authors())`, Returns: "string[]",
				Do: lua.PureMethod(func(c list, _ lua.None) ([]string, error) { return c.Authors(), nil }),
			},
			{
				Name: "tickets", Doc: "Lists the tickets that the messages name, each once.", Example: `print(#c:tickets())`, Returns: "string[]",
				Do: lua.PureMethod(func(c list, _ lua.None) ([]string, error) { return c.Tickets(), nil }),
			},
			{
				Name: "by", Doc: "Keeps those of one author.", Example: `c:by("alice"):print()`, Returns: "Changesets",
				Do: lua.PureMethod(func(c list, a byArgs) (list, error) { return By(c, a.Author), nil }),
			},
			{
				Name: "grep", Doc: "Keeps those whose message matches a regular expression.", Example: `c:grep("(?i)price"):print()`, Returns: "Changesets",
				Do: lua.PureMethod(func(c list, a grepArgs) (list, error) {
					p, err := Pattern(a.Pattern)
					if err != nil {
						return nil, err
					}
					return Grep(c, p), nil
				}),
			},
			{
				Name: "only", Doc: "Keeps those with these revisions.", Example: `c:only("120-123,130"):print()`, Returns: "Changesets",
				Do: lua.PureMethod(func(c list, a onlyArgs) (list, error) { return Only(c, a.Revs), nil }),
			},
			{
				Name: "print", Doc: "Shows a table of revision, date, author, tickets and subject that fits the terminal, and below a changeset its note.", Example: `c:print()`, Returns: "nil",
				Do: lua.Method(func(_ context.Context, c list, _ lua.None) (lua.None, error) {
					s.Person.Show(strings.TrimRight(Table(c, nodes.Columns(s.Person), nil), "\n"))
					return lua.None{}, nil
				}),
			},
		},
	}
}
