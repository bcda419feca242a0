// Package test lets recipes be tried before they are used: on nodes that rollsh
// starts itself, real sshd processes on this machine, gone when the test ends.
//
//	local live = test.nodes [[
//	  [cdn] at_once=all
//	  cdn[1-2]
//	  [app] check='test -s ~/www/index.php'
//	  app[1-3]
//	]]
//	local project = test.project{ nodes = { prod = live } }
//
//	test.case("a roll reaches every node", function()
//	  local r = project:run("recipes/prod.lua", {"--node=app1"})
//	  test.equal(r.code, 0, r.stderr)
//	  test.equal(live.app1:run("cat ~/www/version").stdout, "7\n")
//	end)
//
// It works in `rollsh test` only, which gives every test file an empty home: no
// keys and no agent, so a recipe under test reaches the nodes of its test and no
// others.
package test
