package lua

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"github.com/rollsh/rollsh/nodes"
)

// Finding is one thing that the checker found in a recipe.
type Finding struct {
	File    string
	Line    int
	Column  int // 1 for the first byte; 0 when it is not known
	Message string
	Hint    string
	Warning bool // worth a look; a recipe with warnings only is run
}

// String is "file:line:col: message (hint: ...)".
func (f Finding) String() string {
	s := fmt.Sprintf("%s:%d:", f.File, f.Line)
	if f.Column > 0 {
		s += fmt.Sprintf("%d:", f.Column)
	}
	s += " " + f.Message
	if f.Hint != "" {
		s += " (hint: " + f.Hint + ")"
	}
	return s
}

// CheckFile checks a recipe and every file that it requires by a constant name,
// against the records and the project's nodes files. Nothing is run and no node
// is contacted. The findings come in order of file and line.
func (h *Host) CheckFile(path string) ([]Finding, error) {
	src, err := h.files.read(path)
	if err != nil {
		return nil, err
	}
	return newCheckRun(h).all(path, src), nil
}

// CheckText checks a recipe's text; require looks from the project's recipes
// folder.
func (h *Host) CheckText(src, name string) []Finding {
	return newCheckRun(h).all(filepath.Join(h.Session.Project, name), src)
}

// checkRun is one check of a recipe with the files that it requires. All of them
// are taken in before any is checked: what one defines counts in all.
type checkRun struct {
	h     *Host
	files map[string]*checkedFile // by path
	own   map[string]bool         // names of fields and methods that the files define themselves
	flow  *flow
	found []Finding
}

// checkedFile is a file of a check.
type checkedFile struct {
	name    string
	src     string
	chunk   []ast.Stmt
	broken  error // why it is no Lua
	checked bool
}

func newCheckRun(h *Host) *checkRun {
	return &checkRun{h: h, files: map[string]*checkedFile{}, own: map[string]bool{}, flow: newFlow(h.files)}
}

func (r *checkRun) all(path, src string) []Finding {
	r.take(path, src)
	r.flow.find()
	r.check(path)
	return r.sorted()
}

// take parses a file and those that it requires by a constant name.
func (r *checkRun) take(path, src string) {
	f := &checkedFile{name: r.h.shown(path), src: src}
	r.files[path] = f
	if f.chunk, f.broken = parseChunk(src, f.name); f.broken != nil {
		return
	}
	ownNames(f.chunk, r.own)
	for _, required := range r.flow.file(path, f.chunk) {
		if r.files[required] != nil {
			continue
		}
		if text, err := os.ReadFile(required); err == nil { // else it is told where it is read
			r.take(required, string(text))
		}
	}
}

func (r *checkRun) sorted() []Finding {
	first := map[string]int{} // files in the order in which something was found
	for i, f := range r.found {
		if _, known := first[f.File]; !known {
			first[f.File] = i
		}
	}
	slices.SortStableFunc(r.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(first[a.File], first[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(r.found)
}

// check checks a file that was taken in, once.
func (r *checkRun) check(path string) {
	f := r.files[path]
	if f == nil || f.checked {
		return
	}
	f.checked = true
	if f.broken != nil {
		r.found = append(r.found, brokenAt(f.broken))
		return
	}
	c := &checker{run: r, h: r.h, path: path, name: f.name, lines: strings.Split(f.src, "\n")}
	if args, err := ReadArgs(f.src, f.name); err != nil {
		c.find(args.Line, "args", "%s", nodes.AsError(err, nodes.Usage).Message)
	} else if args.Line > 0 {
		c.args = &args
	}
	if err := compiles(f.src, f.name); err != nil {
		r.found = append(r.found, brokenAt(err))
	}
	c.open()
	c.block(f.chunk)
	c.close()
}

// brokenAt is the finding that a file is no Lua.
func brokenAt(err error) Finding {
	e := nodes.AsError(err, nodes.Usage)
	file, line, _ := strings.Cut(e.Where, ":")
	f := Finding{File: file, Message: e.Message, Hint: e.Hint, Column: syntaxColumn(e)}
	f.Line, _ = strconv.Atoi(line) // 0 where no line is named
	return f
}

// syntaxColumn is where the parser stopped in its line; 0 at the end of a file.
func syntaxColumn(err error) int {
	var p *parse.Error
	if !errors.As(err, &p) || p.Pos.Line == parse.EOF {
		return 0
	}
	return max(0, p.Pos.Column)
}

// checker walks one file.
type checker struct {
	run    *checkRun
	h      *Host
	path   string
	name   string
	lines  []string
	scope  *scope
	args   *RecipeArgs // what the recipe declares; nil: nothing, or not readable
	caught int         // how many functions whose errors are expected are around what is looked at
}

// variable is a local.
type variable struct {
	name  string
	line  int
	typ   string // class, "module sync", string, table ...; empty: not known
	set   *nodes.Set
	used  bool
	quiet bool // never reported as unused: parameters, loop variables, functions' own names
}

type scope struct {
	outer *scope
	vars  []*variable
}

func (c *checker) open() { c.scope = &scope{outer: c.scope} }

func (c *checker) close() {
	for _, v := range c.scope.vars {
		if !v.used && !v.quiet && !strings.HasPrefix(v.name, "_") {
			c.report(Finding{Line: v.line, Column: c.column(v.line, v.name), Message: "'" + v.name + "' is never used", Warning: true})
		}
	}
	c.scope = c.scope.outer
}

func (c *checker) declare(name string, line int, typ string) *variable {
	v := &variable{name: name, line: line, typ: typ}
	c.scope.vars = append(c.scope.vars, v)
	return v
}

func (c *checker) lookup(name string) *variable {
	for s := c.scope; s != nil; s = s.outer {
		for i := len(s.vars) - 1; i >= 0; i-- {
			if s.vars[i].name == name {
				return s.vars[i]
			}
		}
	}
	return nil
}

func (c *checker) report(f Finding) {
	f.File = c.name
	f.Warning = f.Warning || c.caught > 0 // what it would raise is expected there
	c.run.found = append(c.run.found, f)
}

// findUnlessOwn reports an error at the word unless some file defines a field or
// method called own itself; a warning where they make names while they run.
func (c *checker) findUnlessOwn(own string, line int, word, format string, args ...any) {
	if !c.run.own[own] {
		c.report(Finding{Line: line, Column: c.column(line, word), Message: fmt.Sprintf(format, args...), Warning: c.run.own[anyName]})
	}
}

// find reports an error at the word.
func (c *checker) find(line int, word, format string, args ...any) {
	c.report(Finding{Line: line, Column: c.column(line, word), Message: fmt.Sprintf(format, args...)})
}

// column finds a word on a line: the parser keeps lines only.
func (c *checker) column(line int, word string) int {
	if line < 1 || line > len(c.lines) || word == "" {
		return 0
	}
	text := c.lines[line-1]
	for from := 0; from < len(text); {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return 0
		}
		i += from
		end := i + len(word)
		if (i == 0 || !wordByte(text[i-1])) && (end == len(text) || !wordByte(text[end])) {
			return i + 1
		}
		from = end
	}
	return 0
}

func wordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}
