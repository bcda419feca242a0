local web = nodes "prod"
local n = web.web1

local function raises(kind, text, f)
  local ok, err = pcall(f)
  assert(not ok, "nothing was raised")
  assert(err.kind == kind, tostring(err.kind) .. ": " .. tostring(err))
  assert(tostring(err):find(text, 1, true), tostring(err))
  return err
end

local r = n:run "echo out; echo err >&2"
assert(r.code == 0 and r.stdout == "out\n" and r.stderr == "err\n" and r.signal == nil and r.seconds >= 0)
assert(n:run{"printf", "%s|", "a b", "$HOME"}.stdout == "a b|$HOME|")
assert(n:run("pwd; cat; echo $X", {cwd = "DIR", stdin = "in\n", env = {X = "y z", N = 3}}).stdout == "DIR\nin\ny z\n")
assert(n:run("printf 'a\\0b\\377'").stdout == "a\0b\255")
assert(n:run("exit 3", {check = false}).code == 3)
assert(n:run("kill -9 $$", {check = false}).signal == "KILL")

local e = raises("exit", "exit code 3: it broke", function() n:run "echo first; echo it broke >&2; exit 3" end)
assert(e.code == 3 or e.code == "3")
assert(e.node == "web1" and e.op == "node:run" and e.stderr == "it broke\n" and e.stdout == "first\n", inspect(e))
assert(raises("exit", "signal TERM", function() n:run "kill -TERM $$" end).signal == "TERM")
raises("timeout", "did not end within", function() n:run("sleep 5", {timeout = 0.2}) end)
raises("usage", "is relative", function() n:run("true", {cwd = "x"}) end)
raises("usage", "unknown option", function() n:run("true", {cdw = "x"}) end)

assert(n:test "true" == true and n:test "false" == false and n:test{"test", "-d", "DIR"})
raises("exit", "exit code 2", function() n:test "exit 2" end)

local all = web:run "echo $HOME"
assert(#all == 2 and all.web1.ok and all.web1.value.stdout ~= all.web2.value.stdout)
local some = web:run("test $(basename $(dirname $HOME)) = 0", {check = false})
assert(some.web1.value.code == 0 and some.web2.value.code == 1)

-- Errors that are not raised tell as much as those that are.
for what, late in pairs{ ["set:run"] = web:run("sleep 9", {check = false, timeout = 0.2}), ["set:test"] = web:test("exit 3", {on_failure = "continue"}) } do
  local e = late.web2.error
  assert(e.op == what and e.node == "web2" and e.where:find("run.lua:%d+$"), inspect(e))
end

assert(here:run("echo here").stdout == "here\n")
assert(sh("echo $A", {env = {A = "b"}}).stdout == "b\n")
raises("exit", "exit code 1", function() sh "false" end)
