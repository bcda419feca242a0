-- Shared upvalues, nested functions, repeat, while, multiple assignment.
local seen, order = {}, {}
local function visit(name, depth)
  depth = depth or 0
  if seen[name] then return false end
  seen[name], order[#order + 1] = true, name
  return true
end
local i = 0
repeat
  i = i + 1
  local done = not visit("web" .. i % 4)
until done
local a, b, c = (function(...) return ... end)(1, 2, 3)
a, b = b, a
while #order > 0 and a do
  local last = table.remove(order)
  a = last ~= "web1"
end
local deep = { { { name = "x", list = { 1, 2, { k = "v" } } } } }
print(a, b, c, deep[1][1].name, deep[1][1].list[3].k, deep[1][1]["list"][1])
