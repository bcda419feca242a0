// Package agent is the part of rollsh's sync that runs on a node. It reads
// requests on standard input and answers on standard output (package wire);
// an ssh connection carries both.
//
// What it keeps lies in one folder beside the tree, .rollsh-NAME (0700):
//
//	lock            held (flock) by the agent that works on the tree; says who
//	lock-sftp       there while somebody works on the tree over SFTP; says who
//	marker          what rolls left in the tree: revision, entries, hashes
//	stage-ROLL/     plan (the journal), s/N (new contents), u/N (links to the
//	                old), marker (the next one), COMMIT, ROLLBACK
//	undo-SEQ-ROLL/  a stage that was switched: its plan and the old files
//	arrived/        contents that came with a stage that was cut off
//	trash-*         on its way out
//
// With layout="release" a stage also holds r, the new release, and an undo
// folder only says which release was live before.
//
// A stage without COMMIT never touched the tree. One with COMMIT is finished,
// or, where that is not possible, undone, by the next request that writes.
package agent
