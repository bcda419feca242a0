package shell_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/shell"
	"github.com/rollsh/rollsh/stdlib"
)

// newHost is a host with all primitives, in an empty project.
func newHost(t *testing.T) *lua.Host {
	t.Helper()
	s := &nodes.Session{
		Events: nodes.Discard{}, Person: shell.NewPerson(nil, os.Stderr, false, nil), Service: nodes.NewService(),
		Project: t.TempDir(), State: t.TempDir(), Cache: t.TempDir(), Home: t.TempDir(),
	}
	l := stdlib.New(s)
	t.Cleanup(l.Close)
	return lua.New(s, l.Modules)
}

var known = shell.KnowHow{
	Globals: map[string]string{
		"nodes": "table", "node": "table", "svn": "table", "json": "table", "web": "Set", "n": "Node", "mine": "table", "say": "function",
		"sleep": "function", "string": "table",
	},
	Names: map[string][]string{"web": {"web1", "web2"}, "mine": {"alpha", "beta"}},
	Files: []string{"prod", "staging"}, Nodes: []string{"cdn1", "web1", "web2"}, Tiers: []string{"app", "cdn"},
	Paths: []string{"recipes/prod.lua", "recipes/fix.lua"}, Revs: []string{"r14", "r12"},
	Hosts: []string{"wall", "web1", "bastion", "webcam", "cdn9"},
	Local: func(folder string) []string {
		return map[string][]string{"": {"build/", "recipes/", ".svn/"}, "build/": {"index.html"}, "recipes/": {"prod.lua"}}[folder]
	},
}

func TestComplete(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, tc := range []struct {
		before string
		want   []string
		some   bool // want is among them
	}{
		{"sl", []string{"sleep"}, false},
		{"whi", []string{"while"}, false},
		{"x = no", []string{"node", "nodes", "not"}, false},
		{"nodes.", []string{"files", "new"}, false},
		{"json.en", []string{"encode"}, false},
		{"web:ti", []string{"tier", "tiers"}, false},
		{"web.we", []string{"web1", "web2"}, false},
		{"web.web1:ru", []string{"run"}, false},
		{"web[1]:ru", []string{"run"}, false},
		{`roll{name="w", drain={un`, []string{"undrain="}, false},
		{`mysql.copy{from={on=n, d`, []string{"database="}, false},
		{`node{na`, []string{"name="}, false},
		{`nodes.new{ {name="a"}, {jum`, []string{"jump="}, false},
		{"n.ho", []string{"host"}, false},
		{"mine.a", []string{"alpha"}, false},
		{`nodes "prod":tie`, []string{"tier", "tiers"}, false},
		{`nodes("prod"):only("a"):exc`, []string{"except"}, false},
		{`node("web1"):ru`, []string{"run"}, false},
		{`("x"):re`, []string{"rep", "reverse"}, false},
		{"web:each({at", []string{"at_once="}, false},
		{"web:each({at_once=2, on", []string{"on_failure="}, false},
		{`n:run("x", {cw`, []string{"cwd="}, false},
		{"web:each({", []string{"at_once=", "max_failed="}, true},
		{`nodes "st`, []string{"staging"}, false},
		{`nodes("pr`, []string{"prod"}, false},
		{`node "web`, []string{"web1", "web2", "webcam"}, false},
		{`node("ba`, []string{"bastion"}, false},
		{`web:only("cdn1,we`, []string{"web1", "web2"}, false},
		{`web:tier("c`, []string{"cdn"}, false},
		{`x = "recipes/p`, []string{"recipes/prod.lua"}, false},
		{"@we", []string{"web1", "web2", "webcam"}, false},
		{"@", []string{"cdn1", "prod", "staging", "web1", "web2", "wall", "bastion", "webcam", "cdn9"}, false},
		{"@@a", []string{"app"}, false},
		{"?slee", []string{"sleep"}, false},
		{`x = "bu`, []string{"build/"}, false},
		{`x = "build/`, []string{"build/index.html"}, false},
		{`x = ".s`, []string{".svn/"}, false},
		{"!cat build/in", []string{"build/index.html"}, false},
		{"!ls bui", []string{"build/"}, false},
		{":save recipes/p", []string{"recipes/prod.lua"}, false},
		{`sync.push{from="b`, []string{"build/"}, false},
		{`sync.push{path="b`, nil, false},
		{`roll{rev="r1`, []string{"r12", "r14"}, false},
		{`m:take("r12,`, []string{"all", "r12", "r14"}, false},
		{`m:block "r14`, []string{"r14"}, false},
		{`pending:only("r`, []string{"r12", "r14"}, false},
		{`n:run("x").st`, []string{"stderr", "stdout"}, false},
		{`web:run("x").web1.value.cod`, []string{"code"}, false},
		{`web:run("x"):node("web1").va`, []string{"value"}, false},
		{`web:run("x")[1].sec`, []string{"seconds"}, false},
		{"-- sl", nil, false},
		{"zzz", nil, false},
		{"zzz.", nil, false},
		{"a.b.c:", nil, false},
		{"f(", nil, false},
		{"))).", nil, false},
	} {
		_, got := shell.Complete(h, known, tc.before)
		if tc.some {
			for _, w := range tc.want {
				if !slices.Contains(got, w) {
					t.Errorf("%q: %q is not in %q", tc.before, w, got)
				}
			}
			continue
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", tc.before, d)
		}
	}
}

func TestAfterACompletedWord(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ before, word, want string }{
		{`nodes "pr`, "prod", `"`},
		{`web:only('we`, "web1", "'"},
		{`x = "bu`, "build/", ""},
		{`x = [[bu`, "built", ""},
		{"@we", "web1", " "},
		{"!cat 'in", "index", ""},
		{"slee", "sleep", ""},
	} {
		if got := shell.After(tc.before, tc.word); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.before, got, tc.want)
		}
	}
}

func TestFileInUse(t *testing.T) {
	t.Parallel()
	for chunk, want := range map[string]string{
		`web = nodes "prod"`: "prod", `nodes("staging"):run("uptime")`: "staging", `nodes "prod" + nodes 'staging'`: "staging",
		`nodes "other"`: "", `x.nodes "prod"`: "", `-- nodes "prod"`: "", `say "nodes"`: "", `nodes`: "",
	} {
		if got := shell.FileInUse(chunk, "prod", "staging"); got != want {
			t.Errorf("%s: %q, want %q", chunk, got, want)
		}
	}
}

func FuzzComplete(f *testing.F) {
	h := lua.New(&nodes.Session{Events: nodes.Discard{}, Service: nodes.NewService()}, nil)
	for _, s := range []string{"web:each({at", `nodes("prod"):only("a"):exc`, "a[b](c){d}.e:", "[==[x", "--[[", `"\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, before string) {
		shell.Complete(h, known, before)
		if got := strings.Join(shell.Lex(before), ""); got != before {
			t.Errorf("the tokens of %q are %q", before, got)
		}
		if got := escape.ReplaceAllString(shell.Paint(before), ""); got != escape.ReplaceAllString(before, "") {
			t.Errorf("%q is painted %q", before, got)
		}
		shell.LayOut("> ", ". ", shell.Paint(before), 1, 7)
	})
}

var escape = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func TestLex(t *testing.T) {
	t.Parallel()
	got := shell.Lex(`local s = 'a\'b' .. [==[x]]y]==] -- é 2
if x~=0x1F then f"ü" end`)
	want := []string{
		"local", " ", "s", " ", "=", " ", `'a\'b'`, " ", "..", " ", "[==[x]]y]==]", " ", "-- é 2", "\n",
		"if", " ", "x", "~=", "0x1F", " ", "then", " ", "f", `"ü"`, " ", "end",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		typed  int64
		pieces []string
		want   string
	}{
		{"plain and wide text", 0, []string{"aé漢"}, "aé漢"},
		{"Home and End of tmux", 1, []string{"\x1b[1~x\x1b[4~"}, "\x01x\x05"},
		{"a word on and back", 1, []string{"\x1b[1;5C\x1b[1;5D"}, "\x1bf\x1bb"},
		{"a paste is one line", 0, []string{"\x1b[200~a\tb\r\nc\rd\ne\x1b[201~\r"}, "a  b" + shell.Newline + "c" + shell.Newline + "d" + shell.Newline + "e\r"},
		{"a paste without the line breaks at its end", 0, []string{"\x1b[200~a\n\n", "\n\x1b[201~b"}, "ab"},
		{"a paste in pieces", 0, []string{"\x1b[200~a\n", "b\x1b[20", "1~c"}, "a" + shell.Newline + "bc"},
		{"a paste with escapes in it", 0, []string{"\x1b[200~a\x1b[2J\x03\x1b[201~"}, "a[2J"},
		{"Ctrl-S, NUL and Ctrl-Z are dropped", 0, []string{"a\x13\x00\x1a\x1cb"}, "ab"},
		{"Ctrl-C, Ctrl-D, Ctrl-R stay", 0, []string{"\x03\x04\x12"}, "\x03\x04\x12"},
		{"Delete on an empty line is no end of input", 0, []string{"\x1b[3~"}, ""},
		{"Delete in a line deletes", 3, []string{"\x1b[3~"}, "\x1b[3~"},
		{"arrows stay", 0, []string{"\x1b[A\x1bOB"}, "\x1b[A\x1bOB"},
		{"bytes that are no UTF-8 stay as they are", 0, []string{"\xff\xe9"}, "\xff\xe9"},
	} {
		if got := shell.TypedKeys(tc.typed, tc.pieces...); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDesugar(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"nodes/prod":    "[cdn]\ncdn[1-2] 10.0.0.[1-2]\n[app]\nweb[1-4] 10.0.1.[1-4]\n",
		"nodes/staging": "[app]\nstage1 10.1.0.1\n",
	})
	for _, tc := range []struct{ line, want, fails string }{
		{`print "@web1"`, `print "@web1"`, ""},
		{" @web1 uptime", " @web1 uptime", ""},
		{`@web1 echo "it's \n"`, `node("web1"):run("echo \"it's \\n\"")`, ""},
		{"@web[1-3] uptime", `nodes("prod"):only("web[1-3]"):run("uptime")`, ""},
		{"@prod uptime", `nodes("prod"):run("uptime")`, ""},
		{"@@cdn uptime", `nodes("prod"):tier("cdn"):run("uptime")`, ""},
		{"@@staging/app uptime", `nodes("staging"):tier("app"):run("uptime")`, ""},
		{"@@app uptime", "", "several nodes files: prod, staging (hint: name the file: prod/app)"},
		{"@@nosuch uptime", "", "no tier 'nosuch'"},
		{"@web1", "", "no command for @web1"},
		{"! ls -l ", `sh("ls -l")`, ""},
		{"!", "", "no command"},
		{"?sync.push", `help("sync.push")`, ""},
		{"?", "help()", ""},
		{"help", `help("")`, ""},
		{"help sync.push ", `help("sync.push")`, ""},
		{`help "sync.push"`, `help "sync.push"`, ""},
		{"help = 1", "help = 1", ""},
	} {
		got, err := shell.Desugar(dir, tc.line)
		switch {
		case tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails)):
			t.Errorf("%q: error %v, want %q", tc.line, err, tc.fails)
		case tc.fails == "" && (err != nil || got != tc.want):
			t.Errorf("%q: %q, %v, want %q", tc.line, got, err, tc.want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	got, err := shell.SplitWords(`recipes/prod.lua 'a b' "c \"d\"" e\ f --x="1 2" ''`)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"recipes/prod.lua", "a b", `c "d"`, "e f", "--x=1 2", ""}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := shell.SplitWords(`a 'b`); err == nil {
		t.Error("an open quote is accepted")
	}
}

func TestASessionBecomesARecipeThatChecks(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	text := shell.AsRecipe([]string{
		`text = "one"`, `text = text .. " two"`, `local n, m = 1, 2`, `n = n + m`, "function twice(x)\n  return 2 * x\nend",
		`twice(n)`, `text .. n`, `help "sleep"`, `for i = 1, n do say(twice(i)) end`,
	})
	for _, f := range h.CheckText(text, "typed.lua") {
		if !f.Warning {
			t.Errorf("%s", f)
		}
	}
	for _, want := range []string{`local text = "one"`, "\ntext = text", "local function twice", `print(inspect(text .. n))`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "help") {
		t.Error("help is in the recipe")
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "history")
	got, err := shell.Remember(path, "web:run \"a\\n\"", "for i = 1, 2 do\n  print(i)\nend", " hidden", `password = "x"`, "local t = secret \"chat\"", "", "say 1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"web:run \"a\\n\"", "for i = 1, 2 do\n  print(i)\nend", "say 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := shell.Remember(path, "say 2"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
}

func TestNameGridFits(t *testing.T) {
	t.Parallel()
	var names []string
	for range 300 {
		names = append(names, "a-name-of-a-node")
	}
	for _, size := range [][2]int{{80, 20}, {40, 10}, {10, 5}, {2, 1}} {
		got := shell.NameGrid(names, size[0], size[1])
		rows := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		if len(rows) > size[1]+1 || !strings.Contains(rows[len(rows)-1], "more") {
			t.Errorf("%v: %d rows", size, len(rows))
		}
		for _, r := range rows[:len(rows)-1] {
			if shell.Cells(r) >= size[0] {
				t.Errorf("%v: a row of %d columns", size, shell.Cells(r))
			}
		}
	}
}

func TestStateFolder(t *testing.T) {
	t.Parallel()
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, tc := range []struct {
		env    func(string) string
		want   string
		shared bool
	}{
		{env("ROLLSH_STATE", "/srv/state", "HOME", "/home/ann"), "/srv/state", true},
		{env("XDG_STATE_HOME", "/x", "HOME", "/home/ann"), "/x/rollsh/no-such-project-acfdd222", false},
		{env("XDG_STATE_HOME", "relative", "HOME", "/home/ann"), "/home/ann/.local/state/rollsh/no-such-project-acfdd222", false},
		{env("HOME", "/home/ann"), "/home/ann/.local/state/rollsh/no-such-project-acfdd222", false},
	} {
		if got, shared := shell.StateOf("/srv/no-such-project", tc.env); got != tc.want || shared != tc.shared {
			t.Errorf("%s, shared %v; want %s", got, shared, tc.want)
		}
	}
}

// TestRecordsAreWritten: types are Lua, and every name has a page whose example
// is Lua too.
func TestRecordsAreWritten(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := lua.Parse(shell.TypesText(h), "types"); err != nil {
		t.Errorf("the editor types: %v", err)
	}
	for _, name := range shell.HelpNames(h) {
		if _, ok := shell.HelpText(h, name); !ok {
			t.Errorf("no help on %s", name)
		}
		if f, ok := h.Record(name); ok {
			if f.Doc == "" || f.Example == "" {
				t.Errorf("%s has no doc or no example", name)
			}
			if lua.Parse(f.Example, name) != nil && lua.Parse("return "+f.Example, name) != nil {
				t.Errorf("the example of %s is no Lua: %s", name, f.Example)
			}
		}
	}
	for name, page := range shell.ReferencePages(h) {
		if !strings.HasPrefix(page, "# ") || strings.Contains(page, "\n\n\n") {
			t.Errorf("%s is not laid out", name)
		}
	}
}
