// Tests of the house itself: the arrows between the rooms, and what no room may
// have. docs/architecture.md draws them; .golangci.yml says the same where the
// import is written.
package main_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rollsh/rollsh"

// listed is a package as `go list -json` describes it.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

// arrows says which of our rooms a room may import. A room is the first folder
// of a path, or the first two under stdlib.
func arrows(room string) []string {
	switch {
	case room == ".":
		return []string{"shell"}
	case room == "shell":
		return []string{"stdlib", "lua", "nodes", "recipes"}
	case room == "lua":
		return []string{"nodes"}
	case room == "nodes", room == "recipes":
		return nil
	case strings.HasPrefix(room, "stdlib/"):
		return []string{"lua", "nodes"}
	}
	return nil
}

// roomOf gives the room of a package of ours: ".", "shell", "stdlib/sync".
func roomOf(importPath string) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	parts := strings.Split(rel, "/")
	switch {
	case rel == "":
		return "."
	case parts[0] == "stdlib" && len(parts) > 1:
		return path.Join(parts[0], parts[1])
	}
	return parts[0]
}

// mayImport reports whether a package of room from may import one of room to.
func mayImport(from, to string) bool {
	if from == to || slices.Contains(arrows(from), to) {
		return true
	}
	// The list of primitives imports each of them, and what they need to be made.
	return from == "stdlib" && (strings.HasPrefix(to, "stdlib/") || to == "lua" || to == "nodes")
}

func TestArrowsPointOneWay(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, imp := range p.Imports {
			if !ours(imp) {
				continue
			}
			if from, to := roomOf(p.ImportPath), roomOf(imp); !mayImport(from, to) {
				t.Errorf("%s imports %s: %s may import only %v", p.ImportPath, imp, from, arrows(from))
			}
		}
	}
}

func TestNodesNeedsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range list(t, "-deps", "./nodes") {
		if !p.Standard && p.ImportPath != module+"/nodes" {
			t.Errorf("nodes depends on %s", p.ImportPath)
		}
	}
}

func TestNothingDependsOnShell(t *testing.T) {
	for _, p := range list(t, "./...") {
		if room := roomOf(p.ImportPath); room == "." || room == "shell" {
			continue
		}
		for _, dep := range p.Deps {
			if ours(dep) && roomOf(dep) == "shell" {
				t.Errorf("%s depends on %s", p.ImportPath, dep)
			}
		}
	}
}

// luaFile is where a primitive's records are: lua.go, and lua_NAME.go where
// they are many.
var luaFile = regexp.MustCompile(`^lua(_[a-z]+)?\.go$`)

// TestOnlyLuaFilesKnowLua keeps primitives usable and testable as plain Go.
func TestOnlyLuaFilesKnowLua(t *testing.T) {
	eachFile(t, func(name string, f *ast.File) {
		knows := strings.HasPrefix(name, "lua/") || strings.HasPrefix(name, "shell/") ||
			name == "stdlib/stdlib.go" || luaFile.MatchString(path.Base(name))
		for _, imp := range f.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			gopher := p == "github.com/yuin/gopher-lua" || strings.HasPrefix(p, "github.com/yuin/gopher-lua/")
			if (gopher || p == module+"/lua") && !knows {
				t.Errorf("%s imports %s: only lua.go and lua_NAME.go do", name, p)
			}
		}
	})
}

// TestNoRegistrationBySideEffect: what a program is made of is written in plain
// calls, in stdlib/stdlib.go.
func TestNoRegistrationBySideEffect(t *testing.T) {
	eachFile(t, func(name string, f *ast.File) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", name)
			}
		}
		if slices.Contains([]string{"util", "utils", "common", "types", "helpers"}, f.Name.Name) {
			t.Errorf("%s: package %s says nothing of what it holds", name, f.Name.Name)
		}
	})
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// list runs `go list -json`; -e, so that a package that does not build fails its
// own tests and not these.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go",
		append([]string{"list", "-e", "-json=ImportPath,Imports,Deps,Standard"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list named no package")
	}
	return all
}

// eachFile parses every Go file of the project but tests.
func eachFile(t *testing.T, look func(name string, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err == nil {
			look(filepath.ToSlash(name), f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTopLevel holds the list of what stands at the top of the repository, so
// that nothing tried there by hand stays.
func TestTopLevel(t *testing.T) {
	out, err := exec.Command("git", "ls-files").Output()
	if err != nil {
		t.Skip("not a git checkout: " + err.Error())
	}
	known := strings.Fields(`.ci .gitignore .golangci.yml CHANGELOG.md CONTRIBUTING.md LICENSE Makefile
		README.md docs go.mod go.sum house_test.go lua main.go nodes recipes shell stdlib`)
	for _, name := range strings.Fields(string(out)) {
		if top, _, _ := strings.Cut(name, "/"); !slices.Contains(known, top) {
			t.Errorf("%s stands at the top level, and is no part of the house", name)
		}
	}
}
