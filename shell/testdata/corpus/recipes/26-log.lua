-- Who did what, over the last revisions.
local log = svn.log("https://svn.example.org/repo", { from = 1, to = "HEAD", limit = 500, grep = "#%d+" })
local by = {}
for _, c in ipairs(log) do
  by[c.author] = by[c.author] or { count = 0, tickets = {} }
  local who = by[c.author]
  who.count = who.count + 1
  for _, t in ipairs(c.tickets) do who.tickets[t] = true end
end
local authors = log:authors()
table.sort(authors, function(x, y) return by[x].count > by[y].count end)
for rank, author in ipairs(authors) do
  if rank > 10 then break end
  local tickets = {}
  for t in pairs(by[author].tickets) do tickets[#tickets + 1] = "#" .. t end
  print(author, by[author].count, table.concat(tickets, " "), log:by(author).revs, log[1].date:sub(1, 10))
end
print(#log:grep "mend", log:only("r1-9").revs)
