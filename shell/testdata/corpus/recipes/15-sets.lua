-- Everything that sets can do.
local prod, staging = nodes "prod", nodes "staging"
local php = prod:only "web[1-3],#php" - node "web3" + staging
local odd = prod:except(function(n) return (tonumber(n.name:match "%d+$") or 0) % 2 == 0 end)
print(php:fold(), #php, php[1].name, odd.web1 and odd.web1.vars.weight, prod:node("web2").tier, prod:tier("app").name)
for n in php:iter() do print(n.name, n.host, n.port, n.user, n.path, table.concat(n.tags, ",")) end
for i, n in ipairs(prod) do if n == prod.web1 then print(i) end end
local names = prod:names()
table.sort(names)
print(inspect(names), tostring(prod))
