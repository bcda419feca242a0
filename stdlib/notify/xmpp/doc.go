// Package xmpp is a client that announces in one XMPP room (multi-user chat).
//
// It is small on purpose: it joins, says, proves that what it said arrived, and
// leaves. What it promises:
//
//   - Nothing is sent before TLS is up and the certificate is verified against
//     the domain of the JID, not against the host that was dialled. Passwords
//     go by SCRAM (SHA-512, SHA-256, SHA-1), whose answer must prove that the
//     server knows the password too; by PLAIN only where no SCRAM is offered.
//   - Send returns nil only after the room has sent the message back to us.
//     When the connection is lost between the two, the error says so, and
//     sending again may say it twice.
//   - The connection is made at the first Send and then kept: every ping is
//     answered, the room is asked once a minute whether we are still in it, and
//     a lost connection is made anew after 1 s to 5 min, jittered.
//   - Every wait ends with Config.Timeout or the context, whichever is first.
//   - Control characters never leave: XML 1.0 forbids them even escaped.
//
// Errors are *nodes.Error: Usage for a bad configuration, Unreachable, Auth for
// a refused password, Refused for a room that refuses (Code is the condition,
// such as "not-authorized"), Protocol for all else that the server said (Code
// is its condition), Timeout, Lost.
//
// Sources: RFC 6120 and 6121 (streams, SASL, binding), RFC 5802 and 7677
// (SCRAM), RFC 7622 (addresses), XEP-0045 (rooms), XEP-0199 (ping), XEP-0368
// (direct TLS), XEP-0410 (am I still in the room). Certificates are checked by
// DNS name only; SRVName and XmppAddr names of RFC 6120 13.7 are not looked at,
// and the domain must be written in ASCII.
package xmpp
