package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Hook is where a webhook is and how it wants its notices.
type Hook struct {
	URL    nodes.Secret // it holds a token
	Format string       // slack, teams, discord or json
	CA     string       // file of certificates to trust instead of the machine's own
}

// Webhook makes a channel that posts to an address.
func (d *Desk) Webhook(h Hook, opts Options) (*Channel, error) {
	u, err := url.Parse(h.URL.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, &nodes.Error{Kind: nodes.Usage, Op: "notify.webhook", Message: "url: not an address like https://example.org/hook"}
	}
	write, ok := formats[h.Format]
	if !ok {
		return nil, &nodes.Error{Kind: nodes.Usage, Op: "notify.webhook", Message: "format: '" + line(h.Format) + "' is none of slack, teams, discord, json"}
	}
	if err := d.session.ReachURL(u); err != nil {
		return nil, nodes.At(err, "notify.webhook", "")
	}
	roots, err := d.session.Roots(h.CA)
	if err != nil {
		return nil, nodes.At(err, "notify.webhook", "")
	}
	return d.channel("notify.webhook", u.Scheme+"://"+u.Host, &webhook{url: h.URL, host: u.Host, format: h.Format, write: write, client: poster(roots, d.session.ReachURL)}, opts), nil
}

type webhook struct {
	url    nodes.Secret
	host   string
	format string
	write  func(Notice) any
	client *http.Client
}

// poster is a client that follows only those redirects that keep the method and
// the body (307, 308) and that reach allows, and never from https to http.
func poster(roots *x509.CertPool, reach func(*url.URL) error) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0]
			if req.Method != http.MethodPost || len(via) > 5 || first.URL.Scheme == "https" && req.URL.Scheme != "https" {
				return http.ErrUseLastResponse
			}
			return reach(req.URL)
		},
	}
}

func (w *webhook) Send(ctx context.Context, n Notice) error {
	body, err := json.Marshal(w.write(n))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.Reveal(), bytes.NewReader(body))
	if err != nil {
		return &nodes.Error{Kind: nodes.Usage, Message: "url: not an address"} // the reason would show the token
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "rollsh")
	res, err := w.client.Do(req)
	if err != nil {
		return w.failed(ctx, err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return w.failed(ctx, err)
	}
	return w.judge(res, string(said))
}

// judge tells whether the notice was taken. Teams' older hooks say 200 and put
// the failure in the text.
func (w *webhook) judge(res *http.Response, said string) error {
	text := short(line(said), mostWhy)
	refusedInText := w.format == "teams" && strings.Contains(said, "delivery failed")
	if res.StatusCode/100 == 2 && !refusedInText {
		return nil
	}
	e := &nodes.Error{Kind: nodes.Protocol, Code: strconv.Itoa(res.StatusCode), Message: w.host + " answers " + res.Status}
	if text != "" {
		e.Message += ": " + text
	}
	switch {
	case res.StatusCode/100 == 3:
		e.Message = w.host + " answers with a redirect that a notice cannot follow (" + res.Status + ")"
		e.Hint = "give the address that it leads to"
	case res.StatusCode == http.StatusNotFound, res.StatusCode == http.StatusGone, res.StatusCode == http.StatusForbidden:
		e.Hint = "the address may have been revoked: make a new one and give it as url="
	}
	if after := retryAfter(res); after > 0 {
		e.Cause = later{after}
	}
	return e
}

// failed writes a failure without the address, which http's own errors show.
func (w *webhook) failed(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	var unknown *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &unknown):
		return &nodes.Error{
			Kind: nodes.Protocol, Code: "certificate", Message: w.host + ": the certificate is not trusted: " + unknown.Err.Error(),
			Hint: "give the file of its CA as ca=",
		}
	case errors.As(err, &op) && op.Op == "dial":
		return &nodes.Error{Kind: nodes.Unreachable, Message: "cannot connect to " + w.host + ": " + op.Err.Error()}
	}
	return &nodes.Error{Kind: nodes.Lost, Message: w.host + ": " + line(err.Error())}
}

// Lasting is true for answers that another try will not change.
func (w *webhook) Lasting(err error) bool {
	e := nodes.AsError(err, nodes.Internal)
	if e.Kind == nodes.Usage || e.Code == "certificate" {
		return true
	}
	code, _ := strconv.Atoi(e.Code)
	return e.Kind == nodes.Protocol && code/100 <= 4 && code != http.StatusTooManyRequests && code != http.StatusRequestTimeout
}

func (w *webhook) Close(context.Context) { w.client.CloseIdleConnections() }

// later is how long a server asks us to wait.
type later struct{ wait time.Duration }

func (l later) Error() string { return "asked to wait " + l.wait.String() }

// mostAdvised bounds what a server may make a roll wait.
const mostAdvised = 15 * time.Second

func retryAfter(res *http.Response) time.Duration {
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, mostAdvised)
}

// advised is how long the failed server asked us to wait.
func advised(err error) time.Duration {
	var l later
	if errors.As(err, &l) {
		return l.wait
	}
	return 0
}
