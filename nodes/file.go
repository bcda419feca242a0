package nodes

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what one Load reads.
const (
	maxFileSize = 8 << 20
	maxIncludes = 1000
	maxMistakes = 200 // then reading ends
)

// fileName is what a nodes file may be called: no dot, so that README.md, a
// backup or an editor's leftover is none.
var fileName = Pattern(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)

// tierWord is the first word of a line that begins a tier.
var tierWord = Pattern(`^\[[A-Za-z_][A-Za-z0-9_.-]*\]$`)

// Folder is the folder of a project that holds its nodes files.
func Folder(project string) fs.FS { return os.DirFS(filepath.Join(project, "nodes")) }

// FileNames lists the nodes files of a folder, sorted; none when there is no folder.
func FileNames(dir fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(dir, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, AsError(err, Permission)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && fileName().MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Load reads the nodes file called name in dir, in the order of the file.
//
// Every line is a node (NAME [ADDRESS] [key=value ...]), the begin of a tier
// ([tier] [key=value ...]), a default for the file (key=value ..., before the
// first tier) or include NAME. A key holds from the inside out: the node's own,
// its tier's, its file's, then those of the place that includes the file; an
// empty value takes a default away. Nodes of an included file that are in no
// tier there belong to the tier that includes them. Each file may be taken in
// once.
//
// All mistakes are found at once. One mistake is a Usage error whose Where is
// "nodes/prod:12"; several are a Usage error that shows them all, with each in
// Errors. A file that is not there is NotFound, with the nearest name.
func Load(dir fs.FS, name string) (Set, error) {
	set, _, err := load(dir, name)
	return set, err
}

func load(dir fs.FS, name string) (Set, *loader, error) {
	l := &loader{dir: dir, taken: map[string]bool{}, names: map[Name]*Node{}, machines: map[string]*Node{}}
	text, err := l.read(name)
	if err != nil {
		return Set{}, l, err
	}
	l.file(name, text, nil, []string{name})
	if err := l.failure(name); err != nil {
		return Set{}, l, err
	}
	return Set{Name: name, Nodes: l.nodes}, l, nil
}

// loader is one Load under way.
type loader struct {
	dir      fs.FS
	taken    map[string]bool // files read
	nodes    []*Node
	pending  []*scope // of each node, applied when its file is read to its end
	names    map[Name]*Node
	machines map[string]*Node
	mistakes []*Error
}

// read gives the text of a nodes file and marks it as taken.
func (l *loader) read(name string) (string, error) {
	if !fileName().MatchString(name) {
		return "", &Error{Kind: Usage, Message: "'" + Clean(name) + "' cannot be a nodes file", Hint: "a name is letters, digits, _ and -"}
	}
	f, err := l.dir.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		known, _ := FileNames(l.dir) // only for the suggestion
		return "", &Error{Kind: NotFound, Message: "no nodes file nodes/" + name, Hint: filesKnown(name, known), Cause: err}
	}
	if err != nil {
		return "", &Error{Kind: Permission, Message: "cannot read nodes/" + name + ": " + err.Error(), Cause: err}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	switch {
	case err != nil:
		return "", &Error{Kind: Permission, Message: "cannot read nodes/" + name + ": " + err.Error(), Cause: err}
	case len(text) > maxFileSize:
		return "", &Error{Kind: Usage, Message: fmt.Sprintf("nodes/%s is larger than %d bytes", name, maxFileSize)}
	}
	l.taken[name] = true
	return strings.TrimPrefix(string(text), "\uFEFF"), nil
}

// reading is one file being read.
type reading struct {
	l     *loader
	name  string
	line  int
	chain []string // the files that include each other down to this one
	file  *scope
	tier  *scope // nil before the first tier
}

func (l *loader) file(name, text string, outer *scope, chain []string) {
	r := &reading{l: l, name: name, chain: chain, file: &scope{outer: outer, settings: settings{}}}
	for line := range strings.SplitSeq(text, "\n") {
		r.line++
		if len(l.mistakes) >= maxMistakes {
			return
		}
		r.read(strings.TrimSuffix(line, "\r"))
	}
}

// place is where new nodes are declared: the tier, or the file before the first.
func (r *reading) place() *scope {
	if r.tier != nil {
		return r.tier
	}
	return r.file
}

// fail notes a mistake on the current line.
func (r *reading) fail(e *Error) {
	e.Kind, e.Where = Usage, fmt.Sprintf("nodes/%s:%d", r.name, r.line)
	e.Message, e.Hint = Clean(e.Message), Clean(e.Hint)
	r.l.mistakes = append(r.l.mistakes, e)
}

func (r *reading) failf(hint, format string, args ...any) {
	r.fail(&Error{Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *reading) read(line string) {
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(c rune) bool { return c != '\t' && unicode.IsControl(c) }) {
		r.failf("save the file as UTF-8 text", "a byte that is not text")
		return
	}
	words, err := splitWords(line)
	if err != nil {
		r.failf("", "%v", err)
		return
	}
	switch {
	case len(words) == 0:
	case isSetting(words[0]):
		r.defaults(words)
	case strings.HasPrefix(words[0], "[") && !strings.Contains(strings.TrimSuffix(words[0], "]"), "]"):
		r.beginTier(words)
	case words[0] == "include":
		r.include(words[1:])
	default:
		r.node(words)
	}
}

func isSetting(word string) bool { return strings.Contains(word, "=") }

func (r *reading) defaults(words []string) {
	if r.tier != nil {
		r.failf("put it on the line of ["+r.tier.tier+"], or before the first tier", "'%s' stands after the first tier", words[0])
		return
	}
	r.defaultKeys(words, r.file.settings)
}

// defaultKeys adds the keys of a file or tier; a host would make all its nodes
// one machine.
func (r *reading) defaultKeys(words []string, to settings) {
	r.keys(slices.DeleteFunc(words, func(w string) bool {
		host := strings.HasPrefix(w, "host=")
		if host {
			r.failf("write it behind the node's name", "host cannot be a default")
		}
		return host
	}), to)
}

// keys adds every word as key=value.
func (r *reading) keys(words []string, to settings) {
	for _, w := range words {
		if !isSetting(w) {
			r.failf("quote a value that has spaces in it", "'%s' is not key=value", w)
			continue
		}
		if e := to.add(w); e != nil {
			r.fail(e)
		}
	}
}

func (r *reading) beginTier(words []string) {
	if !tierWord().MatchString(words[0]) {
		r.failf("write [name], where name begins with a letter", "'%s' is not a tier", words[0])
		return
	}
	r.tier = &scope{outer: r.file, tier: strings.Trim(words[0], "[]"), settings: settings{}}
	r.defaultKeys(words[1:], r.tier.settings)
}

func (r *reading) include(words []string) {
	if len(words) != 1 {
		r.failf("write include NAME, one to a line", "include takes one name")
		return
	}
	name := words[0]
	chain := slices.Concat(r.chain, []string{name})
	switch {
	case slices.Contains(r.chain, name):
		r.failf("", "include runs in a circle: %s", strings.Join(chain, " -> "))
		return
	case r.l.taken[name]:
		r.failf("include it in one place", "nodes/%s is taken in twice", name)
		return
	case len(r.l.taken) >= maxIncludes:
		r.failf("", "more than %d files are included", maxIncludes)
		return
	}
	text, err := r.l.read(name)
	if err != nil {
		e := *AsError(err, Usage)
		r.fail(&e)
		return
	}
	r.l.file(name, text, r.place(), chain)
}

// node reads NAME [ADDRESS] [key=value ...].
func (r *reading) node(words []string) {
	name, address := words[0], ""
	words = words[1:]
	if len(words) > 0 && !isSetting(words[0]) {
		address, words = words[0], words[1:]
	}
	own := &scope{outer: r.place(), settings: settings{}}
	before := len(r.l.mistakes)
	r.keys(words, own.settings)
	if host := own.settings["host"]; host != "" {
		if address != "" {
			r.failf("keep one of them", "%s has an address and host=%s", name, host)
		}
		address = host
	}
	names, addresses := r.expand(name, address)
	if len(names) > 1 {
		r.noRanges(own.settings, len(names))
	}
	broken := len(r.l.mistakes) > before
	for i, n := range names {
		switch {
		case len(r.l.mistakes) >= maxMistakes:
			return
		case broken:
			r.take(n)
		default:
			r.declare(n, addresses[i], own)
		}
	}
}

// noRanges refuses a range in what is taken as it is written, by all nodes of a
// line: each was meant to have its own. Commands may hold brackets.
func (r *reading) noRanges(own settings, count int) {
	for _, key := range []string{"path", "key", "jump"} {
		if t, err := parseTemplate(own[key], true); err == nil && len(t.ranges) > 0 {
			r.failf("ranges stand in names and addresses: write a line for each node", "%s=%s holds a range, and would be taken as written on %d nodes", key, own[key], count)
		}
	}
}

// expand gives the names and, in step, their addresses; an empty address stays
// empty. Where the addresses are wrong there are names alone.
func (r *reading) expand(name, address string) (names, addresses []string) {
	t, err := parseTemplate(name, false)
	if err == nil && t.count() <= MaxNodes && t.count()+len(r.l.nodes) > MaxNodes {
		err = &Error{Kind: Usage, Message: fmt.Sprintf("more than %d nodes in all", MaxNodes)}
	}
	if err == nil {
		names, err = t.expand()
	}
	if err != nil {
		r.failf("", "%s: %s", name, AsError(err, Usage).Message)
		return nil, nil
	}
	t, err = parseTemplate(address, true)
	if err == nil && len(t.ranges) == 0 && (address == "" || len(names) == 1) {
		addresses = make([]string, len(names))
		for i := range addresses {
			addresses[i] = address
		}
		return names, addresses
	}
	if err == nil {
		addresses, err = t.expandInStep(len(names))
	}
	switch {
	case err != nil:
		r.failf("", "%s: %s", address, AsError(err, Usage).Message)
	case len(addresses) == 1:
		r.failf("write a range in the address too, such as 10.0.0.[1-3]", "%d nodes have one address, %s", len(names), address)
	case len(addresses) != len(names):
		r.failf("make both ranges the same length", "%s is %d nodes, %s is %d addresses", name, len(names), address, len(addresses))
	}
	return names, addresses
}

// take takes a name, so that a second node of that name is told of whatever else
// is wrong with the first; nil where it cannot be had.
func (r *reading) take(name string) *Node {
	n := &Node{Name: Name(name), Source: fmt.Sprintf("nodes/%s:%d", r.name, r.line)}
	if !nodeName().MatchString(name) || len(name) > maxNameLength {
		r.failf("a name is letters, digits, _ . and -", "'%s' cannot be the name of a node", name)
		return nil
	}
	if o := r.l.names[n.Name]; o != nil {
		r.failf("give it another name or drop it", "%s is declared already at %s", name, o.Source)
		return nil
	}
	r.l.names[n.Name] = n
	return n
}

// declare adds one node.
func (r *reading) declare(name, address string, own *scope) {
	n := r.take(name)
	if n == nil {
		return
	}
	if address != "" {
		host, port, err := parseAddress(address)
		if err != nil {
			r.failf("", "%s: %v", name, err)
			return
		}
		if n.Host, n.Port = host, port; port != 0 && own.settings["port"] != "" {
			r.failf("keep one of them", "%s has a port in its address and port=%s", name, own.settings["port"])
			return
		}
	}
	r.l.nodes = append(r.l.nodes, n)
	r.l.pending = append(r.l.pending, own)
}

// finish fills the nodes with their defaults and looks for machines that have
// two names.
func (l *loader) finish() {
	for i, n := range l.nodes {
		l.pending[i].apply(n)
		if o := l.machines[n.machine()]; o != nil && len(l.mistakes) < maxMistakes {
			l.mistakes = append(l.mistakes, &Error{
				Kind: Usage, Where: n.Source,
				Message: fmt.Sprintf("%s and %s (%s) are both %s", n.Name, o.Name, o.Source, n.Endpoint()),
				Hint:    "keep one of them, or give them different ports",
			})
		}
		l.machines[n.machine()] = n
	}
}

// failure finishes the nodes and gives all mistakes in one error.
func (l *loader) failure(name string) error {
	l.finish()
	if len(l.mistakes) == 0 {
		return nil
	}
	if len(l.mistakes) == 1 {
		return l.mistakes[0]
	}
	e := &Error{Kind: Usage, Message: fmt.Sprintf("%d mistakes in nodes/%s", len(l.mistakes), name)}
	for _, m := range l.mistakes {
		e.Message += "\n  " + m.Error()
		e.Errors = append(e.Errors, m)
	}
	return e
}
