// Package person is how recipes talk to the person at the terminal: say, warn,
// ask, confirm, choose and secret. What they look like is the shell's; here is
// what they mean.
//
// A secret is a value that prints as [secret]. It is looked for in the
// environment (ROLLSH_SECRET_NAME), then in a file secrets/NAME of the state
// folder that only its owner can read, and asked for last.
package person
