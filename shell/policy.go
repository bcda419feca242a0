package shell

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/rollsh/rollsh/nodes"
)

// policy is what a file of root lets the user of this run do. It is a nodes.Border.
type policy struct {
	file    string
	recipes []string // globs of absolute paths
	calls   []string // globs of names
	nodes   []reach
	shell   bool
	keep    func(text string) error // writes a denial down
}

// reach is what a node line lets be connected to.
type reach struct{ user, host, port string } // an empty user or port is any

// underPolicy are the commands that a policy leaves: they only read, or what they do is
// a call. The others start programs and write files as they like.
var underPolicy = []string{"help", "plan", "pending", "status", "history", "resume", "back", "close", "lock", "unlock"}

// openPolicy reads the policy that this run is under, where there is one.
func (a *app) openPolicy() error {
	if a.opts.policy == "" {
		return nil
	}
	p, err := readPolicy(a.opts.policy)
	if err != nil {
		return err
	}
	p.keep = a.keep
	a.policy = p
	return nil
}

// readPolicy reads a policy that nobody but root can change.
func readPolicy(file string) (*policy, error) {
	final := fs.FileInfo(nil)
	err := onTheWay(file, func(path string, info fs.FileInfo) error {
		final = info
		return rootsOnly(path, info)
	})
	if err == nil && !final.Mode().IsRegular() {
		err = errors.New(file + " is no file")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, unfollowed(file, err)
	}
	p := &policy{file: file}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if err := p.take(policyWords(line)); err != nil {
			e := *nodes.AsError(err, nodes.Policy)
			e.Kind, e.Where = nodes.Policy, fmt.Sprintf("%s:%d", nodes.Clean(file), number)
			return nil, &e
		}
	}
	return p, nil
}

// unfollowed says that nothing is allowed, and why.
func unfollowed(file string, err error) error {
	e := *nodes.AsError(err, nodes.Policy)
	e.Kind, e.Message = nodes.Policy, "the policy "+nodes.Clean(file)+" cannot be followed, so nothing is allowed: "+e.Message
	return &e
}

// policyWords are the words of a line up to a comment.
func policyWords(line string) []string {
	words := strings.Fields(line)
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "#") }); i >= 0 {
		words = words[:i]
	}
	return words
}

// take reads the words of a line.
func (p *policy) take(words []string) error {
	if len(words) == 0 {
		return nil
	}
	name, words := words[0], words[1:]
	directives := []string{"recipe", "shell", "call", "node"}
	switch {
	case !slices.Contains(directives, name):
		e := usage("unknown word '%s'", clean(name))
		e.Hint = "a line begins with " + strings.Join(directives, ", ")
		return e
	case name == "shell":
		p.shell = true
		if len(words) > 0 {
			return usage("shell stands alone, and '%s' is left over", clean(words[0]))
		}
		return nil
	case len(words) == 0:
		return usage("%s: nothing is named", name)
	}
	for _, word := range words {
		if err := p.allow(name, word); err != nil {
			return err
		}
	}
	return nil
}

// allow takes a word of a directive.
func (p *policy) allow(name, word string) error {
	if !doublestar.ValidatePattern(word) {
		return usage("'%s' is no pattern", clean(word))
	}
	switch name {
	case "recipe":
		if !filepath.IsAbs(word) {
			return usage("recipe: '%s' is no absolute path", clean(word))
		}
		p.recipes = append(p.recipes, word)
	case "call":
		p.calls = append(p.calls, word)
	case "node":
		p.nodes = append(p.nodes, reachOf(word))
	}
	return nil
}

// reachOf reads [USER@]HOST[:PORT]; an IPv6 address with a port is in brackets.
func reachOf(word string) (r reach) {
	if user, rest, ok := strings.Cut(word, "@"); ok {
		r.user, word = user, rest
	}
	r.host = word
	if host, port, ok := strings.Cut(strings.TrimPrefix(word, "["), "]"); ok && word[0] == '[' && strings.Contains(host, ":") {
		r.host, r.port = host, strings.TrimPrefix(port, ":")
	} else if host, port, _ := strings.Cut(word, ":"); strings.Count(word, ":") == 1 {
		r.host, r.port = host, port
	}
	r.host = strings.ToLower(r.host)
	return r
}

// lets reports whether the line lets a connection be made.
func (r reach) lets(user, host, port string) bool {
	return (r.user == "" || matches(r.user, user)) && (r.port == "" || matches(r.port, port)) && r.letsHost(host)
}

// letsHost matches names with a pattern. One without letters is for addresses alone:
// 10.0.3.* is not the name 10.0.3.example.org. So is a prefix such as 10.0.3.0/24.
func (r reach) letsHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip, err := netip.ParseAddr(host)
	if err == nil {
		ip = ip.Unmap()
		host = ip.String()
	}
	if prefix, bad := netip.ParsePrefix(r.host); bad == nil {
		return err == nil && prefix.Contains(ip)
	}
	if r.host == "*" || err == nil {
		return matches(r.host, host)
	}
	return strings.ContainsAny(r.host, "abcdefghijklmnopqrstuvwxyz") && matches(r.host, host)
}

func matches(pattern, text string) bool {
	ok, err := doublestar.Match(pattern, text)
	return ok && err == nil
}

// denied is the error for what no line allows, which is written down; line is one that
// would.
func (p *policy) denied(what, line string) error {
	if err := p.keep("denied: " + what); err != nil {
		return err
	}
	return &nodes.Error{
		Kind: nodes.Policy, Message: nodes.Clean(what) + " is not allowed by the policy " + nodes.Clean(p.file),
		Hint: "the line `" + nodes.Clean(line) + "` in it would allow it",
	}
}

// Call implements nodes.Border.
func (p *policy) Call(names ...string) error {
	for _, name := range names {
		if slices.ContainsFunc(p.calls, func(pattern string) bool { return matches(pattern, name) }) {
			return nil
		}
	}
	return p.denied(names[0], "call "+names[0])
}

// Reach implements nodes.Border.
func (p *policy) Reach(user, host, port string) error {
	if slices.ContainsFunc(p.nodes, func(r reach) bool { return r.lets(user, host, port) }) {
		return nil
	}
	what := host + ":" + port
	if user != "" {
		what = user + "@" + what
	}
	return p.denied("a connection to "+what, "node "+what)
}

// Run implements nodes.Border.
func (p *policy) Run(recipe string) error {
	names := []string{recipe}
	if real, err := filepath.EvalSymlinks(recipe); err == nil {
		names = append(names, real)
	}
	for _, name := range names {
		if slices.ContainsFunc(p.recipes, func(pattern string) bool { return matches(pattern, name) }) {
			return p.Trust(recipe)
		}
	}
	return p.denied("running "+recipe, "recipe "+recipe)
}

// Trust implements nodes.Border.
func (p *policy) Trust(file string) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := onTheWay(file, notMine)
	if err == nil {
		return nil
	}
	e := *nodes.AsError(err, nodes.Policy)
	e.Kind, e.Message = nodes.Policy, fmt.Sprintf("%s is not trusted under the policy %s: %s", nodes.Clean(file), nodes.Clean(p.file), e.Message)
	if err := p.keep("denied: reading " + file + ", which is not trusted"); err != nil {
		return err
	}
	return &e
}

// command lets a command of rollsh be run; nil is any.
func (p *policy) command(name string) error {
	if p == nil || slices.Contains(underPolicy, name) {
		return nil
	}
	e := *nodes.AsError(p.denied("rollsh "+name, ""), nodes.Policy)
	if e.Hint != "" {
		e.Hint = "under a policy there are recipes, and " + strings.Join(underPolicy, ", ")
	}
	return &e
}

// typing lets Lua be typed; nil does.
func (p *policy) typing() error {
	if p == nil || p.shell {
		return nil
	}
	return p.denied("typing Lua", "shell")
}

// running lets a recipe be run; nil is any.
func (p *policy) running(recipe string) error {
	if p == nil {
		return nil
	}
	return p.Run(recipe)
}

// permit lets rollsh itself do what is no call of Lua, such as starting an editor, and
// writes it down.
func (a *app) permit(name, what string) error {
	if err := a.keep(name + ": " + what); err != nil || a.policy == nil {
		return err
	}
	return a.policy.Call(name)
}
