local n = nodes("prod").web1

-- A port alone is one of the node itself; the local one is free, or as asked.
local f = n:forward{ to = n.port }
assert(f.to == "127.0.0.1:" .. n.port, f.to)
local port = f.address:match "^127%.0%.0%.1:(%d+)$"
local function banner(port)
  return sh("bash -c 'exec 3<>/dev/tcp/127.0.0.1/" .. port .. "; read -t 9 l <&3; echo $l'", { stream = false }).stdout
end
assert(banner(port):find("SSH-2.0-", 1, true), banner(port))
f:close()

local again = n:forward{ to = "127.0.0.1:" .. n.port, listen = tonumber(port) }
assert(again.address == "127.0.0.1:" .. port, again.address)
assert(banner(port):find("SSH-2.0-", 1, true))
again:close()

for _, wrong in ipairs{ { to = 70000 }, { to = "nowhere" }, { to = 1.5 }, { to = n.port, listen = true } } do
  local ok, err = pcall(n.forward, n, wrong)
  assert(not ok and err.kind == "usage" and tostring(err):find("port", 1, true), tostring(err))
end
