package shell

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// tab is the completion of readline. It answers one candidate at most, the
// common beginning, and prints the list itself: readline's own list divides by
// zero (its issue 111).
type tab struct {
	app  *app
	out  io.Writer
	know atomic.Pointer[completer]
	revs []string // revisions of changesets that were shown, the latest first
}

const (
	mostRevs    = 500                    // revisions that are kept for completion
	mostEntries = 5000                   // names of a folder that are looked at
	listWait    = 200 * time.Millisecond // for folders and files, which may be on a dead file server
)

// shown takes note of a value that the person saw: what is pending can be
// completed from then on.
func (t *tab) shown(v any) {
	changes, ok := v.(nodes.Changesets)
	if !ok {
		return
	}
	revs := make([]string, 0, len(changes)+len(t.revs))
	for _, c := range slices.Backward(changes) {
		revs = append(revs, "r"+strconv.Itoa(c.Rev))
	}
	known := map[string]bool{}
	t.revs = slices.DeleteFunc(append(revs, t.revs...), func(rev string) bool {
		again := known[rev]
		known[rev] = true
		return again
	})
	t.revs = t.revs[:min(len(t.revs), mostRevs)]
}

// local lists a folder of this machine, for a while at most.
func (t *tab) local(folder string) []string {
	if folder == "" {
		folder = "."
	}
	return soon(func() (names []string) {
		f, err := os.Open(t.app.session.Path(folder))
		if err != nil {
			return nil
		}
		entries, _ := f.ReadDir(mostEntries) // what could be read
		_ = f.Close()
		for _, e := range entries {
			name := e.Name()
			if e.IsDir() {
				name += "/"
			}
			names = append(names, name)
		}
		return names
	})
}

// soon gives what list gives, nothing where that takes longer than listWait.
func soon(list func() []string) []string {
	found := make(chan []string, 1)
	go func() { found <- list() }()
	select {
	case names := <-found:
		return names
	case <-time.After(listWait):
		return nil
	}
}

// refresh takes a new snapshot; it is called between chunks.
func (t *tab) refresh() {
	h, project := t.app.host, t.app.session.Project
	c := &completer{host: h, globals: h.Globals(), names: map[string][]string{}, help: helpNames(h), revs: t.revs, local: t.local}
	c.hosts = sync.OnceValue(func() []string { return soon(func() []string { return sshNames(t.app.session) }) })
	for name, typ := range c.globals {
		if typ == "table" || h.Class(typ) != nil {
			if own := h.ObjectNames(name); len(own) > 0 {
				c.names[name] = own
			}
		}
	}
	if project != "" {
		c.files, _ = nodeFiles(project) // mistakes are told where they are used
		c.paths = recipePaths(project)
	}
	for _, file := range c.files {
		set, err := nodes.Load(nodes.Folder(project), file)
		if err != nil {
			continue
		}
		c.nodes = append(c.nodes, set.Names()...)
		for _, tier := range set.Tiers() {
			if tier.Name != "" {
				c.tiers = append(c.tiers, tier.Name)
			}
		}
	}
	t.know.Store(c)
}

// sshNames are the names that ssh's files know and node takes: in a project the
// hosts of ssh_config, elsewhere those of known_hosts too.
func sshNames(s *nodes.Session) []string {
	if s.Project != "" {
		return s.SSHHosts()
	}
	return append(s.SSHHosts(), s.SSHKnown()...)
}

func recipePaths(project string) []string {
	paths, _ := filepath.Glob(filepath.Join(project, "recipes", "*.lua")) // a project with odd letters: none
	for i := range paths {
		paths[i] = "recipes/" + filepath.Base(paths[i])
	}
	return paths
}

// Do is called by readline at Tab, on its goroutine: a panic there would end
// the process, so it ends here.
func (t *tab) Do(line []rune, pos int) (candidates [][]rune, length int) {
	defer func() {
		if recover() != nil {
			candidates, length = nil, 0
		}
	}()
	c := t.know.Load()
	if c == nil {
		return nil, 0
	}
	before := strings.ReplaceAll(string(line[:pos]), string(newline), "\n")
	typed, names := c.complete(before)
	if len(names) == 0 {
		return nil, 0
	}
	common := commonPrefix(names)
	if len(names) > 1 && common == typed {
		width, height := t.app.screen.size()
		fmt.Fprint(t.out, grid(names, width, height-2))
		return nil, 0
	}
	if len(names) == 1 && pos == len(line) {
		common += after(before, common)
	}
	rest := []rune(strings.TrimPrefix(common, typed))
	return [][]rune{rest}, len([]rune(typed))
}

// after is what follows a word that was completed whole: the quote that closes a
// string, a blank between a node and its command. A folder goes on.
func after(before, completed string) string {
	switch {
	case strings.HasSuffix(completed, "/"):
		return ""
	case strings.HasPrefix(before, "@"):
		return " "
	case strings.ContainsAny(before[:min(1, len(before))], "!?:"):
		return ""
	}
	tokens := lex(before)
	if n := len(tokens); n > 0 && tokens[n-1].open && tokens[n-1].kind == quoted && tokens[n-1].text[0] != '[' {
		return tokens[n-1].text[:1]
	}
	return ""
}

func commonPrefix(names []string) string {
	common := []rune(names[0])
	for _, n := range names[1:] {
		r := []rune(n)
		i := 0
		for i < len(common) && i < len(r) && common[i] == r[i] {
			i++
		}
		common = common[:i]
	}
	return string(common)
}

// grid lays names out in columns, down and then right, as ls does; what does
// not fit is counted.
func grid(names []string, width, height int) string {
	wide := 0
	for _, n := range names {
		wide = max(wide, cells(clean(n)))
	}
	columns := max(1, (width-1)/(wide+2))
	height = max(1, height)
	more := 0
	if fits := columns * height; len(names) > fits {
		more = len(names) - fits
		names = names[:fits]
	}
	rows := (len(names) + columns - 1) / columns
	var b strings.Builder
	for row := range rows {
		var line strings.Builder
		for i := row; i < len(names); i += rows {
			line.WriteString(pad(cut(clean(names[i]), width-1), wide+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

// paintTyped colours a chunk while it is typed; only escapes are added. It is
// called on readline's goroutine: a panic there would end the process.
func paintTyped(p *palette, text string) (painted string) {
	defer func() {
		if recover() != nil {
			painted = text
		}
	}()
	if text == "" || !strings.ContainsAny(text[:1], "@!?:") {
		return paintLua(p, text)
	}
	end := strings.IndexAny(text, " \n")
	if end < 0 {
		end = len(text)
	}
	return p.as(keyword, text[:end]) + text[end:]
}
