package stdlib

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	gosync "sync"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/database/mysql"
	"github.com/rollsh/rollsh/stdlib/database/postgres"
	"github.com/rollsh/rollsh/stdlib/haproxy"
	"github.com/rollsh/rollsh/stdlib/http"
	"github.com/rollsh/rollsh/stdlib/lint"
	"github.com/rollsh/rollsh/stdlib/notify"
	"github.com/rollsh/rollsh/stdlib/person"
	"github.com/rollsh/rollsh/stdlib/puppet"
	"github.com/rollsh/rollsh/stdlib/roll"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/svn"
	sync "github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/test"
	"github.com/rollsh/rollsh/stdlib/trac"
)

// Library is what one session's recipes may use, with what it holds open:
// connections, agents on nodes, the journal, chat rooms.
type Library struct {
	Modules []lua.Module
	pool    *ssh.Pool
	desk    *notify.Desk
	journal *roll.Journal
	engine  *sync.Engine
	stand   *test.Stand
}

// New joins the primitives for a session and gives the session its ways to
// nodes. Nothing is contacted or opened before it is used.
func New(s *nodes.Session) *Library {
	l := &Library{pool: ssh.NewPool(s), desk: notify.New(s), journal: roll.NewJournal(s), engine: sync.New(s), stand: test.New(s)}
	s.Dialer, s.Here, s.SSHHosts, s.SSHKnown = l.pool, ssh.NewLocal(s), l.pool.Hosts, l.pool.Known
	linter := lint.New(s, recipeCheck(l))
	l.Modules = []lua.Module{
		person.Module(s),
		ssh.Module(s),
		l.engine.Module(),
		svn.Module(s, lintFirst(linter)),
		linter.Module(),
		l.desk.Module(),
		http.Module(s),
		trac.Module(s),
		haproxy.Module(s),
		puppet.Module(s),
		mysql.Module(s),
		postgres.Module(s),
		l.journal.Module(),
		l.stand.Module(),
	}
	return l
}

// Live lists the nodes that a connection is open to.
func (l *Library) Live() []nodes.Name { return l.pool.Live() }

// WhenLost has f called, from any goroutine, when a connection to a node has gone
// away.
func (l *Library) WhenLost(f func(nodes.Name)) { l.pool.WhenLost(f) }

// CutShort says which rolls of the project ended because their process died, and
// what they left.
func (l *Library) CutShort(ctx context.Context) []string { return l.journal.CutShort(ctx) }

// ChangesTable writes changesets for a person, as c:print() does; see [svn.Table].
func ChangesTable(cs nodes.Changesets, columns int, paint func(column int, text string) string) string {
	return svn.Table(cs, columns, paint)
}

// closeLimit bounds how long saying goodbye may take.
const closeLimit = 5 * time.Second

// Close ends everything that the library holds open.
func (l *Library) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	l.desk.Close(ctx)
	_ = l.journal.Close() // what is in it is on disk; a failed close loses nothing
	l.engine.Close()
	l.pool.Close()
	l.stand.Close()
}

// TestReport names the environment variable by which a run of a test file is
// told where to add its results.
const TestReport = test.Report

// TestResult is how a case of a test file ended, a line of JSON in the report.
type TestResult = test.Result

// Agent runs as the sync agent of a node where the arguments, without the
// program's name, ask for that: a rollsh that was built without agents serves
// as its own.
func Agent(args []string) (handled bool, code int) {
	return agent.Main(append([]string{"rollsh"}, args...))
}

// recipeCheck checks Lua files for syntax, and those of a project (recipes/, lib/,
// tests/) against the whole library, as rollsh check does.
func recipeCheck(l *Library) lint.LuaCheck {
	var mu gosync.Mutex
	hosts := map[string]*lua.Host{} // by project
	return func(path string, text []byte) []lint.Problem {
		project := projectOf(path)
		if project == "" {
			return lint.LuaSyntax(path, text)
		}
		mu.Lock()
		defer mu.Unlock()
		if hosts[project] == nil {
			hosts[project] = lua.New(&nodes.Session{Project: project}, l.Modules)
		}
		found, err := hosts[project].CheckFile(path)
		if err != nil {
			return []lint.Problem{{Message: nodes.AsError(err, nodes.Internal).Message}}
		}
		return wrongIn(path, found)
	}
}

// wrongIn are the findings in a file itself that are no mere warnings; what it
// requires is checked on its own.
func wrongIn(path string, found []lua.Finding) []lint.Problem {
	var out []lint.Problem
	for _, f := range found {
		if f.Warning || !strings.HasSuffix(filepath.ToSlash(path), "/"+strings.TrimPrefix(filepath.ToSlash(f.File), "/")) {
			continue
		}
		message := f.Message
		if f.Hint != "" {
			message += " (" + f.Hint + ")"
		}
		out = append(out, lint.Problem{Line: f.Line, Message: message})
	}
	return out
}

// projectOf is the project whose recipes/, lib/ or tests/ holds the file; empty
// when there is none.
func projectOf(path string) string {
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		switch filepath.Base(dir) {
		case "recipes", "lib", "tests":
			root := filepath.Dir(dir)
			if info, err := os.Stat(filepath.Join(root, "recipes")); err == nil && info.IsDir() {
				return root
			}
		}
	}
	return ""
}

// lintFirst is what a merge's commit asks: everything that its working copy
// differs in passes the linter.
func lintFirst(l *lint.Linter) svn.Linter {
	return func(ctx context.Context, what nodes.Touched) error {
		r, err := l.Check(ctx, lint.InTouched(what), lint.Options{})
		if err != nil {
			return err
		}
		return r.Err()
	}
}
