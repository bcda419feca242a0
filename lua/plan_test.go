package lua

import (
	"context"
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
