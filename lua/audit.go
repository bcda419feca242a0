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
	if !b.changes() && !b.Acts || c.recorded(b) {
		return h.perform(c, b)
	}
	if audit == nil {
		return h.permitted(c, b)
	}
	h.audits++
	id := fmt.Sprintf("#%d ", h.audits)
	if err := audit.Keep(id + c.auditText()); err != nil {
		return nil, err
	}
	ended := "failed"                             // where an error of Lua passes by
	defer func() { _ = audit.Keep(id + ended) }() // the call was kept
	if v, err = h.permitted(c, b); err != nil {
		e := nodes.AsError(err, nodes.Internal)
		ended = fmt.Sprintf("failed (%s): %s", e.Kind, h.Session.Secrets.Hide(e.Message))
		return v, err
	}
	ended = "done"
	return v, nil
}

// permitted performs a call that the policy allows, where there is one. What rollsh's
// own Lua calls is allowed with the function that it is part of, such as roll.
func (h *Host) permitted(c *Call, b *binding) (any, error) {
	if policy := h.Session.Policy; policy != nil && (b.Mutates || b.Acts) {
		names := []string{c.Name}
		if whole := h.within(c.L); h.bindings[whole] != nil {
			names = []string{whole, c.Name}
		}
		if err := policy.Call(names...); err != nil {
			return nil, err
		}
	}
	return h.perform(c, b)
}

// auditText is where the call stands, and what is called with what.
func (c *Call) auditText() string {
	return strings.TrimSpace(c.Where() + ": " + c.Name + " " + c.Host.Session.Secrets.Hide(c.argumentText()))
}
