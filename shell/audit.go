package shell

import (
	"fmt"
	"log/syslog"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollsh/rollsh/nodes"
)

// machineLog is what --audit alone stands for, the system log of this machine, and how
// help writes what may follow it.
const machineLog = "SOCKET"

// How long the system log may take for an entry, and how many bytes of text there are
// in one; rsyslog takes 8 kB with its own words (RFC 5424, section 6.1, asks for 2 kB).
const (
	auditWait  = 5 * time.Second
	auditBytes = 4000
)

// audit writes to the system log, which the user cannot change. It is a nodes.Audit.
type audit struct {
	to  *syslog.Writer
	who string
}

// openAudit begins to write down what this run does, where that is asked for.
func (a *app) openAudit(args []string) error {
	if a.opts.audit == "" {
		return nil
	}
	to, err := dialLog(a.opts.audit)
	if err != nil {
		return notKept(err.Error())
	}
	l := &audit{to: to, who: auditName(a.env)}
	if err := l.Keep("begins: rollsh " + a.secrets.Hide(nodes.Quote(args...))); err != nil {
		return err
	}
	a.audit = l
	return nil
}

// dialLog reaches the system log at a socket, or where it is by custom.
func dialLog(socket string) (*syslog.Writer, error) {
	const priority = syslog.LOG_AUTHPRIV | syslog.LOG_NOTICE
	if socket == machineLog {
		return syslog.New(priority, "rollsh")
	}
	to, err := syslog.Dial("unixgram", socket, priority, "rollsh")
	if err != nil {
		to, err = syslog.Dial("unix", socket, priority, "rollsh")
	}
	return to, err
}

// auditName says who runs rollsh, and from where.
func auditName(env func(string) string) string {
	name := fmt.Sprintf("%s (uid %d)", whoRolls(env), os.Getuid())
	if from, _, ok := strings.Cut(env("SSH_CONNECTION"), " "); ok {
		name += " from " + from
	}
	return name
}

// Keep implements nodes.Audit.
func (l *audit) Keep(text string) error {
	entry := auditLine(l.who + ": " + text)
	kept := make(chan error, 1)
	go func() { kept <- l.to.Notice(entry) }()
	limit := time.NewTimer(auditWait)
	defer limit.Stop()
	select {
	case err := <-kept:
		if err != nil {
			return notKept(err.Error())
		}
		return nil
	case <-limit.C:
		return notKept(fmt.Sprintf("it took nothing for %s", auditWait))
	}
}

func notKept(why string) error {
	return &nodes.Error{
		Kind: nodes.Policy, Message: "cannot write to the system log: " + why,
		Hint: "--audit is set: what cannot be written down is not done; see that the system log runs",
	}
}

// auditLine makes text one line that nothing in it can hide or forge, and not too long.
func auditLine(text string) string {
	text = strings.NewReplacer("\n", `\n`, "\t", " ").Replace(nodes.Clean(text))
	if len(text) <= auditBytes {
		return text
	}
	at := auditBytes
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return fmt.Sprintf("%s... (%d bytes more)", text[:at], len(text)-at)
}

// keep writes an entry where there is an audit.
func (a *app) keep(text string) error {
	if a.audit == nil {
		return nil
	}
	return a.audit.Keep(text)
}
