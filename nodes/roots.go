package nodes

import (
	"crypto/x509"
	"os"
)

// Roots reads the certificates of a file in PEM form, which is what ca= names; nil,
// for the machine's own, when file is empty. Errors are of kind usage.
func (s *Session) Roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.Path(file))
	if err != nil {
		return nil, &Error{Kind: Usage, Message: "ca: " + err.Error(), Cause: err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, &Error{Kind: Usage, Message: "ca: " + file + " holds no certificate in PEM form"}
	}
	return pool, nil
}
