package ssh_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// What goes wrong in the same way on several nodes is told once, though each
// has an address of its own.
func TestErrorsThatDifferInAddressesAreOne(t *testing.T) {
	b := start(t, 3, nodetest.RefusedKey())
	b.config(t, "StrictHostKeyChecking accept-new")
	set := b.Set()
	set.Nodes[2].Host = "localhost"
	user, port := set.Nodes[0].User, set.Nodes[0].Port
	told(t, b, set, fmt.Sprintf("web[1-3]: %s@127.0.0.1 (and 2 more) refuses the login; tried %s", user, b.Key),
		fmt.Sprintf("`ssh -v -p %d %s@127.0.0.1` shows", port, user))
	for i := range 3 {
		b.Stop(i)
	}
	told(t, b, b.Set(), fmt.Sprintf("web[1-3]: cannot reach %s@127.0.0.1:%d (and 2 more): connection refused (hint: the machine is up", user, port))

	b = start(t, 3, nodetest.SFTPOnly())
	told(t, b, b.Set(), fmt.Sprintf("web[1-3]: %s@127.0.0.1:%d (and 2 more) allows only sftp, no commands", user, b.Node(0).Port))
}

// told runs a command on all nodes of a set, and sees that the failures are told
// in one line with these parts.
func told(t *testing.T, b *bench, set nodes.Set, parts ...string) {
	t.Helper()
	results := nodes.Each(t.Context(), set, nodes.EachOpts{AtOnce: nodes.AllAtOnce(), OnFailure: nodes.CarryOn}, func(ctx context.Context, n *nodes.Node) (any, error) {
		c, err := b.pool.Dial(ctx, n)
		if err != nil {
			return nil, err
		}
		return c.Run(ctx, nodes.Cmd{Line: "true"})
	})
	lines := nodes.FoldErrors(nodes.AsError(results.Err(), nodes.Internal).Errors)
	for _, part := range parts {
		if len(lines) != 1 || !strings.Contains(lines[0], part) {
			t.Errorf("not one line with %q:\n%s", part, strings.Join(lines, "\n"))
		}
	}
}
