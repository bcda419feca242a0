-- A roll of one's own over the bare steps.
local web = nodes("prod"):tier "app"
local R = roll.begin{ name = "cron", to = web, max_failed = 1 }
local ready = R:preflight "/etc/cron.d"
ready:each({ at_once = 2 }, function(n)
  R:step(n, "staged", function() n:put("cron/shop", "/tmp/shop.new") end)
  R:step(n, "switched", function() n:run "install -m 0644 /tmp/shop.new /etc/cron.d/shop" end)
  R:step(n, "checked", "crontab -T /etc/cron.d/shop")
  R:step(n, "done", function() end)
end)
print(R:finish().id)
