-- Helpers for recipes that expect errors.
local M = {}
local Suite = {}
Suite.__index = Suite

function M.kind(want, fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "nothing was raised")
  assert(err.kind == want, err)
end

function M.suite() return setmetatable({ cases = {} }, Suite) end

function Suite:add(want, fn) table.insert(self.cases, { want = want, fn = fn }) end

function Suite:run()
  for _, case in ipairs(self.cases) do M.kind(case.want, case.fn) end
end

return M
