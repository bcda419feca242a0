-- site.lua: what the other recipes here must know of your place. Change this file, not them.
--
-- Where the nodes are, and the path= of the tree on them, is in nodes/prod and nodes/staging.
-- Secrets are not written here: secret "chat" takes $ROLLSH_SECRET_CHAT, or a file that only you can read, or asks.
local repository = "https://svn.example.org/www"

return {
  -- What is rolled: working copies on this machine, made when they are not there yet.
  production = svn.checkout("checkouts/production", { url = repository .. "/branches/production", create = true }),
  trunk      = svn.checkout("checkouts/trunk", { url = repository .. "/trunk", create = true }),

  -- Run on a node that was just switched: any code but 0 fails the node and keeps it out of service.
  check = "curl -fsS -o /dev/null --max-time 5 http://127.0.0.1/",

  -- Who is told. Others: notify.webhook{...}, notify.mail{...}, notify.exec "command"; nil tells nobody.
  room = notify.xmpp{
    jid = "rollsh@example.org", password = secret "chat", room = "dev@rooms.example.org",
  },
}
