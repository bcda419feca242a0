-- prod.lua: rolls a revision of production to the live nodes.
--
--   rollsh recipes/prod.lua                the newest revision, to every node of nodes/prod
--   rollsh recipes/prod.lua 1234           that revision
--   rollsh recipes/prod.lua --node=app3    to that node only
--   rollsh plan recipes/prod.lua           says what it would do, file by file; changes nothing
--
-- Needs     site.lua beside this file; nodes/prod, its tiers in the order of the roll.
-- Effects   shows what is pending, lints it, shows the plan and asks. Updates the checkout, stages on all nodes,
--           then, tier by tier and node by node: drain, switch, check, undrain. Tells the room.
-- Ends      at the first node that fails: the nodes after it are left as they were, and `rollsh status` shows them.
--           `rollsh resume --failed` goes on, `rollsh back` undoes what was switched.
local site = require "site"

local a = args{
  {"rev", "revision to roll", default="HEAD"},
  node = {"roll to this node only"},
}

local live = nodes "prod"
if a.node then live = live:only(a.node) end

roll{ name = "www", from = site.production(), rev = a.rev, to = live, announce = site.room() }
