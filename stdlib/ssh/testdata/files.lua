local web = nodes "prod"
local n = web.web1

local function raises(kind, text, f)
  local ok, err = pcall(f)
  assert(not ok, "nothing was raised")
  assert(err.kind == kind, tostring(err.kind) .. ": " .. tostring(err))
  assert(tostring(err):find(text, 1, true), tostring(err))
end

n:write("DIR/a", "one\0\255")
assert(n:read "DIR/a" == "one\0\255")
assert(n:stat("DIR/a").perms == "0644" and n:stat("DIR/a").type == "file" and n:stat("DIR/a").size == 5)
n:write("DIR/a", "two", {perms = "u=rw,g=r"})
assert(n:stat("DIR/a").perms == "0640")
n:write("DIR/a", "three")
assert(n:stat("DIR/a").perms == "0640" and n:read "DIR/a" == "three")
assert(n:exists "DIR/a" and not n:exists "DIR/b" and n:stat "DIR/b" == nil)
raises("notfound", "no such file", function() n:read "DIR/b" end)
raises("usage", "relative", function() n:read "b" end)
raises("usage", "permissions", function() n:write("DIR/a", "", {perms = "rwx"}) end)
raises("usage", "expected", function() n:write("DIR/a", "", {perms = 644}) end)
raises("notfound", "nonesuch-user", function() n:write("DIR/a", "", {owner = "nonesuch-user"}) end)
assert(n:read "DIR/a" == "three")

raises("notfound", "conf/x.conf: no such file", function() here:write("conf/x.conf", "x") end)
sh "mkdir -p conf/deep"
here:write("conf/x.conf", "x")
sh " echo y > conf/deep/y.conf; touch conf/z.txt"
assert(here:read "conf/x.conf" == "x")
assert(table.concat(glob "conf/**/*.conf", ",") == "conf/deep/y.conf,conf/x.conf", table.concat(glob "conf/**/*.conf", ","))
assert(#glob "conf/*.none" == 0)

assert(n:put("conf", "DIR/conf").files == 3)
assert(n:read "DIR/conf/deep/y.conf" == "y\n")
n:put("conf/z.txt", "DIR/conf/deep/")
assert(n:exists "DIR/conf/deep/z.txt")
raises("notfound", "none", function() n:put("none", "DIR/none") end)

n:get("DIR/a", "got")
assert(here:read "got" == "three")
web:get("/etc/hostname", "fetched/")
assert(here:read "fetched/web1/hostname" == here:read "fetched/web2/hostname")
local ok, err = pcall(function() web:get("/etc/hostname", "got") end)
assert(not ok and tostring(err):find("folder", 1, true), tostring(err))
