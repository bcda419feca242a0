-- Refreshes staging from production.
local live, stage = node "db1", node "staging/stage1"
mysql.copy{
  from = { on = live, database = "shop" }, to = { on = stage, database = "shop" }, skip = { "sessions", "carts" },
  after_sql = "UPDATE users SET mail = CONCAT('nobody+', id, '@example.org')",
}
postgres.copy{ from = { on = live, database = "stats" }, to = { on = stage, database = "stats" }, tables = { "daily" } }
