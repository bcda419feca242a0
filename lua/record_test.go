package lua

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

type greetArgs struct {
	Name  string            `lua:"name,pos" doc:"who"`
	Times int               `lua:"times" default:"1" doc:"how often"`
	Wait  time.Duration     `lua:"wait" default:"0.5"`
	Mode  string            `lua:"mode" default:"ours" enum:"ours|all|false"`
	Env   map[string]string `lua:"env"`
	Tags  []string          `lua:"tags"`
	To    nodes.Set         `lua:"to"`
	Any   Raw               `lua:"any" type:"string|function|false"`
}

type hookArgs struct {
	Name string   `lua:"name,pos"`
	Loud bool     `lua:"loud"`
	Fn   Callback `lua:"fn,pos"`
}

type tableArgs struct {
	From nodes.Tree `lua:"from,required"`
	To   nodes.Set  `lua:"to,required"`
}

func testModule() Module {
	return Module{
		Name: "demo", Funcs: []Func{
			{Name: "greet", Do: Go(func(_ context.Context, a greetArgs) (string, error) {
				return fmt.Sprintln(a.Name, a.Times, a.Wait, a.Mode, a.Env, a.Tags, a.To.Fold(), a.Any.IsNil()), nil
			})},
			{Name: "hook", Do: Go(func(ctx context.Context, a hookArgs) (any, error) {
				out, err := a.Fn.Call(ctx, a.Name, a.Loud)
				return out, err
			})},
			{Name: "push", Do: Go(func(_ context.Context, a tableArgs) (string, error) { return a.From.Root()[:1] + a.To.Fold(), nil })},
			{Name: "nothing", Do: Go(func(context.Context, None) (None, error) { return None{}, nil })},
			{Name: "broken", Do: Go(func(context.Context, None) (string, error) {
				return "", &nodes.Error{Kind: nodes.Space, Node: "web2", Message: "cannot write /srv/x: no space left", Hint: "df -h /srv"}
			})},
		},
		NodeMethods: []Func{{Name: "quiet", Do: OnNode(func(_ context.Context, n *nodes.Node, _ None) (map[string]any, error) {
			if n.Name == "web2" {
				return map[string]any{"code": 0}, &nodes.Error{Kind: nodes.Lost, Message: "the connection is gone"}
			}
			return map[string]any{"code": 0}, nil
		})}, {Name: "shout", Do: OnNode(func(_ context.Context, n *nodes.Node, a greetArgs) (map[string]any, error) {
			if n.Name == "web2" && a.Name == "bad" {
				return nil, &nodes.Error{Kind: nodes.Exit, Code: "3", Message: "exit 3"}
			}
			return map[string]any{"stdout": a.Name + "!\n"}, nil
		})}},
	}
}

func TestUnpack(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{`print((demo.greet("a")))`, "a 1 500ms ours map[] []  true\n"},
		{`print((demo.greet("a", {times=2, wait=0.25, mode=false, env={X=1}, tags="t", to=web, any="s"})))`, "a 2 250ms false map[X:1] [t] web[1-3] false\n"},
		{`print((demo.greet("a", {to=web.web2, any=false, tags={"x","y"}})))`, "a 1 500ms ours map[] [x y] web2 false\n"},
		{`print(demo.hook("a", {loud=true}, function(n, l) return n, l end)[1])`, "a"},
		{`print(demo.hook("a", function(n, l) return n, l end)[2])`, "false"},
		{`print(demo.push{from="x", to=web})`, "/web[1-3]"},
		{`print(web.web1:shout("a").stdout, web:shout("a", {at_once=2, tags="x"}).web3.value.stdout)`, "a!\n\ta!\n"},
		{
			`local r = web:shout("bad", {check=false}) print(r, #r, r:ok(), r:failed(), r.web2.error.code, r[1].node) for n, o in r:iter() do print(n, o.state) end`,
			"ok web[1,3], failed web2\t3\tweb[1,3]\tweb2\t3\tweb1\nweb1\tok\nweb2\tfailed\nweb3\tok",
		},
		{`for _, g in ipairs(web:shout("bad", {check=false}):fold()) do print(g.nodes, g.text) end`, "web[1,3]\tbad!\nweb2\texit 3"},
		{`print(web:each(nil, function(n) return n.name end).web2.value, web:each({}, function() end), web.web2 == nodes.new{{name="web2"}}[1], web == web + web.web1, web - web.web1 == web, web.web1 == web.web2)`, "web2\tok web[1-3]\ttrue\ttrue\tfalse\tfalse"},
		{`local r = web:quiet({on_failure="continue"}) print(r.web2.value, r.web2.error.kind, r.web1.value.code)`, "nil\tlost\t0"},
		{`local t = {} t[web.web1] = 1 print(t[web:node "web1"], web.web1 == web[1], #web, web + web.web1, web - web.web1)`, "1\ttrue\t3\tweb[1-3]\tweb[2-3]"},
		{`print(web:only "web[1-2]", web:except(web.web1), web:only(function(n) return n.name ~= "web2" end), web:only "*")`, "web[1-2]\tweb[2-3]\tweb[1,3]\tweb[1-3]"},
		{`local names = {} for n in web:iter() do names[#names+1] = n.name end print(table.concat(names, " "))`, "web1 web2 web3"},
		{`local n = web.web2 print(#n, n[1], n[2], n:fold(), n:only "*", n:except "*":fold(), #n:tiers()) for i, x in ipairs(n) do print(i, x) end for x in n:iter() do print(x) end`, "1\tweb2\tnil\tweb2\tweb2\t\t1\n1\tweb2\nweb2"},
		{`print(web.web2:each(function(n) return n.name end).web2.value, web.web2.vars.x, web.web2.tier)`, "web2\tnil\tapp"},
		{`for _, g in ipairs(web:each({on_failure="continue"}, function(n) if n.name ~= "web2" then fail "no" end return "yes\n" end):fold()) do print(g.nodes, g.text) end`, "web[1,3]\trecipes/prod.lua:1: no\nweb2\tyes"},
		{`print(inspect{1, {a="x"}, web.web1, n=2})`, `{ 1, { a = "x" }, Node(web1), n = 2 }`},
		{`local j = require "json" print(j == json, require("string").rep("a", 2))`, "true\taa"},
		{`local l = json.decode "[1,null,3]" print(l[1], l[2], l[3], json.encode(l), json.encode{[7]="<a&b>"})`, "1\tnil\t3\t[1,null,3]\t{\"7\":\"<a&b>\"}"},
		{`print(json.encode{}, json.encode(json.list{}), json.encode(json.decode '{"a":[],"b":{},"c":[null,1]}'), json.encode{[2]="x"}, json.encode{1, nil, 3})`, "{}\t[]\t{\"a\":[],\"b\":{},\"c\":[null,1]}\t{\"2\":\"x\"}\t[1,null,3]"},
		{`local l = json.decode "[]" l[1] = "x" l[2] = {} print(json.encode(l), #l, inspect(l)) l.k = 1 print(json.encode(l))`, "[\"x\",{}]\t2\t{ \"x\", {} }\n{\"1\":\"x\",\"2\":{},\"k\":1}"},
		{`print(json.encode(nodes.new{}:names()), json.encode(json.list(json.list{7})))`, "[]\t[7]"},
		{`print(json.encode{a={1,2}, b="x"}, json.decode('{"k":[1,null]}').k[1])`, `{"a":[1,2],"b":"x"}` + "\t1"},
	} {
		wantOutput(t, tc.src, tc.want, fleetOf(3), testModule())
	}
}

func TestArgumentErrors(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{`json.encode{[{}]=1}`, "json.encode: a key is a table: JSON's are strings"},
		{`json.encode{[1]="a", ["1"]="b"}`, "json.encode: the keys 1 and '1' are one in JSON"},
		{`json.list(setmetatable({}, {}))`, "json.list: the table has a metatable of its own"},
		{`local node = web node "web1"`, "a Set cannot be called (hint: a local named 'node' hides the global 'node')"},
		{`local sleep = web.web1 local function f() local x = sleep(1) return x end f()`, "a Node cannot be called (hint: a local named 'sleep' hides the global 'sleep')"},
		{`web "x"`, "a Set cannot be called (hint: the global 'nodes' is called so; this is what it gives)"},
		{`local x = nodes.new{{name="a", host="h"}} + nodes.new{{name="a", host="i"}}`, "two nodes are named 'a'"},
		{`local x = node{name="a", host="h"} + node{name="b", host="h"}`, "a and b are both h (hint: keep one of them, or give them different ports)"},
		{`demo.greet()`, "demo.greet: missing 'name' (string)"},
		{`demo.greet(1)`, "demo.greet: 'name': expected string, got number"},
		{`demo.greet("a", {tmes=2})`, "demo.greet: unknown option 'tmes' (did you mean 'times'?)"},
		{`demo.greet("a", {times="2"})`, "demo.greet: 'times': expected number, got string"},
		{`demo.greet("a", {times=1.5})`, "demo.greet: 'times': expected a whole number, got 1.5"},
		{`demo.greet("a", {wait=-1})`, "demo.greet: 'wait': expected seconds, got -1"},
		{`demo.greet("a", {mode="al"})`, "demo.greet: 'mode' is one of ours, all, false, not al (did you mean 'all'?)"},
		{`demo.greet("a", {to="web"})`, "demo.greet: 'to': expected Set|Node, got string"},
		{`demo.greet("a", {any=1})`, "demo.greet: 'any': expected string|function|false, got number"},
		{`demo.greet("a", {}, "b")`, "demo.greet: takes at most 1 argument, got 3"},
		{`web:each(function() end, {at_once=2})`, "set:each: the options come before the function"},
		{`demo.nothing(1)`, "demo.nothing: takes at most 0 arguments, got 1"},
		{`demo.push("x")`, "demo.push: expected a table of options, got string"},
		{`demo.push{from="x"}`, "demo.push: missing 'to' (Set|Node)"},
		{`demo.psuh{}`, "demo has no function 'psuh' (did you mean 'push'?)"},
		{`demo.push = 1`, "the module demo cannot be changed"},
		{`web.web1.shout("x")`, "node:shout: called without its object: write x:shout(...), not x.shout(...)"},
		{`local x = web.web1.hots`, "a Node has no field or method 'hots' (did you mean 'host'?)"},
		{`local x = web.wbe1`, "a Set has no field or method 'wbe1' (did you mean 'web1'?)"},
		{`local x = {w=web} x.w "x"`, "a Set cannot be called (hint: the global 'nodes' is called so; this is what it gives)"},
		{`local node = web.web1; node "web2"`, "a Node cannot be called (hint: a local named 'node' hides the global 'node')"},
		{`web.web1.name = "x"`, "a Node cannot be changed: 'name' is not yours to set"},
		{`web:each({at_onc=2}, print)`, "set:each: unknown option 'at_onc' (did you mean 'at_once'?)"},
		{`web:shout("a", {max_faild=1})`, "set:shout: unknown option 'max_faild' (did you mean 'max_failed'?)"},
		{`local x = web + 1`, "cannot add Set and number: both must be a Set or a Node"},
	} {
		wantError(t, "\n"+tc.src, nodes.Usage, "recipes/prod.lua:2: "+tc.want, fleetOf(3), testModule())
	}
	wantError(t, `demo.broken()`, nodes.Space, "recipes/prod.lua:1: demo.broken: web2: cannot write /srv/x: no space left (hint: df -h /srv)", testModule())
}

func TestShellKeepsNames(t *testing.T) {
	h, _ := newHost(t, fleetOf(2))
	for _, tc := range []struct{ src, want string }{
		{"local x = 4", ""}, {"x + 1", "5"}, {"y = 2", ""}, {"y", "2"}, {"local function f() return x end", ""}, {"f()", "4"}, {"local z", ""}, {"z", "nil"},
	} {
		values, err := h.Eval(t.Context(), tc.src)
		if err != nil {
			t.Fatalf("%s: %v", tc.src, err)
		}
		got := ""
		if len(values) > 0 {
			got = h.Inspect(values[0])
		}
		if got != tc.want {
			t.Errorf("%s gives %s, want %s", tc.src, got, tc.want)
		}
	}
	for src, more := range map[string]bool{"for i=1,2 do": true, "x = [[": true, "f(": true, "--[[": true, `x = "a`: false, "x = = 1": false} {
		if _, err := h.Eval(t.Context(), src); err == nil || Incomplete(err) != more {
			t.Errorf("%s: incomplete is %v, want %v (%v)", src, Incomplete(err), more, err)
		}
	}
}
