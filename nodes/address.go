package nodes

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

var (
	nodeName = Pattern(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	hostName = Pattern(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

const maxNameLength = 253 // of a host name, RFC 1035

// parseAddress reads host, host:port, IPv6 or [IPv6]:port. The port is 0 where
// none is given.
func parseAddress(text string) (host string, port int, err error) {
	if strings.Contains(text, "@") {
		user, rest, _ := strings.Cut(text, "@")
		return "", 0, errors.New("an address has no user, write " + rest + " user=" + user)
	}
	if strings.Count(text, ":") > 1 && !strings.HasPrefix(text, "[") {
		return text, 0, checkHost(text)
	}
	host, portText := text, ""
	if inside, ok := strings.CutPrefix(text, "["); ok {
		var rest string
		if host, rest, ok = strings.Cut(inside, "]"); !ok || rest != "" && rest[0] != ':' {
			return "", 0, errors.New("bad address '" + text + "', write [IPv6]:port")
		}
		portText = strings.TrimPrefix(rest, ":")
		if rest == ":" {
			return "", 0, badPort("")
		}
	} else if h, p, ok := strings.Cut(text, ":"); ok {
		if host, portText = h, p; p == "" {
			return "", 0, badPort("")
		}
	}
	if portText != "" {
		if port, err = parsePort(portText); err != nil {
			return "", 0, err
		}
	}
	return host, port, checkHost(host)
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, badPort(text)
	}
	return int(n), nil
}

func badPort(text string) error {
	return errors.New("bad port '" + text + "', a port is a number from 1 to 65535")
}

// checkHost refuses what is neither a host name nor an address; a host that
// begins with '-' would be an option to other programs.
func checkHost(host string) error {
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("'" + host + "' is not an IPv6 address")
		}
		return nil
	}
	if !hostName().MatchString(host) || len(host) > maxNameLength {
		return errors.New("'" + host + "' is not a host name or address")
	}
	return nil
}

// oneSpelling writes a host in one of the ways in which it can be written: an IP
// address as short as it can be, a name in lower case without a last dot.
func oneSpelling(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
