package ssh

import (
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

func TestTheSystemsAddressesOfAName(t *testing.T) {
	nodetest.Need(t, "getent")
	for _, network := range []string{"tcp", "tcp4"} {
		if got := systemAddresses(t.Context(), network, "localhost"); !slices.Contains(got, "127.0.0.1") {
			t.Errorf("%s: localhost is %q", network, got)
		}
	}
	for _, bad := range []string{"no-such-name.invalid", "", "-s", "a b"} {
		if got := systemAddresses(t.Context(), "tcp", bad); len(got) != 0 {
			t.Errorf("'%s' is %q", bad, got)
		}
	}
}

func TestAnUnknownNameStaysADNSError(t *testing.T) {
	_, err := dialName(t.Context(), net.Dialer{}, "tcp", "no-such-name.invalid:22")
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		t.Errorf("%v", err)
	}
}
