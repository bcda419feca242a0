package shell_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// Patterns, expressions and assignments do in a recipe what they do in Lua 5.1
// itself.
func TestLuaIsLua51(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "lua5.1")
	w := luaWriter{rand.New(rand.NewPCG(5, 1))}
	var cases []string
	for range 1500 {
		cases = append(cases, w.pattern(), w.body(w.expression(3)), w.body(w.statement()+w.statement()+w.statement()), w.format(), w.format())
	}
	file := filepath.Join(t.TempDir(), "cases.lua")
	if err := os.WriteFile(file, []byte(luaProgram(cases)), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ours := exec.CommandContext(t.Context(), self, file)
	ours.Env = append(os.Environ(), "ROLLSH_TEST_AS_PROGRAM=1", "HOME="+t.TempDir())
	got, err := ours.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := exec.CommandContext(t.Context(), "lua5.1", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	if len(gotLines) != len(cases)+1 || len(wantLines) != len(cases)+1 {
		t.Fatalf("%d and %d lines for %d cases", len(gotLines), len(wantLines), len(cases))
	}
	different := 0
	for i, text := range cases {
		if gotLines[i] != wantLines[i] {
			if different++; different < 5 {
				t.Errorf("%s\nis   %s\nwant %s", text, gotLines[i], wantLines[i])
			}
		}
	}
}

// luaProgram runs chunks and prints a line for what each gives; for one that
// raises, the word error.
func luaProgram(cases []string) string {
	var b strings.Builder
	b.WriteString(`local function show(ok, ...)
  if not ok then print "error" return end
  local out = {}
  for i = 1, select("#", ...) do out[i] = tostring((select(i, ...))):gsub("%c", ".") end
  print(table.concat(out, " | "))
end
local function try(f, err) if f then show(pcall(f)) else print "no Lua" end end
`)
	for _, c := range cases {
		fmt.Fprintf(&b, "try(loadstring([=====[%s]=====]))\n", c)
	}
	return b.String()
}

// luaWriter writes Lua of no meaning.
type luaWriter struct{ *rand.Rand }

func (w luaWriter) one(of ...string) string { return of[w.IntN(len(of))] }

// pattern is a call of find, match, gsub or gmatch.
func (w luaWriter) pattern() string {
	text, pat := "", w.one("", "", "^")
	for range w.IntN(9) {
		text += w.one("a", "a", "b", "x", "c", "1", " ", "(", ")", "_")
	}
	for range 1 + w.IntN(4) {
		item := w.one("a", "b", ".", "%a", "%d", "%w", "[ab]", "[^a]", "%s", "(a)", "()", "(%w+)", "(.-)", "%b()", "%f[%w]", "[%w_]", "%1", "x", "%(", "[a-c]")
		if !strings.HasSuffix(item, ")") && item != "%1" && !strings.HasPrefix(item, "%f") {
			item += w.one("", "", "*", "+", "-", "?")
		}
		pat += item
	}
	pat += w.one("", "", "$")
	switch w.IntN(4) {
	case 0:
		return fmt.Sprintf("return (%q):find(%q%s)", text, pat, w.one("", ", 2", ", -2", ", 20"))
	case 1:
		return fmt.Sprintf("return (%q):match(%q)", text, pat)
	case 2:
		return fmt.Sprintf("return (%q):gsub(%q, %s)", text, pat, w.one(`"<%0>"`, `"%1"`, `"-"`, "function(a, b) return b or a end", "{a='1', b=false}"))
	}
	return fmt.Sprintf(`local o = "" for a, b in (%q):gmatch(%q) do o = o .. tostring(a) .. "," .. tostring(b) .. ";" end return o`, text, strings.TrimPrefix(pat, "^"))
}

// format is a call of string.format.
func (w luaWriter) format() string {
	form := w.one("", "a", "%%") + "%"
	for range w.IntN(3) {
		form += w.one("-", "+", " ", "#", "0", "0")
	}
	form += w.one("", "", "1", "5", "20", "08", "100") + w.one("", "", ".", ".0", ".3", ".12", ".20", ".123")
	letter := w.one("c", "d", "i", "o", "u", "x", "X", "e", "E", "f", "g", "G", "q", "s", "d", "x", "f", "g", "s", "y", "")
	form += letter + w.one("", "|")
	switch letter { // %s takes any value, and what holds a 0 is not cut
	case "c":
		return fmt.Sprintf("return string.format('%s', %s)", form, w.one("65", "97.5", "'33'", "200", "-2", "nil"))
	case "s", "q":
		zero := w.one("", "\\0")
		if letter == "s" {
			zero = ""
		}
		return fmt.Sprintf("return string.format('%s', %s)", form, w.one("''", "'x'", "'text'", "'with \\n and \\r \\\""+zero+"'", "'ä€'", "7", "-12", "1/3", "1e15", "-2^53", "1e100"))
	}
	big := w.one("1e100", "1/0", "-1/0", "1e-310", "-0.0")
	switch letter {
	case "d", "i", "o", "u", "x", "X": // C says nothing about those
		big = w.one("2^62", "-2^63", "2^31", "-2^31-1")
	}
	value := w.one(big, "0", "1", "-1", "255", "-255", "65", "3.7", "-3.7", "0.1", "-0.04", "1e15", "123456.789", "1234567", "0.00001234", "100000", "2^53", "-2^53",
		"2^40+0.5", "'10'", "' 0x1f '", "'1e2'", "'x'", "nil", big)
	return fmt.Sprintf("return string.format('%s', %s)", form, value)
}

// expression nests as deep as it is told.
func (w luaWriter) expression(depth int) string {
	if depth == 0 {
		return w.one("1", "2", "0.5", "(1/3)", "1e15", "2^53", "nil", "true", "false", `"a"`, `"3"`, "x", "y", "t.a", "t[1]", "f(1)", "f(nil)", "(f(1, 2))", "#t")
	}
	form := w.one("(%s and %s)", "(%s and %s)", "(%s or %s)", "(%s or %s)", "(%s == %s)", "(%s ~= %s)", "(%s + %s)", "(%s - %s)", "(%s .. %s)", "(%s < %s)",
		"f(%s, %s)", "select(2, %s, %s)", "({%s, %s})[1]", "({%s, %s})[2]", "not %s == %s", "%s and 7 or %s", "not (%s and %s)")
	return fmt.Sprintf(form, w.expression(depth-1), w.expression(depth-1))
}

func (w luaWriter) statement() string {
	form := w.one("x = %s", "x = %s", "x, y = y, %s", "t.a, x = x, %s", "if %s then x = 1 else y = 2 end", "for i = 1, 3 do x = %s if i == 2 then break end end",
		"local x = 1 x = %s", "while x do y = %s x = nil end", "repeat local z = %s x = z until true", "t.a, y = f(%s, 2)", "do local y = 1 y = %s x = y end",
		"local g = function() x = %s return y end y = g()", "x = f(%s) y = f(x, 2)")
	return fmt.Sprintf(form, w.expression(w.IntN(3))) + " "
}

// body is an expression, or statements, among the names that they use.
func (w luaWriter) body(code string) string {
	if !strings.HasSuffix(code, " ") {
		code = "return " + code
	} else {
		code += "return x, y, t.a"
	}
	return `return (function() local x, y, t = 3, nil, {10, 20, a="k"} local function f(...) return ... end ` + code + " end)()"
}
