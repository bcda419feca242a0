#!/usr/bin/env rollsh
-- Every kind of argument.
local a = args{
  {"action", "what to do", choices = { "start", "stop" }, required = true},
  {"name", "of the service", default = "apache2"},
  count = { "how often", type = "number", default = 1 },
  verbose = { "say more", flag = true },
}
local services = { start = "systemctl start", stop = "systemctl stop" }
for _ = 1, a.count do
  nodes("prod"):run(services[a.action] .. " " .. a.name, { at_once = "50%", on_failure = "ask", sudo = true, stream = a.verbose })
end
