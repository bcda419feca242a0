-- Uses results, errors, objects of its own and the journal in many forms.
local web = nodes "prod"
for line in node("web1"):read("/etc/passwd"):gmatch "[^\n]+" do local user, uid = line:match "^([^:]*):[^:]*:(%d+)" print(user, tonumber(uid)) end
local out = web:run("uptime", { check = false })
for name, r in out:iter() do if r.ok then print(name, (r.value.stdout:gsub("\n", ""))) else print(name, r.error.kind, r.error.hint, r.error.cause and r.error.cause.kind) end end
local names = web:names() names[#names + 1] = "x" table.sort(names) print(#names, names[1]:upper())
local w = web w = w:names() print(w[1]:upper(), #w)
local opts = #web > 1 and { timeout = 3, env = { A = "b" } } or nil
print(node("web1"):run("true", opts).code)
local by = {} for _, n in ipairs(web) do by[n.name] = n by[n] = true end print(by.web1, by["web2"].host, by[web[1]])
local Node = {} Node.__index = Node function Node.new(n) return setmetatable({ n = n, name = n.name }, Node) end function Node:run(a, b, c, d) return self.n:run(a), b, c, d end
print(Node.new(web[1]):run("true", 2, 3, 4), Node.new(web[1]).name)
local function each(t, f) for i, v in ipairs(t) do f(v, i) end end each({ 1, 2 }, function(v, i) print(v, i) end)
local cfg = json.decode(here:read "cfg.json") print(cfg.a.b.c, cfg.list[1].name, cfg["x y"])
local ok, err = pcall(function() web:run "exit 1" end) if not ok then for _, e in ipairs(err.errors or { err }) do print(e.node, e.code, e.stderr:match "x", e.traceback) end end
local t = { run = function() return 1 end, sync = { push = function(x) return x end } } print(t.run(), t.sync.push(1))
local step = { { name = "a", fn = function(n) return n.name end }, { name = "b", fn = print } } for _, s in ipairs(step) do web:each({ at_once = s.name == "a" and 1 or "all" }, s.fn) end
local s = ("x"):rep(3):upper():sub(1, 2):format() print(s:len(), #s, ("%d"):format(3))
local fold = web:run("id"):fold()[1] print(fold.nodes, fold.text)
local res = web:each(function(n) return { a = n.name, list = { 1 } } end) print(res.web1.value.a, res.web1.value.list[1], res[1].value.a, res:node("web1").value)
local acc = 0 repeat acc = acc + 1 local done = acc > 3 until done print(acc)
local function v(...) local a, b = ... return select("#", ...), a, b, ... end print(v(1, 2), (v()))
print((web + node "db1"):except "db1":fold(), web:only(function(n) return n.tags[1] == "php" or n.vars.x == "y" end):names()[1])
goto out do print "not" end ::out:: print(_VERSION, os.time() - os.clock(), math.floor(1.5))
local c = coroutine.wrap(function(a) while true do a = coroutine.yield(a * 2) end end) print(c(1), c(2))
if rawget(_G, "nosuchglobal") then print "no" end
local r = sync.push{ from = "src", to = web, path = "/x" } for n, x in r:iter() do print(n, x.value.added, x.value.seconds) end
local st = roll.status{ name = "www" }[1] print(st and st.lock and st.lock.who, st and st.nodes.web1.state, st.last and st.last.id)
for _, h in ipairs(roll.history{ limit = 3 }) do print(h.id, h.nodes.web1, h.state, h.why.web1, h.who, #h.order) end
local lb = haproxy.backend{ on = here, socket = "/run/h.sock", backend = "b", server = function(n) return "s-" .. n.name end } print(lb:state(web[1]).up)
local x = http.request{ url = "http://h/", method = "POST", body = json.encode{ a = 1 } } print(x.status, x.headers["content-type"], x.body:len(), x.seconds)
