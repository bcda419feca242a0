-- Merges what is waiting, but for one author.
local co = svn.checkout("/srv/branch", { url = "https://svn.example.org/repo/branches/live", user = "roll", password = secret "svn" })
local m = svn.merge{ from = "^/trunk", into = co }
local state = m:state()
if state then warn(("%s is at it since %s: %s"):format(state.who, state.since, state.step)) end
local wanted = m:available()
local mine = wanted:by "anna"
if #mine > 0 then mine:print() end
for _, c in ipairs(wanted) do
  for _, p in ipairs(c.paths) do
    if p.path:find("^/trunk/vendor/") and p.action ~= "D" then m:block(c.rev, "vendor is not ours") end
  end
end
local look = m:preview(wanted)
if not look.clean then print(#look.conflicts, "conflicts; needs", look.needs.revs) end
local took = m:take("all", { resolve = true })
say(took.files, " files")
for _, conflict in ipairs(m:conflicts()) do
  if conflict.kind == "text" then conflict:edit() else conflict:resolve("theirs-conflict") end
end
lint.check(m)
if confirm("commit " .. m:message() .. "?") then print(m:commit{ message = m:message(), lint = true }) else m:abandon() end
