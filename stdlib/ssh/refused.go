package ssh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// asked gives the names of the keys that the node was asked about.
func (l *login) asked() []string {
	var out []string
	for _, o := range l.offers {
		if *o.tried {
			out = append(out, o.name)
		}
	}
	return append(slices.Clone(l.skip), out...)
}

// cutShort reports whether the node ended the login after too many tries while
// there were more keys to offer.
func (l *login) cutShort(cause error) bool {
	return tooMany(cause) && slices.ContainsFunc(l.offers, func(o offer) bool { return !*o.tried })
}

func tooMany(cause error) bool {
	return strings.Contains(strings.ToLower(cause.Error()), "too many authentication failures")
}

// refused is the error of a login that no method achieved.
func (l *login) refused(cause error) error {
	tried := append(l.asked(), slices.Compact(l.tried)...)
	what := "nothing to try: no key file, no agent"
	switch {
	case len(tried) == 0 && len(l.allowed) > 0 && !slices.Contains(l.allowed, "publickey"):
		what = "nothing to try: no keys are taken"
	case len(tried) > 0:
		what = "tried " + strings.Join(tried, ", ")
	}
	message := fmt.Sprintf("%s@%s refuses the login; %s", l.s.login(), l.s.alias, what)
	if len(l.passed) > 0 {
		message += "; not offered, for PubkeyAcceptedAlgorithms: " + strings.Join(l.passed, ", ")
	}
	if len(l.allowed) > 0 {
		message += "; the node takes " + strings.Join(l.allowed, ", ")
	}
	if tooMany(cause) {
		message += "; it stopped listening after too many tries"
	}
	return &nodes.Error{Kind: nodes.Auth, Message: message + l.s.without(), Hint: l.advice(), Cause: cause}
}

func (l *login) advice() string {
	takes := func(method string) bool { return slices.Contains(l.allowed, method) }
	switch {
	case l.locked != "":
		return "`" + nodes.Quote("ssh-add", l.locked) + "` gives the key to the agent; or run rollsh at a terminal, where the passphrase can be asked for"
	case len(l.allowed) == 0 || takes("publickey"):
		return "name the right key (key= in the nodes file, IdentityFile in ~/.ssh/config) or add it to the agent; `" + l.s.byHand("-v") + "` shows what ssh tries"
	case takes("password") || takes("keyboard-interactive"):
		return "the node takes no keys: run rollsh at a terminal, where the password can be asked for"
	case takes("gssapi-with-mic") || takes("gssapi-keyex"):
		return "rollsh does not speak GSSAPI (Kerberos): have the node take a key"
	}
	return "the node takes no keys; try `" + l.s.byHand() + "` by hand"
}

// byHand is the ssh command that reaches the same place.
func (s *settings) byHand(options ...string) string {
	words := append([]string{"ssh"}, options...)
	if p := s.port(); p != "22" {
		words = append(words, "-p", p)
	}
	return nodes.Quote(append(words, s.login()+"@"+s.alias)...)
}

// without says what ssh may have had and rollsh has not: a connection that
// another ssh holds open.
func (s *settings) without() string {
	if path := s.first("controlpath", "none"); !strings.EqualFold(path, "none") {
		return "; where ssh gets in, it may be by its ControlPath, which rollsh does not use"
	}
	return ""
}

// own marks what stands in err for the place of this node alone.
func (s *settings) own(err error) error {
	if err == nil {
		return nil
	}
	e := *nodes.AsError(err, nodes.Internal)
	e.Own = append(slices.Clone(e.Own), s.byHand("-v"), s.byHand(), s.where(), s.login()+"@"+s.alias, s.hostname())
	return &e
}
