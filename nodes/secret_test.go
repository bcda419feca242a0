package nodes_test

import (
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	var none *nodes.Secrets
	s := &nodes.Secrets{}
	for _, secret := range []string{"hunter2", `pa"ss<word>`, "demo", "first line\nsecond line\n"} {
		s.Keep(secret)
	}
	for text, want := range map[string]string{
		"echo hunter2 hunter2":              "echo [secret] [secret]",
		`pa"ss<word>`:                       "[secret]",
		`{"text":"pa\"ss\u003cword\u003e"}`: `{"text":"[secret]"}`,
		"a demo of four letters":            "a demo of four letters",
		"app1 | second line":                "app1 | [secret]",
		"hunter":                            "hunter",
	} {
		if got := s.Hide(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		if got := none.Hide(text); got != text {
			t.Errorf("%q becomes %q where no secrets are known", text, got)
		}
	}
}
