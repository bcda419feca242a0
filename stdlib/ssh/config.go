package ssh

import (
	"context"
	"crypto/sha1" // %C is a name, not a proof
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// account is the person's side of an ssh configuration.
type account struct {
	home   string                  // for ~ and %d, and .ssh in it
	user   string                  // the local login
	host   string                  // this machine
	system string                  // the system-wide file; /etc/ssh/ssh_config
	trust  func(file string) error // why a file may not be gone by; nil: all may
}

// settings are the effective values for one node, as ssh -G would print them.
type settings struct {
	account
	node   nodes.Name          // as the nodes file calls it
	alias  string              // as ssh would be called with
	values map[string][]string // by lower-case keyword; the first value wins
}

// many are the keywords whose values add up instead of the first winning.
var many = []string{"identityfile", "certificatefile", "sendenv"}

// loader evaluates configuration files for one node.
type loader struct {
	*settings
	host      string // what Host lines match: the alias, in a final pass the resolved name
	final     bool
	wantFinal bool
	ctx       context.Context // lives for one evaluation only
}

// load evaluates the configuration for a node: what the node says, then
// ~/.ssh/config, then the system's. Match exec commands are run under ctx.
func load(ctx context.Context, who account, n *nodes.Node) (*settings, error) {
	s := &settings{account: who, node: n.Name, alias: n.Address(), values: map[string][]string{}}
	s.preset("user", n.User)
	s.preset("identityfile", n.Key)
	s.preset("proxyjump", n.Jump)
	s.preset("proxycommand", n.Proxy)
	if n.Port != 0 {
		s.preset("port", strconv.Itoa(n.Port))
	}
	l := &loader{settings: s, host: s.alias, ctx: ctx}
	if err := l.evaluate(l.files); err != nil {
		return nil, err
	}
	return s, s.check()
}

func (s *settings) preset(key, value string) {
	if value != "" {
		s.values[key] = []string{value}
	}
}

func (l *loader) files() error {
	ssh := filepath.Join(l.home, ".ssh")
	if err := l.file(filepath.Join(ssh, "config"), ssh, 0, true); err != nil {
		return err
	}
	return l.file(l.system, filepath.Dir(l.system), 0, true)
}

// file evaluates one file. Where the file is included from a block that does
// not apply, nothing in it does.
func (l *loader) file(name, base string, depth int, applies bool) error {
	if depth > 16 {
		return &nodes.Error{Kind: nodes.Usage, Message: name + ": Include goes deeper than 16 files"}
	}
	if l.trust != nil {
		if err := l.trust(name); err != nil {
			return err
		}
	}
	lines, err := readConfig(name)
	if err != nil {
		return err
	}
	active := applies
	for _, line := range lines {
		words, err := line.words()
		if err != nil && !slices.Contains(rawValued, line.key) {
			return err
		}
		switch line.key {
		case "host":
			active = applies && wildList(words, l.host)
		case "match":
			if !applies {
				continue
			}
			if active, err = l.match(line, words); err != nil {
				return err
			}
		case "include":
			for _, w := range words {
				for _, f := range includes(w, l.home, base) {
					if err := l.file(f, base, depth+1, active); err != nil {
						return err
					}
				}
			}
		default:
			if active {
				l.take(line, words)
			}
		}
	}
	return nil
}

// rawValued are the keywords whose value is the rest of the line, as written.
var rawValued = []string{"proxycommand", "localcommand", "remotecommand"}

// take keeps a directive unless an earlier one has decided.
func (l *loader) take(line configLine, words []string) {
	if slices.Contains(rawValued, line.key) {
		words = []string{line.rest}
	}
	if len(words) == 0 {
		return
	}
	key := line.key
	switch key { // of these two the first wins; but none for a jump leaves room for a command
	case "proxyjump":
		if l.has("proxycommand") {
			return
		}
	case "proxycommand":
		if !strings.EqualFold(l.first("proxyjump", "none"), "none") {
			return
		}
	case "pubkeyacceptedkeytypes":
		key = "pubkeyacceptedalgorithms"
	case "challengeresponseauthentication":
		key = "kbdinteractiveauthentication"
	}
	switch {
	case slices.Contains(many, key):
		for _, w := range words {
			if pattern, ok := strings.CutPrefix(w, "-"); ok && key == "sendenv" {
				l.values[key] = slices.DeleteFunc(l.values[key], func(name string) bool { return wild(pattern, name) })
			} else if !slices.Contains(l.values[key], w) {
				l.values[key] = append(l.values[key], w)
			}
		}
	case !l.has(key):
		l.values[key] = words
	}
}

func (s *settings) has(key string) bool { return len(s.values[key]) > 0 }

// match evaluates the criteria of a Match line; all must hold.
// Source: OpenSSH 9.2, readconf.c, match_cfg_line.
func (l *loader) match(line configLine, words []string) (bool, error) {
	result := true
	for i := 0; i < len(words); i++ {
		name, value, inline := strings.Cut(words[i], "=")
		negated := strings.HasPrefix(name, "!")
		name = strings.ToLower(strings.TrimPrefix(name, "!"))
		var holds bool
		switch name {
		case "all":
			holds = true
		case "canonical", "final":
			l.wantFinal = l.wantFinal || name == "final"
			holds = l.final
		default:
			if !inline {
				if i++; i >= len(words) {
					return false, &nodes.Error{Kind: nodes.Usage, Message: line.at() + ": Match " + name + " needs a value"}
				}
				value = words[i]
			}
			if !result && name == "exec" { // no command is run for a lost case
				continue
			}
			var err error
			if holds, err = l.criterion(line, name, value); err != nil {
				return false, err
			}
		}
		result = result && holds != negated
	}
	return result, nil
}

func (l *loader) criterion(line configLine, name, value string) (bool, error) {
	list := strings.Split(value, ",")
	switch name {
	case "host":
		return wildHost(value, l.hostname()), nil
	case "originalhost":
		return wildHost(value, l.alias), nil
	case "user":
		return wildList(list, l.login()), nil
	case "localuser":
		return wildList(list, l.user), nil
	case "localnetwork":
		on, err := onNetwork(list)
		if err != nil {
			return false, &nodes.Error{Kind: nodes.Usage, Message: line.at() + ": Match localnetwork: " + err.Error(), Cause: err}
		}
		return on, nil
	case "tagged":
		return wildList(list, l.first("tag", "")), nil
	case "exec":
		cmd := exec.CommandContext(l.ctx, "/bin/sh", "-c", l.expand(value))
		cmd.WaitDelay = 100 * time.Millisecond
		return cmd.Run() == nil, l.ctx.Err()
	}
	return false, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("%s: Match %s is not known", line.at(), name)}
}

// check refuses values that cannot be meant.
func (s *settings) check() error {
	bad := func(key, want string) error {
		return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("ssh configuration of %s: %s %q: %s", s.alias, key, s.first(key, ""), want)}
	}
	if p, err := strconv.Atoi(s.first("port", "22")); err != nil || p < 1 || p > 65535 {
		return bad("port", "a number from 1 to 65535 is wanted")
	}
	switch s.strict() {
	case "yes", "no", "off", "ask", "accept-new":
	default:
		return bad("stricthostkeychecking", "yes, ask, accept-new or no is wanted")
	}
	if strings.HasPrefix(s.hostname(), "-") {
		return bad("hostname", "it cannot begin with -")
	}
	return nil
}

// first is the first word of a value.
func (s *settings) first(key, otherwise string) string {
	if v := s.values[key]; len(v) > 0 {
		return v[0]
	}
	return otherwise
}

func (s *settings) strict() string {
	v := strings.ToLower(s.first("stricthostkeychecking", "ask"))
	if v == "true" {
		return "yes"
	}
	if v == "false" {
		return "no"
	}
	return v
}

func (s *settings) yes(key string, otherwise bool) bool {
	switch strings.ToLower(s.first(key, "")) {
	case "yes", "true":
		return true
	case "no", "false":
		return false
	}
	return otherwise
}

// hostname is the address to connect to.
func (s *settings) hostname() string {
	name := s.first("hostname", "")
	if name == "" {
		return s.alias
	}
	return strings.NewReplacer("%%", "%", "%h", s.alias).Replace(name)
}

func (s *settings) port() string { return s.first("port", "22") }

// login is the login on the node.
func (s *settings) login() string { return s.first("user", s.user) }

// expand replaces the tokens of ssh_config(5).
func (s *settings) expand(text string) string {
	short, _, _ := strings.Cut(s.host, ".")
	return strings.NewReplacer("%%", "%", "%h", s.hostname(), "%n", s.alias, "%p", s.port(), "%r", s.login(), "%u", s.user,
		"%d", s.home, "%L", short, "%l", s.host, "%k", s.first("hostkeyalias", s.alias), "%i", strconv.Itoa(os.Getuid()),
		"%j", s.first("proxyjump", ""), "%C", s.digest()).Replace(text)
}

// digest is the token %C. Source: OpenSSH 9.2, ssh.c, ssh_connection_hash.
func (s *settings) digest() string {
	sum := sha1.Sum([]byte(s.host + s.hostname() + s.port() + s.login()))
	return hex.EncodeToString(sum[:])
}

// path expands a file name: tokens, ${NAME} and ~.
func (s *settings) path(name string) string {
	name = s.expand(braced().ReplaceAllStringFunc(name, func(v string) string { return os.Getenv(v[2 : len(v)-1]) }))
	if name == "~" || strings.HasPrefix(name, "~/") {
		return filepath.Join(s.home, name[1:])
	}
	return name
}

// braced is a variable in a file name; OpenSSH knows no $NAME without braces.
var braced = nodes.Pattern(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// paths expands the file names of a keyword; "none" stands for no file.
func (s *settings) paths(key string, otherwise ...string) []string {
	names := s.values[key]
	if len(names) == 0 {
		names = otherwise
	}
	var out []string
	for _, n := range names {
		if strings.ToLower(n) != "none" {
			out = append(out, s.path(n))
		}
	}
	return out
}

// seconds reads a time such as 90, 2m or 1h30m; otherwise for none or a bad
// one. Source: sshd_config(5), TIME FORMATS.
func (s *settings) seconds(key string, otherwise time.Duration) time.Duration {
	text := strings.ToLower(s.first(key, ""))
	if text == "" || text == "none" {
		return otherwise
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var total, number time.Duration
	digits := false
	for i := range len(text) {
		c := text[i]
		unit, ok := units[c]
		switch {
		case c >= '0' && c <= '9' && number < 1e9:
			number, digits = number*10+time.Duration(c-'0'), true
		case ok && digits:
			total, number, digits = total+number*unit, 0, false
		default:
			return otherwise
		}
	}
	return total + number*time.Second
}

func (s *settings) count(key string, otherwise int) int {
	if n, err := strconv.Atoi(s.first(key, "")); err == nil {
		return n
	}
	return otherwise
}
