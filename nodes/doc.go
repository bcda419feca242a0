// Package nodes is the vocabulary of rollsh: the nouns that every room shares,
// the small interfaces by which values cross between primitives, and the nodes
// file. It imports the standard library only and does no I/O but reading nodes
// files.
//
// The words, one for each idea:
//
//	node       one machine that is rolled to (not host, server, target)
//	nodes file the ordered list of nodes (not inventory)
//	tier       a named, ordered part of a nodes file, such as cdn or app
//	recipe     a Lua file that does something to nodes (not task, playbook)
//	roll       bringing one revision to a set of nodes (not deploy, release)
//	checkout   a working copy on the deploy host
//	changeset  one committed revision with author, date, message and paths
//	primitive  a Go function that recipes call
//	plan       what a roll would do, file by file, before it does it
//	journal    the lasting record of intents and outcomes
//	drain      take a node out of service; undrain puts it back
package nodes
