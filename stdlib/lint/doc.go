// Package lint checks files before they are rolled: each file by the rules that
// its name calls for, with the real tool where there is one.
//
//	lint.check("htdocs")                                        -- a folder
//	lint.check(co, {from="r120", to="HEAD"})                    -- what changed
//
// # Promises
//
// Nothing that is checked is run. Files are read and given to a parser: php's own
// compiler, sh -n, named-checkzone, puppet parser validate, apachectl -t, or a
// parser in rollsh. A tool runs with limits of time, memory and CPU, in an
// environment without the caller's variables, and ends with the check.
//
// PHP files get the verdict of `php -l`, and its text, at a small part of its
// price: php is started once a core and forks for every batch of files; each file
// that does not compile there is given to `php -l` itself (see warm.php). Where
// php cannot fork, every file is given to `php -l`.
//
// A tool that is not installed is an error as soon as a file needs it. A file
// that was found good or bad before, by the same rule, tool and content, is not
// checked again; the record is in the user's cache folder and safe with several
// rollsh at once.
//
// Symlinks are not followed. The folders of version control (.svn, .git, .hg,
// .bzr) and rollsh's own (.rollsh*) are left out.
//
// # Limits
//
// A tool works on a file for at most 30 seconds, in 4 GB of memory. What the
// parsers in rollsh could need too much memory for is reported instead of checked:
// JSON and XML files over 64 MB, YAML over 4 MB, Lua over 1 MB. Apache
// configurations that load modules of the tree itself or hold Perl are reported
// instead of checked, as checking would run them.
package lint
