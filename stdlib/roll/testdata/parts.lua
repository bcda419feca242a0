-- The parts of a roll, as a recipe uses them.
local a = args{ dir = {"the nodes' folder"} }
local web = nodes "prod"

local R = roll.begin{ name = "www", to = web, max_failed = 1 }
assert(R.name == "www" and R.id:find("%-www%-") and not R.planning and R.to == nil, tostring(R))
R:pin{ from = "r119", to = 120, plan = "d1" }
assert(R.from == 119 and R.to == 120)
local ok, err = pcall(R.pin, R, { plan = "d2" })
assert(not ok and err.kind == "changed", tostring(err))

local ready = R:preflight(a.dir)
assert(#ready == 3, ready:fold())

local got = R:step(ready, "staged", function(set) return #set end)
assert(got == 3)

R:drained(web[1], function(n)
  assert(n:exists(a.dir .. "/web1.out"), "web1 is not drained")
  R:step(n, "switched", function() end)
  R:step(n, "switched", "echo reloaded > " .. a.dir .. "/reloaded", "after")
  R:step(n, "checked", n.check)
end)
assert(R:state(web[1]) == "done" and not web[1]:exists(a.dir .. "/web1.out"))
assert(web[1]:read(a.dir .. "/reloaded") == "reloaded\n")

local why
ok, err = pcall(R.drained, R, web[2], { check = false }, function(n)
  R:step(n, "checked", function() return false, "the page is blank" end)
end)
assert(not ok and err.kind == "failed" and tostring(err):find("the page is blank", 1, true), tostring(err))
assert(R:state(web[2]) == "failed")
local failed, unreachable = R:left()
assert(failed == 0 and unreachable == 0)
R:go_on()
R:gate(0, web:only "web1", web:except "web1")
ok, err = pcall(R.gate, R, function(done, left) return #done > #left end, web:only "web1", web:except "web1")
assert(not ok and err.kind == "refused", tostring(err))

R:step(web[3], "done", function() end, "unchanged")
R:notice "the room is away"
local result = R:finish()
assert(result.state == "failed" and result.nodes.web1 == "done" and result.nodes.web2 == "failed", inspect(result))
assert(result.why.web2:find "blank" and result.order[3] == "web3" and result.from == 119 and not result.unfinished)
assert(R.ended and R:finish().state == "failed")

local h = roll.history{ name = "www", limit = 1 }
assert(#h == 1 and h[1].id == R.id and h[1].notices[1] == "the room is away" and h[1].recipe:find "parts.lua", inspect(h))
local s = roll.status{ name = "www" }[1]
assert(s.name == "www" and s.lock == nil and s.nodes.web1.rev == 120 and not s.nodes.web1.drained, inspect(s))
assert(#roll.steps(R.id) > 8)

roll.lock("www", "no rolls before Monday")
assert(roll.status()[1].frozen.why == "no rolls before Monday" and roll.status()[1].lock.person)
roll.unlock "www"

ok, err = pcall(roll, { name = "other", from = "/", to = web, gate = "aks" })
assert(not ok and err.kind == "usage" and #roll.history{ name = "other" } == 0, tostring(err)) -- before anything is begun

-- Outside a roll: the same law.
web[3]:drained(function(n) assert(n:exists(a.dir .. "/web3.out")) end)
assert(not web[3]:exists(a.dir .. "/web3.out"))
web[3]:drain()
assert(web[3]:exists(a.dir .. "/web3.out"))
web[3]:undrain()

print(R:outline{ to = web, after = "reload", check = function() end, at_once = "50%" })
