-- merge.lua: brings trunk into a branch, or a branch back into trunk; as often as you like, in either direction.
--
--   rollsh recipes/merge.lua search           what is new on trunk goes to branches/search: do this every few days
--   rollsh recipes/merge.lua search --back    branches/search goes to trunk: merge the other way first, and test
--   rollsh recipes/merge.lua search --abandon takes back what is merged and not committed
--
-- Needs     site.lua beside this file.
-- Effects   shows what comes and what would conflict, asks, merges into the checkout of the target, helps with the
--           conflicts, lints what changed, shows the message and asks before it commits.
-- Ends      wherever you stop it: run it again and it goes on. With --yes and a conflict it exits with 4.
local site = require "site"

local a = args{
  {"branch", "name of the branch, as in branches/NAME", required=true},
  back = {"from the branch to trunk", flag=true},
  abandon = {"drop what is merged", flag=true},
}

local from, to = "trunk", "branches/" .. a.branch
if a.back then from, to = to, from end
local m = svn.merge{ from = "^/" .. from, into = site.checkout(to) }
if a.abandon then return m:abandon() end

local new, under = m:available(), m:state()
if #new == 0 and not under then return say(("%s has all of %s"):format(to, from)) end
if under then
  say(("%s began this at %s, and it is not committed: going on"):format(under.who, under.since))
else
  new:print()
  local p = m:preview(new)
  if p.report ~= "" then say(p.report) end
  if not confirm(("merge %s of %s into %s?"):format(new.revs, from, to)) then return end
end
if #m:take("all", {resolve = true}).conflicts > 0 then m:commit() end -- raises, and names them
if not m:state() then return end -- abandoned
local sound, why = pcall(lint.check, m)
if not sound then warn(m.into.path .. " does not pass lint: mend it there, then run this again; or --abandon") error(why) end
print(m:message())
say(confirm "commit it?" and "committed as r" .. m:commit() or "not committed: the next run goes on, --abandon drops it")
