package shell_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/shell"
)

// before declares what examples speak of: objects of every class under the
// names that the pages use.
const before = `local web, prod, set, live, staging = nodes "prod", nodes "prod", nodes "prod", nodes "prod", nodes "staging"
local n, db = web.web1, web.db1
local co, wc = svn.checkout "/srv/checkout", svn.checkout "/srv/checkout"
local m = svn.merge{ from = "^/trunk", into = co }
local log, pending, changes = svn.log("/", {}), svn.log("/", {}), svn.log("/", {})
local changeset = pending[1]
local conflict = m:conflicts()[1]
local R = roll.begin{ name = "www", to = web }
local tree = R:at(co, "HEAD")
local lb = haproxy.backend{ on = web, socket = "/run/h", backend = "b" }
local t = trac.open "https://trac.example.org"
local staged = sync.stage{ from = "a", to = web, path = "/srv/www" }
local plan = sync.plan{ from = "a", to = web, path = "/srv/www" }
local drift = sync.drift{ to = web, path = "/srv/www" }
local r, results = web:run "true", web:run "true"
local channel, room = notify.exec "cat", notify.exec "cat"
local project = test.project{}
local forward = n:forward{ to = "127.0.0.1:80" }
local password, s = secret "x", secret "x"
local ok, list, err, o = true, {}, nil, r.web1
`

// Every example in the pages holds against the records: the functions, methods,
// options and fields that it names are there.
func TestExamplesAreChecked(t *testing.T) {
	t.Parallel()
	h := corpusHost(t)
	for _, name := range shell.HelpNames(h) {
		f, ok := h.Record(name)
		if !ok {
			continue
		}
		src := f.Example
		if lua.Parse(src, name) != nil { // an expression
			src = "print(" + src + ")"
		}
		c := "local c = conflict\n"
		if strings.HasPrefix(name, "changeset") {
			c = "local c = pending\n"
		}
		for _, found := range h.CheckText(before+c+src, "example of "+name) {
			if !found.Warning {
				t.Errorf("%s: %s", f.Example, found)
			}
		}
	}
}

// Examples of what needs no node run as they stand.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	h := corpusHost(t)
	ran := 0
	for _, name := range shell.HelpNames(h) {
		f, _ := h.Record(name)
		module, _, _ := strings.Cut(name, ".")
		class, method, _ := strings.Cut(name, ":")
		alone := slices.Contains([]string{
			"parallel", "timeout", "sleep", "defer", "inspect", "env", "say", "warn", "glob", "require", "nodes", "nodes.new", "nodes.files",
		}, name)
		ofSets := class == "set" && slices.Contains([]string{"only", "except", "fold", "names", "tiers", "tier", "node", "iter"}, method)
		if !alone && !ofSets && module != "json" && module != "os" {
			continue
		}
		src := `local web, set, list = nodes "prod", nodes "prod", nodes "prod" ` + f.Example
		if lua.Parse(src, name) != nil {
			src = `local web, set, list = nodes "prod", nodes "prod", nodes "prod" return ` + f.Example
		}
		if _, err := h.Eval(t.Context(), src); err != nil {
			t.Errorf("%s: %s: %v", name, f.Example, err)
		}
		ran++
	}
	if ran < 25 {
		t.Errorf("only %d ran", ran)
	}
}
