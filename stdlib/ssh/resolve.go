package ssh

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
)

// dialName opens a connection as ssh does: a name that neither /etc/hosts nor
// DNS knows is asked of the system's other sources too (mDNS, LDAP, a virtual
// machine's host: the "hosts" line of nsswitch.conf). Their modules are C
// libraries, which a static program cannot load; getent asks them.
func dialName(ctx context.Context, d net.Dialer, network, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, address)
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		return conn, err
	}
	host, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, err
	}
	for _, ip := range systemAddresses(ctx, network, host) {
		if conn, err = d.DialContext(ctx, network, net.JoinHostPort(ip, port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// systemAddresses are the addresses of a name as getaddrinfo gives them, in its
// order; none where the name is unknown or getent is missing.
func systemAddresses(ctx context.Context, network, host string) []string {
	database := map[string]string{"tcp4": "ahostsv4", "tcp6": "ahostsv6"}[network]
	if database == "" {
		database = "ahosts"
	}
	text, err := exec.CommandContext(ctx, "getent", "--", database, host).Output()
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		// ADDRESS TYPE [NAME], once for each type of socket
		if f := strings.Fields(line); len(f) > 1 && f[1] == "STREAM" && net.ParseIP(beforeZone(f[0])) != nil {
			out = append(out, f[0])
		}
	}
	return out
}

// beforeZone is an address without the interface of a link-local one.
func beforeZone(address string) string {
	ip, _, _ := strings.Cut(address, "%")
	return ip
}
