package nodes

// Secret is a text that is printed nowhere: every way of formatting it gives
// "[secret]".
type Secret struct{ text string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal gives the text to the one place that needs it.
func (s Secret) Reveal() string { return s.text }

// String is "[secret]", or empty for an empty secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
