package ssh

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// evaluate reads the files; a second time where a final pass is asked for, or
// the name is made a canonical one: more lines may apply then.
// Source: OpenSSH 9.2, ssh.c, main.
func (l *loader) evaluate(files func() error) error {
	if err := files(); err != nil {
		return err
	}
	host := strings.ToLower(l.hostname())
	if l.canonicalizes() != "no" {
		l.wantFinal = true
		var err error
		if host, err = l.canonical(host); err != nil {
			return err
		}
	}
	l.values["hostname"] = []string{strings.ReplaceAll(host, "%", "%%")}
	if !l.wantFinal {
		return nil
	}
	l.final, l.host = true, host
	return files()
}

// canonicalizes is CanonicalizeHostname: no, yes, or always, which means behind
// jump hosts and proxies too.
func (s *settings) canonicalizes() string {
	switch v := strings.ToLower(s.first("canonicalizehostname", "no")); v {
	case "yes", "true":
		return "yes"
	case "always":
		return v
	}
	return "no"
}

// canonical completes a short name with the first domain of CanonicalDomains in
// which it is known, and follows aliases that CanonicalizePermittedCNAMEs lists.
// Source: OpenSSH 9.2, ssh.c, resolve_canonicalize and check_follow_cname.
func (l *loader) canonical(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String(), nil
	}
	direct := strings.EqualFold(l.first("proxycommand", "none"), "none") && !l.has("proxyjump") // not even "none"
	if !direct && l.canonicalizes() != "always" {
		return host, nil
	}
	domains := l.values["canonicaldomains"]
	if len(domains) == 1 && strings.EqualFold(domains[0], "none") {
		domains = nil
	}
	switch {
	case strings.HasSuffix(host, "."):
		host, domains = strings.TrimSuffix(host, "."), []string{""}
	case strings.Count(host, ".") > l.count("canonicalizemaxdots", 1):
		return l.follow(host), nil
	}
	for _, domain := range domains {
		full := strings.TrimSuffix(host+"."+strings.ToLower(domain), ".")
		if isKnown(l.ctx, full) {
			return l.follow(full), nil
		}
	}
	if l.yes("canonicalizefallbacklocal", true) || l.ctx.Err() != nil {
		return l.follow(host), l.ctx.Err()
	}
	return "", &nodes.Error{
		Kind: nodes.Unreachable, Message: "no address is known for '" + host + "' in any of CanonicalDomains",
		Hint: "check the name, or CanonicalDomains in ~/.ssh/config",
	}
}

// isKnown reports whether a full name has an address.
func isKnown(ctx context.Context, name string) bool {
	if found, err := net.DefaultResolver.LookupHost(ctx, name+"."); err == nil {
		return len(found) > 0
	}
	return len(systemAddresses(ctx, "tcp", name+".")) > 0
}

// follow gives what a name is an alias of, where that is permitted.
func (l *loader) follow(name string) string {
	rules := l.values["canonicalizepermittedcnames"]
	if len(rules) == 0 || slices.ContainsFunc(rules, func(r string) bool { return strings.EqualFold(r, "none") }) {
		return name
	}
	alias, err := net.DefaultResolver.LookupCNAME(l.ctx, name)
	alias = strings.ToLower(strings.TrimSuffix(alias, "."))
	if err != nil || alias == "" || alias == name {
		return name
	}
	for _, rule := range rules {
		from, to, _ := strings.Cut(rule, ":")
		if wildHost(from, name) && wildHost(to, alias) {
			return alias
		}
	}
	return name
}

// onNetwork reports whether this machine has an address in one of the networks,
// as of Match localnetwork. Source: OpenSSH 9.4, readconf.c, check_match_ifaddrs.
func onNetwork(networks []string) (bool, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false, err
	}
	for _, text := range networks {
		network, err := netip.ParsePrefix(text)
		if ip, wrong := netip.ParseAddr(text); wrong == nil {
			network, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return false, err
		}
		for _, a := range addresses {
			own, err := netip.ParsePrefix(a.String())
			if err == nil && network.Contains(own.Addr()) {
				return true, nil
			}
		}
	}
	return false, nil
}
