package trac

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Options say how to use a Trac. All may be empty.
type Options struct {
	User       string
	Password   nodes.Secret
	Repository string // name in Trac; empty for the default one
	CA         string // file of certificates to trust instead of the machine's own
}

// Tracker is one Trac. It is safe from many goroutines.
type Tracker struct {
	base *url.URL // without a trailing slash
	opts Options
	web  *web
}

// Open prepares the use of the Trac at address; nothing is asked yet. It fails
// with Usage for a bad address or ca.
func Open(s *nodes.Session, address string, o Options) (*Tracker, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "'" + nodes.Clean(address) + "' is not an address like https://trac.example.org"}
	}
	if err := s.ReachURL(u); err != nil {
		return nil, err
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.User = nil
	t := &Tracker{base: u, opts: o}
	t.web, err = newWeb(s, t.base, o)
	return t, err
}

// String is the address.
func (t *Tracker) String() string { return t.base.String() }

// TicketURL is the page of a ticket; empty for what is no number.
func (t *Tracker) TicketURL(id string) string {
	if !isNumber(id) {
		return ""
	}
	return t.base.JoinPath("ticket", id).String()
}

// ChangesetURL is the page of a changeset; empty for what is no number.
func (t *Tracker) ChangesetURL(rev nodes.Revision) string {
	if !isNumber(string(rev)) {
		return ""
	}
	u := t.base.JoinPath("changeset", string(rev))
	if t.opts.Repository != "" {
		u = u.JoinPath(t.opts.Repository)
	}
	return u.String()
}

func isNumber(s string) bool { return s != "" && len(s) < 18 && strings.Trim(s, "0123456789") == "" }

// mostQuery is how long a list of revisions may be in one address.
const mostQuery = 4000

// Changesets reads the changesets of revs, in the order of revs, each once. It
// fails with NotFound when Trac does not know one of them. "HEAD" is the newest
// that Trac knows.
func (t *Tracker) Changesets(ctx context.Context, revs []nodes.Revision) (nodes.Changesets, error) {
	revs, err := t.resolve(ctx, revs)
	if err != nil {
		return nil, err
	}
	wanted, err := numbers(revs)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	found := map[int]nodes.Changeset{}
	for _, query := range queries(wanted) {
		text, err := t.changelog(ctx, query, len(wanted))
		if err != nil {
			return nil, err
		}
		list, err := parseChangelog(text)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			found[c.Rev] = c
		}
	}
	return t.pick(wanted, found)
}

// resolve puts the number of the newest revision in place of "HEAD".
func (t *Tracker) resolve(ctx context.Context, revs []nodes.Revision) ([]nodes.Revision, error) {
	i := slices.Index(revs, "HEAD")
	if i < 0 {
		return revs, nil
	}
	text, err := t.changelog(ctx, "HEAD", 1)
	if err != nil {
		return nil, err
	}
	newest, err := parseChangelog(text)
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: t.base.Host + " knows no revision yet"}
	}
	out := slices.Clone(revs)
	for ; i < len(out); i++ {
		if out[i] == "HEAD" {
			out[i] = nodes.Revision(strconv.Itoa(newest[0].Rev))
		}
	}
	return out, nil
}

// pick puts what was found in the order that was asked for.
func (t *Tracker) pick(wanted []int, found map[int]nodes.Changeset) (nodes.Changesets, error) {
	var out, missing nodes.Changesets
	for _, rev := range wanted {
		c, ok := found[rev]
		if !ok || unread(c) {
			missing = append(missing, nodes.Changeset{Rev: rev})
			continue
		}
		out = append(out, c)
	}
	if len(missing) > 0 {
		return nil, &nodes.Error{
			Kind: nodes.NotFound, Message: t.base.Host + " does not know " + missing.Revs(),
			Hint: "is the hook that tells Trac of commits working? once: trac-admin ENV repository sync REPOSITORY",
		}
	}
	return out, nil
}

// unread tells a revision that is in the repository but not in Trac's cache: it
// is shown with no author and the date of the epoch.
func unread(c nodes.Changeset) bool {
	return c.Date.Unix() == 0 && c.Message == "" && len(c.Paths) == 0
}

func (t *Tracker) changelog(ctx context.Context, revs string, limit int) (string, error) {
	u := t.base.JoinPath("log", t.opts.Repository)
	u.Path += "/"
	q := url.Values{"format": {"changelog"}, "verbose": {"on"}, "revs": {revs}, "limit": {strconv.Itoa(limit)}}
	page, err := t.web.get(ctx, u.String()+"?"+q.Encode())
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(page.kind, "text/plain") {
		return "", page.unexpected("a change log")
	}
	return page.text, nil
}

// numbers reads revisions, each once.
func numbers(revs []nodes.Revision) ([]int, error) {
	var out []int
	for _, r := range revs {
		s := strings.TrimPrefix(string(r), "r")
		if !isNumber(s) {
			return nil, &nodes.Error{Kind: nodes.Usage, Message: "'" + nodes.Clean(string(r)) + "' is not the number of a revision"}
		}
		n, _ := strconv.Atoi(s) // fewer than 18 digits
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// queries writes revisions as "3-5,9", in as many pieces as fit into addresses.
func queries(wanted []int) []string {
	sorted := slices.Sorted(slices.Values(wanted))
	var out []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		part := strconv.Itoa(sorted[i])
		if j > i {
			part += "-" + strconv.Itoa(sorted[j])
		}
		if n := len(out); n > 0 && len(out[n-1]) < mostQuery {
			out[n-1] += "," + part
		} else {
			out = append(out, part)
		}
		i = j + 1
	}
	return out
}
