-- staging.lua: brings trunk to the staging nodes, so that people can try it.
--
--   rollsh recipes/staging.lua           the newest revision
--   rollsh recipes/staging.lua 1234      that revision
--
-- Needs     site.lua beside this file; nodes/staging.
-- Effects   updates the checkout of trunk, shows what came, lints all of it (what was linted before is remembered),
--           then rolls to all nodes of a tier at once. Nobody is told: staging is rolled many times a day.
-- Ends      at the first file that does not pass, before any node is touched.
local site = require "site"

local a = args{ {"rev", "revision to roll", default="HEAD"} }

local before = site.trunk:revision()
local rev = site.trunk:update{ rev = a.rev }
if rev ~= before then site.trunk:changes{ from = before, to = rev }:print() end

local linted = lint.check(site.trunk)
say(("r%s: %d files linted, %d of them known"):format(rev, linted.checked + linted.cached, linted.cached))

roll{
  name = "staging", from = site.trunk, rev = rev, to = nodes "staging",
  lint = false, at_once = "all", check = site.check,
}
