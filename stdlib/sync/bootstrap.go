package sync

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/sync/agent/bin"
)

// platform is a kind of node that there may be an agent for.
type platform struct {
	uname  string // what uname -s and -m give there, as patterns of a shell's case
	goos   string
	goarch string
}

var platforms = []platform{
	{"Linux\\ x86_64", "linux", "amd64"},
	{"Linux\\ aarch64", "linux", "arm64"},
	{"Linux\\ i[3456]86", "linux", "386"},
	{"Linux\\ armv[5678]*", "linux", "arm"},
}

// agentSources are what the agents inside must have been made of: in a rollsh
// from plain `go build` they can be older than the rest.
//
//go:embed agent/*.go agent/cmd/rollsh-agent/*.go beneath/*.go delta/*.go manifest/*.go wire/*.go
var agentSources embed.FS

// program is an agent that can be sent to nodes of one platform.
type program struct {
	uname string   // as in platform
	sums  bin.Sums // its SHA-256 is part of its name there
	gz    func() ([]byte, error)
}

// programs finds the agents: those that were built in, and this program itself
// for nodes of its own kind where none was.
func programs() []program {
	from, err := bin.Sources(agentSources)
	if err != nil {
		return nil
	}
	var out []program
	for _, p := range platforms {
		if gz, sums, ok := bin.Agent(p.goos, p.goarch, from); ok {
			out = append(out, program{p.uname, sums, gz})
		} else if p.goos == runtime.GOOS && p.goarch == runtime.GOARCH {
			if own, err := ownProgram(p.uname); err == nil {
				out = append(out, own)
			}
		}
	}
	return out
}

// ownProgram makes an agent of the running program.
func ownProgram(uname string) (program, error) {
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return program{}, err
	}
	return programOf(uname, b), nil
}

// agentsID tells one set of agents from another.
func agentsID(list []program) string {
	var sums strings.Builder
	for _, p := range list {
		sums.WriteString(p.sums.SHA256)
	}
	return keyOf(sums.String())
}

func programOf(uname string, b []byte) program {
	gz := sync.OnceValues(func() ([]byte, error) {
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err == nil {
			_, err = z.Write(b)
		}
		if err == nil {
			err = z.Close()
		}
		return out.Bytes(), err
	})
	return program{uname, bin.SumsOf(b), gz}
}

// folders on a node that the agent may lie in, best first, as the head of a loop:
// no program is started to name the last before it is looked at.
const folders = `for d in "${XDG_CACHE_HOME:-$HOME/.cache}/rollsh" "${XDG_RUNTIME_DIR:-/dev/null}/rollsh" /var/tmp; do
[ "$d" != /var/tmp ] || d=$d/rollsh-$(id -u)
`

const needLine, noneLine = "\x00ROLLSH-NEED ", "\x00ROLLSH-NONE "

// startScript runs the agent with the words given where it is on the node,
// whole, or says what the node is. Where the agent is missing it says so and
// takes it from standard input, compressed, after a line with its length; checks
// it, and runs it from the first folder from which that can be done. Agents that
// were not used for long go. Exit codes: see notPut.
//
// A shell's read takes no more than the line, but what cuts off the agent may
// read further (busybox's head does): nothing else must be sent before the agent
// has given its first words. What was sent in the hope that the agent is there is
// no length; the script ends then.
func startScript(list []program, env, words []string) string {
	var b strings.Builder
	b.WriteString("u=$(uname -sm); case $u in\n")
	for _, p := range list {
		fmt.Fprintf(&b, "%s) h=%s k=%s;;\n", p.uname, p.sums.SHA256, p.sums.BLAKE2b)
	}
	b.WriteString(`*) printf '\000ROLLSH-NONE %s\n' "$u"; exit 0;;
esac
whole() { x=$(b2sum -l 256 <"$1" 2>/dev/null || sha256sum <"$1"); x=${x%% *}; [ "$x" = $k ] || [ "$x" = $h ]; }
serve() { exec ` + with(env) + `"$f" ` + agent.Flag + " " + nodes.Quote(words...) + `; }
` + folders + `f=$d/agent-$h
if [ -x "$f" ] && [ -O "$d" ] && whole "$f"; then serve; fi
done
printf '\000ROLLSH-NEED %s\n' $h
read n; umask 077; s=
case $n in ''|*[!0-9]*) exit 6;; esac
` + folders + `mkdir -p "$d" 2>/dev/null && [ -d "$d" ] && [ ! -L "$d" ] && [ -O "$d" ] && [ -w "$d" ] || continue
f=$d/agent-$h; t=$f.$$
if [ -z "$s" ]; then head -c $n | gzip -dc >"$t" || { rm -f "$t"; exit 3; }
else cp "$s" "$t" || { rm -f "$t"; continue; }; rm -f "$s"; fi
whole "$t" || { rm -f "$t"; exit 4; }
chmod 700 "$t"
if "$t" ` + agent.Flag + ` probe </dev/null >/dev/null 2>&1; then
mv -f "$t" "$f" || exit 3
find "$d" -name 'agent-*' -atime +60 ! -name "agent-$h" -exec rm -f {} + 2>/dev/null
serve; fi
s=$t
done
[ -z "$s" ] || rm -f "$s"
exit 5`)
	return b.String()
}

// with sets environment variables, NAME=VALUE, for the program that follows.
func with(env []string) string {
	if len(env) == 0 {
		return ""
	}
	return "env " + nodes.Quote(env...) + " "
}

// noAgentError says that the agent cannot run on a node; SFTP may still do.
type noAgentError struct{ why string }

// Error gives the reason.
func (e *noAgentError) Error() string { return e.why }

// ready waits until the agent speaks, and gives it to a node that lacks it.
func (l *line) ready(ctx context.Context, list []program) error {
	err := l.greet(ctx, l.patience)
	var need *needError
	if !errors.As(err, &need) {
		return err
	}
	i := slices.IndexFunc(list, func(p program) bool { return p.sums.SHA256 == need.sum })
	if i < 0 {
		return &noAgentError{"it asks for an agent that there is not: " + need.sum}
	}
	gz, err := list[i].gz()
	if err != nil {
		return err
	}
	// Why this fails, where it does, is told by how the script ends.
	_ = l.write(ctx, func() error {
		_, err := l.in.Write(append(fmt.Appendln(nil, len(gz)), gz...))
		return err
	})
	err = l.greet(ctx, stallWait)
	if errors.Is(err, errMute) {
		return l.silent()
	}
	if errors.Is(err, errSilent) || errors.As(err, &need) {
		return l.notPut()
	}
	return err
}

// notPut says why the agent could not be put on the node, or did not start.
func (l *line) notPut() error {
	if !l.hasEnded() {
		return &noAgentError{"the agent does not start there"}
	}
	text := firstLine(l.stderr.b.String())
	switch {
	case l.howErr != nil:
		return l.howErr
	case l.how.Signal != "":
		return &nodes.Error{Kind: nodes.Exit, Message: "putting the agent on the node was ended by signal " + l.how.Signal}
	case l.how.Code == 3 && strings.Contains(text, "unexpected end"):
		return lost(" while the agent was put on the node", nil)
	case l.how.Code == 3:
		return spaceOr(text)
	case l.how.Code == 4:
		return &nodes.Error{Kind: nodes.Protocol, Message: "the agent did not arrive whole"}
	case l.how.Code == 5:
		return &noAgentError{"no folder there lets the agent run: the cache folder cannot be written, or is mounted noexec"}
	}
	return &noAgentError{fmt.Sprintf("the agent cannot be put there: exit code %d: %s", l.how.Code, text)}
}

func spaceOr(text string) error {
	if strings.Contains(strings.ToLower(text), "no space") {
		return &nodes.Error{Kind: nodes.Space, Message: "cannot put the agent on the node: no space left", Hint: "make room in ~/.cache"}
	}
	return &noAgentError{"the agent cannot be put there: " + text}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// limited keeps the first bytes of a hostile stream.
type limited struct {
	b    *bytes.Buffer
	left int
}

// Write keeps what still fits.
func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.b.Write(p[:n])
	l.left -= n
	return len(p), nil
}
