-- Looks at errors closely.
local web = nodes("prod"):tier "app"
local ok, err = xpcall(function() web:run "test -e /srv/www/index.php" end, function(e) return e end)
if not ok then
  if type(err) == "table" and err.kind == "tasks" then
    for _, e in ipairs(err.errors) do
      print(e.node, e.kind, e.code, e.signal, e.stderr, e.where, e.cause)
    end
  else
    error(err, 0)
  end
end
local r = web:run("true", { check = false })
for name, one in pairs({ first = r.web1, second = r:node "web2" }) do print(name, one.state, one.value) end
assert(#r:ok() == #web, "some are not well")
print(select(2, pcall(error, { kind = "mine", message = "a table of one's own" })).message)

-- Results in order: by number, too.
local all = web:run("true", { check = false })
for i, one in ipairs(all) do print(i, one.node, one.state, all[i].node) end
