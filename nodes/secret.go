package nodes

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
)

// Secret is a text that is printed nowhere: every way of formatting it gives
// "[secret]".
type Secret struct {
	text  string
	later *laterSecret // finds the text when it is needed; nil: text is it
}

type laterSecret struct {
	once sync.Once
	find func() string
	text string
}

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{text: text} }

// LaterSecret hides a text that find gives when it is first revealed.
func LaterSecret(find func() string) Secret { return Secret{later: &laterSecret{find: find}} }

// Reveal gives the text to the one place that needs it.
func (s Secret) Reveal() string {
	if s.later == nil {
		return s.text
	}
	s.later.once.Do(func() { s.later.text = s.later.find() })
	return s.later.text
}

// String is "[secret]", or empty for an empty secret.
func (s Secret) String() string {
	if s.text == "" && s.later == nil {
		return ""
	}
	return "[secret]"
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// shortestKept is the least length of a secret that is looked for in text: a
// shorter one would be found in everything.
const shortestKept = 4

// Secrets remembers the secrets that a session came to know, so that a text
// which holds one can be kept from disk. The nil Secrets knows none.
type Secrets struct {
	mu    sync.Mutex
	texts []string
	given map[string]string // by variable
}

// secretVariable is how the names of variables begin that give secrets.
const secretVariable = "ROLLSH_SECRET_"

// SecretVariable is the environment variable that gives the secret of a name.
func SecretVariable(name string) string {
	return secretVariable + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// SecretOf is the name, in small letters, of the secret that a variable gives; empty
// for other variables.
func SecretOf(variable string) string {
	name, ok := strings.CutPrefix(variable, secretVariable)
	if !ok {
		return ""
	}
	return strings.ToLower(name)
}

// TakeSecrets takes the secrets out of the environment of this process: no program that
// is started later gets them from it.
func TakeSecrets() *Secrets {
	s := &Secrets{given: map[string]string{}}
	for _, pair := range os.Environ() {
		if variable, text, ok := strings.Cut(pair, "="); ok && SecretOf(variable) != "" {
			s.given[variable] = text
			_ = os.Unsetenv(variable) // fails for names that no environment holds
		}
	}
	return s
}

// Given finds a secret that the environment gave, and takes note of it.
func (s *Secrets) Given(name string) (text string, ok bool) {
	if s == nil {
		return "", false
	}
	text, ok = s.given[SecretVariable(name)]
	s.Keep(text)
	return text, ok
}

// Environment gives the variables that were taken from the environment, for another
// rollsh.
func (s *Secrets) Environment() map[string]string {
	if s == nil {
		return nil
	}
	return s.given
}

// Keep takes note of a secret.
func (s *Secrets) Keep(text string) {
	if s == nil || len(text) < shortestKept {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.texts, text) {
		s.texts = append(s.texts, text)
	}
}

// In reports whether text holds one of the secrets.
func (s *Secrets) In(text string) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.texts, func(t string) bool { return strings.Contains(text, t) })
}

// shortestHidden is the least length of a secret that is hidden where it comes
// back in the output of commands: a shorter one would be found in other words.
const shortestHidden = 6

// Hide gives text with "[secret]" for every secret in it, also as JSON writes
// it, and for every line of a secret that has several.
func (s *Secrets) Hide(text string) string {
	if s == nil {
		return text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.texts {
		text = hide(text, secret)
		if strings.Contains(strings.TrimSpace(secret), "\n") {
			for line := range strings.Lines(secret) {
				text = hide(text, strings.TrimSpace(line))
			}
		}
	}
	return text
}

func hide(text, secret string) string {
	if len(secret) < shortestHidden {
		return text
	}
	text = strings.ReplaceAll(text, secret, "[secret]")
	if written, err := json.Marshal(secret); err == nil && len(written) != len(secret)+2 {
		text = strings.ReplaceAll(text, string(written[1:len(written)-1]), "[secret]")
	}
	return text
}
