package sync_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

func TestPreflight(t *testing.T) {
	r := newRig(t, 2)
	r.file("a", "12345")
	res, err := r.engine.Preflight(r.ctx(), r.set, r.options())
	must(t, err)
	p, ok := res.List[1].Value.(sync.Preflight)
	if !ok || p.Exists || p.Needs != 5 || p.Free == 0 || p.User == "" || p.FSType == "" || p.Skew > 5 || p.Skew < -5 {
		t.Errorf("%+v", res.List[1])
	}
	write(t, r.live(1), "a file")
	_, err = r.engine.Preflight(r.ctx(), r.set, r.options())
	wantKind(t, err, nodes.Failed, "is a file where a folder is needed")
}

// The recipe's side of everything, on real nodes.
func TestLua(t *testing.T) {
	r := newRig(t, 2)
	r.file("a.php", "1")
	r.file("b/c.php", "1")
	source, err := os.ReadFile("testdata/sync.lua")
	must(t, err)
	var list strings.Builder
	for _, n := range r.set.Nodes {
		list.WriteString("{name='" + string(n.Name) + "', host='" + n.Host + "', port=" + strconv.Itoa(n.Port) + ", user='" + n.User + "', path='" + string(n.Path) + "'},")
	}
	prelude := "local set = nodes.new{" + list.String() + "}; local src = [[" + r.src + "]]; "
	recipe := filepath.Join(r.s.Project, "recipe.lua")
	must(t, os.WriteFile(recipe, []byte(prelude+string(source)), 0o644))
	r.s.Recipe = &nodes.Recipe{Path: recipe, Files: map[string]string{}}
	must(t, lua.New(r.s, []lua.Module{r.engine.Module()}).RunFile(context.Background()))
	r.equal(0)
}

// Every operation on a node that is told to have started is told to have
// finished, once, and reports progress only between.
func TestEventsFit(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("a", strings.Repeat("x", 3_000_000))
	r.push()
	r.file("a", "2")
	st, err := r.engine.Stage(r.ctx(), r.set, r.options())
	must(t, err)
	_, err = st.Switch(r.ctx(), r.set)
	must(t, err)
	_, err = r.engine.Plan(r.ctx(), r.set, r.options())
	must(t, err)
	write(t, filepath.Join(r.live(0), "a"), "by hand")
	r.file("a", "3")
	if _, err := r.try(); err == nil {
		t.Error("drift was overwritten")
	}
	if _, err := r.engine.Undo(r.ctx(), r.set, "", "", false); err == nil {
		t.Error("undone over a change that was made by hand")
	}
	open := map[uint64]int{}
	for _, e := range r.events.Events() {
		switch {
		case e.ID == 0:
		case e.Type == nodes.Started:
			open[e.ID]++
		case e.Type == nodes.Finished:
			open[e.ID]--
		case e.Type == nodes.Progress && open[e.ID] != 1:
			t.Errorf("progress of nothing: %+v", e)
		}
		if n := open[e.ID]; n < 0 || n > 1 {
			t.Errorf("%d open: %+v", n, e)
		}
	}
	for id, n := range open {
		if n != 0 {
			t.Errorf("operation %d did not finish", id)
		}
	}
}

func TestClosedFilesAreToldOf(t *testing.T) {
	r := newRig(t, 1)
	r.file("a.php", "1")
	r.push()
	must(t, os.Chmod(filepath.Join(r.src, "a.php"), 0o600))
	p, err := r.engine.Plan(r.ctx(), r.set, r.options())
	must(t, err)
	if text := p.Text(); !strings.Contains(text, "a.php can be read by everybody now, and no longer after this") {
		t.Error(text)
	}
	r.push()
	r.equal(0)
}

// A plan tells what changes in permissions, owner or time alone from what
// changes in content, with the agent and over SFTP.
func TestPlanOfAttributes(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	for _, f := range []string{"content", "d/perms", "time", "same"} {
		r.file(f, "1")
	}
	r.wholeSeconds()
	r.push()
	r.file("content", "22")
	must(t, os.Chmod(filepath.Join(r.src, "d/perms"), 0o600))
	must(t, os.Chmod(filepath.Join(r.src, "d"), 0o750))
	at := time.Unix(1_700_000_000, 0)
	must(t, os.Chtimes(filepath.Join(r.src, "time"), at, at))
	p, err := r.engine.Plan(r.ctx(), r.set, r.options())
	must(t, err)
	for _, n := range r.set.Nodes {
		np, err := p.Node(n.Name)
		must(t, err)
		if got := fmt.Sprintf("%q", np.Changed); got != `["content" "d" "d/perms" "time"]` {
			t.Errorf("%s: changed: %s", n.Name, got)
		}
		var got []string
		for _, a := range np.Attributes {
			got = append(got, fmt.Sprintf("%s %s %s %s %v", a.Path, a.Was, a.Perms, a.Owner, a.Time))
		}
		if want := []string{"d 0755 0750  false", "d/perms 0644 0600  false", "time    true"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", n.Name, got, want)
		}
	}
	for _, line := range []string{
		"0 to add, 1 to change, 3 in permissions, owner or time only, 0 to delete, 2 B to send\n",
		"~ content\n", "~ d: permissions 0755 to 0750\n", "~ d/perms: permissions 0644 to 0600\n", "~ time: time\n",
	} {
		if !strings.Contains(p.Text(), line) {
			t.Errorf("%q is not in:\n%s", line, p.Text())
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	only := nodes.Set{Nodes: r.set.Nodes[:1]}
	o := r.options()
	o.Owner = "+7:+8"
	p, err = r.engine.Plan(r.ctx(), only, o)
	must(t, err)
	if text := p.Text(); !strings.Contains(text, "~ same: owner +7:+8\n") || !strings.Contains(text, "~ d/perms: permissions 0644 to 0600, owner +7:+8\n") {
		t.Error(text)
	}
}

// narrow is a person at a terminal of 40 columns, who breaks at every blank.
type narrow struct{ *nodetest.Person }

func (narrow) Columns() int { return 40 }

func (narrow) Fit(line, indent string) string { return strings.ReplaceAll(line, " ", "\n"+indent) }

// TestPlanIsPrintedToFit: what is printed passes through the terminal's width, line
// by line.
func TestPlanIsPrintedToFit(t *testing.T) {
	r := newRig(t, 1)
	r.file("a.php", "1")
	n := r.set.Nodes[0]
	src := fmt.Sprintf("sync.plan{ from=[[%s]], to=node{ name='%s', host='%s', port=%d, user='%s' }, path='%s' }:print()", r.src, n.Name, n.Host, n.Port, n.User, n.Path)
	person := &nodetest.Person{}
	r.s.Person, r.s.Recipe = narrow{person}, &nodes.Recipe{}
	if _, err := lua.New(r.s, []lua.Module{r.engine.Module()}).Eval(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(person.Shown, "\n"); !strings.HasPrefix(got, "plan\n    ") || !strings.Contains(got, "\n    to\n    add,\n") {
		t.Errorf("%q", got)
	}
}
