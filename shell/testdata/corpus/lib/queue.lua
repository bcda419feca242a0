-- queue.lua: a class of its own, whose methods are called as ours are.
local Queue = {}
Queue.__index = Queue

function Queue.new(items)
  return setmetatable({ items = items or {}, first = 1 }, Queue)
end

function Queue:push(item)
  self.items[#self.items + 1] = item
  return self
end

function Queue:each(fn)
  while self.first <= #self.items do
    fn(self.items[self.first])
    self.first = self.first + 1
  end
end

function Queue:drain() self.items, self.first = {}, 1 end

return Queue
