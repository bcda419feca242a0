package notify

import (
	"context"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp"
)

// mostChat is how many characters of a notice go into one chat message:
// servers refuse stanzas of more than 64 KiB to 256 KiB.
const mostChat = 16_000

// XMPP makes a channel to a chat room; see package xmpp for what it promises.
// ca is a file of certificates to trust instead of the machine's own; empty
// for those. It connects at the first notice and then stays.
func (d *Desk) XMPP(cfg xmpp.Config, ca string, opts Options) (*Channel, error) {
	roots, err := d.session.Roots(ca)
	if err != nil {
		return nil, nodes.At(err, "notify.xmpp", "")
	}
	cfg.Roots = roots
	cfg.Reach = func(host, port string) error { return d.session.Reach("", host, port) }
	cfg.Warn = func(text string) {
		d.session.Events.Emit(nodes.Event{Type: nodes.Warned, Op: "notify.xmpp", Text: text})
	}
	client, err := xmpp.New(cfg)
	if err != nil {
		return nil, nodes.At(err, "notify.xmpp", "")
	}
	return d.channel("notify.xmpp", line(cfg.Room), &room{client}, opts), nil
}

type room struct{ client *xmpp.Client }

func (r *room) Send(ctx context.Context, n Notice) error {
	return r.client.Send(ctx, cut(n.Text, mostChat))
}

func (r *room) Lasting(err error) bool { return xmpp.Lasting(err) }

func (r *room) Close(ctx context.Context) { r.client.Close(ctx) }
