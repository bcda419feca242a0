-- staging.lua: picks changesets of trunk, merges them into production, lets people try it, commits.
--
--   rollsh recipes/staging.lua                            asks: which ones, how to resolve conflicts, commit or not
--   rollsh recipes/staging.lua --take=123,130-134 --yes   asks nothing: it commits them, or exits with 4
--   rollsh recipes/staging.lua --abandon                  takes back what is merged and not committed
--
-- Needs     site.lua beside this file; nodes/staging.
-- Effects   says first what would conflict and what is missing. Then merges into the checkout of production, lints what
--           changed, and site.try puts it where people see it. The commit names each changeset, author and ticket.
-- Ends      wherever you stop it. Run it again, as anybody: it goes on where it was.
local site = require "site"

local a = args{ take = {"changesets, such as 123,130-134"}, abandon = {"drop what is merged", flag=true} }

local into = site.production()
local m = svn.merge{ from = "^/trunk", into = into }
if a.abandon then return m:abandon() end
local under = m:state()
local picks = a.take or (under and under.picks)
if under then say(("%s took %s at %s, and it is not committed: going on"):format(under.who, under.picks, under.since)) end
if not picks then
  local chosen = choose("which changesets go to production?", m:available(), {many=true})
  if not chosen then return say "nothing is taken" end
  picks = chosen.revs
end
if not under then
  local p = m:preview(picks)
  if p.report ~= "" then say(p.report) end
  if #p.needs > 0 and not a.take and confirm "take these too?" then picks = picks .. "," .. p.needs.revs end
end
if #m:take(picks, {resolve = not a.take, alone = a.take ~= nil}).conflicts > 0 then m:commit() end -- raises, and names them
if not m:state() then return end -- abandoned
local sound, why = pcall(lint.check, m)
if not sound then warn(into.path .. " does not pass lint: mend it there, then run this again; or --abandon") error(why) end
site.try(into)
print(m:message())
say(confirm "people can try it now. Commit it?" and "committed as r" .. m:commit() or "not committed: the next run goes on, --abandon drops it")
