package nodes

import (
	"context"
	"errors"
	"strings"
)

// Kind classifies an error by what a person does about it. The list is closed
// and public: recipes compare it.
type Kind string

// The kinds of errors, as recipes see them in err.kind.
const (
	Usage       Kind = "usage"       // wrong arguments, a bad recipe or nodes file
	Unreachable Kind = "unreachable" // no connection could be made
	Auth        Kind = "auth"        // the node refused every credential
	HostKey     Kind = "hostkey"     // the node's host key is unknown, changed or revoked
	Exit        Kind = "exit"        // a command ended with a code other than 0, or by a signal
	Timeout     Kind = "timeout"     // a deadline passed
	Lost        Kind = "lost"        // an open connection went away
	Cancelled   Kind = "cancelled"   // Ctrl-C or a failing sibling
	Conflict    Kind = "conflict"    // a merge conflict is left
	Lint        Kind = "lint"        // a file does not pass
	Locked      Kind = "locked"      // somebody else holds the lock
	NotFound    Kind = "notfound"
	Permission  Kind = "permission"
	Space       Kind = "space"    // disk, quota or inodes
	Changed     Kind = "changed"  // a node moved on since it was looked at
	Refused     Kind = "refused"  // a person or a rule said no
	Policy      Kind = "policy"   // what an administrator asked for, such as an audit, cannot be had
	Protocol    Kind = "protocol" // svn's, http's, TLS's, XMPP's own errors
	Failed      Kind = "failed"   // fail() and error "text"
	Tasks       Kind = "tasks"    // several nodes or tasks failed; see Errors
	Internal    Kind = "internal" // a defect of rollsh
)

// Error is what every room returns for a failure that a person will read. It
// prints as "where: op: node: message (hint: ...)"; parts that are empty are
// left out. A layer adds the fields that it knows and that are still empty, and
// passes the rest on unchanged.
type Error struct {
	Kind    Kind
	Where   string // recipes/prod.lua:14
	Op      string // sync.push
	Node    Name
	Message string   // what failed and why; lower case, no full stop
	Hint    string   // at most one thing to do about it
	Own     []string // words in Message and Hint for the place of this node alone, such as its address; longer ones first
	Code    string   // exit code, or the code of svn, http, TLS or XMPP; empty when there is none
	Signal  string   // for Exit: the signal's name without SIG
	Stdout  string   // what the command wrote, for Exit; so far, where its end was not seen
	Stderr  string
	Trace   string  // Lua traceback
	Errors  []error // for Tasks: one for each that failed, in the set's order
	Cause   error
}

// Error gives the whole line.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Where, e.Op, string(e.Node)} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (hint: " + e.Hint + ")")
	}
	return b.String()
}

// Alike gives what Message and Hint say where they are taken for any node: with
// marks for the words that are this node's own.
func (e *Error) Alike() (message, hint string) {
	message, hint = e.Message, e.Hint
	for _, word := range e.Own {
		if word != "" {
			message, hint = strings.ReplaceAll(message, word, "\x00"), strings.ReplaceAll(hint, word, "\x00")
		}
	}
	return message, hint
}

// Unwrap gives the cause and, for Tasks, the errors of the tasks.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return e.Errors
	}
	return append([]error{e.Cause}, e.Errors...)
}

// AsError finds the Error in err's chain, and puts the words that a wrapper has
// around it into its message. An err that has none becomes one: context ends
// become Cancelled or Timeout, anything else Internal or the kind given.
func AsError(err error, otherwise Kind) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e.within(err.Error())
	case errors.Is(err, context.Canceled):
		return &Error{Kind: Cancelled, Message: "cancelled", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Timeout, Message: "timed out", Cause: err}
	}
	return &Error{Kind: otherwise, Message: err.Error(), Cause: err}
}

// within is e with the words of a line that has it in the middle; e itself where
// there are none, or where several errors were joined, of which it is the first.
func (e *Error) within(line string) *Error {
	own := e.Error()
	before, after, found := strings.Cut(line, own)
	if words := before + after; !found || words == "" || strings.Contains(words, "\n") {
		return e
	}
	worded := *e
	worded.Message, worded.Cause = before+e.Message+after, e
	return &worded
}

// KindOf tells the kind of err; empty for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return AsError(err, Internal).Kind
}

// At returns err with the operation and the node added where they were not yet
// known; nil stays nil. The original is not changed.
func At(err error, op string, node Name) error {
	if err == nil {
		return nil
	}
	e := *AsError(err, Internal)
	if e.Op == "" {
		e.Op = op
	}
	if e.Node == "" && e.Kind != Tasks {
		e.Node = node
	}
	return &e
}

// Stopped turns the end of ctx into an Error: Timeout for a deadline, else
// Cancelled, with the cause that was given to the cancel.
func Stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	var e *Error
	if errors.As(cause, &e) {
		return e
	}
	return AsError(cause, Cancelled)
}
