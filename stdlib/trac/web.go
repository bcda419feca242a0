package trac

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	mostPage = 16 << 20
	limit    = 30 * time.Second // of one request
)

// web is a session with one Trac: its cookies, and whether we are logged in.
type web struct {
	base   *url.URL
	opts   Options
	client *http.Client

	mu     sync.Mutex
	logged bool
}

// page is what Trac answered.
type page struct {
	at     string // address without a query, for errors
	status int
	kind   string // Content-Type
	text   string
	header http.Header
}

func newWeb(s *nodes.Session, base *url.URL, o Options) (*web, error) {
	roots, err := s.Roots(o.CA)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	w := &web{base: base, opts: o}
	w.client = &http.Client{Transport: transport, Jar: jar, CheckRedirect: w.follow}
	return w, nil
}

var errElsewhere = errors.New("redirects to another host")

// follow stays on the host: passwords and forms are for it alone. The answer to
// a form is looked at, not followed.
func (w *web) follow(req *http.Request, via []*http.Request) error {
	switch {
	case via[0].Method == http.MethodPost || len(via) > 5:
		return http.ErrUseLastResponse
	case req.URL.Host != w.base.Host || req.URL.Scheme != w.base.Scheme:
		return errElsewhere
	}
	return nil
}

// get reads a page, logged in when there is a user; once more when the login
// has run out. An answer other than 200 is an error.
func (w *web) get(ctx context.Context, address string) (page, error) {
	if err := w.login(ctx, false); err != nil {
		return page{}, err
	}
	p, err := w.do(ctx, http.MethodGet, address, nil)
	if err == nil && (p.status == http.StatusForbidden || p.status == http.StatusUnauthorized) && w.opts.User != "" {
		if err := w.login(ctx, true); err != nil {
			return page{}, err
		}
		p, err = w.do(ctx, http.MethodGet, address, nil)
	}
	if err != nil {
		return page{}, err
	}
	return p, p.failure()
}

// login asks /login with the password once, which gives the cookie of later
// requests.
func (w *web) login(ctx context.Context, again bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opts.User == "" || w.logged && !again {
		return nil
	}
	p, err := w.do(ctx, http.MethodGet, w.base.JoinPath("login").String(), nil)
	if err != nil {
		return err
	}
	if w.cookie("trac_auth") == "" {
		return w.notLogged(p)
	}
	w.logged = true
	return nil
}

// notLogged is the error of an answer to /login that brought no cookie.
func (w *web) notLogged(p page) error {
	e := &nodes.Error{Kind: nodes.Auth, Code: strconv.Itoa(p.status)}
	switch {
	case p.status == http.StatusUnauthorized || p.status == http.StatusForbidden:
		e.Message = w.base.Host + " refuses the login of '" + w.opts.User + "'"
		e.Hint = "check user and password"
	case p.status == http.StatusOK && p.ofTrac():
		e.Message = w.base.Host + " did not log '" + w.opts.User + "' in"
		e.Hint = "its login may be a form of a plugin, which is not known here"
	case p.status == http.StatusOK:
		return p.unexpected("the login of a Trac")
	default:
		return p.failure()
	}
	return e
}

func (w *web) cookie(name string) string {
	u := *w.base
	u.Path += "/"
	for _, c := range w.client.Jar.Cookies(&u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (w *web) do(ctx context.Context, method, address string, form url.Values) (page, error) {
	at, _, _ := strings.Cut(address, "?")
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &nodes.Error{
		Kind: nodes.Timeout, Message: "no answer from " + at + " within " + limit.String(),
		Hint: "is Trac up? A page with a word of many thousand characters takes it minutes",
	})
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, &nodes.Error{Kind: nodes.Usage, Message: "bad address"}
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("User-Agent", "rollsh")
	req.Header.Set("Accept-Language", "en") // its words are read
	if w.opts.User != "" {
		req.SetBasicAuth(w.opts.User, w.opts.Password.Reveal())
	}
	res, err := w.client.Do(req)
	if err != nil {
		return page{}, w.failed(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostPage+1))
	if err != nil {
		return page{}, w.failed(ctx, err)
	}
	if len(body) > mostPage {
		return page{}, &nodes.Error{Kind: nodes.Protocol, Code: "size", Message: w.base.Host + " answers with more than 16 MiB"}
	}
	text := strings.TrimPrefix(strings.ToValidUTF8(string(body), "\uFFFD"), "\uFEFF")
	return page{at, res.StatusCode, res.Header.Get("Content-Type"), text, res.Header}, nil
}

func (w *web) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	at := w.base.Host
	switch {
	case errors.Is(err, errElsewhere):
		return &nodes.Error{Kind: nodes.Protocol, Code: "redirect", Message: at + " redirects to another host", Hint: "open the address that it leads to"}
	case errors.As(err, &cert):
		return &nodes.Error{Kind: nodes.Protocol, Code: "certificate", Message: at + ": the certificate is not trusted: " + cert.Err.Error(), Hint: "give the file of its CA as ca="}
	case errors.As(err, &op) && op.Op == "dial":
		return &nodes.Error{Kind: nodes.Unreachable, Message: "cannot connect to " + at + ": " + strings.TrimPrefix(op.Err.Error(), "connect: "), Hint: "is Trac up, and is its address right?", Cause: err}
	}
	return &nodes.Error{Kind: nodes.Lost, Message: at + ": " + clip(nodes.Clean(err.Error())), Cause: err}
}

// failure is nil for a 200.
func (p page) failure() error {
	e := &nodes.Error{Kind: nodes.Protocol, Code: strconv.Itoa(p.status), Message: p.at + " answers " + strconv.Itoa(p.status)}
	switch p.status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound:
		e.Kind, e.Hint = nodes.NotFound, "is this the address of a Trac?"
		if p.ofTrac() {
			e.Hint = "there is a Trac, but no such page: check the address and the number"
		}
	case http.StatusUnauthorized:
		e.Kind = nodes.Auth
	case http.StatusForbidden:
		e.Kind, e.Hint = nodes.Permission, "the user needs the right for it in Trac (trac-admin ENV permission list)"
	}
	if title := p.title(); title != "" {
		e.Message += ": " + title
	}
	return e
}

// ofTrac tells a page of Trac by the scripts that it loads, whatever its theme.
func (p page) ofTrac() bool { return strings.Contains(p.text, "chrome/common/") }

func (p page) unexpected(what string) error {
	e := &nodes.Error{Kind: nodes.Protocol, Code: strconv.Itoa(p.status), Message: p.at + " does not answer with " + what, Hint: "is this the address of a Trac?"}
	if title := p.title(); title != "" {
		e.Message += ", but with '" + title + "'"
	}
	return e
}
