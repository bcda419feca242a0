-- roll{...}: brings one revision to a set of nodes. It uses public names only: copy it into a recipe and change it
-- where you roll in another way. o holds the options as given, checked already.
return function(o)
  -- What sync is to do with a tree on some nodes.
  local function job(tree, set)
    return { from = tree, to = set, path = o.path, only = o.only, keep = o.keep, exclude = o.exclude, delete = o.delete,
             empty = o.empty, drift = o.drift, adopt = o.adopt, layout = o.layout, shared = o.shared, perms = o.perms,
             owner = o.owner, hard_links = o.hard_links, setuid = o.setuid, bandwidth = o.bandwidth, verify = o.verify, undo = o.undo }
  end

  sync.check(job(o.from, o.to)) -- what is wrong in o is raised before anything is written down
  local R = roll.begin{ name = o.name, to = o.to, from = o.from, rev = o.rev, max_failed = o.max_failed, max_unreachable = o.max_unreachable }
  local plan, confirmed, staged, begun
  if R.ended then return R:finish() end -- another roll of this recipe is resumed or undone

  -- Shows and writes down what the nodes lack. A plan must not update the checkout, so all looks go to a tree at the
  -- revision, which is pinned here: what is committed after this does not come along.
  local function pending()
    local tree = R:at(o.from, R.to or o.rev)
    local rev = tree:revision()
    if not rev then return tree end -- a plain folder has none
    local known = R.from
    local from = known or o.from:revision() -- a guess: a checkout is at what was rolled last
    if not known and from >= rev then
      R:pin{ to = rev }
      return tree, known, rev
    end
    local changes = o.from:changes{ from = math.min(from, rev), to = math.max(from, rev) }
    if rev < from then warn(("r%d is older than r%d: these are taken back"):format(rev, from)) end
    if #changes > 0 then changes:print() end
    R:pin{ from = from, to = rev, changesets = changes }
    return tree, known, rev
  end

  -- Whether a node has it all already. One that is out of service, or that an earlier try may have drained, is rolled
  -- again in any case.
  local function same(n)
    local p = plan:node(n.name)
    local state = R:state(n)
    return #p.added + #p.changed + #p.deleted == 0 and not R:out(n) and (state == "untouched" or state == "staged")
  end

  local function one(n)
    if same(n) then return R:step(n, "done", function() end, "unchanged") end
    local check = o.check
    if check == nil then check = n.check end
    R:step(n, "staged", o.before, "before")
    R:drained(n, { drain = o.drain, check = o.check }, function()
      R:step(n, "switched", function() staged:switch(n) end)
      R:step(n, "switched", o.after, "after")
      R:step(n, "checked", check)
    end)
  end

  -- Tier by tier. Budgets hold over the whole roll; failures that they allow are given back, to be raised at the end. A
  -- cancel is not caught by pcall: the nodes in hand decide their states, and the defer below runs.
  local function switch(set, tolerated)
    local rest = set
    for i, tier in ipairs(set:tiers()) do
      local before, after = set - rest, rest - tier
      local gate = o.gate and function(done, left) R:gate(o.gate, before + done, left + after) end or nil
      if i > 1 and gate then R:gate(o.gate, before, rest) end
      local failed, unreachable = R:left()
      local ok, err = pcall(tier.each, tier, { at_once = o.at_once, between = gate, max_failed = failed, max_unreachable = unreachable }, one)
      R:go_on()
      failed, unreachable = R:left()
      if not ok and (err.kind ~= "tasks" or failed < 0 or unreachable < 0) then error(err, 0) end
      if not ok then tolerated = tolerated or err end
      rest = after
    end
    return tolerated
  end

  -- rollsh back: every node that this roll touched gets what it had before, and only these.
  local function undo(set, tolerated)
    local whose, question = R:backwards(set)
    say(whose)
    local changes = R:result().changesets
    if #changes > 0 then changes:print() end
    R:confirm(question)
    begun = true
    local failed, unreachable = R:left()
    set:each({ at_once = o.at_once, max_failed = failed, max_unreachable = unreachable }, function(n)
      R:drained(n, { drain = o.drain, check = o.check }, function()
        local id, check = R:undo(n), o.check
        if check == nil then check = n.check end
        R:step(n, "undone", id and function() sync.undo{ to = n, path = o.path, roll = id } end)
        R:step(n, "undone", o.after, "after")
        R:step(n, "undone", check, "check")
      end)
    end)
    return tolerated
  end

  local function body()
    if R.mode == "back" then return undo(R:preflight(o.path)) end
    local tree, known, rev = pending()
    if R.mode == "pending" then return end
    local ready, tolerated = R:preflight(o.path)
    if o.lint then lint.check(tree, known and { from = known, to = rev } or nil) end -- the first time, all of it
    plan = sync.plan(job(tree, ready))
    plan:print()
    say(R:outline{ to = ready, drain = o.drain, before = o.before, after = o.after, check = o.check, at_once = o.at_once })
    if R.planning and not R.walking then return end
    plan:ready()
    R:pin{ plan = plan }
    local what = rev and ("r%s of %s"):format(rev, o.name) or o.name
    if #ready:except(same) == 0 then
      say(what .. ": unchanged on " .. ready:fold())
      if rev then o.from:update{ rev = rev } end
      R:step(ready, "done", function() end, "unchanged")
      return tolerated
    end
    R:confirm(("roll %s to %s?"):format(what, ready:fold()))
    confirmed = true
    if rev then o.from:update{ rev = rev } end
    R:step(ready, "staged", function() staged = sync.stage(job(R.planning and tree or o.from, ready)) end)
    if not R.planning then R:pin{ plan = staged:plan(), undo = staged.roll_id } end -- raises when it is not what was confirmed
    begun = true
    return switch(ready, tolerated)
  end

  local over, why, kind -- that the roll has ended, and how; nobody may have been told yet
  local telling

  -- Tells people. A channel that fails breaks nothing, unless it is strict: then that is raised at the very end.
  local function announce(result)
    local strict
    result.tracker, result.mode = o.tracker, R.mode
    local channels = type(o.announce) == "table" and o.announce or { o.announce }
    for _, channel in ipairs(channels) do
      telling = tostring(channel)
      local ok, told, reason = pcall(channel.rolled, channel, result)
      if not ok then strict = strict or told end
      if not (ok and told) then R:notice(telling .. ": " .. tostring(ok and reason or told)) end
    end
    telling = nil
    return strict
  end

  -- Says of a roll that ended early, and that was confirmed, that it had not come to the first switch.
  local function as_they_were()
    if not confirmed or begun or R.planning then return end
    say((R.mode == "resume" and "nothing more" or "nothing") .. " was switched: all nodes are as they were")
  end

  -- Writes how the roll ended, and tells people where it did something to a node.
  local function conclude()
    over = true
    return begun and o.announce and not R.planning and announce(R:conclude(why, kind))
  end

  -- A cancel ends in these two, the lower one first, with little time each. One that comes while people are told changes
  -- nothing of how the roll ended.
  defer(function()
    if R.ended then return end
    if telling then R:notice(telling .. ": cancelled") end
    R:finish(why, kind)
  end)
  defer(function()
    if over then return end
    why, kind = "interrupted", "cancelled"
    conclude()
    as_they_were()
  end)

  local ok, err = pcall(body)
  if not ok then -- what was tolerated did not end it
    kind = type(err) == "table" and err.kind or nil
    why = tostring(err)
    if kind == "tasks" then -- how many nodes, and what each said, without the line of this roll
      local here = (err.where .. ": "):gsub("%p", "%%%0")
      why = err.message:gsub(here, "")
    end
  end
  local strict = conclude()
  if staged and not begun then pcall(staged.drop, staged) end
  if err then as_they_were() end
  local result = R:finish(why, kind)
  if err or strict then error(err or strict, 0) end
  return result
end
