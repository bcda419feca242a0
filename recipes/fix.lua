-- fix.lua: one node is wrong. Takes it out, pushes one file of the checkout to it, checks it and puts it back.
--
--   rollsh recipes/fix.lua app2 lib/cart.php
--
-- Needs     site.lua beside this file; the file as it should be, in the checkout of production.
-- Effects   drains the node, replaces that file there (a version edited by hand is shown first and goes to undo),
--           runs the check, undrains. The node's record then says "r1234 + lib/cart.php".
-- Ends      with the node out of service when the check fails after the push, and says so. To undo the push:
--           rollsh -e 'sync.undo{ to = node "app2" }'
local site = require "site"

local a = args{
  {"node", "the node to mend", required=true},
  {"file", "path in the checkout, such as lib/cart.php", required=true},
}

local n = node(a.node)
if not confirm(("replace %s on %s?"):format(a.file, n.name)) then fail("not confirmed") end

n:drained(function()
  sync.push{ from = site.production(), to = n, only = {a.file}, drift = "overwrite" }
  if n.check then n:run(n.check) end
end)
say(n.name .. " is back in service with " .. a.file)
