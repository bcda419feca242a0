-- Builds in a scratch folder, and rolls releases by hand.
local stamp = os.date "!%Y%m%dT%H%M%SZ"
local scratch = sh("mktemp -d", { stream = false, read = true, plan = { stdout = "/tmp/scratch\n" } }).stdout:match "%S+"
defer(function() sh{ "rm", "-rf", scratch } end)
sh(("svn export -q file:///srv/repo/trunk %s/src"):format(scratch))
local web = nodes("prod"):tier "app"
local release = "/srv/releases/" .. stamp
sync.push{ from = scratch .. "/src", to = web, path = release, delete = false, adopt = "all" }
web:each({ at_once = 1, between = function(done, left)
  say(("%s done, %s left"):format(done:fold(), left:fold()))
  return #left > 0
end }, function(n)
  n:drained(function()
    n:run("ln -sfn " .. release .. " /srv/current.new && mv -T /srv/current.new /srv/current")
    if not n:test "test -e /srv/current/index.php" then error("no index on " .. n.name, 0) end
  end)
end)
