package nodes

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// NoAnswer is the error of an HTTP request to the machine at that got no answer, or
// not all of one: Unreachable, Lost where the connection was closed before that, or
// Protocol with a code. What is an Error already stays as it is.
func NoAnswer(at string, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &cert):
		return &Error{Kind: Protocol, Code: "certificate", Message: at + ": the certificate is not trusted: " + cert.Err.Error(), Cause: err}
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return &Error{Kind: Protocol, Code: "tls", Message: at + " does not speak TLS", Cause: err}
	case errors.As(err, &op) && op.Op == "dial":
		return &Error{Kind: Unreachable, Message: "cannot connect to " + at + ": " + strings.TrimPrefix(op.Err.Error(), "connect: "), Cause: err}
	case errors.As(err, &op), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Kind: Lost, Message: at + " closed the connection before its answer was complete", Cause: err}
	}
	return &Error{Kind: Protocol, Code: "http", Message: at + ": " + Clean(err.Error()), Cause: err}
}
