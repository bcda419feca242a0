// Package shell is the person's side of rollsh: the command line, the REPL,
// help, prompts, progress and events. Only this room prints or knows a
// terminal.
//
// Results go to standard output, everything else to standard error. What a
// node, a repository or a server wrote is cleaned of control sequences before
// it is drawn. A terminal that went away is no error: what cannot be written is
// dropped, and a roll goes on to a written state.
package shell
