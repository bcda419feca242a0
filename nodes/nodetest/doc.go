// Package nodetest starts real parts for tests: OpenSSH's sshd as nodes on
// loopback, a Subversion repository with svnserve. It is imported by tests and
// benchmarks only.
//
// A bed holds nodes. Each node is an sshd process of its own with its own host
// key, port, home and scratch folder, and lets the current user in with the
// bed's key:
//
//	bed := nodetest.Start(t, 3, nodetest.WrongHostKey(2))
//	session := bed.Session(nil)
//	session.Dialer = ssh.NewPool(session)
//	bed.Node(0), bed.Dir(0), bed.Cut(0), bed.Stop(0), bed.Restart(0)
//
// Outside of tests, [Open] gives the same bed and an error instead of a failed
// test. Everything that a bed started ends with it, whatever it did meanwhile:
// the processes under each sshd, and those that left it, which are known by an
// environment variable that every session carries.
package nodetest
