package lua

import (
	"fmt"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// changes reports whether the function may change something, or waits for what was
// changed.
func (b *binding) changes() bool { return b.Mutates || b.Foresee.call != nil }

// audited performs a call. Where there is an audit, and the call may change something,
// it is kept there before it is made, and how it ended afterwards; a call that cannot be
// kept is not made.
func (h *Host) audited(c *Call, b *binding) (v any, err error) {
	audit := h.Session.Audit
	if audit == nil || !b.changes() || h.planning() {
		return h.perform(c, b)
	}
	h.audits++
	id := fmt.Sprintf("#%d ", h.audits)
	if err := audit.Keep(id + c.auditText()); err != nil {
		return nil, err
	}
	ended := "failed"                             // where an error of Lua passes by
	defer func() { _ = audit.Keep(id + ended) }() // the call was kept
	if v, err = h.perform(c, b); err != nil {
		e := nodes.AsError(err, nodes.Internal)
		ended = fmt.Sprintf("failed (%s): %s", e.Kind, h.Session.Secrets.Hide(e.Message))
		return v, err
	}
	ended = "done"
	return v, nil
}

// auditText is where the call stands, and what is called with what.
func (c *Call) auditText() string {
	return strings.TrimSpace(c.Where() + ": " + c.Name + " " + c.Host.Session.Secrets.Hide(c.argumentText()))
}
