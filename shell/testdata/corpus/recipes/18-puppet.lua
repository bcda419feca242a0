-- Puppet first dry, then wet.
local web = nodes "prod"
local dry = puppet.run(web, { noop = true, environment = "production" })
local changes = 0
for name, r in dry:iter() do
  if r.ok and r.value.changed > 0 then
    changes = changes + r.value.changed
    say(("%s: %d of %d resources"):format(name, r.value.changed, r.value.resources))
  end
end
if changes > 0 and confirm(changes .. " changes; do them?") then puppet.run(web) end
