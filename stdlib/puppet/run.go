package puppet

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// Options say how Puppet is run.
type Options struct {
	Noop        bool             // change nothing, count what would change
	Environment string           // empty: what the node's configuration says
	Apply       nodes.RemotePath // a manifest on the node; empty: the agent
	Args        []string         // more words for Puppet, such as --confdir DIR
	Sudo        string           // user to run as; empty: the login
	Timeout     time.Duration    // of one run; 30 min where 0
}

// Outcome is what a run did on one node. The counts are of resources.
type Outcome struct {
	Changed   int           `lua:"changed"`
	Failed    int           `lua:"failed"` // or could not be restarted
	Resources int           `lua:"resources"`
	Pending   int           `lua:"pending"` // with noop: would change
	Skipped   int           `lua:"skipped"`
	Elapsed   time.Duration `lua:"seconds"`
}

// environmentName is what Puppet takes as the name of an environment.
var environmentName = nodes.Pattern(`^[A-Za-z0-9_]+$`)

func (o Options) check() error {
	if o.Environment != "" && !environmentName().MatchString(o.Environment) {
		return &nodes.Error{Kind: nodes.Usage, Message: "environment: '" + nodes.Clean(o.Environment) + "' is not a name of Puppet's"}
	}
	if o.Apply != "" && !strings.HasPrefix(string(o.Apply), "/") {
		return &nodes.Error{Kind: nodes.Usage, Message: "apply: '" + nodes.Clean(string(o.Apply)) + "' is not an absolute path on the node"}
	}
	return nil
}

// Run runs Puppet on the nodes and gives one outcome for each. Its error is
// for bad options only.
func Run(ctx context.Context, d nodes.Dialer, set nodes.Set, each nodes.EachOpts, o Options) (*nodes.Results, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Minute
	}
	return nodes.Each(ctx, set, each, func(ctx context.Context, n *nodes.Node) (any, error) {
		conn, err := d.Dial(ctx, n)
		if err != nil {
			return nil, err
		}
		return (&run{conn: conn, o: o}).do(ctx)
	}), nil
}

// run is one run on one node.
type run struct {
	conn    nodes.Conn
	o       Options
	program string
	summary string // paths on the node
	report  string
}

func (r *run) do(ctx context.Context) (Outcome, error) {
	if err := r.find(ctx); err != nil {
		return Outcome{}, err
	}
	before, err := r.lastRun(ctx)
	if err != nil {
		return Outcome{}, err
	}
	res, err := r.conn.Run(ctx, nodes.Cmd{Argv: r.words(), Sudo: r.o.Sudo, Timeout: r.o.Timeout})
	if err != nil {
		return Outcome{}, err
	}
	after, err := r.lastRun(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if after.Time.LastRun == before.Time.LastRun || after.Resources == nil {
		return Outcome{}, notRun(res)
	}
	out := after.outcome(res.Elapsed)
	if out.Failed == 0 && (res.Code == 0 || res.Code == 2) && res.Signal == "" {
		return out, nil
	}
	return out, r.failed(ctx, res, out)
}

// words are the command. --test of the agent implies --detailed-exitcodes,
// --onetime, --no-daemonize and --no-usecacheonfailure.
func (r *run) words() []string {
	words := []string{r.program, "agent", "--test"}
	if r.o.Apply != "" {
		words = []string{r.program, "apply", "--detailed-exitcodes"}
	}
	words = append(words, "--color=false")
	if r.o.Noop {
		words = append(words, "--noop")
	}
	if r.o.Environment != "" {
		words = append(words, "--environment", r.o.Environment)
	}
	words = append(words, r.o.Args...)
	if r.o.Apply != "" {
		words = append(words, "--", string(r.o.Apply))
	}
	return words
}

// probe finds puppet also where its own packages put it, outside of the PATH.
const probe = `command -v puppet || command -v /opt/puppetlabs/bin/puppet || command -v /opt/puppetlabs/puppet/bin/puppet`

// find looks for the program and asks it where it keeps its account of runs.
func (r *run) find(ctx context.Context) error {
	res, err := r.conn.Run(ctx, nodes.Cmd{Line: probe, Quiet: true, Timeout: time.Minute})
	if err != nil {
		return err
	}
	if !res.OK() {
		return &nodes.Error{Kind: nodes.NotFound, Message: "puppet is not installed there"}
	}
	r.program = strings.TrimSpace(string(res.Stdout))
	section := "agent"
	if r.o.Apply != "" {
		section = "user"
	}
	words := append([]string{r.program, "config", "print", "lastrunfile", "lastrunreport", "--section", section}, r.o.Args...)
	res, err = r.conn.Run(ctx, nodes.Cmd{Argv: words, Sudo: r.o.Sudo, Quiet: true, Timeout: 2 * time.Minute})
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(res.Stdout)) {
		name, value, _ := strings.Cut(line, "=")
		switch strings.TrimSpace(name) {
		case "lastrunfile":
			r.summary = strings.TrimSpace(value)
		case "lastrunreport":
			r.report = strings.TrimSpace(value)
		}
	}
	if !res.OK() || !strings.HasPrefix(r.summary, "/") || !strings.HasPrefix(r.report, "/") {
		return exit(res, "puppet does not say where it keeps its reports")
	}
	return nil
}

// lastRun reads the summary of the last run; an empty one where there was none.
func (r *run) lastRun(ctx context.Context) (summary, error) {
	text, err := r.read(ctx, r.summary)
	if err != nil || text == nil {
		return summary{}, err
	}
	return parseSummary(text)
}

// read gives a file of the node; nil where there is none.
func (r *run) read(ctx context.Context, path string) ([]byte, error) {
	line := "if test -e " + nodes.Quote(path) + "; then cat -- " + nodes.Quote(path) + "; else exit 44; fi"
	res, err := r.conn.Run(ctx, nodes.Cmd{Line: line, Sudo: r.o.Sudo, Quiet: true, Timeout: time.Minute})
	switch {
	case err != nil:
		return nil, err
	case res.Code == 44:
		return nil, nil
	case !res.OK():
		return nil, exit(res, "cannot read "+path)
	}
	return res.Stdout, nil
}

// failed names what failed, as far as the report can be read.
func (r *run) failed(ctx context.Context, res nodes.Result, out Outcome) error {
	message := fmt.Sprintf("puppet: %d of %d resources failed", out.Failed, out.Resources)
	if out.Failed == 0 {
		message = "puppet failed with code " + strconv.Itoa(res.Code)
	}
	if text, err := r.read(ctx, r.report); err == nil && text != nil {
		if said := failures(text); said != "" {
			message += ": " + said
		}
	}
	return exit(res, message)
}

// exit makes an error of a run that ended badly.
func exit(res nodes.Result, message string) *nodes.Error {
	e := &nodes.Error{Kind: nodes.Exit, Message: message, Signal: res.Signal, Stdout: string(res.Stdout), Stderr: string(res.Stderr)}
	if res.Signal == "" {
		e.Code = strconv.Itoa(res.Code)
	}
	return e
}

var disabled = nodes.Pattern(`(?s)administratively disabled \(Reason: '(.*?)'\)`)

// notRun says why Puppet did not run, in its own words where they are known.
// Source: Puppet 7, lib/puppet/agent.rb.
func notRun(res nodes.Result) error {
	said := string(res.Stdout) + "\n" + string(res.Stderr)
	e := exit(res, "puppet did not run")
	switch {
	case disabled().MatchString(said):
		e.Kind, e.Hint = nodes.Refused, "puppet agent --enable allows it again"
		e.Message = "puppet is disabled there: " + oneLine(disabled().FindStringSubmatch(said)[1])
	case strings.Contains(said, "already in progress"):
		e.Kind, e.Message = nodes.Locked, "another run of puppet is under way there"
	default:
		if first := firstError(said); first != "" {
			e.Message += ": " + first
		}
	}
	return e
}

// firstError is the first thing that Puppet calls an error, but for facter's
// complaints, which stop nothing.
func firstError(said string) string {
	for line := range strings.Lines(said) {
		line = oneLine(line)
		if text, ok := strings.CutPrefix(line, "Error: "); ok && !strings.HasPrefix(text, "Facter:") {
			return text
		}
	}
	return ""
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(nodes.Clean(s)), " ")
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "…"
	}
	return s
}
