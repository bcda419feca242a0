package nodes

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Find finds a node by name in all nodes files of a folder; "prod/web3" looks in
// nodes/prod only. A name that stands for different nodes in different files is
// Usage and lists them; a name that is in no file is NotFound, with the nearest.
// A file with mistakes fails the search over all files, as it might hold the
// name, but not the search in another file.
func Find(dir fs.FS, name string) (*Node, error) {
	if file, node, ok := strings.Cut(name, "/"); ok {
		set, err := Load(dir, file)
		if err != nil {
			return nil, err
		}
		return set.Lookup(Name(node))
	}
	files, err := FileNames(dir)
	if err != nil {
		return nil, err
	}
	var found []sighting
	var known []string
	for _, file := range files {
		set, l, err := load(dir, file)
		if err != nil {
			e := *AsError(err, Usage)
			if e.Hint == "" {
				e.Hint = "to look in one nodes file only, write FILE/" + name
			}
			return nil, &e
		}
		known = append(known, set.Names()...)
		if n, err := set.Lookup(Name(name)); err == nil {
			found = append(found, sighting{file, n, l.taken})
		}
	}
	return choose(name, found, known, files)
}

// sighting is a node found in one nodes file, and the files that were read for it.
type sighting struct {
	file  string
	node  *Node
	taken map[string]bool
}

func choose(name string, found []sighting, known, files []string) (*Node, error) {
	// A declaration seen both in its own file and through one that includes it
	// counts as the latter has it, with the defaults given there.
	outer := slices.DeleteFunc(slices.Clone(found), func(f sighting) bool {
		return slices.ContainsFunc(found, func(o sighting) bool {
			return o.file != f.file && o.taken[f.file] && o.node.Source == f.node.Source
		})
	})
	if len(outer) == 0 {
		return nil, &Error{Kind: NotFound, Message: "unknown node '" + Clean(name) + "'", Hint: lookedIn(name, known, files)}
	}
	for _, o := range outer[1:] {
		if !sameNode(o.node, outer[0].node) {
			return nil, ambiguous(name, outer)
		}
	}
	return outer[0].node, nil
}

// lookedIn suggests a near name, or else says where a node was looked for.
func lookedIn(name string, known, files []string) string {
	if near := didYouMean(name, known); near != "" {
		return near
	}
	if len(files) == 0 {
		return "there are no nodes files yet: nodes/NAME"
	}
	return "it is in none of " + listed("nodes/", files) + ", and no Host of ~/.ssh/config"
}

// filesKnown suggests a near nodes file, or else lists them.
func filesKnown(name string, known []string) string {
	if near := didYouMean(name, known); near != "" || len(known) == 0 {
		return near
	}
	return "there is " + listed("nodes/", known)
}

// mostListed is how many names a hint lists.
const mostListed = 4

func listed(prefix string, names []string) string {
	more := ""
	if n := len(names) - mostListed; n > 0 {
		names, more = names[:mostListed], fmt.Sprintf(" and %d more", n)
	}
	return prefix + strings.Join(names, ", "+prefix) + more
}

func ambiguous(name string, found []sighting) error {
	var ways []string
	for _, f := range found {
		ways = append(ways, f.file+"/"+name+" ("+f.node.Endpoint()+")")
	}
	return &Error{
		Kind: Usage, Message: "'" + name + "' is more than one node: " + strings.Join(ways, ", "),
		Hint: "write " + found[0].file + "/" + name,
	}
}

// sameNode reports whether working on a and on b would be the same.
func sameNode(a, b *Node) bool {
	return a.machine() == b.machine() && a.User == b.User && a.Key == b.Key && a.Path == b.Path &&
		a.Drain == b.Drain && a.Undrain == b.Undrain && a.Check == b.Check && maps.Equal(a.Vars, b.Vars)
}
