-- roll.pending: what was committed since the last roll of the name. It asks the repository and changes nothing.
return function(o)
  local last
  for _, r in ipairs(roll.history{ name = o.name, limit = 0 }) do
    if r.to and r.state ~= "undone" and not last then last = r end
    if not o.name and last and r.name ~= last.name then
      fail(("several names are rolled here, %s and %s: say which one"):format(last.name, r.name))
    end
  end
  if not last then fail "no roll is in the journal yet: rollsh plan RECIPE shows what its first one brings" end
  return svn.checkout(last.source):changes{ from = last.to, to = o.to }
end
