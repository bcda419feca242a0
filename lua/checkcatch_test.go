package lua

import "testing"

// What the checker finds in a function that may be called inside pcall is a
// warning: a recipe that expects the error is run. Elsewhere it is refused.
func TestCheckWarnsOnlyOfWhatIsCaught(t *testing.T) {
	h, _ := newHost(t, testModule())
	project(t, h, map[string]string{
		"nodes/prod":       "web1 10.0.0.1\n",
		"lib/t.lua":        "local t = {} function t.raises(f) print(pcall(f)) end return t",
		"lib/raises.lua":   "return function(fn) return pcall(fn) end",
		"lib/suite.lua":    "local S = {} S.__index = S function S.new() return setmetatable({cases={}}, S) end function S:add(name, fn) self.cases[#self.cases + 1] = {name, fn} end function S:run() for _, c in ipairs(self.cases) do print(c[1], pcall(c[2])) end end return S",
		"lib/all.lua":      "local function each(list, f) for _, x in ipairs(list) do f(x) end end return { run = function(cases) each(cases, function(c) print(pcall(c)) end) end }",
		"lib/bad.lua":      "local M = {} function M.bad() node 'web9' end return M",
		"lib/reexport.lua": "local t = require 't' return { fails = t.raises }",
	})
	const bad = "local function bad() node 'web9' end "
	for src, want := range map[string]bool{
		`print(pcall(function() return node("web1").hots end))`:                                                                                       true,
		`print(pcall(function() node "web9" end), xpcall(function() prnt() end, print))`:                                                              true,
		`print(pcall(function() print "x" end)) node("web1"):shuot "x"`:                                                                               false,
		`local pcall = print pcall(function() node "web9" end)`:                                                                                       false,
		`local function raises(kind, fn) local ok, e = pcall(fn) print(not ok and e.kind == kind) end raises("notfound", function() node "web9" end)`: true,
		`local function raises(...) print(pcall(...)) end local function usage(fn) raises(fn) end usage(function() node "web9" end)`:                  true,
		`local t = { fails = function(fn) print(pcall(function() return fn() end)) end } t.fails(function() return node("web1").hots end)`:            true,
		`local t = require "t" t.raises(function() node "web9" end)`:                                                                                  true,
		bad + `print(pcall(bad))`: true,
		`local t = require "t" local bad = function() node "web9" end t.raises(bad)`:                                                  true,
		`local M = {} function M.bad() node "web9" end print(xpcall(M.bad, print))`:                                                   true,
		`for _, c in ipairs{ {"notfound", function() node "web9" end} } do print(c[1], pcall(c[2])) end`:                              true,
		`for name, fn in pairs{ a = function() node "web9" end } do print(name, pcall(fn)) end`:                                       true,
		`local t = { fn = function() node "web9" end } print(pcall(fail, "x"), t.fn())`:                                               false,
		`local function good(fn) print(pcall(fn)) end local function other() node "web9" end good(fail) other()`:                      false,
		`local function twice(fn) fn() fn() print(pcall(fail, "x")) end twice(function() node "web9" end)`:                            false,
		`local function good(fn) print(pcall(fn)) end local function twice(fn) fn() end twice(function() node "web9" end) good(fail)`: false,
		`print(pcall(print, node "web9"))`: false,

		// Named functions in tables.
		bad + `for _, c in ipairs{ {"x", bad} } do print(c[1], pcall(c[2])) end`:                           true,
		bad + `local cases = { bad } for i = 1, #cases do print(pcall(cases[i])) end`:                      true,
		bad + `local cases = {} cases[#cases + 1] = bad for _, c in ipairs(cases) do print(pcall(c)) end`:  true,
		bad + `local cases = {} table.insert(cases, bad) print(pcall(cases[1]))`:                           true,
		bad + `local cases = { { fn = bad } } for _, c in ipairs(cases) do print(pcall(c.fn)) end`:         true,
		bad + `local t = {} t.x = bad print(pcall(t.x))`:                                                   true,
		`local t = {} function t.x() node "web9" end for _, fn in pairs(t) do print(pcall(fn)) end`:        true,
		bad + `local t = { bad } local fn = table.remove(t) print(pcall(fn))`:                              true,
		bad + `local t = { bad } bad()`:                                                                    false,
		`local t = {} function t.good() end function t.bad() node "web9" end print(pcall(t.good)) t.bad()`: false,

		// Helpers that are required after the function, or named otherwise.
		bad + `local t = require "t" t.raises(bad)`:                                  true,
		bad + `local fails = require("t").raises fails(bad)`:                         true,
		bad + `local raises = require "raises" print(raises(bad))`:                   true,
		bad + `local suite = require("suite").new() suite:add("x", bad) suite:run()`: true,
		bad + `require("all").run{ bad }`:                                            true,
		bad + `require("reexport").fails(bad)`:                                       true,
		`local b = require "bad" print(pcall(b.bad))`:                                true,
		`local b = require "bad" b.bad()`:                                            false,

		// What is called on the way.
		bad + `print(pcall(function() bad() end))`:                                                                     true,
		bad + `local function outer() bad() end print(pcall(outer))`:                                                   true,
		bad + `print(pcall(parallel, { bad }))`:                                                                        true,
		bad + `print(pcall(function() parallel{ bad } end))`:                                                           true,
		`local o = { go = function() node "web9" end } print(pcall(function() o:go() end))`:                            true,
		`local o = setmetatable({}, { __index = function() node "web9" end }) print(pcall(function() return o.x end))`: true,
		bad + `local try = pcall print(try(bad))`:                                                                      true,
		bad + `local pcall, print = pcall, print print(pcall(bad))`:                                                    true,
		bad + `print(coroutine.resume(coroutine.create(bad)))`:                                                         true,
		`local function make() return function() node "web9" end end print(pcall(make()))`:                             true,
		`local M = {} for _, name in ipairs{"shuot"} do M[name] = print end for _, name in ipairs{"x"} do M[name] = function() end end local function f(o) o:shuot() end f(M)`: true,
		`local M = setmetatable({}, { __index = function() return print end }) local function f(o) o:shuot() end f(M)`:                                                         true,
		`local t = {} t[#t + 1] = function(o) o:shuot() end t[1](t)`:                                                                                                           false,
		`print((function(f) return pcall(f) end)(function() node "web9" end))`:                                                                                                 true,
		`print(select("#", pcall(fail, "x"))) local function go() node "web9" end go()`:                                                                                        false,
	} {
		found := h.CheckText(src, "recipes/prod.lua")
		if len(found) == 0 {
			t.Errorf("%s: nothing was found", src)
		}
		for _, f := range found {
			if f.Warning != want && f.Message != "'t' is never used" {
				t.Errorf("%s: %s: a warning: %v", src, f, f.Warning)
			}
		}
	}
}
