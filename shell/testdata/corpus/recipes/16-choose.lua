-- Asks a person.
local prod = nodes "prod"
local n = choose("which node?", prod) or fail "none"
local pending = svn.checkout("/srv/checkout"):changes{ to = "HEAD" }
local picked = choose("which revisions?", pending, { many = true })
if not picked then return end
local why = ask("why?", { default = "because" })
local word = ask("password", { secret = true })
if not confirm(("roll %s to %s (%s)?"):format(picked.revs, n.name, why)) then fail "not rolled" end
n:run("cat > /dev/null", { stdin = tostring(word), sudo = "root" })
