// Package stdlib lists the primitives, in plain calls. It is the one place
// that knows all of them, and where actions that cross are joined.
package stdlib
