-- Tasks that wait for each other.
local counts, total = {}, 0
local lock = false
local function work(name, seconds)
  return function()
    while lock do sleep(0.1) end
    lock = true
    sleep(seconds)
    counts[name], total, lock = (counts[name] or 0) + 1, total + seconds, false
    return name
  end
end
local first, second = parallel{ work("a", 0.1), work("b", 0.2) }
defer(function() say("in all ", total) end)
local ok, why = pcall(timeout, 1, function() sleep(5) end)
if not ok and why.kind == "timeout" then warn(why) end
print(first, second)
