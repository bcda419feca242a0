-- What happened lately.
for _, r in ipairs(roll.history{ name = "www", limit = 5 }) do
  print(r.id, r.who, r.host, r.started, r.ended, r.state, r.seconds, r.from, r.to, #r.changesets)
  for name, state in pairs(r.nodes) do print("", name, state) end
end
local s = roll.status{ name = "www" }
if #s > 0 then print(inspect(s[1])) end
roll.lock("www", "database maintenance until 17:00")
roll.unlock "www"
