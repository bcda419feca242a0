-- site.lua: what the other recipes here must know of your place. Change this file, not them.
--
-- What is true of the nodes is in nodes/prod and nodes/staging: where they are, the path= of the tree, how they are
-- taken out of service (drain=, undrain=) and how they are checked (check=: any exit code but 0 fails the node).
--
-- Secrets are not written here: secret "chat" takes $ROLLSH_SECRET_CHAT, or a file that only you can read, or asks.
local repository = "https://svn.example.org/www"

local site = {}

-- What is rolled: working copies on this machine, made when they are first asked for.
function site.checkout(path)
  return svn.checkout("checkouts/" .. path, { url = repository .. "/" .. path, create = true })
end

function site.production() return site.checkout "branches/production" end

-- Where people look at what is merged and not committed yet; nothing, where this machine serves the checkout itself.
function site.try(checkout)
  sync.push{ from = checkout, to = nodes "staging" }
end

-- Who is told. Others: notify.webhook{...}, notify.mail{...}, notify.exec "command"; nil tells nobody.
function site.room()
  return notify.xmpp{ jid = "rollsh@example.org", password = secret "chat", room = "dev@rooms.example.org" }
end

return site
