package lua

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// fleetOf makes a module whose global web is a set of n nodes.
func fleetOf(n int) Module {
	set := nodes.Set{Name: "web"}
	for i := range n {
		set.Nodes = append(set.Nodes, &nodes.Node{Name: nodes.Name(fmt.Sprintf("web%d", i+1)), Tier: "app"})
	}
	return Module{Values: map[string]any{"web": set}}
}

func TestBlockingEverywhere(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{`sleep(0.001) print("top")`, "top"},
		{`print(pcall(function() sleep(0.001) return 1 end))`, "true\t1"},
		{`print(pcall(function() sleep(0.001) error("x",0) end))`, "false\tx"},
		{`print(xpcall(function() sleep(0.001) error("x",0) end, function(e) sleep(0.001) return "h:"..e end))`, "false\th:x"},
		{`for i in function(_, i) sleep(0.001) i=(i or 0)+1 if i<3 then return i end end do print(i) end`, "1\n2"},
		{`local t=setmetatable({},{__index=function(_,k) sleep(0.001) return k end,
			__eq=function() sleep(0.001) return true end, __concat=function(a,b) sleep(0.001) return "cat" end}) print(t.foo, t.."x")`, "foo\tcat"},
		{`local t={3,1,2} table.sort(t,function(a,b) sleep(0.001) return a<b end) print(t[1],t[2],t[3])`, "1\t2\t3"},
		{`print((string.gsub("ab",".",function(c) sleep(0.001) return c..c end)))`, "aabb"},
		{`local c=coroutine.wrap(function() for i=1,2 do sleep(0.001) coroutine.yield(i) end end) print(c(),c())`, "1\t2"},
		{`local r = parallel{ function() local c=coroutine.wrap(function() for i=1,2 do sleep(0.001) coroutine.yield(i) end end) return c()+c() end,
			function() sleep(0.001) return 1 end } print(r)`, "3"},
		{`print(pcall(coroutine.wrap(function() error({kind="k"}) end)), coroutine.running()==nil)`, "false\ttrue"},
		{`local f=coroutine.wrap(function(...) local a=... while true do a=coroutine.yield(a+1) end end) print(f(1),f(5))`, "2\t6"},
	} {
		wantOutput(t, tc.src, tc.want)
	}
}

func TestDefersRunInEveryEnding(t *testing.T) {
	wantOutput(t, `
local ok, e = pcall(function()
  web:each(function(n)
    print("drain", n)
    defer(function() sleep(0.001) print("undrain", n) end)
    if n.name == "web2" then error "boom" end
  end)
end)
print(ok, e.kind, #e.errors, e.errors[1].node)`,
		"drain\tweb1\nundrain\tweb1\ndrain\tweb2\nundrain\tweb2\nfalse\ttasks\t1\tweb2", fleetOf(3))
	wantOutput(t, `
local ok, e = pcall(function()
  web:each({at_once="all", on_failure="cancel"}, function(n)
    defer(function() sleep(0.001) print("undrain", n) end)
    if n.name == "web1" then sleep(0.05) error "boom" end
    while true do pcall(function() sleep(9) end) end
  end)
end)
print(ok, #e.errors, e.errors[1].kind, e.errors[2].kind)`,
		"undrain\tweb1\nundrain\tweb2\nfalse\t2\tfailed\tcancelled", fleetOf(2))
	wantOutput(t, `
local ok, e = pcall(timeout, 0.01, function() defer(function() sleep(0.02) print "late" end) sleep(9) end)
print(ok, e.kind)
print(timeout(9, function() defer(function() print "in time" end) return 1, nil, 3 end))
local co = coroutine.wrap(function() timeout(9, function() defer(function() print "in a coroutine" end) end) coroutine.yield() end)
co() defer(function() print "last" end)`,
		"late\nfalse\ttimeout\nin time\n1\tnil\t3\nin a coroutine\nlast")
	wantOutput(t, `defer(function() print "second" end) defer(function() print "first" end)`, "first\nsecond")
}

func TestTimeout(t *testing.T) {
	for _, body := range []string{
		"sleep(5)",
		"while true do end",
		"while true do pcall(function() while true do end end) end",
		"coroutine.wrap(function() while true do end end)()",
		"parallel{function() sleep(5) end}",
	} {
		wantOutput(t, `local ok,e=pcall(timeout,0.02,function() `+body+` end) print(ok,e.kind,e.message)`, "false\ttimeout\ttimed out after 20ms")
	}
	wantOutput(t, `print(timeout(1,function() sleep(0.001) return 1,2 end))`, "1\t2")
	wantError(t, "\ntimeout(0.01, function()\n  sleep(5)\nend)", nodes.Timeout, "recipes/prod.lua:3: sleep: timed out after 10ms")
}

func TestErrorsKeepNodePlaceAndTrace(t *testing.T) {
	h, _ := newHost(t, fleetOf(2))
	err := runText(t.Context(), h, "local function roll(n)\n  sleep(0.001)\n  local x = n.vars.missing.field\nend\n\nweb:each({at_once=2}, function(n)\n  roll(n)\nend)\n")
	e := nodes.AsError(err, nodes.Internal)
	if e.Kind != nodes.Tasks || len(e.Errors) != 2 {
		t.Fatalf("got %v", err)
	}
	first := nodes.AsError(e.Errors[0], nodes.Internal)
	if first.Where != "recipes/prod.lua:3" || first.Node != "web1" {
		t.Errorf("got where %q node %q", first.Where, first.Node)
	}
	if !strings.Contains(first.Trace, "recipes/prod.lua:7") {
		t.Errorf("the traceback names no caller:\n%s", first.Trace)
	}
}

func TestCancelRunsDefersAndCannotBeSwallowed(t *testing.T) {
	started := make(chan struct{}, 100)
	mark := Module{Funcs: []Func{{Name: "mark", Do: Go(func(context.Context, None) (None, error) {
		started <- struct{}{}
		return None{}, nil
	})}}}
	h, s := newHost(t, fleetOf(100), mark)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for range 50 {
			<-started
		}
		cancel(&nodes.Error{Kind: nodes.Cancelled, Message: "interrupted"})
	}()
	err := runText(ctx, h, `web:each({at_once=50}, function(n)
	  defer(function() sleep(0.001) print(n) end)
	  mark()
	  while true do pcall(sleep, 9) end
	end)`)
	if nodes.KindOf(err) != nodes.Cancelled {
		t.Errorf("got %v", err)
	}
	if n := len(s.lines); n != 50 {
		t.Errorf("%d of 50 cleanups ran", n)
	}
}

// TestCancelledEachSaysHowFarItCame: which nodes were done, and which not begun.
func TestCancelledEachSaysHowFarItCame(t *testing.T) {
	started := make(chan struct{}, 1)
	mark := Module{Funcs: []Func{{Name: "mark", Do: Go(func(context.Context, None) (None, error) {
		started <- struct{}{}
		return None{}, nil
	})}}}
	h, _ := newHost(t, fleetOf(5), mark)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-started
		cancel(&nodes.Error{Kind: nodes.Cancelled, Message: "interrupted", Signal: "INT"})
	}()
	err := runText(ctx, h, `web:each(function(n)
	  if n.name ~= "web3" then return end
	  mark()
	  sleep(9)
	end)`)
	e := nodes.AsError(err, nodes.Internal)
	if e.Kind != nodes.Cancelled || e.Signal != "INT" || e.Message != "interrupted; done on web[1-2]; not begun on web[4-5]" || len(e.Errors) != 0 {
		t.Errorf("%v %+v", err, e)
	}
}

// The last of ten thousand tasks ends them all, so it does come while the others
// wait, and every cleanup runs.
func TestTenThousandTasks(t *testing.T) {
	h, s := newHost(t, fleetOf(10000))
	err := runText(t.Context(), h, `local cleaned, here = 0, 0
	local ok, e = pcall(web.each, web, {at_once="all", on_failure="cancel"}, function(n)
	  defer(function() cleaned = cleaned + 1 end)
	  here = here + 1
	  if here == 10000 then fail "all are here" end
	  sleep(3600)
	end)
	print(ok, e.kind, cleaned)`)
	if err != nil || s.text() != "false\ttasks\t10000" {
		t.Fatalf("got %q, %v", s.text(), err)
	}
}

func TestParallelJoinsFailuresInOrder(t *testing.T) {
	h, _ := newHost(t)
	err := runText(t.Context(), h, `parallel{ function() sleep(0.02) fail "one" end, function() fail "two" end, function() return 1 end }`)
	e := nodes.AsError(err, nodes.Internal)
	if e.Kind != nodes.Tasks || len(e.Errors) != 2 || nodes.AsError(e.Errors[0], "").Message != "one" {
		t.Errorf("got %v", err)
	}
}

func TestBatonIsFair(t *testing.T) {
	h, _ := newHost(t, fleetOf(2))
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("one task starved the other"))
	defer cancel()
	err := runText(ctx, h, `local turns, other = 0, false
	web:each({at_once=2}, function(n)
	  if n.name == "web1" then
	    while not other do sleep(0) turns = turns + 1 end
	  else
	    while turns == 0 do sleep(0.001) end
	    other = true
	  end
	end)`)
	if err != nil {
		t.Error(err)
	}
}
