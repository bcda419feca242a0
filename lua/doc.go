// Package lua is the host of gopher-lua: tasks, modules, function records,
// error objects, the locked-down globals and the recipe checker. It knows no
// primitive; stdlib hands it modules.
//
// # Tasks
//
// Every task is a goroutine with a Lua thread of its own. One baton, handed on
// in the order of asking, must be held to run Lua; code that blocks gives it
// up. So Lua itself is single-threaded, I/O is parallel, and blocking is
// allowed anywhere: in pcall, in iterators, in metamethods, in sort.
//
// # Records
//
// A Func is one Lua function: its registration, argument checks, help, editor
// types and reference come from this one record. See
// docs/adding-a-primitive.md.
package lua
