package shell

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// luaManual is where Lua's own functions are described.
const luaManual = "https://www.lua.org/manual/5.1/manual.html#pdf-"

// page is help by name, or an error with the nearest name. A name may also be
// that of a value of the session, such as web, or of its method, web:run; or
// the last part of several names, such as run.
func (a *app) page(name string) (string, error) {
	if name == "" {
		return overview(a.host, a.style()), nil
	}
	globals := a.host.Globals()
	for _, meaning := range meanings(name, globals) {
		if text, ok := helpText(a.host, a.style(), meaning); ok {
			return text, nil
		}
	}
	if a.ofLua(name, globals) {
		return name + " is Lua's own: " + luaManual + name + "\n", nil
	}
	if text := a.endingIn(name); text != "" {
		return text, nil
	}
	e := &nodes.Error{Kind: nodes.NotFound, Message: fmt.Sprintf("no help on '%s'", name), Hint: "help() lists what there is"}
	if near := nearName(name, helpNames(a.host)); near != "" {
		e.Hint = "did you mean '" + near + "'?"
	}
	return "", e
}

// nearName is the name that is meant, by the whole of it or else its last part:
// pusj is near sync.push.
func nearName(name string, known []string) string {
	if near := nodes.Suggest(name, known); near != "" {
		return near
	}
	ends := make([]string, len(known))
	for i, k := range known {
		ends[i] = k[strings.LastIndexAny(k, ".:")+1:]
	}
	if i := slices.Index(ends, nodes.Suggest(name, ends)); i >= 0 {
		return known[i]
	}
	return ""
}

// meanings are the names that a name may stand for: itself, a method written
// with a dot, the class of a value and its method.
func meanings(name string, globals map[string]string) []string {
	out := []string{name}
	at := strings.IndexAny(name, ".:")
	if at < 0 {
		return append(out, globals[name])
	}
	root, member := name[:at], name[at+1:]
	return append(out, root+":"+member, lowerFirst(globals[root])+":"+member)
}

// ofLua reports whether a name is a function of Lua's own libraries.
func (a *app) ofLua(name string, globals map[string]string) bool {
	library, member, inLibrary := strings.Cut(name, ".")
	if !inLibrary {
		return globals[name] == "function" || slices.Contains([]string{"string", "table", "math", "coroutine"}, name)
	}
	return globals[library] == "table" && moduleNamed(a.host, library) == nil && slices.Contains(a.host.ObjectNames(library), member)
}

// endingIn is the page of the one name that ends in a word, or a list of all
// that do; empty for none. Of m:take the word is take: what m is, is not known.
func (a *app) endingIn(word string) string {
	word = word[strings.LastIndexAny(word, ".:")+1:]
	var rows [][2]string
	for _, name := range helpNames(a.host) {
		if strings.HasSuffix(name, "."+word) || strings.HasSuffix(name, ":"+word) {
			f, _ := a.host.Record(name)
			rows = append(rows, [2]string{name, firstSentence(f.Doc)})
		}
	}
	switch len(rows) {
	case 0:
		return ""
	case 1:
		text, _ := helpText(a.host, a.style(), rows[0][0])
		return text
	}
	return word + " is several things\n\n" + columns(rows, 2, a.width())
}
