-- Tries again, with a pause that grows.
local function again(times, pause, fn)
  for i = 1, times do
    local ok, result = pcall(fn, i)
    if ok then return result end
    if i == times or result.kind ~= "unreachable" then error(result, 0) end
    sleep(pause * 2 ^ (i - 1))
  end
end
local load = again(3, 0.5, function(try)
  say("try " .. try)
  return node("db1"):run("cat /proc/loadavg", { read = true }).stdout
end)
print(tonumber(load:match "^%S+"))
