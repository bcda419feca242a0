local a = args{ url = {"the repository"}, dir = {"the folder"} }
local co = svn.checkout(a.dir, {url = a.url .. "/branches/production"})
local m = svn.merge{from = "^/trunk", into = co}
assert(m:state() == nil)
assert(m:available().revs == "r4-8", m:available().revs)
assert(m:available{author = "carol"}.revs == "r7")
assert(m:available():by("bob"):only("r5").revs == "r5")

local p = m:preview "6"
assert(not p.clean and p.needs.revs == "r4" and p.conflicts[1].path == "a.php" and p.conflicts[1].hunks[1].line == 2)
assert(m:preview(m:available()).clean)

local t = m:take("6,8")
assert(#t.conflicts == 1)
local c = t.conflicts[1]
assert(c.path == "a.php" and c.kind == "text" and c.base and c.mine and string.find(c.theirs, "zwei", 1, true))
assert(c.authors.theirs[1] == "alice" and string.find(c.why, "r4", 1, true), c.why)
assert(m:state().picks == "r6,r8" and m:state().step == "conflicts")
local ok, err = pcall(function() return m:commit() end)
assert(not ok and err.kind == "conflict", tostring(err))
ok, err = pcall(function() return c:resolve "working" end)
assert(not ok and err.kind == "conflict", tostring(err))
ok, err = pcall(function() return c:resolve "their" end)
assert(not ok and err.kind == "usage", tostring(err))
local left = m:resolve{policy = {["*.lock"] = "mine"}, ask = false}
assert(#left == 1 and left[1].path == "a.php")
m:conflicts()[1]:resolve "theirs"
assert(#m:take("6,8").conflicts == 0)
assert(string.find(m:message(), "Merged revisions 6,8 from /trunk (#2)", 1, true), m:message())
assert(m:commit{message = m:message()} == 9)
assert(m:available().revs == "r4-5,r7" and m:integrated().revs == "r6,r8")

m:block("5", "never")
assert(m:blocked().revs == "r5" and m:available().revs == "r4,r7") -- before it is committed, too
m:commit()
assert(m:blocked().revs == "r5" and m:available().revs == "r4,r7")
m:unblock "5"
assert(m:blocked().revs == "" and m:available().revs == "r4-5,r7")
m:abandon()
assert(m:blocked().revs == "r5")
m:rollback(9)
m:commit()
assert(m:integrated().revs == "", m:integrated().revs)
ok, err = pcall(function() return m:take(999) end)
assert(not ok and err.kind == "refused", tostring(err))
