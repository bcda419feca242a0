package lint

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// nodePHP is the php of a node. Files are sent to it over the connection; nothing
// is written on the node.
type nodePHP struct {
	session *nodes.Session
	node    *nodes.Node
	asked   func(context.Context) ([]answer, error) // of all nodes of the check
	index   int                                     // of this node among them
	warm    warmth
}

func (p *nodePHP) kept() *warmth { return &p.warm }

// answer is what a node's php said of itself.
type answer struct {
	id  string
	err error
}

// phpRules are rules for the php of every node, for one check. Nodes are asked when
// there is something to check, all at once. The verdicts of one node hold for all
// others whose php and configuration are the same, by way of the record.
func phpRules(s *nodes.Session, set nodes.Set) []Rule {
	all := make([]*nodePHP, len(set.Nodes))
	asked := askOnce(all)
	var rules []Rule
	for i, n := range set.Nodes {
		p := &nodePHP{session: s, node: n, asked: asked, index: i}
		p.warm = warmth{atOnce: nodeAtOnce, start: p.start}
		all[i] = p
		r := phpRuleOf(func() php { return p })
		r.node = n.Name
		rules = append(rules, r)
	}
	return rules
}

func askOnce(all []*nodePHP) func(context.Context) ([]answer, error) {
	var once sync.Once
	answers := make([]answer, len(all))
	var err error
	return func(ctx context.Context) ([]answer, error) {
		once.Do(func() {
			err = parallelN(ctx, len(all), len(all), func(i int) error {
				answers[i].id, answers[i].err = all[i].ask(ctx)
				return nil
			})
		})
		return answers, err
	}
}

// nodeAtOnce is how many batches a node's php compiles at once.
const nodeAtOnce = 2

func (p *nodePHP) atOnce() int { return 4 } // of the sessions that sshd allows on a connection (MaxSessions 10)

func (p *nodePHP) version(ctx context.Context) (string, error) {
	all, err := p.asked(ctx)
	if err != nil {
		return "", err
	}
	return all[p.index].id, all[p.index].err
}

// ask makes the node's php tell about itself. It stays for what is to be compiled.
func (p *nodePHP) ask(ctx context.Context) (string, error) {
	if parent := p.warm.parent(ctx); parent != nil {
		return parent.about.ofNode(), nil
	}
	e, err := p.run(ctx, nil, "-d", "display_startup_errors=0", "-r", phpAsk)
	if err != nil {
		return "", err
	}
	if e.code == 127 {
		return "", &nodes.Error{Kind: nodes.NotFound, Node: p.node.Name, Message: "php is not installed there", Hint: "apt-get install " + phpTool.install, Cause: errMissing}
	}
	said, err := aboutOf(e)
	if err != nil {
		return "", nodes.At(err, "", p.node.Name)
	}
	return said.ofNode(), nil
}

// ofNode identifies a node's php with its configuration, whatever its files are.
func (a about) ofNode() string {
	return "of a node: " + strings.Join([]string{a.Version, a.Extensions, a.Settings}, " ")
}

// argv is php's command line on the node, with the limits of time and memory
// that tools have here.
func (p *nodePHP) argv(args []string) []string {
	return append([]string{"/bin/sh", "-c", limits, "sh", "php"}, args...)
}

// run runs php on the node to its end.
func (p *nodePHP) run(ctx context.Context, stdin []byte, args ...string) (ending, error) {
	conn, err := p.session.Dialer.Dial(ctx, p.node)
	if err != nil {
		return ending{}, nodes.At(err, "", p.node.Name)
	}
	limited, cancel := context.WithTimeout(ctx, fileTime)
	defer cancel()
	out := &head{}
	res, err := conn.Run(limited, nodes.Cmd{
		Argv: p.argv(args), Env: map[string]string{"LC_ALL": "C.UTF-8"}, Stdin: bytes.NewReader(stdin), Stdout: out, Stderr: out, Quiet: true,
	})
	switch {
	case ctx.Err() != nil:
		return ending{}, nodes.Stopped(ctx)
	case limited.Err() != nil:
		return ending{code: -1, signal: "KILL after " + fileTime.String(), output: out.String()}, nil
	case err != nil:
		return ending{}, nodes.At(err, "", p.node.Name)
	}
	return ending{code: res.Code, signal: res.Signal, output: out.String()}, nil
}

// inputName is how php calls what it reads from stdin.
const inputName = "Standard input code"

func (p *nodePHP) lint(ctx context.Context, j *job) (ending, error) {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return ending{}, &nodes.Error{Kind: nodes.Permission, Message: "cannot read " + j.name + ": " + reason(err), Cause: err}
	}
	e, err := p.run(ctx, text, lintArgs...)
	e.output = strings.ReplaceAll(e.output, inputName, placeholder)
	return e, err
}

func (p *nodePHP) start(ctx context.Context) (*parent, error) {
	conn, err := p.session.Dialer.Dial(ctx, p.node)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	proc, err := conn.Start(ctx, nodes.Cmd{Argv: p.argv(warmArgs()), Quiet: true})
	if err != nil {
		cancel()
		return nil, err
	}
	started, err := greeted(ctx, proc.Stdin(), proc.Stdout(), func() {
		proc.Stdin().Close() // php ends by itself
		late := time.AfterFunc(time.Second, cancel)
		_, _ = proc.Wait() // it has nothing more to say
		late.Stop()
		cancel()
	})
	if err == nil {
		started.remote = true
	}
	return started, err
}
