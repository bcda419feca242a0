// Package recipes holds the recipes that people really run, as Lua files, and
// carries them in the program for `rollsh init`. The folder demo drives them
// against real nodes; see `make demo`.
package recipes

import "embed"

// Files holds prod.lua, staging.lua, merge.lua, fix.lua, and site.lua, which the others
// require and which a project makes its own.
//
//go:embed *.lua
var Files embed.FS
