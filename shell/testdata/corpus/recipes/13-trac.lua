-- Tells tickets that they are live.
local t = trac.open("https://trac.example.org/shop", { user = "roll", password = secret "trac" })
local pending = roll.pending{ name = "www" }
for _, c in ipairs(pending) do
  for _, id in ipairs(c.tickets) do t:comment(id, ("r%d by %s goes live: %s"):format(c.rev, c.author, t:changeset(c.rev))) end
end
for _, id in ipairs(pending:tickets()) do print(#t:changesets(pending), t:ticket(id).summary) end
