package lua

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"github.com/rollsh/rollsh/nodes"
)

// files are the Lua files that a run has loaded.
type files struct {
	host       *Host
	loaded     map[string]*file // by real path
	order      []string
	errMethods map[string]*glua.LFunction
}

type file struct {
	loading bool
	value   glua.LValue
	shown   string
}

// load compiles a chunk. A text that does not parse is a Usage error with the
// file and line.
func (h *Host) load(src, name string) (*glua.LFunction, error) {
	chunk, err := parseChunk(src, name)
	if err != nil {
		return nil, err
	}
	return h.compile(chunk, name)
}

func (h *Host) compile(chunk []ast.Stmt, name string) (*glua.LFunction, error) {
	mendConcats(chunk)
	mendAssignments(chunk)
	proto, err := glua.Compile(chunk, name)
	if err != nil {
		return nil, compileError(err, name)
	}
	return h.root.NewFunctionFromProto(proto), nil
}

// compiles is why a text that parses is no Lua all the same: a goto without its
// label, a break outside a loop.
func compiles(src, name string) error {
	chunk, err := parseChunk(src, name)
	if err != nil {
		return err
	}
	if _, err := glua.Compile(chunk, name); err != nil {
		return compileError(err, name)
	}
	return nil
}

// ofGoto is how the compiler names the line of a goto, in the words of Lua 5.2.
var ofGoto = nodes.Pattern(`<goto( \S+)?> at line (\d+)`)

// compileError names the line at which the compiler gave up.
func compileError(err error, name string) error {
	e := &nodes.Error{Kind: nodes.Usage, Where: name, Message: firstLine(err.Error()), Cause: err}
	var c *glua.CompileError
	if !errors.As(err, &c) {
		return e
	}
	line := c.Line
	e.Message = firstLine(c.Message)
	if m := ofGoto().FindStringSubmatch(e.Message); m != nil {
		line, _ = strconv.Atoi(m[2])
		e.Message = strings.Replace(e.Message, m[0], "goto"+m[1], 1)
	} else if strings.HasPrefix(e.Message, "label ") {
		line-- // it names the one below the label
	}
	e.Where = name + ":" + itoa(line)
	return e
}

// parseChunk parses Lua; a byte order mark, and a first line that starts with #,
// are passed over.
func parseChunk(src, name string) ([]ast.Stmt, error) {
	src = strings.TrimPrefix(src, "\uFEFF")
	if strings.HasPrefix(src, "#") {
		src = "--" + src
	}
	chunk, err := parse.Parse(strings.NewReader(src), name)
	if err != nil {
		return nil, syntaxError(err, name, src)
	}
	return chunk, nil
}

// syntaxError names the line and the token where the parser gave up.
func syntaxError(err error, name, src string) error {
	e := &nodes.Error{Kind: nodes.Usage, Where: name, Message: firstLine(err.Error()), Cause: err}
	var p *parse.Error
	if !errors.As(err, &p) {
		return e
	}
	line := p.Pos.Line
	if line == parse.EOF {
		line = strings.Count(strings.TrimRight(src, "\n"), "\n") + 1
		e.Message = "unexpected end of file: something is not closed, such as a missing 'end'"
		if strings.Contains(p.Message, "unterminated string") {
			e.Message = "a string is not closed"
		}
	} else {
		e.Message = "syntax error near '" + nodes.Clean(p.Token) + "'"
		if p.Message != "" && p.Message != "syntax error" && p.Message != "parse error" {
			e.Message = nodes.Clean(p.Message) + " near '" + nodes.Clean(p.Token) + "'"
		}
	}
	e.Where = name + ":" + itoa(line)
	return e
}

// Incomplete reports whether a text that does not parse would parse if more
// lines came: the parser stopped at the end, and not inside a quoted string.
func Incomplete(err error) bool {
	var p *parse.Error
	return errors.As(err, &p) && p.Pos.Line == parse.EOF && !strings.Contains(p.Message, "unterminated string")
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// RunFile runs the recipe of the session, Session.Recipe, as the root task. The
// error is what a person reads.
func (h *Host) RunFile(ctx context.Context) error {
	path := h.Session.Recipe.Path
	if policy := h.Session.Policy; policy != nil {
		if err := policy.Run(path); err != nil {
			return err
		}
	}
	src, err := h.files.read(path)
	if err != nil {
		return err
	}
	<-h.baton
	defer h.give()
	h.root.G.CurrentThread = h.root
	shown := h.shown(path)
	h.files.note(realPath(path), shown, src).loading = true
	fn, err := h.load(src, shown)
	if err != nil {
		return err
	}
	_, err = h.run(bare(ctx), h.root, &task{where: shown}, fn)
	return err
}

func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func (f *files) read(path string) (string, error) {
	if err := f.host.Session.Trust(path); err != nil {
		return "", err
	}
	src, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &nodes.Error{Kind: nodes.NotFound, Message: path + ": no such file"}
	case err != nil:
		return "", &nodes.Error{Kind: nodes.Permission, Message: err.Error()}
	}
	return string(src), nil
}

func (f *files) note(real, shown, src string) *file {
	sum := sha256.Sum256([]byte(src))
	entry := &file{shown: shown}
	f.loaded[real] = entry
	r := f.host.Session.Recipe
	if r.Files == nil {
		r.Files = map[string]string{}
	}
	r.Files[real] = hex.EncodeToString(sum[:])
	return entry
}

// requireName is what can be required: no paths, no dots that lead anywhere.
var requireName = nodes.Pattern(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

type requireArgs struct {
	Name string `lua:"name,pos" doc:"dotted name, such as deploy.common"`
}

// require loads a file once: from the requiring file's folder, then from lib/
// of the project. Symlinks are resolved and must stay inside the project.
func require(c *Call, a requireArgs) (any, error) {
	h := c.Host
	if !requireName().MatchString(a.Name) {
		return nil, usage("'%s' is not a name of a module: letters, digits, '_', '-', and dots between", a.Name)
	}
	real, path, err := h.files.find(c.L, a.Name)
	if v := h.library(a.Name); v != nil && nodes.KindOf(err) == nodes.NotFound {
		return Raw{v}, nil
	}
	if err != nil {
		return nil, err
	}
	if f := h.files.loaded[real]; f != nil {
		if f.loading {
			return nil, usage("'%s' requires itself: %s", a.Name, h.files.chain(f.shown))
		}
		return Raw{f.value}, nil
	}
	return h.files.load(c.L, real, h.shown(path))
}

// library is a module of the standard library, which is a global as well; nil
// where none has the name.
func (h *Host) library(name string) glua.LValue {
	switch v := h.root.G.Global.RawGetString(name).(type) {
	case *glua.LTable, *glua.LUserData:
		return v
	}
	return nil
}

func (f *files) load(L *glua.LState, real, shown string) (any, error) {
	src, err := f.read(real)
	if err != nil {
		return nil, err
	}
	fn, err := f.host.load(src, shown)
	if err != nil {
		return nil, err
	}
	entry := f.note(real, shown, src)
	entry.loading = true
	f.order = append(f.order, shown)
	defer func() {
		entry.loading = false
		f.order = f.order[:len(f.order)-1]
	}()
	results, err := f.host.pcall(L, fn, nil)
	if err != nil {
		delete(f.loaded, real)
		return nil, err
	}
	entry.value = glua.LTrue
	if len(results) > 0 && results[0] != glua.LNil {
		entry.value = results[0]
	}
	return Raw{entry.value}, nil
}

func (f *files) chain(shown string) string { return strings.Join(append(f.order, shown), " -> ") }

// find looks up what the running file requires.
func (f *files) find(L *glua.LState, name string) (real, path string, err error) {
	path, err = f.locate(f.host.callerSource(L), name)
	if err != nil {
		return "", "", err
	}
	return realPath(path), path, nil
}

// locate finds the file of a required name, for a file that requires it; the
// error lists where it looked.
func (f *files) locate(source, name string) (string, error) {
	rel := strings.ReplaceAll(name, ".", string(filepath.Separator)) + ".lua"
	root := f.host.Session.Project
	var looked []string
	for _, dir := range f.folders(source) {
		path := filepath.Join(dir, rel)
		looked = append(looked, f.host.shown(path))
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if real := realPath(path); root != "" && !inside(realPath(root), real) {
			return "", &nodes.Error{Kind: nodes.Refused, Message: "'" + name + "' leads out of the project, to " + real}
		}
		return path, nil
	}
	return "", &nodes.Error{Kind: nodes.NotFound, Message: "module '" + name + "' not found: no " + strings.Join(append(looked, "module of the standard library"), ", no ")}
}

func inside(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(rel)
}

// folders are where a file may require from: its own folder, then lib/.
func (f *files) folders(source string) []string {
	var out []string
	root := f.host.Session.Project
	if source != "" {
		dir := filepath.Dir(source)
		if !filepath.IsAbs(dir) && root != "" {
			dir = filepath.Join(root, dir)
		}
		out = append(out, dir)
	}
	if root != "" {
		out = append(out, filepath.Join(root, "lib"))
	}
	return out
}

// callerSource is the name of the file whose code runs; empty in the shell.
func (h *Host) callerSource(L *glua.LState) string {
	for level := 0; ; level++ {
		dbg, ok := L.GetStack(level)
		if up := h.above(L); !ok && up != nil {
			return h.callerSource(up)
		}
		if !ok {
			return ""
		}
		if _, err := L.GetInfo("S", dbg, glua.LNil); err == nil && !embedded(dbg.Source) {
			if dbg.Source == ShellChunk {
				return ""
			}
			return dbg.Source
		}
	}
}
