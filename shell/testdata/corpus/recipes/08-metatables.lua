-- Plain Lua: classes, iterators, closures, varargs.
local Queue = require "queue"
local Point = setmetatable({}, { __call = function(class, x, y) return setmetatable({ x = x, y = y }, class) end })
Point.__index = Point
Point.__add = function(a, b) return Point(a.x + b.x, a.y + b.y) end
Point.__tostring = function(p) return ("(%g, %g)"):format(p.x, p.y) end
function Point:norm() return math.sqrt(self.x ^ 2 + self.y ^ 2) end

local function range(from, to, step)
  local i = from - (step or 1)
  return function()
    i = i + (step or 1)
    if i <= to then return i end
  end
end

local function sum(...)
  local s = 0
  for i = 1, select("#", ...) do s = s + (select(i, ...)) end
  return s, ...
end

local q = Queue.new():push(Point(1, 2)):push(Point(3, 4))
q:each(function(p) print(p, p:norm(), p + p) end)
q:drain()
for i in range(1, 9, 2) do print(i) end
print((sum(1, 2, unpack{ 3, 4 })))
