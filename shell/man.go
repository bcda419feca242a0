package shell

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manFiles and manEnvironment are what the manual page says besides what the
// commands and flags tell of themselves.
var (
	manFiles = [][2]string{
		{"recipes/*.lua, lib/*.lua", "the project's recipes, and what they require"},
		{"nodes/NAME", "a nodes file: one node a line, in the order of a roll"},
		{"~/.ssh/config, ~/.ssh/known_hosts", "apply as OpenSSH applies them"},
		{"/var/lib/rollsh/PROJECT", "journal and locks that all users of a project share; made by rollsh init --shared GROUP"},
		{"~/.local/state/rollsh", "history; journal and locks where they are not shared"},
	}
	manEnvironment = [][2]string{
		{"ROLLSH_STATE", "the folder of journal and locks"},
		{"ROLLSH_JOURNAL", "postgres://USER@HOST/DATABASE: journal and locks that several deploy hosts share; the password is in ~/.pgpass"},
		{"ROLLSH_SECRET_NAME", "the value of secret \"name\"; programs that rollsh starts do not get it"},
		{"XDG_STATE_HOME, XDG_CACHE_HOME", "where state and caches are, instead of ~/.local/state and ~/.cache"},
		{"NO_COLOR", "when it is not empty, nothing is coloured unless --color=always asks for it"},
		{"TERM", "dumb: no line editing and no live grid"},
	}
)

// manPage writes the manual page, rollsh(1), from the commands and the flags.
func (a *app) manPage() string {
	m := &manWriter{}
	m.b.WriteString(".\\\" Written by rollsh man; changes are lost.\n.TH ROLLSH 1 \"\" rollsh \"User Commands\"\n")
	m.section("NAME", "rollsh - a deploy shell in Lua")
	intro, lines, _ := strings.Cut(about, "\n\n")
	m.section("SYNOPSIS", "")
	m.asIs(lines)
	m.section("DESCRIPTION", intro)
	m.section("COMMANDS", "")
	for _, c := range a.commands().Commands() {
		if c.IsAvailableCommand() {
			m.item("rollsh "+c.Use, c.Short+m.flagsOf(c))
		}
	}
	m.section("OPTIONS", "These stand anywhere on the command line.")
	(&options{}).flags().VisitAll(func(f *pflag.Flag) { m.item(flagUse(f), sentence(f)) })
	m.section("AT THE PROMPT", "")
	m.asIs(belowTitle(topics["prompt"]))
	m.section("EXIT STATUS", "")
	m.asIs(belowTitle(topics["exit-codes"]))
	m.items("FILES", manFiles)
	m.items("ENVIRONMENT", manEnvironment)
	m.section("SEE ALSO", "rollsh help NAME tells of every function; ssh(1), ssh_config(5), svn(1)")
	return m.b.String()
}

func belowTitle(topic string) string {
	_, text, _ := strings.Cut(topic, "\n\n")
	return text
}

// flagUse is a flag as it is typed.
func flagUse(f *pflag.Flag) string {
	use := "--" + f.Name
	if f.Shorthand != "" {
		use = "-" + f.Shorthand + ", " + use
	}
	kind, _ := pflag.UnquoteUsage(f)
	switch kind = strings.ToUpper(kind); {
	case kind != "":
		use += "=" + kind
	case f.Value.Type() != "bool":
		use += "[=" + f.NoOptDefVal + "]"
	}
	return use
}

func sentence(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	return text
}

// manWriter writes roff with the macros of man(7).
type manWriter struct{ b strings.Builder }

func (m *manWriter) section(title, text string) {
	m.b.WriteString(".SH " + title + "\n")
	if text != "" {
		m.b.WriteString(roff(manLines(text)) + "\n")
	}
}

// manLines breaks running text into lines of the length that roff sources have.
func manLines(text string) string { return strings.Join(wrapped(text, 72), "\n") }

func (m *manWriter) item(term, text string) {
	m.b.WriteString(".TP 4\n\\fB" + roff(term) + "\\fR\n" + roff(manLines(text)) + "\n")
}

func (m *manWriter) items(title string, rows [][2]string) {
	m.section(title, "")
	for _, row := range rows {
		m.item(row[0], row[1])
	}
}

// asIs writes lines that keep their layout; they begin further left, as they
// fill 80 columns.
func (m *manWriter) asIs(text string) {
	m.b.WriteString(".nf\n.in -5n\n" + roff(strings.TrimRight(text, "\n")) + "\n.in\n.fi\n")
}

// flagsOf tells a command's own flags.
func (m *manWriter) flagsOf(c *cobra.Command) string {
	text := ""
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			text += "; " + flagUse(f) + ": " + sentence(f)
		}
	})
	return text
}

// roff makes text what it is for roff too: no escapes, no requests.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
