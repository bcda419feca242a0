package svn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Checkout is a working copy on the deploy host. It is a nodes.Tree and a
// nodes.Touched. Its methods are safe from many goroutines; those that change it
// take turns, and hold its lock against other processes meanwhile.
type Checkout struct {
	Path string // absolute
	URL  string // where it was checked out from, as svn encodes it
	Repo string // the root URL of the repository
	UUID string // of the repository

	lockable
	client *client
	wcRoot string // the working copy's top folder; Path or above
	inRepo string // plain path in the repository, with a leading slash
	bases  bases
}

var (
	_ nodes.Tree    = (*Checkout)(nil)
	_ nodes.Touched = (*Checkout)(nil)
)

// CheckoutOptions say which working copy is wanted.
type CheckoutOptions struct {
	URL      string
	User     string
	Password nodes.Secret
	Branch   string // of a git repository; empty: its own default
	Create   bool   // check URL out where there is no working copy yet
}

// Checkout opens a working copy, or makes it where options give a URL and allow
// it. It fails with NotFound when there is none, and with Refused when there is
// one of another URL, or when a folder with files is in the way.
func (s *Svn) Checkout(ctx context.Context, path string, o CheckoutOptions) (*Checkout, error) {
	if o.URL != "" {
		if err := checkURL(o.URL); err != nil {
			return nil, err
		}
	}
	path = s.session.Path(path)
	cl := &client{svn: s, cred: credentials{user: o.User, password: o.Password}}
	c, err := s.open(ctx, cl, path)
	if err != nil && o.URL != "" && o.Create && nodes.KindOf(err) == nodes.NotFound {
		if c, err = s.create(ctx, cl, path, o.URL); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return c, c.isOf(ctx, o.URL)
}

// open reads what the working copy at path is.
func (s *Svn) open(ctx context.Context, cl *client, path string) (*Checkout, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, notCheckout(path, "there is no folder "+path, err)
	}
	stamp := stampOf(path)
	if known, ok := s.identified(path, stamp); ok {
		return s.checkoutOf(cl, path, known), nil
	}
	var infos []infoXML
	_, err := cl.must(ctx, call{args: []string{"info", "--xml", local(path)}, locals: true, read: collect("entry", &infos)})
	var e *nodes.Error
	if errors.As(err, &e) && (e.Code == "E155007" || e.Code == "W155007" || e.Code == "W155010") {
		return nil, notCheckout(path, path+" is not a checkout", err)
	}
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 || infos[0].Kind != "dir" || infos[0].URL == "" {
		return nil, notCheckout(path, path+" is not a folder of a checkout", nil)
	}
	i := infos[0]
	id := identity{Path: path, Stamp: stamp, URL: i.URL, Repo: i.Repo.Root, UUID: i.Repo.UUID, Root: i.WC.Root}
	s.identify(id)
	return s.checkoutOf(cl, path, id), nil
}

func (s *Svn) checkoutOf(cl *client, path string, id identity) *Checkout {
	return &Checkout{
		Path: path, URL: id.URL, Repo: id.Repo, UUID: id.UUID, client: cl, lockable: lockable{svn: s, path: path, admin: filepath.Join(id.Root, ".svn")},
		wcRoot: id.Root, inRepo: pathInRepository(id.Repo, id.URL),
	}
}

func notCheckout(path, message string, err error) error {
	return &nodes.Error{
		Kind: nodes.NotFound, Message: message, Cause: err,
		Hint: "svn.checkout(\"" + printable(path) + "\", {url=...}) makes one",
	}
}

// create checks out into a folder that is empty or not there. A folder in which
// an earlier attempt was broken off is a working copy already and is opened.
func (s *Svn) create(ctx context.Context, cl *client, path, url string) (*Checkout, error) {
	if strings.HasPrefix(url, "^/") {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "a new checkout needs a whole URL, not " + url}
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
		return nil, &nodes.Error{Kind: nodes.Refused, Message: path + " holds files and is not a checkout", Hint: "give an empty folder, or one that is not there"}
	}
	watch := s.watch(ctx, url)
	a, err := cl.must(ctx, call{args: []string{"checkout", "--ignore-externals", at(url, -1), path}, lines: watch.line})
	if err != nil {
		return nil, err
	}
	if !checkedOut().MatchString(a.stdout) || skipped().MatchString(a.stdout) {
		return nil, &nodes.Error{Kind: nodes.Protocol, Message: "the checkout of " + oneLine(url) + " is not complete", Stdout: a.stdout, Hint: "remove " + path + " and try again"}
	}
	return s.open(ctx, cl, path)
}

var checkedOut = nodes.Pattern(`(?m)^Checked out revision \d+\.$`)

// isOf refuses a checkout of another URL.
func (c *Checkout) isOf(ctx context.Context, url string) error {
	if url == "" || c.sameURL(url) {
		return nil
	}
	if info, err := c.client.infoURL(ctx, c.resolve(url), -1); err == nil && info.URL == c.URL {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Refused, Message: c.Path + " is a checkout of " + c.URL + ", not of " + oneLine(url),
		Hint: "give another folder, or run `svn switch` in it",
	}
}

func (c *Checkout) sameURL(url string) bool {
	return strings.TrimRight(c.resolve(url), "/") == strings.TrimRight(c.URL, "/")
}

// resolve makes "^/trunk" a whole URL.
func (c *Checkout) resolve(url string) string {
	if rest, ok := strings.CutPrefix(url, "^/"); ok {
		return join(c.Repo, rest)
	}
	return url
}

// infoURL asks the repository what is at a URL; rev -1 is HEAD.
func (cl *client) infoURL(ctx context.Context, url string, rev int) (infoXML, error) {
	args := []string{"info", "--xml"}
	if rev >= 0 {
		args = append(args, "-r", strconv.Itoa(rev))
	}
	var infos []infoXML
	_, err := cl.must(ctx, call{args: append(args, at(url, rev)), read: collect("entry", &infos)})
	if err == nil && len(infos) != 1 {
		err = &nodes.Error{Kind: nodes.NotFound, Message: "there is nothing at " + oneLine(url)}
	}
	if err != nil {
		return infoXML{}, err
	}
	return infos[0], nil
}

// head is the repository's youngest revision as this checkout's URL sees it.
func (c *Checkout) head(ctx context.Context) (int, error) {
	i, err := c.client.infoURL(ctx, c.URL, -1)
	if err != nil {
		return 0, err
	}
	return number(i.Revision), nil
}

// Root is the absolute path of the checkout.
func (c *Checkout) Root() string { return c.Path }

// here makes a call that works in the checkout.
func (c *Checkout) here(args ...string) call { return call{args: args, dir: c.Path} }

// mutate runs a command that changes the working copy. A working copy that a
// killed svn left locked is cleaned up once, when no svn works there.
func (c *Checkout) mutate(ctx context.Context, lock *os.File, k call) (answer, error) {
	k.inherit = lock
	a, err := c.client.run(ctx, k)
	if err != nil || !a.failed || !interrupted(a) || c.busy() {
		return a, err
	}
	if _, err := c.client.must(ctx, call{args: []string{"cleanup", "."}, dir: c.wcRoot, locals: true, inherit: lock}); err != nil {
		return a, err
	}
	c.svn.warn(ctx, c.Path+": an svn was killed here; svn cleanup has put the checkout in order")
	return c.client.run(ctx, k)
}

func interrupted(a answer) bool {
	for _, c := range complaints(a.stderr) {
		if c.code == "E155004" || c.code == "E155037" {
			return true
		}
	}
	return false
}

// busy reports whether some process has the working copy's database open, as
// far as this user may see. Without /proc nobody is seen and nothing is busy.
func (c *Checkout) busy() bool {
	return isOpen(filepath.Join(c.wcRoot, ".svn", "wc.db"))
}

func isOpen(name string) bool {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == name {
			return true
		}
	}
	return false
}

// Cleanup puts a checkout in order in which svn was killed. It refuses with
// Locked while an svn works there.
func (c *Checkout) Cleanup(ctx context.Context) error {
	lock, release, err := c.change(ctx, "cleanup")
	if err != nil {
		return err
	}
	defer release()
	if c.busy() {
		return &nodes.Error{Kind: nodes.Locked, Message: "an svn is at work in " + c.Path, Hint: "wait until it is done"}
	}
	_, err = c.client.must(ctx, call{args: []string{"cleanup", "."}, dir: c.wcRoot, locals: true, inherit: lock})
	return err
}
