-- site.lua: what the other recipes here must know of your place. Change this file, not them.
--
-- What is true of the nodes is in nodes/prod and nodes/staging: where they are, the path= of the tree, how they are
-- taken out of service (drain=, undrain=) and how they are checked (check=: any exit code but 0 fails the node).
--
-- Secrets are not written here: secret "chat" takes $ROLLSH_SECRET_CHAT, or a file that only you can read, or asks.
local repository = "https://svn.example.org/www"

local site = {}

-- What is rolled: working copies on this machine, made when they are first asked for.
function site.production()
  return svn.checkout("checkouts/production", { url = repository .. "/branches/production", create = true })
end

function site.trunk()
  return svn.checkout("checkouts/trunk", { url = repository .. "/trunk", create = true })
end

-- Who is told. Others: notify.webhook{...}, notify.mail{...}, notify.exec "command"; nil tells nobody.
function site.room()
  return notify.xmpp{ jid = "rollsh@example.org", password = secret "chat", room = "dev@rooms.example.org" }
end

return site
