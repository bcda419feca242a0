-- roll.pending: what was committed since the oldest revision that a node has, as far as rolls of the name put it there.
-- It asks the repository and changes nothing.
return function(o)
  local all = roll.status{ name = o.name }
  if #all > 1 then fail(("several names are rolled here: rollsh pending %s, or %s"):format(all[1].name, all[2].name)) end
  local s = all[1]
  if not (s and s.last) then
    local of = o.name and " of " .. o.name or ""
    fail(("no roll%s is in the journal yet: rollsh plan RECIPE shows what its first one brings"):format(of))
  end
  local low
  for _, name in ipairs(s.order) do
    local rev = s.nodes[name].rev
    if rev and (not low or rev < low) then low = rev end
  end
  return svn.checkout(s.last.source):changes{ from = low, to = o.to }
end
