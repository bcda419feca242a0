//go:build linux

package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// Error is a failure that a person will read.
type Error struct {
	wire.Failure
	cause error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the system's error.
func (e *Error) Unwrap() error { return e.cause }

func failure(kind, message string) *Error {
	return &Error{Failure: wire.Failure{Kind: kind, Message: message}}
}

func hinted(kind, message, hint string) *Error {
	return &Error{Failure: wire.Failure{Kind: kind, Message: message, Hint: hint}}
}

// cannot says what failed on which path; the kind follows from the cause.
func cannot(what, path string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Failure: wire.Failure{Kind: kindOf(err), Message: "cannot " + what + " " + show(path) + ": " + reason(err)}, cause: err}
}

func noRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

func kindOf(err error) string {
	switch {
	case noRoom(err):
		return "space"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		return "permission"
	case errors.Is(err, unix.ENOENT):
		return "notfound"
	}
	return "failed"
}

// reason is the cause without the names that Go's file functions put before it.
func reason(err error) string {
	var no unix.Errno
	switch {
	case errors.Is(err, unix.ENOSPC):
		return "no space left"
	case errors.Is(err, unix.EDQUOT):
		return "the quota is used up"
	case errors.As(err, &no):
		return no.Error()
	}
	return err.Error()
}

// explain makes any error ready for the wire.
func explain(err error) wire.Failure {
	var e *Error
	if errors.As(err, &e) {
		return e.Failure
	}
	return wire.Failure{Kind: kindOf(err), Message: reason(err)}
}

func heldBy(h wire.Holder) error {
	msg := "the tree is locked"
	if h.Who != "" {
		msg = fmt.Sprintf("the tree is locked by %s on %s (%s) since %s", h.Who, h.Host, h.Why, h.Since.Format(time.DateTime))
	}
	if h.PID != 0 {
		return hinted("locked", fmt.Sprintf("%s, process %d on the node", msg, h.PID), "wait until that has ended")
	}
	return hinted("locked", msg+", over SFTP", "wait until that has ended; a lock over SFTP ends by itself after "+wire.StaleThinLock.String())
}

// show writes a path for a message.
func show(p string) string {
	if q := fmt.Sprintf("%q", p); q != `"`+p+`"` {
		return q
	}
	return p
}
