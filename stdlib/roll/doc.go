// Package roll brings one revision to a set of nodes, in order, with a written
// state for each node whatever happens, and keeps the journal and the locks
// that make this possible.
//
//	roll{ name = "www", from = svn.checkout "/srv/www", to = nodes "prod",
//	      path = "/var/www", after = "sudo systemctl reload php8.2-fpm",
//	      check = function(n) return n:wait{ http = "/health" } end }
//
//	for _, r in ipairs(roll.history{ name = "www", limit = 5 }) do print(r.id, r.state) end
//
// # Promises
//
// Every step on a node is written down twice: the intent, which is on disk
// before the step begins, and the outcome. An intent without an outcome reads
// as unknown and is never guessed at. A lock is taken in one transaction: of
// two rolls of the same name, on one host or several that share the journal,
// exactly one gets it, and a roll that has lost its lock starts no further
// step. A node that was taken out of service goes back if its tree was not
// switched, or if it was and its check passes; else it stays out, and that is
// said and written.
//
// # Where it is kept
//
// journal.db in the session's state folder: SQLite with a write-ahead log, one
// fsync for each intent; a rollback journal on network filesystems, where a
// write-ahead log cannot work. Nothing is opened before it is needed and
// nothing is made by looking.
package roll
