-- Lints by our own rules.
lint.rule{ name = "zone", files = { "*.zone" }, run = "named-checkzone {name} {file}" }
lint.rule{ name = "no debugger", files = { "*.php", "*.inc" }, fn = function(path, text)
  local found = {}
  local line = 0
  for l in (text .. "\n"):gmatch "(.-)\n" do
    line = line + 1
    if l:find "var_dump" then found[#found + 1] = { line = line, message = "var_dump in " .. path } end
  end
  return next(found) and found or nil
end }
local co = svn.checkout "/srv/checkout"
local r = lint.check(co, { from = 100, to = "HEAD", fail = false })
for _, e in ipairs(r.errors) do print(("%s:%d: %s (%s)"):format(e.file, e.line, e.message, e.rule)) end
print(r.checked, r.cached)
lint.check({ "a.php", "b.php" }, { rules = { "php" } })
