// Package database is what copying a database over another has in common,
// whatever the server. The servers are in the folders below.
//
// A copy is a dump of the source that is poured, through this machine, into
// something fresh beside the target; that takes the target's place when all of it
// is there. How a server does either is its own.
package database
