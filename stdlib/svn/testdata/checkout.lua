local a = args{ url = {"the repository"}, dir = {"the folder"} }
local co = svn.checkout(a.dir, {url = a.url .. "/trunk"})
assert(co.path == a.dir and co.url == a.url .. "/trunk" and co.root == a.url)
assert(co:update{rev = 2} == 2)
assert(co:revision() == 2 and co:clean())

local cs = co:changes{from = 2, to = "HEAD"}
assert(#cs == 2 and cs.revs == "r3-4", cs.revs)
assert(cs[1].rev == 3 and cs[1].author == "carol", cs[1].author)
assert(string.match(cs[1].date, "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$"), cs[1].date)
assert(cs[1].tickets[1] == "7" and cs:tickets()[1] == "7")
assert(cs[1].paths[1].path == "/trunk/a.php" and cs[1].paths[1].action == "M")
assert(#cs:by("carol") == 1 and #cs:grep("(?i)TICKET") == 1 and cs:only("r3").revs == "r3")
assert(#cs:only{3, "4"} == 2 and #cs:only(cs) == 2 and #cs:authors() == 2)
for c in cs:iter() do assert(c.message ~= "") end
cs:print()

local files = co:files{from = 2, to = "r4"}
assert(#files == 2 and files[1].path == "a.php" and files[1].action == "M")
assert(co:update() == 4)
assert(#co:status() == 0)
co:held("a test", function() assert(co:holder().what == "a test") end)
assert(co:holder() == nil)

local ok, err = pcall(function() return co:update{rev = 99} end)
assert(not ok and err.kind == "notfound" and err.code == "E160006", tostring(err))
ok, err = pcall(function() return co:update{revision = 99} end)
assert(not ok and err.kind == "usage", tostring(err))
ok, err = pcall(function() return svn.checkout("/nowhere-at-all") end)
assert(not ok and err.kind == "notfound", tostring(err))
ok, err = pcall(function() return svn.log(a.url .. "/trunk", {limit = 1}):only("x-y") end)
assert(not ok and err.kind == "usage", tostring(err))
assert(svn.log(a.url .. "/trunk", {limit = 1}).revs == "r4")
assert(svn.log(a.dir, {from = 3, to = 3}).revs == "r3")
