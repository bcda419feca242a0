// Package ssh is the way to nodes: connections, commands and files.
//
// It speaks the protocol itself (golang.org/x/crypto/ssh, github.com/pkg/sftp)
// and reads what OpenSSH's client reads: ~/.ssh/config and /etc/ssh/ssh_config,
// known_hosts, key files, certificates and the agent. Whoever can "ssh web1"
// can reach web1 here. What a nodes file says wins over ssh_config.
//
// # Connections
//
// [NewPool] keeps one connection a node, made at its first use and made anew
// when it was lost. Connections through a jump host share one to that host. A
// connection that stops answering is found by keepalives (every 15 seconds,
// three may be missed, unless ServerAliveInterval says else) and ends as Lost.
// On a connection that is in use a session is kept open for the next command.
//
// Host keys are checked as OpenSSH does with StrictHostKeyChecking=ask: an
// unknown key is refused unless a person types yes, a changed or revoked one is
// always refused. StrictHostKeyChecking=no is taken as accept-new: it adds
// unknown keys with a warning and still refuses changed ones.
//
// Where this differs from OpenSSH is listed in docs/ssh.md; the values that
// matter for a login agree with ssh -G, which the tests compare. A node that
// ends a login after too many keys (MaxAuthTries) is asked again about the rest.
//
// The agent is lent to a command on a node only where the command asks for it
// (agent=true) or ForwardAgent does, and only as long as the command runs.
//
// # Commands
//
// A command is run by the login shell of the node's user. Its exit code and the
// signal that ended it are told apart; a connection that goes away, or an exit
// status that never comes, is an error of kind Lost and never a success. When
// the context ends, what the command started on the node is killed: its process
// group and everything below it in the process table. To know them, a line is
// put before the command that writes the shell's process id to the standard
// error; it is taken out again and never seen. A forced command on the node
// sees that line in SSH_ORIGINAL_COMMAND. Where the node allows no second session
// for the killing (MaxSessions), it is done over a second connection, for which
// nobody is asked anything; where that cannot be, sshd is asked to signal.
//
// A password that sudo wants is asked for once, at the terminal, and sent over
// the connection to sudo's input: it is in no argument, event or log. The first
// serves all nodes; a node that refuses it has its own.
//
// Output is kept up to 4 MiB a stream, the first and last half of that, with a
// note of how much is missing between, and a warning; all of it is streamed as
// events, or goes to a file of this machine where that is asked for.
//
// # Files
//
// Files are reached over SFTP. Writing is atomic: a temporary file beside the
// target, fsync, rename. A node that allows SFTP only is served as far as that
// goes. Of a file of 8 MiB or more the part that a cut connection left is gone on
// with, after samples of it were compared with the source. What only reads is
// done once more when the connection was lost under it; nothing else is.
//
//	n = node "web1"
//	print(n:run("uptime").stdout)
//	n:write("/srv/app/version", "123\n", {perms="0644"})
package ssh
