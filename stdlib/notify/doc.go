// Package notify tells people what was rolled: in a chat room over XMPP, by a
// webhook (Slack, Teams, Discord or plain JSON), by mail, or through a command.
//
//	local room = notify.xmpp{ jid="bot@example.org", password=secret "chat", room="dev@rooms.example.org" }
//	room:send "www is rolled in five minutes"
//	roll{ name="www", ..., announce={ room, notify.exec "logger -t rollsh" } }
//
// Every channel is a nodes.Notifier. What they promise:
//
//   - Send and Rolled return nil only when the other side took the notice: the
//     chat room sent it back, the webhook answered 2xx, the mail server took
//     the message, the command exited with 0.
//   - A notice that fails is tried again (3 times, with waits that grow) unless
//     trying again cannot help; then people are warned, and nothing else: a roll
//     is never broken by its announcement. With strict=true it is an error.
//   - Who does not answer for three seconds is named, and Ctrl-C gives up telling
//     it; the roll has ended all the same, as it is in the journal.
//   - A notice may arrive twice, when the answer to the first was lost; it is
//     never thought to have arrived when nobody said so.
//   - Passwords and webhook addresses (which hold a token) appear in no error.
//   - Commit messages are cleaned of control characters and are written so that
//     the service does not take them for markup or for calls to everybody.
package notify
