-- Numbers, long strings, comments of all kinds; a recipe that returns early.
--[==[ a long
comment ]] ]==]
local text = [[
two
lines]] .. 'a \'quoted\' "one"\n' .. "\065\t\\"
local n, hex, float = 1, 0xff, .5e-3
local empty = {};
local list = { 1, 2; 3, [10] = "ten", ["key with blanks"] = true, nested = { fn = function(self) return self end } }
if n == 1 and (hex > 10 or float < 1) then
  local n = n + 1 -- hides the outer one
  print(n, text, #list, next(empty), list.nested:fn(), list["key with blanks"])
elseif not n then
  return
else
  for key, value in next, list do print(key, value) end
  for down = 10, 1, -3 do print(down) end
end
local handlers = { php = function() return "php" end, ["*"] = function() return "any" end }
local pick = handlers[env "KIND" or "php"] or handlers["*"]
return pick()
