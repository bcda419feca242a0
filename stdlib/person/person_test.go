package person_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/person"
)

// A secret's file is its owner's alone; in a state folder that a group shares, it may
// be that group's, which cannot be somebody else's.
func TestSecretFiles(t *testing.T) {
	for _, tc := range []struct {
		name        string
		state, file os.FileMode
		want        nodes.Kind
	}{
		{"mine", 0o700, 0o600, ""},
		{"others read mine", 0o700, 0o640, nodes.Permission},
		{"mine in a shared folder", 0o770, 0o600, ""},
		{"the group's", 0o770, 0o640, ""},
		{"the group writes", 0o770, 0o660, nodes.Permission},
		{"everybody's", 0o770, 0o644, nodes.Permission},
		{"everybody's folder", 0o775, 0o640, nodes.Permission},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &nodes.Session{State: t.TempDir(), Secrets: nodes.TakeSecrets(), Person: &nodetest.Person{}}
			file := filepath.Join(s.State, "secrets", "chat")
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("sesame\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for name, mode := range map[string]os.FileMode{s.State: tc.state, file: tc.file} {
				if err := os.Chmod(name, mode); err != nil {
					t.Fatal(err)
				}
			}
			got, err := person.Secret(t.Context(), s, "chat")
			if nodes.KindOf(err) != tc.want || tc.want == "" && got.Reveal() != "sesame" {
				t.Errorf("%q, %v", got.Reveal(), err)
			}
		})
	}
}
