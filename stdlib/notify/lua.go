package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp"
)

// Module is the notify module of a session. Its channels are never told that
// the session ends; where that matters make a Desk and call its Module.
func Module(s *nodes.Session) lua.Module { return New(s).Module() }

// Module is the notify module whose channels are the desk's.
func (d *Desk) Module() lua.Module {
	return lua.Module{
		Name: "notify",
		Doc: `Tells people what was rolled: in a chat room, by a webhook, by mail or through a command.
A notice that fails is tried again and then warned about; it never breaks a roll, unless strict=true.`,
		Funcs: []lua.Func{
			{
				Name: "xmpp", Doc: "Makes a channel to a chat room; it connects at the first notice and then stays. The certificate must be for the domain of the jid.",
				Example: `local room = notify.xmpp{ jid="bot@example.org", password=secret "chat", room="dev@rooms.example.org" }`,
				Returns: "Channel", Do: lua.Pure(d.luaXMPP),
			},
			{
				Name: "webhook", Doc: "Makes a channel that posts to a web address.",
				Example: `local hook = notify.webhook{ url=secret "hook", format="slack" }`, Returns: "Channel", Do: lua.Pure(d.luaWebhook),
			},
			{
				Name: "mail", Doc: "Makes a channel that sends mail.",
				Example: `local mail = notify.mail{ server="localhost", from="roll@example.org", to="dev@example.org" }`, Returns: "Channel", Do: lua.Pure(d.luaMail),
			},
			{
				Name: "exec", Doc: "Makes a channel that runs a command on this machine with the notice on its standard input.",
				Example: `local log = notify.exec "logger -t rollsh"`, Returns: "Channel", Do: lua.Pure(d.luaExec),
			},
		},
		Classes: []lua.Class{channelClass(d.session)},
	}
}

type optionArgs struct {
	Strict bool          `lua:"strict" doc:"raise when a notice fails, instead of warning"`
	Tries  int           `lua:"tries" default:"3" min:"1" doc:"how often a notice is tried"`
	Limit  time.Duration `lua:"timeout" default:"20" doc:"seconds that one try may take"`
}

func (a optionArgs) options() Options {
	return Options{Strict: a.Strict, Tries: a.Tries, Limit: a.Limit}
}

type xmppArgs struct {
	JID          string       `lua:"jid,required" doc:"the account, such as bot@example.org"`
	Password     nodes.Secret `lua:"password,required" doc:"its password"`
	Room         string       `lua:"room,required" doc:"the room, such as dev@rooms.example.org"`
	RoomPassword nodes.Secret `lua:"room_password" doc:"the room's password, where it has one"`
	Nick         string       `lua:"nick" doc:"the name in the room; the account's without it"`
	Server       string       `lua:"server" doc:"host or host:port to connect to; what DNS says without it"`
	TLS          string       `lua:"tls" default:"required" enum:"required|direct" doc:"required: STARTTLS; direct: TLS from the first byte"`
	CA           string       `lua:"ca" doc:"file of certificates to trust instead of the machine's own"`
	optionArgs
}

func (d *Desk) luaXMPP(a xmppArgs) (*Channel, error) {
	return d.XMPP(xmpp.Config{
		JID: a.JID, Password: a.Password, Room: a.Room, RoomPassword: a.RoomPassword,
		Nick: a.Nick, Server: a.Server, DirectTLS: a.TLS == "direct",
	}, a.CA, a.options())
}

type webhookArgs struct {
	URL    nodes.Secret `lua:"url,required" doc:"the address; it is kept secret, as it holds a token"`
	Format string       `lua:"format" default:"json" enum:"slack|teams|discord|json" doc:"what the service wants"`
	CA     string       `lua:"ca" doc:"file of certificates to trust instead of the machine's own"`
	optionArgs
}

func (d *Desk) luaWebhook(a webhookArgs) (*Channel, error) {
	return d.Webhook(Hook{URL: a.URL, Format: a.Format, CA: a.CA}, a.options())
}

type mailArgs struct {
	Server   string       `lua:"server,required" doc:"host or host:port of the mail server"`
	From     string       `lua:"from,required" doc:"the sender's address"`
	To       []string     `lua:"to,required" doc:"one address or a list"`
	User     string       `lua:"user" doc:"login at the mail server"`
	Password nodes.Secret `lua:"password" doc:"its password"`
	TLS      string       `lua:"tls" default:"starttls" enum:"starttls|direct|none" doc:"starttls may be missing on this machine's own server only"`
	CA       string       `lua:"ca" doc:"file of certificates to trust instead of the machine's own"`
	optionArgs
}

func (d *Desk) luaMail(a mailArgs) (*Channel, error) {
	return d.Mail(Post{Server: a.Server, From: a.From, To: a.To, User: a.User, Password: a.Password, TLS: a.TLS, CA: a.CA}, a.options())
}

type execArgs struct {
	Command Command `lua:"cmd,pos" type:"string|string[]" doc:"a shell line, or words that are quoted for you"`
	optionArgs
}

func (d *Desk) luaExec(a execArgs) (*Channel, error) { return d.Exec(a.Command, a.options()) }

// UnpackLua takes a line or a list of words.
func (c *Command) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		c.Line = v
		return nil
	case []any:
		for _, w := range v {
			s, ok := w.(string)
			if !ok {
				return errors.New("expected a list of strings")
			}
			c.Words = append(c.Words, s)
		}
		return nil
	}
	return errors.New("expected a string or a list of strings")
}

type sendArgs struct {
	Text string `lua:"text,pos" doc:"what to tell"`
}

type rolledArgs struct {
	Roll rolled `lua:"roll,pos" type:"table" doc:"what roll{} gave"`
}

func channelClass(s *nodes.Session) lua.Class {
	tell := func(ctx context.Context, c *Channel, n Notice) (lua.Many, error) {
		err := c.Deliver(ctx, n)
		if err == nil {
			return lua.Many{true}, nil
		}
		if err := c.settle(ctx, n, err); err != nil {
			return nil, err
		}
		return lua.Many{false, nodes.AsError(err, nodes.Internal).Message}, nil
	}
	return lua.Class{
		Name: "Channel", Doc: "A way to tell people.", Of: (*Channel)(nil),
		String: lua.StringOf((*Channel).String),
		Funcs: []lua.Func{
			{
				Name: "send", Doc: "Tells a text. Gives true, or false and why nobody was told.", Returns: "boolean, string?", Mutates: true,
				Example: `notify.exec("logger"):send "www is rolled at noon"`,
				Do: lua.Method(func(ctx context.Context, c *Channel, a sendArgs) (lua.Many, error) {
					return tell(ctx, c, Notice{Text: a.Text})
				}),
			},
			{
				Name: "rolled", Doc: "Announces a roll: who rolled what where, how it ended, each changeset with author, ticket and link, and below a merge those that it brought. Gives what send gives.",
				Returns: "boolean, string?", Mutates: true, Example: `notify.exec("logger"):rolled{ name="www", to="123", nodes={ web1="done" } }`,
				Do: lua.Method(func(ctx context.Context, c *Channel, a rolledArgs) (lua.Many, error) {
					return tell(ctx, c, a.Roll.complete(s).notice())
				}),
			},
		},
	}
}

// rolled is a roll as recipes have it: the table that roll{} gives, or the
// object of the roll's own code.
type rolled struct{ told }

// UnpackLua reads the keys that it knows and leaves the others.
func (r *rolled) UnpackLua(v any) error {
	switch v := v.(type) {
	case nodes.Roll:
		r.Roll = v
	case *nodes.Roll:
		r.Roll = *v
	case map[string]any:
		return r.read(v)
	default:
		return errors.New("expected what roll{} gives")
	}
	return nil
}

func (r *rolled) read(m map[string]any) error {
	text := map[string]*string{
		"id": &r.ID, "name": &r.Name, "who": &r.Who, "host": &r.Host, "state": &r.State,
		"from": (*string)(&r.From), "to": (*string)(&r.To), "mode": (*string)(&r.Mode),
	}
	for key, to := range text {
		switch v := m[key].(type) {
		case string:
			*to = v
		case float64:
			*to = strconv.FormatFloat(v, 'f', -1, 64)
		case nil:
		default:
			return fmt.Errorf("expected a text as %s", key)
		}
	}
	if r.Name == "" {
		return errors.New("expected what roll{} gives, with a name")
	}
	r.Changesets, _ = m["changesets"].(nodes.Changesets)
	r.Tracker, _ = m["tracker"].(nodes.Tracker)
	if seconds, ok := m["seconds"].(float64); ok {
		r.Ended = time.Now()
		r.Started = r.Ended.Add(-time.Duration(seconds * float64(time.Second)))
	}
	r.reason, _ = m["reason"].(string)
	r.drained = stringsOf(m["drained"])
	return r.readNodes(m)
}

// readNodes takes the nodes in the order of the roll, where that is told.
func (r *rolled) readNodes(m map[string]any) error {
	states, _ := m["nodes"].(map[string]any)
	why, _ := m["why"].(map[string]any)
	order := stringsOf(m["order"])
	if len(order) != len(states) {
		order = slices.Sorted(maps.Keys(states))
	}
	for _, name := range order {
		state, ok := states[name].(string)
		if !ok {
			return errors.New("expected nodes={NAME=STATE}")
		}
		because, _ := why[name].(string)
		r.Nodes = append(r.Nodes, nodes.NodeState{Node: nodes.Name(name), State: state, Why: because})
	}
	return nil
}

func stringsOf(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, one := range list {
		if s, ok := one.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// complete fills in what roll{}'s table does not say.
func (r rolled) complete(s *nodes.Session) told {
	if r.Who == "" {
		r.Who, r.Host = s.User, s.Host
	}
	if r.Mode == nodes.ModeResume || r.Mode == nodes.ModeBack {
		r.By, r.Host = s.User, s.Host
	}
	if r.State == "" {
		r.State = "done"
		for _, n := range r.Nodes {
			if n.State != "done" {
				r.State = "failed"
			}
		}
	}
	return r.told
}
