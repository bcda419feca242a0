package lua

import (
	"cmp"
	"errors"
	"fmt"
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
	run := newCheckRun(h)
	run.file(path, src)
	return run.sorted(), nil
}

// CheckText checks a recipe's text; require looks from the project's recipes
// folder.
func (h *Host) CheckText(src, name string) []Finding {
	run := newCheckRun(h)
	run.file(filepath.Join(h.Session.Project, name), src)
	return run.sorted()
}

// checkRun is one check of a recipe with the files that it requires.
type checkRun struct {
	h     *Host
	seen  map[string]bool
	own   map[string]bool // names of fields and methods that the files define themselves
	found []Finding
	near  []nearMethod

	catchers map[string]bool // names of the files' own functions that catch what an argument raises
}

func newCheckRun(h *Host) *checkRun {
	return &checkRun{h: h, seen: map[string]bool{}, own: map[string]bool{}, catchers: map[string]bool{}}
}

// nearMethod is a finding that holds unless some file defines the method: which
// those are is known at the end.
type nearMethod struct {
	Finding
	method string
}

func (r *checkRun) sorted() []Finding {
	for _, n := range r.near {
		if !r.own[n.method] {
			r.found = append(r.found, n.Finding)
		}
	}
	first := map[string]int{} // files in the order in which they were looked at
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

func (r *checkRun) file(path, src string) {
	if r.seen[path] {
		return
	}
	r.seen[path] = true
	name := r.h.shown(path)
	chunk, err := parseChunk(src, name)
	if err != nil {
		e := nodes.AsError(err, nodes.Usage)
		file, line, _ := strings.Cut(e.Where, ":")
		f := Finding{File: file, Message: e.Message, Hint: e.Hint}
		f.Line, _ = strconv.Atoi(line) // 0 where no line is named
		f.Column = syntaxColumn(e)
		r.found = append(r.found, f)
		return
	}
	c := &checker{run: r, h: r.h, path: path, name: name, lines: strings.Split(src, "\n"), chunk: chunk}
	ownNames(chunk, r.own)
	catchers(chunk, r.catchers)
	if args, err := ReadArgs(src, name); err != nil {
		c.find(args.Line, "args", "%s", nodes.AsError(err, nodes.Usage).Message)
	} else if args.Line > 0 {
		c.args = &args
	}
	c.open()
	c.block(chunk)
	c.close()
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
	caught int         // how many calls of pcall and xpcall are around what is looked at

	chunk    []ast.Stmt
	expected map[*ast.FunctionExpr]bool // functions that are called in protected calls elsewhere in the file
	catching int                        // how many catchers were known when expected was found
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
// method called own itself.
func (c *checker) findUnlessOwn(own string, line int, word, format string, args ...any) {
	f := Finding{File: c.name, Line: line, Column: c.column(line, word), Message: fmt.Sprintf(format, args...), Warning: c.caught > 0}
	c.run.near = append(c.run.near, nearMethod{f, own})
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
