package svn

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// LogOptions choose changesets of a URL. From and To are both inclusive.
type LogOptions struct {
	From   nodes.Revision // empty: the first
	To     nodes.Revision // empty: HEAD
	Limit  int            // the newest so many, after the other conditions; 0: all
	Author string
	Grep   string // regular expression (RE2) that the message must match
	Cred   CheckoutOptions
}

// Log lists changesets that touched a URL, or a checkout's folder, oldest first.
func (s *Svn) Log(ctx context.Context, url string, o LogOptions) (nodes.Changesets, error) {
	keep, err := chosen(o.Author, o.Grep)
	if err != nil {
		return nil, err
	}
	cl := &client{svn: s, cred: credentials{user: o.Cred.User, password: o.Cred.Password}}
	if !strings.Contains(url, "://") {
		c, err := s.open(ctx, cl, s.session.Path(url))
		if err != nil {
			return nil, err
		}
		url = c.URL
	}
	if err := checkURL(url); err != nil {
		return nil, err
	}
	info, err := cl.infoURL(ctx, url, -1)
	if err != nil {
		return nil, err
	}
	head := number(info.Revision)
	lo, err := revision(o.From, 1, head)
	if err != nil {
		return nil, err
	}
	hi, err := revision(o.To, head, head)
	if err != nil {
		return nil, err
	}
	if lo > hi {
		return nodes.Changesets{}, nil
	}
	commits, err := cl.log(ctx, logQuery{url: at(info.URL, head), lo: lo, hi: hi, paths: true, limit: o.Limit, keep: keep})
	return changesets(commits), err
}

// chosen makes the condition of an author and a pattern.
func chosen(author, grep string) (func(commit) bool, error) {
	var pattern *regexp.Regexp
	if grep != "" {
		p, err := Pattern(grep)
		if err != nil {
			return nil, err
		}
		pattern = p
	}
	if author == "" && pattern == nil {
		return nil, nil
	}
	return func(c commit) bool {
		return (author == "" || c.Author == author) && (pattern == nil || pattern.MatchString(c.Message))
	}, nil
}

// Pattern compiles a regular expression (RE2) of a recipe.
func Pattern(text string) (*regexp.Regexp, error) {
	p, err := regexp.Compile(text)
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "'" + oneLine(text) + "' is not a regular expression: " + err.Error(), Cause: err}
	}
	return p, nil
}

// revision reads one revision; empty gives otherwise, HEAD gives head.
func revision(r nodes.Revision, otherwise, head int) (int, error) {
	text := strings.TrimSpace(string(r))
	switch {
	case text == "":
		return otherwise, nil
	case strings.EqualFold(text, "HEAD"):
		return head, nil
	}
	n, err := strconv.ParseUint(strings.TrimLeft(text, "rR"), 10, 31)
	if err != nil {
		return 0, badRevision(text)
	}
	if int(n) > head {
		return 0, &nodes.Error{Kind: nodes.NotFound, Code: "E160006", Message: "there is no revision " + text + " yet: the repository is at r" + strconv.Itoa(head)}
	}
	return int(n), nil
}

// headRevision stands for HEAD in a logQuery.
const headRevision = math.MaxInt

// logQuery is one run of `svn log`, of the revisions lo to hi inclusive.
type logQuery struct {
	url    string // with its peg revision
	lo, hi int
	paths  bool
	limit  int               // 0: all
	keep   func(commit) bool // nil: all
	newest bool              // newest first
	only   []int             // these, ascending, in place of lo to hi
}

// log runs svn log. The newest are read first, so that a limit ends it early.
func (cl *client) log(ctx context.Context, q logQuery) ([]commit, error) {
	if q.lo > q.hi {
		return nil, nil
	}
	hi := strconv.Itoa(q.hi)
	if q.hi == headRevision {
		hi = "HEAD"
	}
	args := []string{"log", "--xml", "-r", hi + ":" + strconv.Itoa(q.lo)}
	if q.only != nil {
		args = []string{"log", "--xml", "-c", descending(q.only)}
	}
	if q.paths {
		args = append(args, "-v")
	}
	if q.limit > 0 && q.keep == nil {
		args = append(args, "--limit", strconv.Itoa(q.limit))
	}
	var commits []commit
	read := each("logentry", func(l logXML) error {
		c := l.commit()
		if q.keep != nil && !q.keep(c) {
			return nil
		}
		commits = append(commits, c)
		if q.limit > 0 && len(commits) >= q.limit {
			return errEnough
		}
		return nil
	})
	_, err := cl.must(ctx, call{args: append(args, q.url), read: read})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if !q.newest {
		slices.Reverse(commits)
	}
	return commits, nil
}

// descending writes revisions for -c, newest first.
func descending(list []int) string {
	parts := make([]string, len(list))
	for i, rev := range list {
		parts[len(list)-1-i] = strconv.Itoa(rev)
	}
	return strings.Join(parts, ",")
}

// Changes lists the changesets between two revisions of the checkout's URL, from
// exclusive, to inclusive; an empty to is what the checkout is at, an empty from
// the beginning. Where from is the later one, they are what would be taken back,
// newest first.
func (c *Checkout) Changes(ctx context.Context, from, to nodes.Revision) (nodes.Changesets, error) {
	lo, hi, head, err := c.between(ctx, from, to)
	if err != nil {
		return nil, err
	}
	back := lo > hi
	if back {
		lo, hi = hi, lo
	}
	commits, err := c.client.log(ctx, logQuery{url: at(c.URL, head), lo: lo + 1, hi: hi, paths: true, newest: back})
	return changesets(commits), err
}

// between reads two revisions; head is the peg under which the URL is known.
func (c *Checkout) between(ctx context.Context, from, to nodes.Revision) (lo, hi, head int, err error) {
	base := 0
	if to == "" {
		if base, err = c.number(ctx); err != nil {
			return 0, 0, 0, err
		}
	}
	if head, err = c.head(ctx); err != nil {
		return 0, 0, 0, err
	}
	if lo, err = revision(from, 0, head); err != nil {
		return 0, 0, 0, err
	}
	hi, err = revision(to, base, head)
	return lo, hi, head, err
}

// Files lists the files that differ between two revisions of the checkout's URL,
// read from the repository: from exclusive, to inclusive; an empty to is what
// the checkout is at, an empty from means every file. Folders, and files of
// which only properties changed, are not listed.
func (c *Checkout) Files(ctx context.Context, from, to nodes.Revision) ([]nodes.Change, error) {
	lo, hi, head, err := c.between(ctx, from, to)
	if err != nil {
		return nil, err
	}
	if from == "" {
		return c.allFiles(ctx, hi)
	}
	if lo == hi {
		return nil, nil
	}
	var list []summaryXML
	peg := c.URL + "@" + strconv.Itoa(head)
	args := []string{"diff", "--summarize", "--xml", "-r", strconv.Itoa(lo) + ":" + strconv.Itoa(hi), peg}
	if _, err := c.client.must(ctx, call{args: args, read: collect("path", &list)}); err != nil {
		return nil, err
	}
	return c.summary(list), nil
}

// summary turns svn's words into letters; a file that was deleted and added in
// one step was replaced.
func (c *Checkout) summary(list []summaryXML) []nodes.Change {
	letters := map[string]string{"added": "A", "deleted": "D", "modified": "M"}
	var out []nodes.Change
	index := map[string]int{}
	for _, p := range list {
		action := letters[p.Item]
		rel, ok := below(c.inRepo, pathInRepository(c.Repo, p.Path))
		if action == "" || p.Kind == "dir" || !ok {
			continue
		}
		if i, seen := index[rel]; seen {
			out[i].Action = "R"
			continue
		}
		index[rel] = len(out)
		out = append(out, nodes.Change{Path: rel, Action: action})
	}
	slices.SortFunc(out, func(a, b nodes.Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// allFiles lists every file of a revision as added.
func (c *Checkout) allFiles(ctx context.Context, rev int) ([]nodes.Change, error) {
	list, err := c.list(ctx, rev)
	if err != nil {
		return nil, err
	}
	var out []nodes.Change
	for _, e := range list {
		if e.Kind == "file" {
			out = append(out, nodes.Change{Path: e.Name, Action: "A"})
		}
	}
	return out, nil
}

func (c *Checkout) list(ctx context.Context, rev int) ([]listXML, error) {
	var list []listXML
	args := []string{"list", "-R", "--xml", "-r", strconv.Itoa(rev), at(c.URL, rev)}
	_, err := c.client.must(ctx, call{args: args, read: collect("entry", &list)})
	return list, err
}
