// Package haproxy takes nodes out of service and puts them back through
// HAProxy's runtime socket.
//
//	local lb = haproxy.backend{ on=node "lb1" + node "lb2", socket="/run/haproxy/admin.sock", backend="web" }
//	roll{ name="www", to=nodes "prod", ..., drain=lb }
//	print(lb:state(node "web3").sessions)
//
// A Backend is a nodes.Balancer. What it promises:
//
//   - HAProxy answers a refused command with a text and no error: both the text
//     and then the server's state are checked, on every balancer of on=.
//   - drain returns when no session is left on the server, ready when HAProxy
//     says that it is up; either fails with kind timeout after wait= seconds
//     (30), and then says what is left. wait=0 waits for neither.
//   - A server that somebody has put into maintenance is left alone: draining it
//     is refused, since ready would later put it into service.
//   - The last server of the backend that serves is not drained, unless last=true.
//   - Several balancers must agree: where they do not, state is an error that
//     says who says what. Sessions are summed.
//
// The socket is reached on the balancer by socat, nc, python3 or perl, whichever
// is there, with the rights of the login (or of sudo=). It must have level
// admin, as Debian's has.
//
// Source: HAProxy's management guide 9.3, "Unix Socket commands": set server,
// show servers state, show stat; tried on HAProxy 2.6.
package haproxy
