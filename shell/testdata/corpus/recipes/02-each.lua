-- Tier by tier, with what each gives.
local prod = nodes "prod"
for _, tier in ipairs(prod:tiers()) do
  local results = tier:each({ at_once = { 1, "50%" }, max_failed = 1, on_failure = "continue" }, function(n)
    local r = n:run("uptime", { check = false, timeout = 10 })
    if r.code ~= 0 then fail(n.name .. ": " .. r.stderr) end
    return (r.stdout:match "load average: ([%d.]+)")
  end)
  for name, r in results:iter() do
    print(tier.name, name, r.ok, r.value, r.error and r.error.message or "", r.seconds)
  end
  say(#results:failed() .. " failed, untouched: " .. results:untouched():fold())
end
