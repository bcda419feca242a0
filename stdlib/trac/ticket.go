package trac

import (
	"context"
	"encoding/csv"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/rollsh/rollsh/nodes"
)

// Ticket is a ticket's fields by their names: id, summary, status, owner,
// resolution, ... as Trac has them, and url.
type Ticket map[string]string

// Ticket reads a ticket; NotFound when there is none.
func (t *Tracker) Ticket(ctx context.Context, id string) (Ticket, error) {
	address, err := t.ticketPage(id)
	if err != nil {
		return nil, err
	}
	p, err := t.web.get(ctx, address+"?format=csv")
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(p.kind, "text/csv") {
		return nil, p.unexpected("a ticket")
	}
	rows, err := csv.NewReader(strings.NewReader(p.text)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		return nil, p.unexpected("one ticket")
	}
	out := Ticket{"url": address}
	for i, name := range rows[0] {
		out[strings.ToLower(name)] = rows[1][i]
	}
	if out["id"] != strings.TrimPrefix(id, "#") {
		return nil, p.unexpected("ticket " + id)
	}
	return out, nil
}

func (t *Tracker) ticketPage(id string) (string, error) {
	address := t.TicketURL(strings.TrimPrefix(id, "#"))
	if address == "" {
		return "", &nodes.Error{Kind: nodes.Usage, Message: "'" + nodes.Clean(id) + "' is not the number of a ticket"}
	}
	return address, nil
}

// Comment adds a comment to a ticket and changes nothing else of it. When Trac
// says that somebody changed the ticket meanwhile, it is tried once more.
func (t *Tracker) Comment(ctx context.Context, id, text string) error {
	address, err := t.ticketPage(id)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" {
		return &nodes.Error{Kind: nodes.Usage, Message: "the comment is empty"}
	}
	if err := shown(text); err != nil {
		return err
	}
	for try := 1; ; try++ {
		p, err := t.web.get(ctx, address)
		if err != nil {
			return err
		}
		form, err := t.commentForm(p, text)
		if err != nil {
			return err
		}
		answer, err := t.web.do(ctx, http.MethodPost, address, form)
		if err != nil {
			return unsure(err)
		}
		if commented(answer, address) {
			return nil
		}
		if warning := answer.warning(); try == 2 || !strings.Contains(warning, "modified by someone else") {
			return notCommented(answer, warning)
		}
	}
}

// mostWord is how many characters a word of a comment may have: each time somebody
// opens the ticket, Trac 1.6 takes as long as the square of that, 24 s for 30,000.
const mostWord = 1000

// shown refuses a comment with which Trac could hardly show the ticket any more.
func shown(text string) error {
	for _, word := range strings.Fields(text) {
		if n := utf8.RuneCountInString(word); n > mostWord {
			return &nodes.Error{
				Kind: nodes.Usage, Message: fmt.Sprintf("the comment has a word of %d characters, '%s': Trac would take long to show the ticket", n, clip(nodes.Clean(word))),
				Hint: fmt.Sprintf("break it up; a word may have %d", mostWord),
			}
		}
	}
	return nil
}

// unsure is the error of a comment that was sent and not answered.
func unsure(err error) error {
	e := *nodes.AsError(err, nodes.Internal)
	if e.Kind == nodes.Timeout || e.Kind == nodes.Lost {
		e.Message += "; the comment may be there all the same"
	}
	return &e
}

// commentForm fills the form of the ticket's page: its hidden fields, the
// comment, and the action that changes nothing.
func (t *Tracker) commentForm(p page, text string) (url.Values, error) {
	_, rest, found := strings.Cut(p.text, `id="propertyform"`)
	fields, _, _ := strings.Cut(rest, "</form>")
	if !found && !p.ofTrac() {
		return nil, p.unexpected("a ticket")
	}
	if !found || !strings.Contains(fields, `name="comment"`) {
		return nil, &nodes.Error{
			Kind: nodes.Permission, Message: t.base.Host + " offers no comment on this ticket",
			Hint: "the user needs TICKET_APPEND in Trac, and may have to be given as user= and password=",
		}
	}
	form := url.Values{"comment": {nodes.Clean(text)}, "action": {"leave"}, "submit": {"Submit changes"}}
	for _, tag := range inputTag().FindAllString(fields, -1) {
		a := attributes(tag)
		if a["type"] == "hidden" && a["name"] != "" {
			form.Set(a["name"], a["value"])
		}
	}
	if form.Get("__FORM_TOKEN") == "" {
		return nil, p.unexpected("a form with a token")
	}
	return form, nil
}

// commented tells whether Trac leads us to the new comment.
func commented(p page, address string) bool {
	if p.status/100 != 3 {
		return false
	}
	to, err := url.Parse(p.header.Get("Location"))
	if err != nil || !strings.HasPrefix(to.Fragment, "comment:") {
		return false
	}
	at, err := url.Parse(address)
	return err == nil && to.Path == at.Path
}

func notCommented(p page, warning string) error {
	e := &nodes.Error{Kind: nodes.Protocol, Code: "comment", Message: p.at + " did not take the comment"}
	if p.status/100 != 2 && p.status/100 != 3 {
		if err := p.failure(); err != nil {
			return err
		}
	}
	if warning != "" {
		e.Message += ": " + warning
	}
	return e
}

var (
	inputTag  = nodes.Pattern(`(?s)<input\s[^>]*>`)
	attribute = nodes.Pattern(`([a-z_-]+)="([^"]*)"`)
	titleTag  = nodes.Pattern(`(?is)<title>(.*?)</title>`)
	warnings  = nodes.Pattern(`(?s)<div id="warning"[^>]*>(.*?)</div>`)
	anyTag    = nodes.Pattern(`(?s)<[^>]*>`)
)

func attributes(tag string) map[string]string {
	out := map[string]string{}
	for _, m := range attribute().FindAllStringSubmatch(tag, -1) {
		out[m[1]] = html.UnescapeString(m[2])
	}
	return out
}

// title is the title of an HTML page, in one line.
func (p page) title() string { return p.piece(titleTag()) }

// warning is what Trac complains of on top of a page.
func (p page) warning() string { return p.piece(warnings()) }

func (p page) piece(re *regexp.Regexp) string {
	m := re.FindStringSubmatch(p.text)
	if m == nil {
		return ""
	}
	text := html.UnescapeString(anyTag().ReplaceAllString(m[1], " "))
	return clip(strings.Join(strings.Fields(nodes.Clean(text)), " "))
}
