package trac

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type openArgs struct {
	URL        string       `lua:"url,pos" doc:"the address of the Trac"`
	User       string       `lua:"user" doc:"login; nobody without it"`
	Password   nodes.Secret `lua:"password" doc:"its password"`
	Repository string       `lua:"repository" doc:"the repository's name in Trac; the default one without it"`
	CA         string       `lua:"ca" doc:"file of certificates to trust instead of the machine's own"`
}

type revisionArgs struct {
	Revisions revisions `lua:"revs,pos" type:"integer|string|table|Changesets" doc:"123, \"r123\", \"HEAD\", \"120-123,130\", a list, or Changesets"`
}

type ticketArgs struct {
	ID ticketID `lua:"id,pos" type:"integer|string" doc:"the ticket's number"`
}

type commentArgs struct {
	ID   ticketID `lua:"id,pos" type:"integer|string" doc:"the ticket's number"`
	Text string   `lua:"text,pos" doc:"the comment, in Trac's wiki syntax; no word of more than 1000 characters, which Trac takes long to show"`
}

// Module is the trac module of a session.
func Module(s *nodes.Session) lua.Module {
	return lua.Module{
		Name: "trac",
		Doc:  "Reads changesets and tickets from a Trac and comments tickets. Give a Tracker as tracker= to roll{}, and announcements have links.",
		Funcs: []lua.Func{
			{
				Name: "open", Doc: "Prepares the use of a Trac; nothing is asked yet.", Returns: "Tracker",
				Example: `local t = trac.open("https://trac.example.org", {user="bot", password=secret "trac"})`,
				Do: lua.Pure(func(a openArgs) (*Tracker, error) {
					return Open(s, a.URL, Options{User: a.User, Password: a.Password, Repository: a.Repository, CA: a.CA})
				}),
			},
		},
		Classes: []lua.Class{trackerClass()},
	}
}

func trackerClass() lua.Class {
	const open = `trac.open("https://trac.example.org")`
	return lua.Class{
		Name: "Tracker", Doc: "A Trac.", Of: (*Tracker)(nil), String: lua.StringOf((*Tracker).String),
		Funcs: []lua.Func{
			{
				Name: "changeset", Doc: "Reads one changeset.", Returns: "Changeset", Example: `print(` + open + `:changeset(123).message)`,
				Do: lua.Method(func(ctx context.Context, t *Tracker, a revisionArgs) (nodes.Changeset, error) {
					cs, err := t.Changesets(ctx, a.Revisions)
					if err != nil {
						return nodes.Changeset{}, err
					}
					if len(cs) != 1 {
						return nodes.Changeset{}, &nodes.Error{Kind: nodes.Usage, Message: "revs: expected one revision", Hint: "use changesets for several"}
					}
					return cs[0], nil
				}),
			},
			{
				Name: "changesets", Doc: "Reads changesets, in one request.", Returns: "Changesets", Example: `print(#` + open + `:changesets("120-123,130"))`,
				Do: lua.Method(func(ctx context.Context, t *Tracker, a revisionArgs) (nodes.Changesets, error) {
					return t.Changesets(ctx, a.Revisions)
				}),
			},
			{
				Name: "ticket", Doc: "Reads a ticket: id, summary, status, owner and all other fields by their names, and url.", Returns: "table",
				Example: `print(` + open + `:ticket(123).summary)`,
				Do: lua.Method(func(ctx context.Context, t *Tracker, a ticketArgs) (map[string]string, error) {
					return t.Ticket(ctx, string(a.ID))
				}),
			},
			{
				Name: "comment", Doc: "Adds a comment to a ticket.", Returns: "nil", Mutates: true, Example: open + `:comment(123, "rolled in r4711")`,
				Do: lua.Method(func(ctx context.Context, t *Tracker, a commentArgs) (lua.None, error) {
					return lua.None{}, t.Comment(ctx, string(a.ID), a.Text)
				}),
			},
		},
	}
}

// ticketID is 123, "123" or "#123".
type ticketID string

// UnpackLua reads a number or a string.
func (id *ticketID) UnpackLua(v any) error {
	switch v := v.(type) {
	case float64:
		*id = ticketID(strconv.FormatFloat(v, 'f', -1, 64))
	case string:
		*id = ticketID(v)
	default:
		return errors.New("expected the number of a ticket")
	}
	return nil
}

// revisions are given in any of the ways that recipes write them.
type revisions []nodes.Revision

// mostRange bounds "1-100000000".
const mostRange = 100_000

// UnpackLua reads numbers, strings with ranges, lists and Changesets.
func (r *revisions) UnpackLua(v any) error {
	switch v := v.(type) {
	case float64:
		*r = append(*r, nodes.Revision(strconv.FormatFloat(v, 'f', -1, 64)))
	case string:
		for piece := range strings.SplitSeq(v, ",") {
			if err := r.add(strings.TrimSpace(piece)); err != nil {
				return err
			}
		}
	case nodes.Changeset:
		*r = append(*r, nodes.Revision(strconv.Itoa(v.Rev)))
	case nodes.Changesets:
		for _, c := range v {
			*r = append(*r, nodes.Revision(strconv.Itoa(c.Rev)))
		}
	case []any:
		for _, one := range v {
			if err := r.UnpackLua(one); err != nil {
				return err
			}
		}
	default:
		return errors.New("expected revisions: a number, \"120-123,130\", a list or Changesets")
	}
	return nil
}

func (r *revisions) add(piece string) error {
	if piece == "HEAD" {
		*r = append(*r, "HEAD")
		return nil
	}
	first, last, ranged := strings.Cut(strings.ReplaceAll(piece, "r", ""), "-")
	if !ranged {
		last = first
	}
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(last)
	if errA != nil || errB != nil || a < 0 || b < a || b-a > mostRange {
		return fmt.Errorf("'%s' is not a revision or a range of them", nodes.Clean(piece))
	}
	for n := a; n <= b; n++ {
		*r = append(*r, nodes.Revision(strconv.Itoa(n)))
	}
	return nil
}
