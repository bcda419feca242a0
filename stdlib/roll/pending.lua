-- roll.pending: what was committed since the last roll of the name. It asks the repository and changes nothing.
return function(o)
  for _, r in ipairs(roll.history{ name = o.name }) do
    if r.state ~= "undone" and r.to then
      return svn.checkout(r.source):changes{ from = r.to, to = o.to }
    end
  end
  fail(("no roll of '%s' is in the journal: rollsh plan RECIPE shows what its first one brings"):format(o.name))
end
