package roll

import (
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// report is what roll{} and roll.history give.
type report struct {
	ID         string            `lua:"id"`
	Name       string            `lua:"name"`
	From       any               `lua:"from" type:"integer|string|nil"`
	To         any               `lua:"to" type:"integer|string|nil"`
	Nodes      map[string]string `lua:"nodes"`
	Order      []string          `lua:"order"` // the nodes, in the order of the roll
	Why        map[string]string `lua:"why"`   // of nodes that are not done
	Drained    []string          `lua:"drained"`
	Changesets nodes.Changesets  `lua:"changesets"`
	Seconds    float64           `lua:"seconds"`
	Who        string            `lua:"who"`
	Host       string            `lua:"host"`
	Started    time.Time         `lua:"started"`
	Ended      time.Time         `lua:"ended"`
	State      string            `lua:"state"`
	Reason     string            `lua:"reason"` // what ended it early
	Unfinished bool              `lua:"unfinished"`
	Recipe     string            `lua:"recipe"`
	Args       []string          `lua:"args"`
	Source     string            `lua:"source"`
	Notices    []string          `lua:"notices"` // announcements that reached nobody
	Untold     bool              `lua:"untold"`  // its process died while people were told; who heard of it is not known
	Again      []Take            `lua:"again"`   // who resumed or undid it
}

func reportOf(e Entry) report {
	r := report{
		ID: e.ID, Name: e.Name, From: luaRevision(e.From), To: luaRevision(e.To), Nodes: map[string]string{}, Why: map[string]string{},
		Seconds: e.Seconds(), Who: e.Who, Host: e.Host, Started: e.Started, Ended: e.Ended, State: string(e.State), Reason: e.Why,
		Unfinished: e.Unfinished(), Recipe: e.Recipe, Args: e.Args, Source: e.Source, Untold: e.Untold, Again: e.Takes,
	}
	r.Changesets = append(nodes.Changesets{}, e.Changesets...)
	for _, n := range e.Nodes {
		name := string(n.Node)
		r.Nodes[name], r.Order = string(n.State), append(r.Order, name)
		if n.Why != "" {
			r.Why[name] = n.Why
		}
		if n.Out {
			r.Drained = append(r.Drained, name)
		}
	}
	for _, n := range e.Notices {
		r.Notices = append(r.Notices, n.Why)
	}
	return r
}

func reports(list []Entry) []report {
	out := make([]report, len(list))
	for i, e := range list {
		out[i] = reportOf(e)
	}
	return out
}

// standing is what roll.status gives of a name.
type standing struct {
	Name       string              `lua:"name"`
	Lock       *Lock               `lua:"lock"`   // who keeps others out: the roll under way, or else a person
	Frozen     *Lock               `lua:"frozen"` // a person's, beside that of a roll too
	Last       *report             `lua:"last"`
	Unfinished bool                `lua:"unfinished"`
	Nodes      map[string]nodeView `lua:"nodes"`
	Order      []string            `lua:"order"`
}

type nodeView struct {
	Rev     any       `lua:"rev" type:"integer|string|nil"`
	State   string    `lua:"state"`
	Why     string    `lua:"why"`
	Since   time.Time `lua:"since"`
	Drained bool      `lua:"drained"`
}

func standings(list []Status) []standing {
	out := make([]standing, len(list))
	for i, s := range list {
		out[i] = standing{Name: s.Name, Unfinished: s.Unfinished, Nodes: map[string]nodeView{}}
		for k, l := range s.Locks {
			if l.Person {
				out[i].Frozen = &s.Locks[k]
			} else {
				out[i].Lock = &s.Locks[k]
			}
		}
		if out[i].Lock == nil {
			out[i].Lock = out[i].Frozen
		}
		if s.Last != nil {
			last := reportOf(*s.Last)
			out[i].Last = &last
		}
		for _, n := range s.Nodes {
			out[i].Nodes[string(n.Node)] = nodeView{Rev: luaRevision(n.Rev), State: string(n.State), Why: n.Why, Since: n.Since, Drained: n.Out}
			out[i].Order = append(out[i].Order, string(n.Node))
		}
	}
	return out
}
