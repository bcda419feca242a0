package nodes

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Set is an ordered list of nodes without repeats. It is a value: operations
// give new sets and leave their operands alone.
type Set struct {
	Name  string // the nodes file or tier it came from; may be empty
	Nodes []*Node
}

// Names lists the nodes' names in the set's order.
func (s Set) Names() []string {
	names := make([]string, len(s.Nodes))
	for i, n := range s.Nodes {
		names[i] = string(n.Name)
	}
	return names
}

// Fold writes the set as "web[01-12,20],cdn1".
func (s Set) Fold() string { return FoldNames(s.Names()) }

// String is Fold.
func (s Set) String() string { return s.Fold() }

// Lookup finds a node by its exact name; NotFound otherwise, with the nearest
// name.
func (s Set) Lookup(name Name) (*Node, error) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return nil, &Error{
		Kind: NotFound, Message: "no node '" + string(name) + "' in " + s.title(),
		Hint: didYouMean(string(name), s.Names()),
	}
}

func (s Set) title() string {
	if s.Name == "" {
		return "this set"
	}
	return s.Name
}

// Tiers gives the set in its tiers, each named, in order of first appearance.
// Nodes outside any tier are a tier without a name.
func (s Set) Tiers() []Set {
	var tiers []Set
	at := map[string]int{}
	for _, n := range s.Nodes {
		i, ok := at[n.Tier]
		if !ok {
			i = len(tiers)
			at[n.Tier] = i
			tiers = append(tiers, Set{Name: n.Tier})
		}
		tiers[i].Nodes = append(tiers[i].Nodes, n)
	}
	return tiers
}

// Tier gives one tier; NotFound when the set has no node in it.
func (s Set) Tier(name string) (Set, error) {
	var names []string
	for _, t := range s.Tiers() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return Set{}, &Error{Kind: NotFound, Message: "no tier '" + name + "' in " + s.title(), Hint: didYouMean(name, names)}
}

// Where keeps the nodes for which keep is true.
func (s Set) Where(keep func(*Node) bool) Set {
	out := Set{Name: s.Name}
	for _, n := range s.Nodes {
		if keep(n) {
			out.Nodes = append(out.Nodes, n)
		}
	}
	return out
}

// Only keeps the nodes that a pattern matches. A pattern is a list of pieces
// with commas between them: a name with * ? and ranges such as web[01-12], @tier,
// #tag, or * for all. A piece that matches nothing is NotFound, with the nearest
// spelling; a bad range or no pattern at all is Usage.
func (s Set) Only(patterns ...string) (Set, error) {
	match, err := s.matcher(patterns)
	if err != nil {
		return Set{}, err
	}
	return s.Where(match), nil
}

// Except drops the nodes that Only would keep, and fails as Only does: a
// misspelt name must not leave a node in that was meant to be left out.
func (s Set) Except(patterns ...string) (Set, error) {
	match, err := s.matcher(patterns)
	if err != nil {
		return Set{}, err
	}
	return s.Where(func(n *Node) bool { return !match(n) }), nil
}

func (s Set) matcher(patterns []string) (func(*Node) bool, error) {
	matched := map[*Node]bool{}
	pieces := 0
	for _, pattern := range patterns {
		for _, piece := range splitPattern(pattern) {
			pieces++
			match, err := pieceMatcher(piece)
			if err != nil {
				return nil, err
			}
			if !s.mark(matched, match) && piece != "*" {
				return nil, s.unmatched(piece)
			}
		}
	}
	if pieces == 0 {
		return nil, &Error{Kind: Usage, Message: "empty pattern", Hint: `"*" is all nodes`}
	}
	return func(n *Node) bool { return matched[n] }, nil
}

func (s Set) mark(matched map[*Node]bool, match func(*Node) bool) bool {
	found := false
	for _, n := range s.Nodes {
		if match(n) {
			matched[n], found = true, true
		}
	}
	return found
}

// pieceMatcher reads @tier, #tag or a name; * ? and ranges work in all three.
func pieceMatcher(piece string) (func(*Node) bool, error) {
	t, err := parseTemplate(strings.TrimLeft(piece[:1], "@#")+piece[1:], false)
	if err != nil {
		e := *AsError(err, Usage)
		e.Message = "pattern '" + piece + "': " + e.Message
		return nil, &e
	}
	switch piece[0] {
	case '@':
		return func(n *Node) bool { return n.Tier != "" && t.matches(n.Tier) }, nil
	case '#':
		return func(n *Node) bool { return slices.ContainsFunc(n.Tags, t.matches) }, nil
	}
	return func(n *Node) bool { return t.matches(string(n.Name)) }, nil
}

func (s Set) unmatched(piece string) error {
	var words []string
	for _, n := range s.Nodes {
		switch piece[0] {
		case '@':
			words = append(words, "@"+n.Tier)
		case '#':
			for _, tag := range n.Tags {
				words = append(words, "#"+tag)
			}
		default:
			words = append(words, string(n.Name))
		}
	}
	return &Error{Kind: NotFound, Message: "nothing in " + s.title() + " matches '" + piece + "'", Hint: didYouMean(piece, words)}
}

// Union is s's nodes, then those of b that s has not.
func (s Set) Union(b Set) Set {
	out := Set{Name: s.Name}
	if b.Name != s.Name {
		out.Name = ""
	}
	seen := map[string]bool{}
	for _, n := range slices.Concat(s.Nodes, b.Nodes) {
		if id := n.identity(); !seen[id] {
			seen[id] = true
			out.Nodes = append(out.Nodes, n)
		}
	}
	return out
}

// Minus is s without the nodes of b.
func (s Set) Minus(b Set) Set {
	gone := map[string]bool{}
	for _, n := range b.Nodes {
		gone[n.identity()] = true
	}
	return s.Where(func(n *Node) bool { return !gone[n.identity()] })
}

// Balance gives copies of the nodes that drain through b.
func (s Set) Balance(b Balancer) Set {
	out := Set{Name: s.Name, Nodes: make([]*Node, len(s.Nodes))}
	for i, n := range s.Nodes {
		c := *n
		c.Balancer = b
		out.Nodes[i] = &c
	}
	return out
}

// Same reports whether two nodes are the same machine by the same name, reached
// the same way.
func (n *Node) Same(o *Node) bool { return n.identity() == o.identity() }

// Alike reports whether two nodes are the same in all that a recipe can see and that
// work on them depends on: all but where they were declared.
func (n *Node) Alike(o *Node) bool {
	a, b := *n, *o
	a.Source, b.Source, a.Balancer, b.Balancer = "", "", nil, nil
	return sameBalancer(n.Balancer, o.Balancer) && reflect.DeepEqual(a, b)
}

// sameBalancer reports whether two balancers are one; those of a type that cannot be
// compared are not.
func sameBalancer(a, b Balancer) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

// identity tells nodes apart: copies of a node made by Balance, or loaded twice,
// are the same node.
func (n *Node) identity() string { return string(n.Name) + "\x00" + n.machine() }

// machine is where a connection would end: host and port, by which way.
func (n *Node) machine() string {
	if n.Local {
		return "local"
	}
	port := n.Port
	if port == 0 {
		port = 22
	}
	return fmt.Sprintf("%s\x00%d\x00%s\x00%s", oneSpelling(n.Address()), port, n.Jump, n.Proxy)
}

// Check fails with Usage when two nodes of the set share a name or a host:port:
// working on both would work twice on one machine, or results would be mixed up.
// A port that is not given counts as 22.
func (s Set) Check() error {
	names, machines := map[Name]*Node{}, map[string]*Node{}
	for _, n := range s.Nodes {
		if o := names[n.Name]; o != nil {
			return &Error{Kind: Usage, Message: fmt.Sprintf("two nodes are named '%s'%s", n.Name, sources(o, n))}
		}
		if o := machines[n.machine()]; o != nil {
			return &Error{
				Kind: Usage, Message: fmt.Sprintf("%s and %s are both %s%s", o.Name, n.Name, n.Endpoint(), sources(o, n)),
				Hint: "keep one of them, or give them different ports",
			}
		}
		names[n.Name], machines[n.machine()] = n, n
	}
	return nil
}

func sources(a, b *Node) string {
	if a.Source == "" || b.Source == "" {
		return ""
	}
	return " (" + a.Source + ", " + b.Source + ")"
}
