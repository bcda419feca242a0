package svn

import (
	"context"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// manual is the manual page in short.
const manual = `Subversion: checkouts on the deploy host, logs, and merges with help.

  local co = svn.checkout("/srv/www", {url = "https://svn.example.org/www/production"})
  co:changes{from = 120, to = "HEAD"}:print()
  co:update()

  local m = svn.merge{from = "^/trunk", into = co}
  m:available():print()
  m:take "130-134"
  m:commit()

Revisions are 123, "r123", "HEAD", "120-123,130", a list of these, or Changesets.
What changes a checkout holds its lock and names who has it. Errors of svn have
its number in err.code.`

// Module gives recipes the svn functions. lint is what a merge's commit asks
// first.
func Module(s *nodes.Session, lint ...Linter) lua.Module {
	v := New(s, lint...)
	return lua.Module{
		Name: "svn", Doc: manual,
		Funcs:   []lua.Func{checkoutFunc(v), logFunc(v), mergeFunc(v)},
		Classes: []lua.Class{checkoutClass(), gitClass(), changesetClass(), changesetsClass(s), mergeClass(), conflictClass()},
	}
}

type checkoutArgs struct {
	Path     string       `lua:"path,pos,required" doc:"the folder"`
	URL      string       `lua:"url" doc:"what it is a checkout of"`
	User     string       `lua:"user" doc:"login; else svn's own stores are used"`
	Password nodes.Secret `lua:"password" doc:"such as secret 'svn'"`
	Branch   string       `lua:"branch" doc:"of a git repository; its own default"`
	Create   bool         `lua:"create" default:"true" doc:"check url out where there is no checkout yet"`
}

func checkoutFunc(v *Svn) lua.Func {
	return lua.Func{
		Name: "checkout", Acts: true, Doc: "Opens a checkout; where a URL is given and there is none yet, makes it. A git working tree, or a URL that ends in .git, gives a GitCheckout, which is updated, listed and rolled likewise.",
		Example: `local co = svn.checkout("/srv/www", {url = "https://svn.example.org/www/production"})`, Returns: "Checkout",
		Do: lua.Go(func(ctx context.Context, a checkoutArgs) (any, error) {
			return v.Open(ctx, a.Path, CheckoutOptions{URL: a.URL, User: a.User, Password: a.Password, Branch: a.Branch, Create: a.Create})
		}),
	}
}

type logArgs struct {
	URL      string       `lua:"url,pos,required" doc:"a URL, or the folder of a checkout"`
	From     Revision     `lua:"from" type:"number|string" doc:"the first revision, inclusive"`
	To       Revision     `lua:"to" type:"number|string" doc:"the last revision, inclusive; HEAD"`
	Limit    int          `lua:"limit" min:"0" doc:"the newest so many"`
	Author   string       `lua:"author" doc:"only of this author"`
	Grep     string       `lua:"grep" doc:"only where the message matches this regular expression"`
	User     string       `lua:"user" doc:"login; else svn's own stores are used"`
	Password nodes.Secret `lua:"password" doc:"such as secret 'svn'"`
}

func logFunc(v *Svn) lua.Func {
	return lua.Func{
		Name: "log", Doc: "Lists changesets of a URL, oldest first.",
		Example: `svn.log("https://svn.example.org/www/trunk", {limit = 10, author = "alice"}):print()`, Returns: "Changesets",
		Do: lua.Go(func(ctx context.Context, a logArgs) (nodes.Changesets, error) {
			return v.Log(ctx, a.URL, LogOptions{
				From: nodes.Revision(a.From), To: nodes.Revision(a.To), Limit: a.Limit,
				Author: a.Author, Grep: a.Grep, Cred: CheckoutOptions{User: a.User, Password: a.Password},
			})
		}),
	}
}

type revArgs struct {
	Rev Revision `lua:"rev" type:"number|string" doc:"the revision; HEAD"`
}

type commitArgs struct {
	Message string   `lua:"message,required" doc:"the log message"`
	Files   []string `lua:"files" doc:"only these, relative to the checkout; else all that is changed"`
}

type betweenArgs struct {
	From Revision `lua:"from" type:"number|string" doc:"exclusive: what is there; the beginning"`
	To   Revision `lua:"to" type:"number|string" doc:"inclusive; what the checkout is at"`
}

type changeTable struct {
	Path   string `lua:"path"`
	Action string `lua:"action"`
}

func checkoutClass() lua.Class {
	return lua.Class{
		Name: "Checkout", Doc: "A working copy of a Subversion repository on this machine.", Of: (*Checkout)(nil),
		String: lua.StringOf(func(c *Checkout) string { return c.Path }),
		Fields: []lua.Field{
			lua.FieldOf("path", "string", "its folder, absolute", func(c *Checkout) any { return c.Path }),
			lua.FieldOf("url", "string", "what it is a checkout of", func(c *Checkout) any { return c.URL }),
			lua.FieldOf("root", "string", "the URL of the repository's root", func(c *Checkout) any { return c.Repo }),
			lua.FieldOf("vcs", "string", "svn", func(*Checkout) any { return "svn" }),
		},
		Funcs: append(append(readers[*Checkout](), changers[*Checkout]()...), commitFunc()),
	}
}

func gitClass() lua.Class {
	return lua.Class{
		Name: "GitCheckout", Doc: "A git working tree on this machine. Revisions are counted along first parents: r1 is the first commit of the branch. Commits that a merge brought carry its number.", Of: (*GitCheckout)(nil),
		String: lua.StringOf(func(g *GitCheckout) string { return g.Path }),
		Fields: []lua.Field{
			lua.FieldOf("path", "string", "its folder, absolute", func(g *GitCheckout) any { return g.Path }),
			lua.FieldOf("url", "string", "what it is a clone of", func(g *GitCheckout) any { return g.URL }),
			lua.FieldOf("branch", "string", "the branch that it follows", func(g *GitCheckout) any { return g.Branch }),
			lua.FieldOf("vcs", "string", "git", func(*GitCheckout) any { return "git" }),
		},
		Funcs: append(readers[*GitCheckout](), changers[*GitCheckout]()...),
	}
}

// workingCopy is what a checkout of either kind can do.
type workingCopy interface {
	number(ctx context.Context) (int, error)
	Clean(ctx context.Context) (bool, error)
	Status(ctx context.Context) ([]Status, error)
	Changes(ctx context.Context, from, to nodes.Revision) (nodes.Changesets, error)
	Files(ctx context.Context, from, to nodes.Revision) ([]nodes.Change, error)
	Holder(ctx context.Context) (*Holder, error)
	Hold(ctx context.Context, what string) (release func(), err error)
	Update(ctx context.Context, rev nodes.Revision) (int, error)
	Revert(ctx context.Context) error
	Cleanup(ctx context.Context) error
}

func readers[T workingCopy]() []lua.Func {
	return []lua.Func{
		{
			Name: "revision", Doc: "Tells the number of the revision that the checkout is at.", Example: `print(co:revision())`, Returns: "integer",
			Do: lua.Method(func(ctx context.Context, c T, _ lua.None) (int, error) { return c.number(ctx) }),
		},
		{
			Name: "clean", Doc: "Tells whether the checkout is exactly a revision: nothing modified, conflicted, missing, obstructed, switched, locked, or of mixed revisions that differ. Unversioned files do not count.",
			Example: `if not co:clean() then print(co:status()) end`, Returns: "boolean",
			Do: lua.Method(func(ctx context.Context, c T, _ lua.None) (bool, error) { return c.Clean(ctx) }),
		},
		{
			Name: "status", Doc: "Lists the paths that differ, in svn's words, unversioned ones too.",
			Example: `for _, s in ipairs(co:status()) do print(s.item, s.path) end`, Returns: "table[]",
			Do: lua.Method(func(ctx context.Context, c T, _ lua.None) ([]Status, error) { return c.Status(ctx) }),
		},
		{
			Name: "changes", Doc: "Lists the changesets between two revisions, read from the repository: from exclusive, to inclusive.",
			Example: `co:changes{from = 120, to = "HEAD"}:print()`, Returns: "Changesets",
			Do: lua.Method(func(ctx context.Context, c T, a betweenArgs) (nodes.Changesets, error) {
				return c.Changes(ctx, nodes.Revision(a.From), nodes.Revision(a.To))
			}),
		},
		{
			Name: "files", Doc: "Lists the files that differ between two revisions, read from the repository: from exclusive, to inclusive. Files of which only properties changed are not listed.",
			Example: `for _, f in ipairs(co:files{from = 120}) do print(f.action, f.path) end`, Returns: "table[]",
			Do: lua.Method(func(ctx context.Context, c T, a betweenArgs) ([]changeTable, error) {
				list, err := c.Files(ctx, nodes.Revision(a.From), nodes.Revision(a.To))
				out := make([]changeTable, len(list))
				for i, f := range list {
					out[i] = changeTable(f)
				}
				return out, err
			}),
		},
		{
			Name: "holder", Doc: "Tells who holds the checkout's lock: who, host, pid, what, since; nil for nobody.",
			Example: `print(inspect(co:holder()))`, Returns: "table?",
			Do: lua.Method(func(ctx context.Context, c T, _ lua.None) (*Holder, error) { return c.Holder(ctx) }),
		},
	}
}

func changers[T workingCopy]() []lua.Func {
	return []lua.Func{
		{
			Name: "update", Doc: "Brings the checkout to a revision and tells its number. Fails with kind conflict when conflicts are left.",
			Example: `co:update{rev = "HEAD"}`, Returns: "integer", Mutates: true,
			Do: lua.Method(func(ctx context.Context, c T, a revArgs) (int, error) {
				return c.Update(ctx, nodes.Revision(a.Rev))
			}),
		},
		{
			Name: "revert", Doc: "Takes back all local changes of versioned files; others stay.", Example: `co:revert()`, Returns: "nil", Mutates: true,
			Do: lua.Method(func(ctx context.Context, c T, _ lua.None) (lua.None, error) { return lua.None{}, c.Revert(ctx) }),
		},
		{
			Name: "cleanup", Doc: "Puts the checkout in order after an svn was killed in it.", Example: `co:cleanup()`, Returns: "nil", Mutates: true,
			Do: lua.Method(func(ctx context.Context, c T, _ lua.None) (lua.None, error) {
				return lua.None{}, c.Cleanup(ctx)
			}),
		},
		{
			Name: "held", Doc: "Calls a function while this process holds the checkout's lock; what says why to those who are refused.",
			Example: `co:held("roll www", function() co:update() end)`, Returns: "any", Mutates: true,
			Do: lua.Method(held[T]),
		},
	}
}

func commitFunc() lua.Func {
	return lua.Func{
		Name: "commit", Doc: "Commits local changes and tells the new revision. Unversioned files are not added.",
		Example: `co:commit{message = "prices, fixes #123", files = {"www/price.php"}}`, Returns: "integer", Mutates: true,
		Do: lua.Method(func(ctx context.Context, c *Checkout, a commitArgs) (int, error) {
			return c.Commit(ctx, a.Message, a.Files)
		}),
	}
}

type heldArgs struct {
	What string       `lua:"what,pos,required" doc:"why, for those who are refused meanwhile"`
	Fn   lua.Callback `lua:"fn,pos,required" doc:"what to do"`
}

func held[T workingCopy](ctx context.Context, c T, a heldArgs) (lua.Many, error) {
	release, err := c.Hold(ctx, a.What)
	if err != nil {
		return nil, err
	}
	defer release()
	return a.Fn.Call(ctx)
}
