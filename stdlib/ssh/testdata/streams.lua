local web = nodes "prod"
local n = web.web1

local function raises(kind, text, f)
  local ok, err = pcall(f)
  assert(not ok, "nothing was raised")
  assert(err.kind == kind, tostring(err.kind) .. ": " .. tostring(err))
  assert(tostring(err):find(text, 1, true), tostring(err))
end

-- Input from a file, whole and binary.
here:write("in.bin", "a\0b\255\n")
assert(n:run("cat", {stdin = {file = "in.bin"}}).stdout == "a\0b\255\n")
assert(web:run("wc -c", {stdin = {file = "in.bin"}}).web2.value.stdout:match "%d+" == "5")
raises("notfound", "none.bin", function() n:run("cat", {stdin = {file = "none.bin"}}) end)
raises("usage", "stdin", function() n:run("cat", {stdin = {name = "x"}}) end)
raises("usage", "stdin", function() n:run("cat", {stdin = 7}) end)

-- Input from a function, which may block as any Lua may.
local i = 0
local r = n:run("cat", {stdin = function()
  i = i + 1
  if i == 2 then sleep(0.01) end
  if i <= 3 then return "piece " .. i .. "\n" end
end})
assert(r.stdout == "piece 1\npiece 2\npiece 3\n" and i == 4, inspect(r))
assert(here:run("cat", {stdin = function() i = i + 1 if i < 7 then return "x" end end}).stdout == "xx")
raises("failed", "no more", function() n:run("cat", {stdin = function() fail "no more" end}) end)
raises("usage", "a string or nil", function() n:run("cat", {stdin = function() return {} end}) end)
-- One that never ends is not asked once the command has ended.
assert(n:run("head -c 3", {stdin = function() return "yes\n" end}).stdout == "yes")

-- Output to a file: all of it there, its ends in memory.
sh "mkdir -p logs"
r = n:run("echo first; head -c 9000000 /dev/zero; echo last; echo err >&2", {stdout = "logs/out", stderr = "logs/err"})
assert(here:stat("logs/out").size == 9000011 and here:read "logs/err" == "err\n")
assert(#r.stdout < 5000000 and r.stdout:find("^first\n") and r.stdout:find("last\n$") and r.stderr == "err\n")
raises("exit", "exit code 3", function() n:run("echo half; exit 3", {stdout = "logs/half"}) end)
assert(here:read "logs/half" == "half\n")
web:run("echo $HOME", {stdout = "logs/each/"})
assert(here:read "logs/each/web1" ~= here:read "logs/each/web2")
local ok, err = pcall(function() web:run("true", {stdout = "logs/out"}) end)
assert(not ok and tostring(err):find("folder", 1, true), tostring(err))
raises("notfound", "none/out", function() n:run("true", {stdout = "none/out"}) end)
