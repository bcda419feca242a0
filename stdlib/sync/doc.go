// Package sync brings a folder to nodes and puts it in place there, whole.
//
//	sync.push{from = "site", to = nodes "prod", path = "/var/www"}
//
//	local staged = sync.stage{from = co, to = web, path = "/var/www"}
//	web:each(function(n) n:drained(function() staged:switch(n) end) end)
//
// A push scans the source once, stages what each node lacks on the node's
// disk, beside the live tree, and when all nodes have everything, switches
// each in one burst of renames. The work on the node is done by a small agent
// (package agent) that is put there once and talks over ssh; a node that
// cannot run it gets a thin SFTP path with weaker promises, and that is said.
//
// What is promised:
//
//   - Until every byte is on the node, checked and on its disk, the live tree is
//     untouched. When one node cannot be staged, none is switched.
//   - The switch is a burst of renames, each atomic: new files, changed files,
//     deletes, folders around them. A reader may see both revisions in that
//     moment, milliseconds as a rule; its length is reported.
//   - Killed before the burst, the tree is entirely old; killed in it, the next
//     push or undo finishes it, or undoes it where that cannot be done.
//   - What is replaced or deleted is kept for undo as hard links.
//   - Only files that a roll put there are deleted or replaced, unless asked
//     otherwise; a file changed on the node since is refused, not overwritten.
//   - With layout="release" the tree is path/current, a link to a whole tree in
//     path/releases; the switch is one rename, and undo leads the link back.
//   - No path is followed through a symlink on the node.
package sync
