// Package http asks web servers from the deploy host: whether a node answers
// and what it says.
//
//	local answer = http.get("http://10.0.0.5/version", { host="www.example.org" })
//	if answer.status ~= 200 then fail("web5 says " .. answer.status) end
//	roll{ ..., check=function(n) return http.ok("https://" .. n.host .. "/health", { host="www.example.org", timeout=5 }) end }
//
// What it promises:
//
//   - get and request give whatever a server answers, a 500 too, and raise only
//     when there is no answer: Unreachable, Timeout, Lost, or Protocol for a
//     certificate that is not trusted (code "certificate"), for too many
//     redirects ("redirects") and for what is not HTTP.
//   - ok is true for 2xx after redirects; else it is false and says why.
//   - host= asks this very machine for another name: the Host header, TLS's
//     server name and the check of the certificate are for host, and a redirect
//     to host goes to the same machine again, not to what DNS says.
//   - A body is read up to 64 MiB; truncated says that there was more.
//   - Everything ends with timeout= (10 seconds by default, body included).
//
// The environment's proxies are used (HTTPS_PROXY, NO_PROXY), but not with host=.
package http
