package svn

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// propertyClash is one property of a path that both sides changed; nil where a
// side does not have it.
type propertyClash struct {
	name               string
	base, mine, theirs *string
}

// listProperties are those whose lines stand each for itself, so that the lines of
// both sides can be kept.
var listProperties = []string{"svn:ignore", "svn:global-ignores", "svn:externals"}

// planUnion lists what uniting the lines of both sides comes to. Only properties
// that are lists have that choice, as far as svn's own report tells; the values
// are made when it is done.
func (k *Conflict) planUnion() ([]action, error) {
	if k.Kind != propertyConflict {
		return nil, errInapplicable
	}
	var out []action
	for _, name := range k.tried() {
		if !slices.Contains(listProperties, name) {
			return nil, errInapplicable
		}
		out = append(out, action{args: []string{"propset", name, "-F", "LINES", local(k.Path)}})
	}
	if len(out) == 0 {
		return nil, errInapplicable
	}
	return append(out, resolveAction("working", k.Path)), nil
}

// tried names the properties in conflict, as far as svn's own report tells.
func (k *Conflict) tried() (names []string) {
	text, err := readSome(k.reject)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := triedProperty(line); ok {
			names = append(names, name)
		}
	}
	return names
}

// triedProperty reads the name in "Trying to change property 'svn:ignore'".
func triedProperty(line string) (string, bool) {
	if !strings.HasPrefix(line, "Trying to ") {
		return "", false
	}
	parts := strings.SplitN(line, "'", 3)
	if len(parts) < 3 {
		return "", false
	}
	return parts[1], true
}

// properties reads the three values of each property in conflict.
func (k *Conflict) properties(ctx context.Context) ([]propertyClash, error) {
	c := k.merge.Into
	var base, mine, theirs map[string]string
	side := func(v conflictVersion, into *map[string]string) func() error {
		return func() (err error) {
			if v.Path != "" && v.Kind != "none" {
				*into, err = c.properties(ctx, "/"+v.Path, v.Revision)
			}
			return err
		}
	}
	err := together([]func() error{
		side(k.left, &base), side(k.right, &theirs),
		func() (err error) { mine, err = c.localProperties(ctx, k.Path); return err },
	})
	if err != nil {
		return nil, err
	}
	value := func(m map[string]string, name string) *string {
		if v, ok := m[name]; ok {
			return &v
		}
		return nil
	}
	var out []propertyClash
	names := maps.Clone(theirs)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, base)
	for _, n := range slices.Sorted(maps.Keys(names)) {
		p := propertyClash{n, value(base, n), value(mine, n), value(theirs, n)}
		if n != mergeProperty && !same(p.base, p.theirs) && !same(p.mine, p.base) && !same(p.mine, p.theirs) {
			out = append(out, p)
		}
	}
	return out, nil
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// localProperties reads the properties of a path of the working copy.
func (c *Checkout) localProperties(ctx context.Context, rel string) (map[string]string, error) {
	k := c.here("proplist", "-v", "--xml", local(rel))
	k.locals = true
	return c.proplist(ctx, k)
}

// show draws the values of a property on the sides.
func (p propertyClash) show(columns int) string {
	var b strings.Builder
	b.WriteString(oneLine(p.name) + "\n")
	base := valueLines(p.base)
	for _, s := range []struct {
		name  string
		value *string
		than  []string
	}{{"base", p.base, nil}, {"mine", p.mine, base}, {"theirs", p.theirs, base}} {
		if s.value == nil {
			b.WriteString(pad(s.name, 7) + "| (not set)\n")
			continue
		}
		drawLines(&b, s.name, valueLines(s.value), s.than, columns)
	}
	return strings.TrimRight(b.String(), "\n")
}

func valueLines(value *string) []string {
	if value == nil {
		return nil
	}
	return splitLines(*value)
}

// united are mine's lines without those that theirs took away, and theirs's new
// ones after them.
func (p propertyClash) united() string {
	trim := func(value *string) []string {
		var out []string
		for _, l := range valueLines(value) {
			out = append(out, strings.TrimRight(l, "\r\n"))
		}
		return out
	}
	base, mine, theirs := trim(p.base), trim(p.mine), trim(p.theirs)
	var out []string
	for _, l := range mine {
		if slices.Contains(theirs, l) || !slices.Contains(base, l) {
			out = append(out, l)
		}
	}
	for _, l := range theirs {
		if !slices.Contains(out, l) && !slices.Contains(base, l) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

// unite ends a property conflict with the lines of both sides.
func (w *work) unite(ctx context.Context, k *Conflict) error {
	list, err := k.properties(ctx)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, p := range list {
		values[p.name] = p.united()
	}
	return w.putProperties(ctx, k, values)
}

// putProperties ends a property conflict with values; an empty one removes the
// property.
func (w *work) putProperties(ctx context.Context, k *Conflict, values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := w.m.Into.setProperty(ctx, w.lock, name, values[name], k.Path); err != nil {
			return err
		}
	}
	return w.settle(ctx, k, "working", nil)
}

// editProperties lets the person edit the values in conflict, both sides after
// each other.
func (k *Conflict) editProperties(ctx context.Context) error {
	list, err := k.properties(ctx)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, p := range list {
		if values[p.name], err = p.edit(ctx, k.merge); err != nil {
			return err
		}
	}
	return k.change(ctx, "working", func(w *work) error {
		if err := w.putProperties(ctx, k, values); err != nil || w.j == nil {
			return err
		}
		for i, s := range w.j.Open {
			if s.Path == k.Path && s.Kind == k.Kind {
				w.j.Open[i].Values = values
			}
		}
		return nil
	})
}

// edit has the person edit the values of mine and theirs into one. Where mine was
// no text of whole lines, the new one is none either.
func (p propertyClash) edit(ctx context.Context, m *Merge) (string, error) {
	both := ""
	for _, v := range []*string{p.mine, p.theirs} {
		if v != nil {
			both += strings.TrimRight(*v, "\n") + "\n"
		}
	}
	text, err := m.editText(ctx, strings.ReplaceAll(p.name, ":", "-"), both)
	if p.mine == nil || !strings.HasSuffix(*p.mine, "\n") {
		text = strings.TrimSuffix(text, "\n")
	}
	return text, err
}

// editText has the person edit a text in a file of that name.
func (m *Merge) editText(ctx context.Context, name, text string) (string, error) {
	dir, remove, err := m.Into.svn.scratch("edit")
	if err != nil {
		return "", err
	}
	defer remove()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", diskError(err)
	}
	if err := m.edit(ctx, file); err != nil {
		return "", err
	}
	edited, err := readSome(file)
	return string(edited), diskError(err)
}
