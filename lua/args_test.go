package lua

import (
	"fmt"
	"strings"
	"testing"
)

const argsRecipe = `-- Rolls the site.
-- Needs: the checkout.
local a = args{ {"rev", "revision", default="HEAD"}, {"count", type="number"}, node={"roll to this node only"},
  fast={"skip gates", flag=true}, mode={choices={"all", "ours"}, required=true} }
print(a.rev, a.node, a.fast, a.mode)
`

func TestRecipeArgs(t *testing.T) {
	r, err := ReadArgs(argsRecipe, "recipes/prod.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ line, want string }{
		{"--mode=all", "map[mode:all rev:HEAD]"},
		{"120 3 --node web3 --fast --mode ours", "map[count:3 fast:true mode:ours node:web3 rev:120]"},
		{"", "missing argument 'mode'"},
		{"--mode=al", "'mode' is one of all, ours, not al (did you mean 'all'?)"},
		{"--nod=x", "unknown argument '--nod' (did you mean '--node'?)"},
		{"--hepl", "unknown argument '--hepl' (did you mean '--help'?)"},
		{"1 x --mode=all", "'count' is a number, not 'x'"},
		{"1 2 3 --mode=all", "unexpected argument '3'"},
		{"--fast=1", "'--fast' is a flag and takes no value"},
		{"-- --mode=all", "map[mode:all rev:HEAD]"},
		{"--mode=all -- -- --node=3", "map[mode:all rev:--node=3]"},
		{"--node", "'--node' needs a value: --node=..."},
	} {
		values, err := r.Parse(strings.Fields(tc.line))
		got := fmt.Sprint(values)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%q gives %s, want %s", tc.line, got, tc.want)
		}
	}
}

func TestTypesOfRecipeArgs(t *testing.T) {
	const src = `local a = args{ {"files", list=true}, n={type="integer", default=3}, gates={type="boolean", default=true}, only={list=true, type="number"} }`
	r, err := ReadArgs(src, "recipes/x.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ line, want string }{
		{"", "map[gates:true n:3]"},
		{"a b,c --n=4", "map[files:[a b c] gates:true n:4]"},
		{"--no-gates --only=1,2 --only 3", "map[gates:false n:3 only:[1 2 3]]"},
		{"--gates", "map[gates:true n:3]"},
		{"--gates=off", "map[gates:false n:3]"},
		{"--gates=perhaps", "'gates' is yes or no, not 'perhaps'"},
		{"--no-n", "unknown argument '--no-n'"},
		{"--n=1.5", "'n' is a whole number, not 1.5"},
		{"--only=1,x", "'only' is a number, not 'x'"},
	} {
		values, err := r.Parse(strings.Fields(tc.line))
		got := fmt.Sprint(values)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%q gives %s, want %s", tc.line, got, tc.want)
		}
	}
}

// A call of args counts wherever it stands.
func TestRecipeArgsAnywhere(t *testing.T) {
	for _, src := range []string{
		`print(args{ fast={"skip", flag=true} }.fast)`,
		`local x if args{ fast={"skip", flag=true} }.fast then return end`,
		`local function all() return (args{ fast={"skip", flag=true} }) end print(all().fast)`,
		`local t = { not args{ fast={"skip", flag=true} }.fast } for i = 1, 2 do print(t[i]) end`,
	} {
		r, err := ReadArgs(src, "recipes/x.lua")
		if err != nil || len(r.List) != 1 || r.Line != 1 {
			t.Errorf("%s: %v %+v", src, err, r)
		}
	}
	if r, err := ReadArgs(`local args = 1 print(args) local function f(args) return args end`, "x.lua"); err != nil || r.Line != 0 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestRecipeArgsMustBeConstant(t *testing.T) {
	for src, want := range map[string]string{
		"local t = {}\nlocal a = args(t)":                      "recipes/x.lua:2: args: expected a table written out, so that --help can read it",
		`local a = args{ {"x", defalt="1"} }`:                  "recipes/x.lua:1: args: unknown key 'defalt' (did you mean 'default'?)",
		`local a = args{ {"x", default=f()} }`:                 "recipes/x.lua:1: args: default of an argument is a constant",
		`local a = args{ "x" }`:                                `recipes/x.lua:1: args: each argument is a table, such as {"rev", "revision", default="HEAD"}`,
		`local a = args{ {"x", type="int"}}`:                   `recipes/x.lua:1: args: type of an argument is one of string, number, integer, boolean, file, folder, path, node, nodes`,
		`local a = args{ {"x", type="number", default="few"}}`: `recipes/x.lua:1: args: its own default: 'x' is a number, not 'few'`,
		`local a = args{ x={choices={"a"}, default="b"}}`:      `recipes/x.lua:1: args: its own default: 'x' is one of a, not b`,
		`local a = args{ x={flag=true, type="number"}}`:        `recipes/x.lua:1: args: 'x' is a flag, so it has no value: no type, list or choices`,
	} {
		if _, err := ReadArgs(src, "recipes/x.lua"); err == nil || err.Error() != want {
			t.Errorf("%s gives %v, want %s", src, err, want)
		}
	}
}
