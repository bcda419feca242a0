-- site.lua: what several recipes share.
local M = { room = "dev@rooms.example.org", name = "shop" }

function M.path(n) return n.path or "/srv/" .. M.name end

function M:describe() return ("%s, announced in %s"):format(self.name, self.room) end

M.colors = setmetatable({}, { __index = function(_, key) return "no " .. key end })

return M
