-- Names that hide ours, and fields that look like ours.
local node = "web1" -- a name, not the function
local function run(cmd) return sh(cmd, { stream = false }).stdout:gsub("%s+$", "") end
local sync = { push = function(self, x) return self, x end, psuh = 1 }
print(node, run "hostname", sync:push(1), sync.psuh)
local t = { run = run, each = function(list, fn) for _, v in ipairs(list) do fn(v) end end }
t.each({ 1, 2 }, print)
t.undrian = function() end
t:undrian()
local string_like = ("x"):rep(3) .. ("%d"):format(4)
print(string_like:upper():sub(1, 2), #string_like, t.run "true")
