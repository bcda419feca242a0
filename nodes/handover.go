package nodes

import "context"

// Handover is a Person whose terminal another program, such as an editor, can
// use for a while. A Person need not be one.
type Handover interface {
	// Hand runs a program on the terminal to its end, in a folder, with env
	// added to the environment. It fails with Refused where there is no
	// terminal, and with Exit when the program fails.
	Hand(ctx context.Context, argv []string, dir string, env map[string]string) error
}

// Hand lets a program use p's terminal; it fails with Refused where p has none.
func Hand(ctx context.Context, p Person, argv []string, dir string, env map[string]string) error {
	if h, ok := p.(Handover); ok {
		return h.Hand(ctx, argv, dir, env)
	}
	return &Error{Kind: Refused, Message: "there is no terminal to run " + argv[0] + " on"}
}
