// Package svn drives Subversion: checkouts on the deploy host, logs, and merges
// with the help that people need when they conflict.
//
//	local co = svn.checkout("/srv/www", {url = "https://svn.example.org/www/production"})
//	co:changes{from = 120, to = "HEAD"}:print()
//	co:update()
//
//	local m = svn.merge{from = "^/trunk", into = co}
//	m:take "130-134"
//	m:commit()
//
// The svn program does the work; this package decides what to ask of it and
// judges what it says. It is run with --non-interactive in a session of its own,
// its language fixed, every path guarded against being read as an option or a
// peg revision, messages in files, passwords on standard input. Its exit code 0
// alone is never success: warnings of left-out targets, a commit without a
// revision and an update that did not arrive are failures.
//
// What changes a checkout holds its lock, a file in .svn that names the holder:
// tasks of one process take turns, another process is refused. A cancel
// interrupts svn, and kills it when that does not help within 0.6 s; a checkout
// that was left locked by a killed svn is cleaned up by the next command.
//
// Externals are neither updated nor looked at.
//
// Where the folder is a git working tree, or the URL ends in .git, checkout gives
// a GitCheckout: it is updated, listed and rolled with the same changesets, by the
// git program and with git's own credentials. Merging stays svn's.
//
// Source of svn's behaviour: svn 1.14.2 and the svn book, "Commit", "Merge" and
// "svn:mergeinfo"; numbers of errors from svn_error_codes.h.
package svn
