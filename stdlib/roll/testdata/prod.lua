-- A recipe as people write it; the options that tests vary come as arguments.
local a = args{
  co = {"checkout"}, dir = {"folder of the nodes"}, say = {"file of the notices"},
  url = {"of the checkout"},
  rev = {"revision", default = "HEAD"}, at_once = {"how many", default = "1"}, max_failed = {"how many", default = "0"}, max_unreachable = {"how many", default = "0"},
  after = {"command"}, gate = {"stop when two are done", flag = true}, lint = {"lint too", flag = true}, folder = {"a plain folder instead"}, second = {"another name before", flag = true}, cut = {"cancel at this node"},
  empty = {"a folder without files is meant", flag = true},
  only = {"to these nodes only", default = "*"},
}

if a.second then -- a recipe that rolls two names
  roll{ name = "docs", from = svn.checkout(a.co, { url = a.url }), to = nodes "prod":only "web1", path = a.dir .. "/docs", lint = false }
end

local result = roll{
  name = "www", from = a.folder or svn.checkout(a.co, { url = a.url }), to = nodes "prod":only(a.only), rev = a.rev,
  at_once = a.at_once, max_failed = tonumber(a.max_failed), max_unreachable = tonumber(a.max_unreachable), lint = a.lint, empty = a.empty,
  before = function(n) n:run("test ! -e " .. a.dir .. "/" .. n.name .. ".no") end,
  after = a.after,
  gate = a.gate and function(done, left) print(done .. "|" .. left) return #done < 2 end or nil,
  announce = a.say and notify.exec("cat >> " .. a.say) or nil,
}
print(json.encode{ id = result.id, state = result.state, nodes = result.nodes, from = result.from, to = result.to })
