-- Copies both ways, and looks.
local web = nodes "prod"
web:put("dist.tar.gz", "/tmp/dist.tar.gz")
web:get("/var/log/php.log", "logs/")
local sums = web:run("sha256sum /tmp/dist.tar.gz", { at_once = 4, stream = false, max_unreachable = 1 })
for group in pairs(sums:fold()) do print(group) end
for name, r in sums:iter() do
  if r.ok then print(name, (r.value.stdout:match "^%x+")) end
end
web.web1:forward{ to = "127.0.0.1:80", listen = "127.0.0.1:8080" }
