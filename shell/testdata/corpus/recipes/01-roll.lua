-- Rolls the site, as most days.
local a = args{
  {"rev", "revision to roll", default = "HEAD"},
  node = {"roll to this node only"},
  fast = {"skip the gates", flag = true},
}
local site = require "site"
local live = nodes "prod"
if a.node then live = live:only(a.node) end

roll{
  name = site.name, from = svn.checkout "/srv/checkout", to = live, path = "/srv/www", rev = a.rev,
  keep = { "lib/settings.php" }, gate = not a.fast and 30 or nil,
  check = function(n) return http.ok("http://" .. n.host .. "/health", { timeout = 5 }) end,
  announce = notify.exec "cat >> told",
}
