package sync_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
)

func TestPreflight(t *testing.T) {
	r := newRig(t, 2)
	r.file("a", "12345")
	res, err := r.engine.Preflight(r.ctx(), r.set, r.options())
	must(t, err)
	p, ok := res.List[1].Value.(sync.Preflight)
	if !ok || p.Exists || p.Needs != 5 || p.Free == 0 || p.User == "" || p.FSType == "" || p.Skew > 5 || p.Skew < -5 {
		t.Errorf("%+v", res.List[1])
	}
	write(t, r.live(1), "a file")
	_, err = r.engine.Preflight(r.ctx(), r.set, r.options())
	wantKind(t, err, nodes.Failed, "is a file where a folder is needed")
}

// The recipe's side of everything, on real nodes.
func TestLua(t *testing.T) {
	r := newRig(t, 2)
	r.file("a.php", "1")
	r.file("b/c.php", "1")
	source, err := os.ReadFile("testdata/sync.lua")
	must(t, err)
	var list strings.Builder
	for _, n := range r.set.Nodes {
		list.WriteString("{name='" + string(n.Name) + "', host='" + n.Host + "', port=" + strconv.Itoa(n.Port) + ", user='" + n.User + "', path='" + string(n.Path) + "'},")
	}
	prelude := "local set = nodes.new{" + list.String() + "}; local src = [[" + r.src + "]]; "
	recipe := filepath.Join(r.s.Project, "recipe.lua")
	must(t, os.WriteFile(recipe, []byte(prelude+string(source)), 0o644))
	r.s.Recipe = &nodes.Recipe{Path: recipe, Files: map[string]string{}}
	must(t, lua.New(r.s, []lua.Module{r.engine.Module()}).RunFile(context.Background()))
	r.equal(0)
}
