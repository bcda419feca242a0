-- Stage now, switch later.
local web = nodes("prod"):tier "app"
local staged = sync.stage{
  from = "build", to = web, path = "/srv/www", only = { "css/**", "index.html" }, exclude = { "*.tmp" },
  delete = "all", drift = "overwrite", perms = { files = "0644", dirs = "0755" }, verify = "checksum", undo = 2,
}
staged:plan():print()
local ok, err = pcall(staged.switch, staged, web)
if not ok then
  print(err.kind, err.node, err.op, err.hint)
  for _, e in ipairs(err.errors or {}) do print(e.node, e.message) end
  sync.undo{ to = web, path = "/srv/www", force = false }
end
local drift = sync.drift{ to = web, path = "/srv/www", from = "build" }
for name, r in drift:iter() do
  for _, f in ipairs(r.value.changed) do print(name, f.path, r.value:diff(f.path)) end
end
