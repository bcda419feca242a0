package notify

import (
	"context"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Command is a command line for the shell, or words that need no quoting.
type Command struct {
	Line  string
	Words []string
}

// String is the command as written.
func (c Command) String() string {
	if c.Line != "" {
		return c.Line
	}
	return nodes.Quote(c.Words...)
}

// Exec makes a channel that runs a command on this machine with the notice on
// its standard input. About a roll, the environment has ROLLSH_ROLL_ID, _NAME,
// _WHO, _STATE, _FROM and _TO, and where it was taken up again _MODE (resume or
// back) and _BY. A code other than 0 is a failure.
func (d *Desk) Exec(c Command, opts Options) (*Channel, error) {
	if strings.TrimSpace(c.String()) == "" {
		return nil, &nodes.Error{Kind: nodes.Usage, Op: "notify.exec", Message: "the command is empty"}
	}
	return d.channel("notify.exec", "'"+short(line(c.String()), mostSubject)+"'", &program{session: d.session, command: c}, opts), nil
}

type program struct {
	session *nodes.Session
	command Command
}

func (p *program) Send(ctx context.Context, n Notice) error {
	cmd := nodes.Cmd{Line: p.command.Line, Argv: p.command.Words, Stdin: strings.NewReader(n.Text + "\n"), Env: environment(n), Quiet: true}
	res, err := p.session.Here.Run(ctx, cmd)
	if err != nil {
		return err
	}
	if res.OK() {
		return nil
	}
	e := &nodes.Error{Kind: nodes.Exit, Message: "the command " + ended(res), Stdout: string(res.Stdout), Stderr: string(res.Stderr), Signal: res.Signal}
	if res.Signal == "" {
		e.Code = strconv.Itoa(res.Code)
	}
	if said := short(line(string(res.Stderr)), mostWhy); said != "" {
		e.Message += ": " + said
	}
	return e
}

func ended(r nodes.Result) string {
	if r.Signal != "" {
		return "was ended by signal " + r.Signal
	}
	return "exited with code " + strconv.Itoa(r.Code)
}

func environment(n Notice) map[string]string {
	if n.Roll == nil {
		return nil
	}
	env := map[string]string{
		"ROLLSH_ROLL_ID": n.Roll.ID, "ROLLSH_ROLL_NAME": n.Roll.Name, "ROLLSH_ROLL_WHO": n.Roll.Who,
		"ROLLSH_ROLL_STATE": n.Roll.State, "ROLLSH_ROLL_FROM": string(n.Roll.From), "ROLLSH_ROLL_TO": string(n.Roll.To),
	}
	if n.Roll.By != "" {
		env["ROLLSH_ROLL_MODE"], env["ROLLSH_ROLL_BY"] = string(n.Roll.Mode), n.Roll.By
	}
	for k, v := range env {
		env[k] = line(v)
	}
	return env
}

// Lasting is true for a command that is not there (127) or may not be run (126).
func (p *program) Lasting(err error) bool {
	e := nodes.AsError(err, nodes.Internal)
	return e.Kind == nodes.Usage || e.Kind == nodes.Exit && (e.Code == "126" || e.Code == "127")
}

func (p *program) Close(context.Context) {}
