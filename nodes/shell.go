package nodes

import (
	"maps"
	"slices"
	"strings"
)

var (
	plainWord = Pattern(`^[A-Za-z0-9_@%+:,./-]+$`)
	envName   = Pattern(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Quote writes words so that a POSIX shell reads back exactly these words.
// A NUL byte cannot be passed to a program at all; Shell refuses it.
func Quote(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if plainWord().MatchString(w) {
			out[i] = w
		} else {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// encoding is how OneLine writes what some shell does not read as it stands, as the
// first argument of printf.
var encoding = strings.NewReplacer("\\", `\134`, "%", "%%", "'", `\047`, "!", `\041`, "\n", `\n`)

// OneLine gives the words that run a script of POSIX shell in such a way that every
// login shell passes it on: fish, where two backslashes are one also in quotes, and
// csh, where a quoted word has no line ends, and "!" stands for earlier commands also
// in quotes. The script holds no NUL byte.
func OneLine(script string) []string {
	return []string{"sh", "-c", `eval "$(printf '` + encoding.Replace(script) + `')"`}
}

// Shell gives the one line that the node's login shell is to run for c: folder,
// environment and sudo wrapped around the command. It fails with Usage for a
// NUL byte or a bad name of a variable, and for an empty command.
func (c Cmd) Shell() (string, error) { return c.shell([]string{"sudo", "-n"}, "") }

// ShellAsking is Shell for a command whose sudo may ask for a password: it
// writes ask to its standard error and reads a line of its input; when the
// command itself begins, begun is written to the standard error as a line.
func (c Cmd) ShellAsking(ask, begun string) (string, error) {
	return c.shell([]string{"sudo", "-S", "-p", ask}, "printf '%s\\n' "+Quote(begun)+" >&2\n")
}

func (c Cmd) shell(sudo []string, first string) (string, error) {
	line := c.Line
	if len(c.Argv) > 0 {
		line = Quote(c.Argv...)
	}
	if strings.TrimSpace(line) == "" {
		return "", &Error{Kind: Usage, Message: "empty command"}
	}
	env, err := c.envWords()
	if err != nil {
		return "", err
	}
	switch {
	case c.Sudo != "":
		line = Quote(slices.Concat(sudo, []string{"-u", c.Sudo, "--", "env"}, env, []string{"sh", "-c", first + line})...)
	case len(env) > 0:
		line = "export " + Quote(env...) + "; " + line
	}
	if c.Dir != "" {
		line = "cd -- " + Quote(string(c.Dir)) + " && { " + line + "\n}"
	}
	if strings.ContainsRune(line, 0) {
		return "", &Error{Kind: Usage, Message: "a command cannot hold a NUL byte"}
	}
	return line, nil
}

// Apart gives c without its variables, and those for the process that runs it: in a
// command line every user of the machine can read them. With sudo, which passes none
// on, they stay. It fails as Shell does.
func (c Cmd) Apart() (Cmd, []string, error) {
	if c.Sudo != "" {
		return c, nil, nil
	}
	env, err := c.envWords()
	if strings.ContainsRune(strings.Join(env, ""), 0) {
		err = &Error{Kind: Usage, Message: "a variable cannot hold a NUL byte"}
	}
	c.Env = nil
	return c, env, err
}

func (c Cmd) envWords() ([]string, error) {
	words := make([]string, 0, len(c.Env))
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if !envName().MatchString(name) {
			return nil, &Error{Kind: Usage, Message: "'" + name + "' is not a name of an environment variable"}
		}
		words = append(words, name+"="+c.Env[name])
	}
	return words, nil
}
