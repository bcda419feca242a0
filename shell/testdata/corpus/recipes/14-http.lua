-- Looks at pages from here and from the nodes themselves.
local web = nodes("prod"):only "@app"
local ok, why = http.ok("https://www.example.org/health", { host = "www.example.org", timeout = 3 })
if not ok then warn(why) end
local answer = http.request{ method = "POST", url = "https://api.example.org/purge", body = json.encode{ all = true, paths = { "/" } } }
if answer.status >= 400 then fail("purge: " .. answer.status .. " " .. (answer.headers["x-reason"] or answer.body)) end
web:each({ at_once = "all" }, function(n)
  local r = n:http("/version", { port = 8080 })
  return r.status == 200 and json.decode(r.body).version
end)
