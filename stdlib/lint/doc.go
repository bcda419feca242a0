// Package lint checks files before they are rolled: each file by the rules that
// its name calls for, with the real tool where there is one.
//
//	lint.check("htdocs")                                        -- a folder
//	lint.check(co, {from="r120", to="HEAD"})                    -- what changed
//
// # Promises
//
// Nothing that is checked is run. Files are read and given to a parser: php's own
// compiler, sh -n, named-checkzone, puppet parser validate, apache2 -t, or a
// parser in rollsh. A tool runs with limits of time, memory and CPU, in an
// environment without the caller's variables, and ends with the check.
//
// PHP files get the verdict of `php -l`, and its text, at a small part of its
// price: php is started once, and forks for every batch of files, on all cores at
// once; each file that does not compile there is given to `php -l` itself (see
// warm.php; held against `php -l` of PHP 7.4, 8.2 and 8.4). Where php cannot fork,
// every file is given to `php -l`. With on= the php of nodes judges instead: texts
// go over the connection to a php there, which writes nothing on the node; nodes
// whose version, modules and configuration are the same are asked once.
//
// A tool that is not installed is an error as soon as a file needs it. For an
// optional rule (shellcheck; others by lint.rule{ name=, required=false }) it is a
// warning, and the rule's name is in missing. A rule that rules= names is required.
//
// A file that was found good or bad before, by the same rule, tool and content, is
// not checked again; the record is in the user's cache folder and safe with several
// rollsh at once. Of a folder, a file whose size, times and inode are those of the
// last time is not even read. checked counts all files that a rule was for, cached
// those among them whose verdict was known.
//
// What a named.conf, zone, sudoers file or Apache configuration takes in by absolute
// path is the tree's, as it will be on nodes, and never what this machine has there:
// the tree may be a whole file system or any part of one, so that
// /etc/bind/named.conf.local is found as etc/bind/named.conf.local and beside
// named.conf. What the tree lacks is left out, said in a warning, and in notes.
//
// Where it is known what a file was (a Merge, or a Checkout with from= or changes=),
// a zone whose records change must have a larger serial.
//
// Symlinks are not followed. The folders of version control (.svn, .git, .hg,
// .bzr) and rollsh's own (.rollsh*) are left out.
//
// # Limits
//
// A tool works on a file for at most 30 seconds, in 4 GB of memory. What the
// parsers in rollsh could need too much memory for is reported instead of checked:
// JSON and XML files over 64 MB, JavaScript and CSS over 16 MB, YAML over 4 MB,
// Lua, nodes files and tables of cron over 1 MB. CSS is refused only for brackets,
// comments and texts that do not end. JavaScript and CSS with PHP in them are let
// pass, as nobody knows what PHP makes of them, and so are JSX and Flow's types.
// Templates (*.erb, *.j2 and the like) of configurations are not read, nor what
// cron and sudo themselves pass over. Of Apache, the folders of logs and the
// certificates need not be there. Apache configurations that load modules of the
// tree itself or hold Perl are reported instead of checked, as checking would run
// them.
package lint
