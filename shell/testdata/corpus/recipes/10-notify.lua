-- Every kind of channel.
local room = notify.xmpp{ jid = "roll@example.org", password = secret "xmpp", room = "dev@rooms.example.org", nick = "roll", tls = "required" }
local all = {
  room,
  notify.webhook{ url = "https://chat.example.org/hook", format = "slack" },
  notify.mail{ server = "mail.example.org", from = "roll@example.org", to = { "dev@example.org" } },
  notify.exec "logger -t roll",
}
for _, channel in ipairs(all) do channel:send("staging is back at " .. os.date "%H:%M") end
