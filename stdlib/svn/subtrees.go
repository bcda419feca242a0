package svn

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// subtreeInfo brings the merge properties below the target's folder into the
// picture. They are read again where the target's log says that they may have
// changed.
func (c *Checkout) subtreeInfo(ctx context.Context, p *picture) error {
	t := &p.target
	if last := t.last(); t.Subtrees == nil || t.SubtreesAt != last {
		read, err := c.readSubtrees(ctx, p)
		if err != nil {
			return err
		}
		t.Subtrees, t.SubtreesAt, t.changed = read, last, true
	}
	p.subtrees = map[string]mergeinfo{}
	for rel, value := range t.Subtrees {
		p.subtrees[rel] = parseMergeinfo(value)
	}
	return nil
}

// fewCarriers is how many paths are asked for merge properties one by one; for
// more the whole tree is walked, which takes the server longer than all the rest.
const fewCarriers = 12

// readSubtrees reads the merge properties below the target's folder, of the paths
// that may have got some since they were read last.
func (c *Checkout) readSubtrees(ctx context.Context, p *picture) (map[string]string, error) {
	carriers := p.carriers()
	if len(carriers) > fewCarriers {
		return c.mergeProperties(ctx, "", p.head, true)
	}
	out := maps.Clone(p.target.Subtrees)
	if out == nil {
		out = map[string]string{}
	}
	list := slices.Sorted(maps.Keys(carriers))
	found := make([]map[string]string, len(list))
	err := parallel(ctx, len(list), func(ctx context.Context, i int) (err error) {
		found[i], err = c.mergeProperties(ctx, list[i], p.head, carriers[list[i]])
		return err
	})
	for i, rel := range list {
		maps.DeleteFunc(out, func(known, _ string) bool {
			_, under := below(rel, known)
			return known == rel || under && carriers[rel]
		})
		maps.Copy(out, found[i])
	}
	return out, err
}

// carriers are the paths below the target's folder whose merge properties the log
// since the last reading may have changed; true: and those of what is below them.
func (p *picture) carriers() map[string]bool {
	out := map[string]bool{}
	ask := func(rel string, deep bool) { out[rel] = out[rel] || deep }
	for _, k := range p.target.Commits {
		at, ok := segmentAt(p.targetSegs, k.Rev)
		if !ok || p.target.Subtrees != nil && k.Rev <= p.target.SubtreesAt {
			continue
		}
		for _, t := range k.Paths {
			rel, in := below(at, t.Path)
			if !in || rel == "" {
				continue
			}
			if t.Action == "D" || t.Action == "R" {
				for known := range p.target.Subtrees {
					if _, gone := below(rel, known); gone {
						ask(known, false)
					}
				}
			}
			if t.From != "" {
				p.carry(out, t, rel)
			}
			if t.Props {
				ask(rel, false)
			}
		}
	}
	return out
}

// carry adds what a copy may bring: all of what comes from elsewhere, and of the
// target's own line what is a carrier there.
func (p *picture) carry(out map[string]bool, t touch, rel string) {
	at, _ := segmentAt(p.targetSegs, t.FromRev)
	from, own := below(at, t.From)
	if !own || at == "" {
		out[rel] = t.Kind != "file"
		return
	}
	known := slices.Concat(slices.Collect(maps.Keys(out)), slices.Collect(maps.Keys(p.target.Subtrees)))
	for _, carrier := range known {
		if under, ok := below(from, carrier); ok {
			to := strings.TrimRight(rel+"/"+under, "/")
			out[to] = out[to] || out[carrier]
		} else if _, inside := below(carrier, from); inside && out[carrier] {
			out[rel] = t.Kind != "file"
		}
	}
}

// mergeProperties reads the merge property of a path below the target's folder,
// and with deep of all below it but the target's own; paths that are not there
// have none.
func (c *Checkout) mergeProperties(ctx context.Context, rel string, rev int, deep bool) (map[string]string, error) {
	var list []propXML
	args := []string{"propget", "--xml", mergeProperty, at(join(c.URL, rel), rev)}
	if deep {
		args = slices.Insert(args, 1, "-R")
	}
	a, err := c.client.run(ctx, call{args: args, read: collect("target", &list)})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	if err := a.err(); err != nil {
		if notSet(a) {
			return out, nil
		}
		return nil, err
	}
	for _, t := range list {
		if rel, ok := below(c.inRepo, pathInRepository(c.Repo, t.Path)); ok && rel != "" {
			out[rel] = t.Value
		}
	}
	return out, nil
}

// notSet reports whether svn found no such property, or no such path.
func notSet(a answer) bool {
	codes := []string{"W200017", "E160013", "W160013", "E150000", "W155010", "E155010"}
	return slices.ContainsFunc(complaints(a.stderr), func(k complaint) bool { return slices.Contains(codes, k.code) })
}
