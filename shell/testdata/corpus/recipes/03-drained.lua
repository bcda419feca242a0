-- One file on one node, out of service meanwhile.
local n = node "web2"
n:drained(function(out)
  out:put("index.php", out.path .. "/index.php")
  out:write("/etc/motd", "mended\n", { perms = "0644", owner = "root" })
  out:run{ "systemctl", "reload", "apache2" }
  out:wait{ port = 80, timeout = 60 }
end)
n:http("/health", { port = 8080 })
