// Package xmpptest starts real chat servers for tests: Prosody and ejabberd on
// loopback, on a free port, with a certificate of their own, the domain
// roll.test, its chat service rooms.roll.test, and the accounts bot and dev
// with the passwords bot-pw and dev-pw. Encryption is required. Rooms are made
// by those who join them.
//
// It is imported by tests only.
package xmpptest
