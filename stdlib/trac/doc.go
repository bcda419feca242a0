// Package trac reads changesets and tickets from a Trac, and comments tickets.
//
//	local trac = trac.open("https://trac.example.org", { user="bot", password=secret "trac" })
//	print(trac:ticket(123).summary)
//	roll{ name="www", ..., tracker=trac, announce=room }      -- announcements then have links
//	trac:comment(123, "rolled to production in r4711")
//
// A Tracker is a nodes.Tracker. What it promises:
//
//   - One request for all changesets of a roll, whatever their number (several
//     when their list would not fit into an address): Trac's own change log,
//     format=changelog. A revision that Trac does not know, or has not read yet,
//     is NotFound; it is never left out quietly.
//   - A comment counts only when Trac has answered with the place of the new
//     comment; anything else, such as a form that comes back, is an error.
//   - Login by HTTP Basic at /login and its cookie, as tracd and Trac behind
//     Apache have it; the password is sent there and to no other host. Forms of
//     account plugins are not known.
//
// Limits of the source: Trac wraps messages at 70 columns; lines that were
// wrapped are put together again, which can join two lines that were written so.
// Mail-like authors read "bob@…" unless the user has EMAIL_VIEW.
//
// Sources: Trac 1.6, trac/versioncontrol/web_ui/log.py and its template
// revisionlog.txt, trac/ticket/web_ui.py, trac/web/auth.py; tried on Trac 1.6.
package trac
