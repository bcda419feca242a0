-- Drains through a balancer.
local lb = nodes.new{ { name = "lb1", host = "192.0.2.41" }, { name = "lb2", host = "192.0.2.42", port = 2222 } }
local backend = haproxy.backend{ on = lb, socket = "/run/haproxy/admin.sock", backend = "shop" }
local web = nodes("prod"):tier("app"):balance(backend)
web:each({ at_once = "25%", between = 5 }, function(n)
  n:drained(function() n:run "systemctl restart php-fpm" end)
  local s = backend:state(n)
  if not s.up then fail(n.name .. " is " .. s.admin .. " with " .. s.sessions .. " sessions") end
end)
for _, n in ipairs(web) do
  backend:drain(n, { wait = 30 })
  while backend:sessions(n) > 0 do sleep(1) end
  backend:ready(n)
end
