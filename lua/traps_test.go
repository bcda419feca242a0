package lua

import (
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// TestMendedTraps has one line for each trap of gopher-lua that is mended; the
// expectations are those of the lua5.1 program.
func TestMendedTraps(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{`print(tonumber("1e1"), tonumber("0x10"), tonumber("10", 2), tonumber("z", 36), tonumber("1_0"), tonumber(""), tonumber("inf"), tonumber("  7 "))`, "10\t16\t2\t35\tnil\tnil\tnil\t7"},
		{`local it = string.gmatch("k=v", "(%w)=(%w)") print(it())`, "k\tv"},
		{`for k, v in ("a=1,b=2"):gmatch("(%w)=(%w)") do print(k, v) end`, "a\t1\nb\t2"},
		{`print(select(2, pcall(assert, false, {kind="k"})).kind)`, "k"},
		{`local r = web:each({on_failure="continue"}, function() error{my=1} end) print(r.web1.error)`, "error with a table: { my = 1 }"},
		{`local e = setmetatable({}, {__tostring=function() return "own" end}) print(web:each({on_failure="continue"}, function() error(e) end).web1.error)`, "own"},
		{`print(math.huge > 1.7976931348623157e308, -math.huge < 0)`, "true\ttrue"},
		{`print((("%5.2f|%-4s|%03d|%x|%q|%%"):format(3.14159, "ab", 7, 255, 'a"b')))`, ` 3.14|ab  |007|ff|"a\"b"|%`},
		{`print(os.date("!%Y-%m-%d %H:%M:%S %j %U", 86400*40))`, "1970-02-10 00:00:00 041 06"},
		{`print(os.date("!*t", 0).year, os.time{year=2020, month=1, day=1, hour=0} < os.time())`, "1970\ttrue"},
		{`local co = coroutine.create(function() error "x" end) local ok, e = coroutine.resume(co) print(ok, e.message, coroutine.status(co), coroutine.running())`, "false\tx\tdead\tnil"},
		{`local n = 0 for i, v in ipairs({1, 2, nil, 4}) do n = i end print(n)`, "2"},
		{`print(load("return 1 +")) `, "nil\tload:1: unexpected end of file: something is not closed, such as a missing 'end'"},
		{`print(load("return 1 + 1")())`, "2"},
		{`goto done do print "skipped" end ::done:: print "there"`, "there"},
		{`local x, y, z = 1, 2, 3 x, y = y, x print(x, y) x, y, z = z, x, y print(x, y, z)`, "2\t1\n3\t2\t1"},
		{`local function f(...) return ... end local a, b, c, d = 1, 2, 3, 4 a = f(false) and 5 b = not b and f(6) c = (f(nil) and f(1)) or nil d = f(nil) and f(1) and d print(a, b, c, d)`, "false\tfalse\tnil\tnil"},
		{`local function f(x) return x end local ok = true for _, v in ipairs{true, false, true} do ok = f(v) and f(ok) end print(ok, (function(x) x = f(nil) and 1 return x end)(2))`, "false\tnil"},
		{`local i, t = 1, {} i, t[i] = i + 1, 20 print(i, t[1], t[2]) t[i], i = i, nil print(t[2], i)`, "2\t20\tnil\n2\tnil"},
		{`local x, t = 1, {f=function() return 7, 8 end} x, t.a, t["b"] = x + 1, t.f() print(x, t.a, t.b) x, x = 5, 6, print("extra") print(x)`, "2\t7\t8\nextra\n5"},
		{`local n = 0 local function f(i) n = i if i < 3 then error "x" end return i end for i = 1, 3 do pcall(f, i) end print(n)`, "3"},
		{`local n = 0 local function f() n = n + 1 local x = nil return x.y end for _ = 1, 3 do xpcall(f, function(e) return e end) end print(n) n = 10 pcall(f) print(n)`, "3\n11"},
		{`local got local function f() local own = 1 got = function() own = own + 1 return own end error "x" end pcall(f) print(got(), got())`, "2\t3"},
		{`local co co = coroutine.create(function() return pcall(function() return coroutine.resume(co) end) end) print(coroutine.resume(co))`, "true\ttrue\tfalse\tcannot resume a coroutine that is running"},
		{`parallel{function() defer(function() print "defer" end) pcall(function() defer(function() print "in pcall" end) end) print "body" end}`, "body\nin pcall\ndefer"},
		{`print(table.concat({1, "b", web.web1}, ","), table.concat({"a", "b", "c"}, "-", 2, 3), table.concat({}), table.concat({1, 2}, ",", 3))`, "1,b,web1\tb-c\t\t"},
		{`local t = {} for i = 1, 300000 do t[i] = "x" end print(#table.concat(t, ","))`, "599999"},
		{`local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end print(deep(10000))`, "10000"},
		{`print((("THE (quick) fox"):gsub("%f[%a]%a+", string.lower)), ("a b"):find("%f[%s]"), ("ab"):find("%f[%z]"))`, "the (quick) fox\t2\t3\t2"},
		{`print(("abc"):find("", 10)) print(("abc"):match("a*?"), ("abc"):gsub("", "-"), ("a b"):gsub("%w", "%0%0", 1))`, "4\t3\nnil\t-a-b-c-\taa b\t1"},
		{`for _, f in ipairs{function() ("abc"):match "%" end, function() ("abc"):gsub(".", {a=true}) end, function() ("a"):find "[a" end} do print(select(2, pcall(f)).message) end`, "malformed pattern (ends with '%')\ninvalid replacement value (a boolean)\nmalformed pattern (missing ']')"},
		{`print(("%u %i %x %5o|"):format(42, 7, -1, 8), loadstring("return " .. ("%q"):format('a"\\\0\n\r'))() == 'a"\\\0\n\r')`, "42 7 ffffffffffffffff    10|\ttrue"},
		{`print(#("x"):rep(200000):gsub("x", "yz"))`, "400000"},
		{`print(("%s and %s"):format(web, nil))`, "web[1-2] and nil"},
		{`print(pcall(setmetatable, 1, {}), pcall(setmetatable, print, {}), pcall(string.char, 256), pcall(string.char, -1), string.char(0, 255):byte(1, 2))`, "false\tfalse\tfalse\tfalse\t0\t255"},
		{`print(0.1 + 0.2, 1 / 3, 1e15, 2 ^ 53, 123456789012345, 1e14, 1e100, 3.0, -0.0, 1e-7) print(1 / 0, -1 / 0)`, "0.3\t0.33333333333333\t1e+15\t9.007199254741e+15\t1.2345678901234e+14\t1e+14\t1e+100\t3\t-0\t1e-07\ninf\t-inf"},
		{`local x, s = 0.1 + 0.2, "s" local function f() return 1 / 3, 2 end print(1 .. "", x .. 1e15 .. s, s .. (x .. 2 ^ 53), (x .. 1) .. f(), (f()) .. s, 0xff .. s)`, "1\t0.31e+15s\ts0.39.007199254741e+15\t0.310.33333333333333\t0.33333333333333s\t255s"},
		{`print((function(...) return ... .. "|" .. ... end)(1 / 7, 2), tostring(1e15), ("%s"):format(2 ^ 53), table.concat({0.1 + 0.2, 1e15}, " "))`, "0.14285714285714|0.14285714285714\t1e+15\t9.007199254741e+15\t0.3 1e+15"},
		{`print(string.len(1 / 3), string.sub(1e15, 1, 3), string.upper(1e15), string.gsub("a", "a", 1 / 3), (string.find(1e15, "e", 1, true)))`, "16\t1e+\t1E+15\t0.33333333333333\t2"},
		{`local o = setmetatable({}, {__concat=function(a, b) return type(a) .. type(b) end}) print(o .. 1, 1 .. o, o .. "x", 1 .. 2 .. o, o .. o .. "x")`, "tablenumber\tnumbertable\ttablestring\t1numbertable\ttablestring"},
		{`for _, f in ipairs{function() return nil .. "x" end, function() return "x" .. {} end, function() return {} .. nil end} do print(select(2, pcall(f)).message) end`, "attempt to concatenate a nil value\nattempt to concatenate a table value\nattempt to concatenate a table value"},
	} {
		wantOutput(t, tc.src, tc.want, fleetOf(2))
	}
}

func TestWhatIsLockedAway(t *testing.T) {
	for _, name := range []string{"io", "debug", "dofile", "loadfile", "getfenv", "setfenv", "module", "newproxy", "package", "channel", "collectgarbage"} {
		wantError(t, "local x = "+name, nodes.Usage, "recipes/prod.lua:1: undefined name '"+name+"'")
	}
	wantError(t, `os.execute "id"`, nodes.Usage, "recipes/prod.lua:1: os has no function 'execute'")
	wantError(t, `os.exit()`, nodes.Usage, "recipes/prod.lua:1: os has no function 'exit'")
	wantError(t, `string.fromat("x")`, nodes.Usage, "recipes/prod.lua:1: string has no function 'fromat' (did you mean 'format'?)")
	wantError(t, `setmetatable("", {})`, nodes.Failed, "recipes/prod.lua:1: cannot change a protected metatable")
	wantError(t, `getmetatable("").__index = nil`, nodes.Failed, "recipes/prod.lua:1: attempt to index a non-table object(string) with key '__index'")
	wantError(t, `setmetatable(_G, nil)`, nodes.Failed, "recipes/prod.lua:1: cannot change a protected metatable")
	wantError(t, `vresion = 1`, nodes.Usage, "recipes/prod.lua:1: assignment to the global 'vresion' (hint: write: local vresion)")
	wantError(t, `prnt "x"`, nodes.Usage, "recipes/prod.lua:1: undefined name 'prnt' (did you mean 'print'?)")
}

func TestHungryCallsAreRefused(t *testing.T) {
	wantError(t, `local s = ("x"):rep(1e10)`, nodes.Failed, "recipes/prod.lua:1: string.rep: the result would be larger than 64 MiB")
	wantError(t, `local function f() return 1 + f() end f()`, nodes.Failed, "recipes/prod.lua:1: stack overflow: calls nest too deep, or too many values at once")
	wantError(t, `local function f() local ok, e = pcall(f) if not ok then error(e, 0) end end f()`, nodes.Failed, "recipes/prod.lua:1: stack overflow: calls of pcall or coroutines nest too deep")
	wantError(t, `local function f() return coroutine.wrap(f)() end f()`, nodes.Failed, "recipes/prod.lua:1: stack overflow: calls of pcall or coroutines nest too deep")
	wantError(t, `table.concat{"a", {}}`, nodes.Usage, "recipes/prod.lua:1: table.concat: item 2 is a table, not a string or a number")
	wantError(t, `local x = nil print(#x)`, nodes.Failed, "recipes/prod.lua:1: attempt to get the length of something that has none")
	wantError(t, `("%y"):format(1)`, nodes.Usage, "recipes/prod.lua:1: string.format: unknown conversion '%y'")
	wantError(t, `("%d"):format()`, nodes.Usage, "recipes/prod.lua:1: string.format: no value for '%d'")
}

func TestErrorObjects(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{`local ok, e = pcall(fail, "no") print(e.kind, e.message, e.where, e.op, e.node)`, "failed\tno\trecipes/prod.lua:1\tnil\tnil"},
		{`local ok, e = pcall(error, "text", 0) print(e.kind, type(e), tostring(e), "got " .. e, ("%s"):format(e))`, "failed\ttable\ttext\tgot text\ttext"},
		{`local ok, e = pcall(function() error "text" end) print(e)`, "recipes/prod.lua:1: text"},
		{`local ok, e = pcall(function() local x = nil; return x.y end) print(e.kind, e:find("index", 1, true) ~= nil)`, "failed\ttrue"},
		{`local ok, e = pcall(fail, "no") print(pcall(function() return e.mesage end))`, "false\trecipes/prod.lua:1: an error has no field 'mesage' (did you mean 'message'?)"},
		{`local t = {} local ok, e = pcall(error, t) print(e == t)`, "true"},
		{`print(select(2, pcall(function() local ok, e = pcall(fail, "inner") error(e) end)).message)`, "inner"},
		{`local ok, e = pcall(fail, "no") e.mine = 1 local ok, f = pcall(error, e) local co = coroutine.create(error) print(f == e, f.mine, select(2, coroutine.resume(co, e)) == e, e.traceback ~= nil)`, "true\t1\ttrue\ttrue"},
		{
			`local ok, e = pcall(fail, "in") local ok, f = pcall(fail, e) print(f.message, f.cause.message, f.kind, (pcall(fail, 7))) print(select(2, pcall(fail, 7)).message, select(2, pcall(fail, {message="m", code=3})).message)`,
			"recipes/prod.lua:1: in\tin\tfailed\tfalse\n7\tm",
		},
		{`local ok, e = pcall(fail, "no") print(e .. web, web .. e)`, "recipes/prod.lua:1: noweb[1-2]\tweb[1-2]recipes/prod.lua:1: no"},
		{`print(pcall(error)) print(select("#", pcall(error)))`, "false\tnil\n2"},
		{`local r = web:each({on_failure="continue"}, function() error{my=1} end) print(r.web1.error.cause.my)`, "1"},
	} {
		wantOutput(t, tc.src, tc.want, fleetOf(2))
	}
}
