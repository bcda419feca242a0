package lua

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

func planModule(ran *int) Module {
	type doArgs struct {
		What string   `lua:"what,pos"`
		Read bool     `lua:"read"`
		Plan Raw      `lua:"plan" type:"table"`
		Pass Callback `lua:"pass"`
	}
	do := func(context.Context, *nodes.Node, doArgs) (map[string]any, error) {
		*ran++
		return map[string]any{"code": 0, "stdout": "real"}, nil
	}
	return Module{NodeMethods: []Func{{Name: "act", Mutates: true, Returns: "table", Planned: map[string]any{"code": 0}, Do: OnNode(do)}}}
}

func TestPlanRecordsAndChangesNothing(t *testing.T) {
	ran := 0
	h, s := newHost(t, fleetOf(3), planModule(&ran))
	h.Session.Recipe.Mode = nodes.ModePlan
	err := runText(t.Context(), h, `sleep(3600)
print(web.web1:act("uptime", {read=true}).stdout)
print(web.web1:act("reload").code, web.web2:act("x", {plan={stdout="4"}}).stdout)
local r = web:act("all")
print(#r, r.web3.value.code)
web:each({at_once="all"}, function(n) defer(function() n:act "undo" end) n:act "one" end)
print(select(2, pcall(function() return web.web1:act("reload").stdout end)))
print(select(2, pcall(function() return web.web1:act("reload", {raed=true}) end)))`)
	if err != nil {
		t.Fatal(err)
	}
	want := "real\n0\t4\n3\t0\n" +
		"recipes/prod.lua:7: a plan cannot know 'stdout' of web1 node:act (hint: give the call plan={stdout=...}, or read=true if it changes nothing)\n" +
		"recipes/prod.lua:8: node:act: unknown option 'raed' (did you mean 'read'?)"
	if s.text() != want || ran != 1 {
		t.Errorf("%d calls were made; got\n%s\nwant\n%s", ran, s.text(), want)
	}
	var planned []string
	for _, e := range s.events {
		planned = append(planned, string(e.Node)+" "+e.Op+" "+e.Text+" "+e.Where)
	}
	if len(planned) != 12 || planned[0] != `web1 node:act "reload" recipes/prod.lua:3` || planned[5] != `web1 node:act "one" recipes/prod.lua:6` || planned[6] != `web1 node:act "undo" recipes/prod.lua:6` {
		t.Errorf("%d recorded: %q", len(planned), planned)
	}
}

func TestPlanWalksTheFailurePath(t *testing.T) {
	ran := 0
	h, s := newHost(t, fleetOf(3), planModule(&ran))
	h.Session.Recipe.Mode, h.Session.Recipe.FailAt = nodes.ModePlan, "web2:act"
	err := runText(t.Context(), h, `web:each(function(n) defer(function() print("undrain", n) end) n:act "one" end)`)
	if nodes.KindOf(err) != nodes.Tasks || s.text() != "undrain\tweb1\nundrain\tweb2" {
		t.Errorf("got %v and %q", err, s.text())
	}
}

// What a record foresees is told node by node, and is what the recipe goes on
// with.
func TestPlanTellsWhatIsForeseen(t *testing.T) {
	type pushArgs struct {
		To   nodes.Set `lua:"to,required"`
		From string    `lua:"from"`
	}
	foresee := func(_ context.Context, a pushArgs) (Foreseen, error) {
		if a.From == "dist" {
			return Foreseen{}, &nodes.Error{Kind: nodes.NotFound, Message: "there is no dist"}
		}
		r := &nodes.Results{Op: "ship.push"}
		f := Foreseen{Value: r}
		for _, n := range a.To.Nodes {
			f.On = append(f.On, PlannedOn{Node: n, Text: "1 to add", Lines: []string{"+ a"}})
			r.List = append(r.List, nodes.Outcome{Node: n, State: nodes.OK, Value: map[string]any{"added": 1}})
		}
		return f, nil
	}
	push := func(context.Context, pushArgs) (*nodes.Results, error) { panic("a plan ships") }
	module := Module{Name: "ship", Funcs: []Func{
		{Name: "push", Mutates: true, Returns: "Results", Do: Go(push), Foresee: Go(foresee)},
		{Name: "undo", Mutates: true, Returns: "Results", Planned: map[string]any{"deleted": 2}, Do: Go(push)},
	}}
	h, s := newHost(t, fleetOf(2), module)
	h.Session.Recipe.Mode = nodes.ModePlan
	err := runText(t.Context(), h, `print(pcall(ship.push, {to=web, from="dist"}))
print(ship.push{to=web}.web2.value.added, ship.undo{to=web}.web1.value.deleted)
local r = ship.push{to=web, from="dist"} print(r)`)
	if err != nil {
		t.Fatal(err)
	}
	want := "false\trecipes/prod.lua:1: ship.push: there is no dist\n1\t2\nresult of ship.push"
	if s.text() != want {
		t.Errorf("got\n%s\nwant\n%s", s.text(), want)
	}
	var planned []string
	for _, e := range s.events {
		planned = append(planned, string(e.Node)+" "+e.Op+" "+e.Text+" "+strings.Join(e.Lines, ","))
	}
	wanted := []string{
		"web1 ship.push 1 to add + a", "web2 ship.push 1 to add + a",
		`web1 ship.undo { to = Set(web[1-2]) } `, `web2 ship.undo { to = Set(web[1-2]) } `,
		` ship.push { from = "dist", to = Set(web[1-2]) }: cannot be foreseen: there is no dist `,
	}
	if !slices.Equal(planned, wanted) {
		t.Errorf("recorded %q\nwant     %q", planned, wanted)
	}
}
