package nodes_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// The words of a wrapper are in the message; of errors that were joined the first
// is taken.
func TestAsErrorKeepsTheWordsAroundAnError(t *testing.T) {
	t.Parallel()
	inner := &nodes.Error{Kind: nodes.Locked, Op: "roll", Node: "web1", Message: "ann has it", Hint: "ask her", Code: "7"}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{inner, "roll: web1: ann has it (hint: ask her)"},
		{fmt.Errorf("roll 12: %w", inner), "roll: web1: roll 12: ann has it (hint: ask her)"},
		{fmt.Errorf("twice: %w", fmt.Errorf("%w, still", inner)), "roll: web1: twice: ann has it, still (hint: ask her)"},
		{errors.Join(inner, errors.New("and more")), "roll: web1: ann has it (hint: ask her)"},
		{errors.New("plain"), "plain"},
	} {
		e := nodes.AsError(tc.err, nodes.Internal)
		if e.Error() != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, e, tc.want)
		}
		if errors.Is(tc.err, inner) && (e.Kind != nodes.Locked || e.Code != "7" || !errors.Is(e, inner)) {
			t.Errorf("%v: the error in it is lost: %+v", tc.err, e)
		}
	}
}
