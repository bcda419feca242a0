-- Takes revisions back, in the branch and on the nodes.
local a = args{ {"revs", "source revisions, such as r12-14", required = true}, level = { "how far", choices = { "code", "all" }, default = "code" } }
local co = svn.checkout "/srv/branch"
co:update{ rev = "HEAD" }
if not co:clean() then
  for _, s in ipairs(co:status()) do print(s.path, s.item) end
  co:revert()
  co:cleanup()
end
local m = svn.merge{ from = "^/trunk", into = co }
m:rollback(a.revs)
m:commit{ message = "takes back " .. a.revs }
if a.level == "all" then roll.back() end
