local p = sync.plan{from = src, to = set}
assert(#p.digest > 8)
assert(#p:node("web2").added == 2)
local pre = sync.preflight{from = src, to = set}
assert(pre.web1.value.needs == 2)

local r = sync.push{from = src, to = set}
assert(r.web1.ok and r.web1.value.added == 2 and r.web1.value.bytes == 2)
assert(#r:roll_id() > 8)
assert(set.web1:sync(src, nil, {only = "a.php"}).changed == 0)
assert(#set:sync(src):ok() == 2)
local both = set:sync(src, nil, {perms = {files = "0600"}})
assert(both.web2.value.changed == 2 and both.web1.value.roll == both:roll_id())
assert(sync.undo{to = set, roll = both:roll_id()}.web2.value.changed == 2)

local ok, err = pcall(sync.push, {from = src, to = set, drft = "keep"})
assert(not ok and err.kind == "usage" and err.message:find("drift"), tostring(err))
ok, err = pcall(sync.push, {from = src, to = set, delete = "everything"})
assert(not ok and err.kind == "usage", tostring(err))
ok, err = pcall(sync.push, {from = src, to = set, perms = {files = 644}})
assert(not ok and err.kind == "usage", tostring(err))
ok, err = pcall(sync.push, {from = src, to = set, perms = {dirs = "0644"}})
assert(not ok and err.kind == "usage" and err.message:find("keeps their owner out"), tostring(err))
ok, err = pcall(sync.push, {from = src .. "/missing", to = set})
assert(not ok and err.kind == "notfound", tostring(err))
-- a list that came out empty is no leave to push everything
for _, f in ipairs{sync.push, sync.stage, sync.plan, sync.preflight, sync.check, sync.drift} do
  ok, err = pcall(f, {from = src, to = set, only = {}})
  assert(not ok and err.kind == "usage" and err.message:find("only is an empty list"), tostring(err))
end

local staged = sync.stage{from = src, to = set, perms = {files = "0640"}, delete = false}
assert(staged:plan():node("web1").changed[1] == "a.php")
assert(staged:switch(set.web1).web1.ok)
staged:drop()
ok, err = pcall(staged.switch, staged, set.web2)
assert(not ok and err.kind == "usage" and err.message:find("dropped"), tostring(err))
local d = sync.drift{to = set, from = src}
assert(#d.web1.value.changed == 2 and d.web1.value.changed[1].what == "mode")
assert(#d.web2.value.changed == 0)
assert(tostring(d.web2.value) == "no drift")
assert(tostring(d.web1.value):find("^2 changed, 0 missing, 0 extra\n~ a.php %(permissions changed, by "), tostring(d.web1.value))
assert(d.web1.value:diff("a.php") == "" and d.web1.value.diff("a.php") == "")
ok, err = pcall(d.web1.value.diff, "a.hpp")
assert(not ok and err.kind == "notfound" and err.message:find("there is no a.hpp"), tostring(err))

assert(sync.undo{to = set.web1}.web1.value.changed == 2)
assert(sync.plan{from = src, to = set}:apply():ok().web1)

-- a roll that had nothing to do on a node has nothing to undo there; one that was never kept is told
sync.push{from = src, to = set.web1, perms = {files = "0600"}}
local half = sync.push{from = src, to = set, perms = {files = "0600"}}
local undone = sync.undo{to = set, roll = half:roll_id()}
assert(undone.web1.value.changed == 0 and undone.web2.value.changed == 2)
ok, err = pcall(sync.undo, {to = set, roll = r:roll_id():gsub("^%d+", "20200101")})
assert(not ok and err.errors[1].kind == "notfound", tostring(err))
sync.push{from = src, to = set}

-- errors name what the recipe called, and a node that moved on is kind changed among others too
local before = sync.plan{from = src, to = set, perms = {files = "0600"}}
local waiting = sync.stage{from = src, to = set, perms = {files = "0600"}}
sync.push{from = src, to = set.web1, perms = {files = "0640"}}
ok, err = pcall(before.apply, before)
assert(not ok and err.kind == "changed" and tostring(err):find("plan:apply: 1 of 2 failed", 1, true), tostring(err))
ok, err = pcall(waiting.switch, waiting, set)
assert(not ok and err.kind == "changed" and #err.errors == 1 and err.errors[1].node == "web1", tostring(err))
assert(tostring(err):find("staged:switch: 1 of 2 failed", 1, true), tostring(err))
ok, err = pcall(before.node, before, "wbe1")
assert(not ok and err.hint == "it is for web[1-2]", tostring(err))
sync.push{from = src, to = set}
