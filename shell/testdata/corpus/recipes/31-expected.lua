-- Tries what goes wrong: each of these raises, and is caught; check warns, and
-- the recipe is run.
local web = nodes "prod"
local function misspelt() return web.web1.hots end
local function unknown() return node "web9" end
local function no_option() sync.push({ form = "src", to = web, path = "/srv/www" }) end

local cases = { { "usage", misspelt }, { "notfound", unknown }, { "usage", fn = no_option } }
cases[#cases + 1] = { "usage", function() web:ecah(print) end }

local expect = require "expect"
expect.kind("usage", misspelt)
for _, case in ipairs(cases) do expect.kind(case[1], case.fn or case[2]) end

local suite = expect.suite()
suite:add("notfound", unknown)
suite:add("usage", no_option)
suite:run()
say "all as expected"
