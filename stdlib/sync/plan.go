package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Plan is what a push would do, node by node and file by file. Making it
// changed nothing anywhere.
type Plan struct {
	Digest string // binds files, nodes, their order and the options
	set    nodes.Set
	o      Options
	e      *Engine
	source manifest.Digest
	from   string // what is sent, for people
	on     map[nodes.Name]*NodePlan
}

// NodePlan is what would be done to one node.
type NodePlan struct {
	Added   []string `lua:"added"`
	Changed []string `lua:"changed"`
	Deleted []string `lua:"deleted"`
	Drift   []Found  `lua:"drift"` // changed there by hand; refused unless drift= says otherwise
	// Attributes are those of Changed whose content stays.
	Attributes []Attribute `lua:"attributes"`

	Extra    []string   `lua:"extra"` // there, but put there by no roll; they stay
	Blocked  []string   `lua:"blocked"`
	Warnings []string   `lua:"warnings"`
	Bytes    int64      `lua:"bytes"`
	First    bool       `lua:"first"`   // no roll was made there before
	Pending  string     `lua:"pending"` // what would be done first about a roll cut short
	Facts    wire.Facts // where the tree is
	digest   string
	refusal  error // what a stage would fail with; nil when nothing stands in the way
}

// Attribute is a file, folder or symlink of which only permissions, owner or
// time change. What does not change is empty.
type Attribute struct {
	Path  string `lua:"path"`
	Was   string `lua:"was"`   // its permissions now
	Perms string `lua:"perms"` // those that it will have
	Owner string `lua:"owner"` // who it will belong to
	Time  bool   `lua:"time"`  // its time changes
	text  string
}

// Found is a file that differs from what a roll put there.
type Found struct {
	Path  string `lua:"path"`
	What  string `lua:"what"` // changed missing mode owner type unknown extra; against a source unsent and obsolete too
	Owner string `lua:"owner"`
	Time  string `lua:"time"`
	Older bool   `lua:"as_rolled"` // it is as the last roll left it
	text  string
	kind  manifest.Kind
	mode  uint32
	size  int64
	mtime int64
}

// treeName is how a tree names itself, such as "/srv/www at r45"; else its
// folder.
func treeName(t nodes.Tree) string {
	if s, ok := t.(fmt.Stringer); ok {
		return s.String()
	}
	return t.Root()
}

// PlanDigest is Digest, for the journal of a roll.
func (p *Plan) PlanDigest() string { return p.Digest }

// Plan looks at all nodes and says what a push would do.
func (e *Engine) Plan(ctx context.Context, set nodes.Set, o Options) (*Plan, error) {
	const op = "sync.plan"
	o, err := o.with()
	if err != nil {
		return nil, nodes.At(err, op, "")
	}
	opened := e.warmUp(ctx, set)
	src, err := e.scan(ctx, &o)
	if err != nil {
		return nil, nodes.At(asSource(err), op, "")
	}
	defer src.close()
	p := &Plan{set: set, o: o, e: e, source: src.list.Digest, from: treeName(o.From), on: map[nodes.Name]*NodePlan{}}
	res := &nodes.Results{Op: op, List: make([]nodes.Outcome, len(set.Nodes))}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, n := range set.Nodes {
		wg.Go(func() {
			rep, err := e.look(ctx, src, &o, n, opened[n], op)
			err = plainError(err)
			res.List[i] = nodes.Outcome{Node: n, Err: err, State: nodes.StateOf(err)}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				p.on[n.Name], res.List[i].Err = o.nodePlan(rep)
			}
		})
	}
	wg.Wait()
	if err := alike(res); err != nil {
		return nil, err
	}
	p.Digest = p.digest()
	return p, nil
}

// look asks one node what a stage would do.
func (e *Engine) look(ctx context.Context, src *source, o *Options, n *nodes.Node, opened *opening, op string) (*wire.Report, error) {
	path, err := o.pathOn(n)
	if err != nil {
		return nil, err
	}
	j := &job{
		e: e, o: o, src: src, node: n, opened: opened, path: path, op: wire.OpLook, lists: true,
		events: e.emitter(ctx, op, n), by: e.holder(op),
	}
	j.events.quiet = true
	rep, err := j.run(ctx)
	if noAgent(err) {
		return e.thinLook(ctx, j, why(err))
	}
	return rep, err
}

func (o *Options) nodePlan(rep *wire.Report) (*NodePlan, error) {
	np := &NodePlan{Warnings: rep.Warnings, Blocked: rep.Blocked, Bytes: rep.Bytes, First: rep.First, Pending: rep.Pending, digest: rep.Digest, Drift: found(rep.Drift)}
	if rep.Facts != nil {
		np.Facts = *rep.Facts
	}
	lacks := np.Facts.Lacks(np.Facts.State, rep.Bytes, rep.Added+rep.Changed)
	switch {
	case o.Drift == "refuse" && len(rep.Drift) > 0:
		np.refusal = &nodes.Error{Kind: nodes.Changed, Message: wire.Drifted(rep.Drift), Hint: wire.DriftHint, Cause: &Changed{rep.Drift}}
	case len(rep.Blocked) > 0:
		np.refusal = &nodes.Error{Kind: nodes.Refused, Message: strings.Join(rep.Blocked, "; ")}
	case lacks != "":
		np.refusal = &nodes.Error{Kind: nodes.Space, Message: lacks}
		np.Blocked = append(np.Blocked, lacks)
	}
	if rep.Lists == nil {
		return np, nil
	}
	for _, part := range []struct {
		from []byte
		to   *[]string
	}{{rep.Lists.Added, &np.Added}, {rep.Lists.Changed, &np.Changed}, {rep.Lists.Deleted, &np.Deleted}, {rep.Lists.Extra, &np.Extra}} {
		list, err := manifest.DecodePaths(part.from)
		if err != nil {
			return nil, damaged(err)
		}
		sort.Strings(list)
		*part.to = list
	}
	np.Attributes = attributes(rep.Lists.Attributes)
	return np, nil
}

func attributes(list []wire.Attribute) []Attribute {
	var out []Attribute
	for _, a := range list {
		v := Attribute{Path: string(a.Path), Owner: a.Owner, Time: a.Time, text: a.Text()}
		if a.Was != a.Mode {
			v.Was, v.Perms = fmt.Sprintf("%04o", a.Was), fmt.Sprintf("%04o", a.Mode)
		}
		out = append(out, v)
	}
	return out
}

func found(list []wire.Finding) []Found {
	var out []Found
	for _, f := range list {
		v := Found{Path: string(f.Path), What: f.What, Owner: f.Owner, Older: f.Older, text: f.Text(), kind: f.Kind, mode: f.Mode, size: f.Size, mtime: f.Mtime}
		if f.Mtime != 0 {
			v.Time = when(f.Mtime)
		}
		out = append(out, v)
	}
	return out
}

// digest names everything that the plan promises.
func (p *Plan) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %q %q %q %q %s %s %v %s %v %s %d %q %v\n", p.source, p.o.Path, p.o.Only, p.o.Exclude, p.o.Keep, p.o.Shared,
		p.o.Delete, p.o.Drift, p.o.Adopt, p.o.Layout, p.o.Setuid, p.o.Verify, p.o.Undo, p.o.Owner, p.o.Hard)
	for _, n := range p.set.Nodes {
		fmt.Fprintf(h, "%q %q %s\n", n.Name, n.Endpoint(), p.on[n.Name].digest)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func (p *Plan) expect(n *nodes.Node) string { return p.on[n.Name].digest }

// Node gives what would be done to one node.
func (p *Plan) Node(name nodes.Name) (*NodePlan, error) {
	np := p.on[name]
	if np == nil {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "the plan knows no node " + string(name), Hint: "it is for " + p.set.Fold()}
	}
	return np, nil
}

// Ready fails as a stage would, as far as that can be foreseen: drift that is
// refused, what must be replaced but holds files of others, too little room.
func (p *Plan) Ready() error {
	res := &nodes.Results{Op: "sync.plan"}
	for _, n := range p.set.Nodes {
		err := p.on[n.Name].refusal
		res.List = append(res.List, nodes.Outcome{Node: n, Err: err, State: nodes.StateOf(err)})
	}
	return alike(res)
}

// Apply does what the plan says. When a node or the source is not as it was
// planned for, nothing is switched anywhere and the error's kind is changed.
func (p *Plan) Apply(ctx context.Context) (*nodes.Results, error) {
	return p.e.push(ctx, p.set, p.o, p)
}

// Text shows the plan to a person, nodes with the same plan together.
func (p *Plan) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %s: %s\n", p.Digest, p.from)
	groups := map[string][]*nodes.Node{}
	var order []string
	for _, n := range p.set.Nodes {
		text := p.on[n.Name].text(p.o.Drift)
		if groups[text] == nil {
			order = append(order, text)
		}
		groups[text] = append(groups[text], n)
	}
	for _, text := range order {
		fmt.Fprintf(&b, "%s:\n%s", nodes.Set{Nodes: groups[text]}.Fold(), text)
	}
	return b.String()
}

// fitted is a plan in lines that fit the terminal of p.
func fitted(p nodes.Person, text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = nodes.Fit(p, line, "    ")
	}
	return strings.Join(lines, "\n")
}

// maxShown limits how many paths of one kind are printed.
const maxShown = 200

// summary is what would be done, in one line.
func (np *NodePlan) summary() string {
	switch {
	case len(np.Added)+len(np.Changed)+len(np.Deleted) > 0:
	case len(np.Drift)+len(np.Blocked) > 0: // told below
		return "nothing to send"
	default:
		return "unchanged"
	}
	change := fmt.Sprintf("%d to change", max(0, len(np.Changed)-len(np.Attributes)))
	if len(np.Attributes) > 0 {
		change += fmt.Sprintf(", %d in permissions, owner or time only", len(np.Attributes))
	}
	return fmt.Sprintf("%d to add, %s, %d to delete, %s to send", len(np.Added), change, len(np.Deleted), wire.Size(np.Bytes))
}

func (np *NodePlan) text(drift string) string {
	lines := np.lines(drift, maxShown)
	if np.Pending != "" { // comes before what the summary tells
		lines = append([]string{lines[0], np.summary()}, lines[1:]...)
	} else {
		lines = append([]string{np.summary()}, lines...)
	}
	return "  " + strings.Join(lines, "\n  ") + "\n"
}

// lines are what would be done, path by path; of one kind most are given, 0 for
// all.
func (np *NodePlan) lines(drift string, most int) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if np.Pending != "" {
		add("first: %s", np.Pending)
	}
	contents, note := np.changes()
	for _, part := range []struct {
		sign string
		list []string
	}{{"+", np.Added}, {"~", contents}, {"-", np.Deleted}} {
		for i, path := range part.list {
			if most > 0 && i == most {
				add("%s ... and %d more", part.sign, len(part.list)-i)
				break
			}
			add("%s %s%s", part.sign, manifest.Quote(path), note[path])
		}
	}
	for _, f := range np.Drift {
		add("! %s: %s", f.text, map[string]string{"refuse": "changed there, refused", "overwrite": "will be replaced", "keep": "stays"}[drift])
	}
	for _, s := range append(append([]string(nil), np.Blocked...), np.Warnings...) {
		add("! %s", s)
	}
	if len(np.Extra) > 0 {
		add("%s there that no roll put there, left alone", nodes.Count(len(np.Extra), "file"))
	}
	return out
}

// changes are the paths that change, those with other contents first, and what there is
// to say of them: that nothing but this changes, or that the old contents are of others.
func (np *NodePlan) changes() (paths []string, note map[string]string) {
	note = make(map[string]string, len(np.Attributes))
	for _, a := range np.Attributes {
		note[a.Path] = ": " + a.text
	}
	var rest []string
	for _, path := range np.Changed {
		if note[path] != "" {
			rest = append(rest, path)
			continue
		}
		paths = append(paths, path)
		if np.First {
			note[path] = " (what it replaces was not put there by a roll)"
		}
	}
	return append(paths, rest...), note
}

// Plan gives what was staged as a plan, for printing.
func (st *Staged) Plan() (*Plan, error) {
	if st.foreseen != nil {
		return st.foreseen, nil
	}
	p := &Plan{set: st.all, o: st.o, e: st.e, source: st.src.list.Digest, from: treeName(st.o.From), on: map[nodes.Name]*NodePlan{}}
	for _, n := range st.all.Nodes {
		np, err := st.o.nodePlan(st.jobs[n.Name].rep)
		if err != nil {
			return nil, nodes.At(err, "sync.stage", n.Name)
		}
		p.on[n.Name] = np
	}
	p.Digest = p.digest()
	return p, nil
}
