-- staging.lua: brings trunk to the staging nodes, so that people can try it.
--
--   rollsh recipes/staging.lua           the newest revision
--   rollsh recipes/staging.lua 1234      that revision
--
-- Needs     site.lua beside this file; nodes/staging.
-- Effects   updates the checkout of trunk, lints all of it (what was linted before is remembered), shows what came
--           and rolls to all nodes of a tier at once. Nobody is told: staging is rolled many times a day.
-- Ends      at the first file that does not pass, before any node is touched.
local site = require "site"

local a = args{ {"rev", "revision to roll", default="HEAD"} }

local trunk = site.trunk()
local rev = trunk:update{ rev = a.rev }
local linted = lint.check(trunk)
say(("r%d: %d files linted, %d of them known from before"):format(rev, linted.checked, linted.cached))

roll{ name = "staging", from = trunk, rev = rev, to = nodes "staging", lint = false, at_once = "all" }
