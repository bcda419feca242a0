package person

import (
	"context"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

type textArgs struct {
	Text []lua.Raw `lua:"text,rest" type:"any" doc:"what to say"`
}

type askArgs struct {
	Text    string  `lua:"text,pos" doc:"the question"`
	Default *string `lua:"default" doc:"what Enter means; with --yes or without a terminal it is the answer"`
	Secret  bool    `lua:"secret" doc:"do not echo the answer"`
}

type confirmArgs struct {
	Text string `lua:"text,pos" doc:"the question"`
}

type chooseArgs struct {
	Text string  `lua:"text,pos" doc:"the question"`
	List lua.Raw `lua:"list,pos" type:"table|Set|Changesets" doc:"what to choose from"`
	Many bool    `lua:"many" doc:"more than one may be chosen"`
}

type secretArgs struct {
	Name string `lua:"name,pos" doc:"name of the secret"`
}

// Module has the records of this room.
func Module(s *nodes.Session) lua.Module {
	tell := func(kind nodes.EventType) lua.Impl {
		return lua.Held(func(c *lua.Call, a textArgs) (any, error) {
			words := make([]string, len(a.Text))
			for i, v := range a.Text {
				words[i] = c.Host.Text(v)
			}
			s.Events.Emit(nodes.Event{Type: kind, Where: c.Where(), Text: strings.Join(words, " ")})
			return lua.None{}, nil
		})
	}
	return lua.Module{Doc: "Talking to the person.", Funcs: []lua.Func{
		{Name: "say", Doc: "Tells the person something.", Returns: "nil", Example: `say "rolling"`, Do: tell(nodes.Said)},
		{Name: "warn", Doc: "Warns the person.", Returns: "nil", Example: `warn "web3 is slow"`, Do: tell(nodes.Warned)},
		{
			Name: "ask", Doc: "Asks for a line of text. Where nobody can be asked it is the default, or an error of kind refused.", Returns: "string", Example: `local rev = ask("revision", {default="HEAD"})`,
			Do: lua.Go(func(ctx context.Context, a askArgs) (any, error) {
				answer, err := s.Person.Ask(ctx, nodes.Question{Text: a.Text, Default: a.Default, Secret: a.Secret})
				if a.Secret {
					return nodes.NewSecret(answer), err
				}
				return answer, err
			}),
		},
		{
			Name: "confirm", Doc: "Asks yes or no; --yes answers it, and a plan assumes yes.", Returns: "boolean", Example: `if not confirm "roll?" then fail "not rolled" end`,
			Do: lua.Go(func(ctx context.Context, a confirmArgs) (bool, error) { return s.Person.Confirm(ctx, a.Text) }),
			Foresee: lua.Pure(func(confirmArgs) (lua.Foreseen, error) {
				return lua.Foreseen{Value: true, On: []lua.PlannedOn{{}}}, nil
			}),
		},
		{
			Name: "choose", Doc: "Lets the person choose from a list; nil when nothing is chosen. Raises refused where nobody can be asked.", Returns: "any", Example: `local n = choose("which node?", nodes "prod")`,
			Do: lua.Held(func(c *lua.Call, a chooseArgs) (any, error) { return choose(c, s, a) }),
		},
		{
			Name: "secret", Doc: "Finds a secret: in ROLLSH_SECRET_NAME, which no program that rollsh starts gets, in the file secrets/NAME of the state folder, which only you, or the group that shares the folder, may read, or asks the person. A plan asks only where it is needed.", Returns: "Secret", Example: `notify.xmpp{jid="roll@example.org", password=secret "xmpp", room="dev@rooms.example.org"}`,
			Do: lua.Go(func(ctx context.Context, a secretArgs) (nodes.Secret, error) { return Secret(ctx, s, a.Name) }),
		},
	}}
}

// choose asks over the texts of the items and gives the items themselves.
func choose(c *lua.Call, s *nodes.Session, a chooseArgs) (any, error) {
	items, texts := c.Host.Items(a.List)
	var picked []int
	err := c.Block(func(ctx context.Context) (err error) {
		picked, err = s.Person.Choose(ctx, a.Text, texts, a.Many)
		return err
	})
	if err != nil || len(picked) == 0 {
		return nil, err
	}
	if !a.Many {
		return items[picked[0]], nil
	}
	return c.Host.Pick(a.List, picked), nil
}
