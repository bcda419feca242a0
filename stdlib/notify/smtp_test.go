package notify_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/notify"
)

// Where no mail server answers, or one that wants more than it was given, the error says
// at which address, what answered and what to change.
func TestMailServersThatWantOtherwise(t *testing.T) {
	auth, clear := startMail(t, "auth"), startMail(t, "clear")
	sshd := fmt.Sprintf("127.0.0.1:%d", nodetest.Start(t, 1).Node(0).Port)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const port = `(hint: is server= right? Mail servers mostly answer at port 25 or 587, or at 465 with tls="direct")`
	bot := func(p *notify.Post) { p.User, p.Password = "bot", nodes.NewSecret("bot-pw") }
	for name, c := range map[string]struct {
		addr   string
		change func(*notify.Post)
		want   string
	}{
		"no login":           {auth.addr, func(*notify.Post) {}, `AT refuses the mail: 530 5.7.0 Authentication required (hint: it wants a login: give user= and password=secret "mail")`},
		"no TLS":             {auth.addr, func(p *notify.Post) { p.TLS = "none" }, `AT refuses the mail: 530 Must issue a STARTTLS command first (hint: it takes mail over TLS only: leave tls="none" out)`},
		"direct at STARTTLS": {auth.addr, func(p *notify.Post) { p.TLS = "direct" }, `AT: the server does not begin with TLS, it offers it (STARTTLS) or has none (hint: leave tls="direct" out)`},
		"no logins there":    {clear.addr, func(p *notify.Post) { bot(p); p.TLS = "none" }, `AT: the server offers no login (hint: leave user= and password= out, or give the port at which it takes logins, mostly 587)`},
		"another name":       {strings.Replace(auth.addr, "127.0.0.1", "localhost", 1), func(*notify.Post) {}, "(hint: give a name that the certificate has as server=)"},
		"sshd":               {sshd, func(*notify.Post) {}, `AT: no mail server answers, but one that says 'SSH-2.0-`},
		"sshd, direct":       {sshd, func(p *notify.Post) { p.TLS = "direct" }, `AT: the server does not begin with TLS ` + port},
		"a silent one":       {silent.Addr().String(), func(*notify.Post) {}, `AT: no answer within 3s ` + port},
		"nobody there":       {"127.0.0.1:1", func(*notify.Post) {}, `cannot connect to AT: connection refused (hint: is the mail server up, and is server= right?)`},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := desk(t)
			p := notify.Post{Server: c.addr, From: "roll@example.org", To: []string{"dev@example.org"}, CA: auth.ca}
			c.change(&p)
			channel, err := d.Mail(p, notify.Options{Strict: true, Tries: 1, Limit: 3 * time.Second})
			err = must(t, channel, err).Send(t.Context(), "x")
			if want := strings.Replace(c.want, "AT", c.addr, 1); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
