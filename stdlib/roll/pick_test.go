package roll_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/roll"
)

// stopped makes a roll that ended with web1 switched and web2 not.
func stopped(t *testing.T, j *roll.Journal, name string, recipe nodes.Recipe) string {
	t.Helper()
	r, err := j.Begin(t.Context(), roll.Request{Name: name, To: web("web1", "web2"), Recipe: recipe})
	if err != nil {
		t.Fatal(err)
	}
	step(t, r, r.Set().Nodes[0], roll.Switched)
	e, err := r.Finish(t.Context(), errors.New("enough"))
	if err != nil || !e.Unfinished() {
		t.Fatalf("%+v, %v", e, err)
	}
	return e.ID
}

func TestReopenWantsTheSameRecipe(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	recipe := nodes.Recipe{Path: "/p/prod.lua", Files: map[string]string{"/p/prod.lua": "aa", "/p/site.lua": "bb"}}
	id := stopped(t, j, "www", recipe)
	recipe.Mode, recipe.RollID = nodes.ModeResume, id
	recipe.Files = map[string]string{"/p/prod.lua": "aa", "/p/site.lua": "cc"}
	q := roll.Request{Name: "www", To: web("web1", "web2"), Recipe: recipe}
	_, err := j.Reopen(t.Context(), q)
	wantKind(t, err, nodes.Changed, "/p/site.lua", "--recipe-changed")
	if strings.Contains(err.Error(), "prod.lua") {
		t.Errorf("%v names a file that is the same", err)
	}
	q.Name = "api"
	_, err = j.Reopen(t.Context(), q)
	wantKind(t, err, nodes.Usage, "is of 'www'")
	q.Name, q.Recipe.RecipeChanged = "www", true
	r, err := j.Reopen(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	// While it is resumed it is locked, also for a second resume.
	_, err = j.Reopen(t.Context(), q)
	wantKind(t, err, nodes.Locked)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestPick(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	_, err := j.Pick(t.Context(), "", nodes.ModeResume)
	wantKind(t, err, nodes.NotFound)
	www := stopped(t, j, "www", nodes.Recipe{Path: "/p/prod.lua"})
	if e, err := j.Pick(t.Context(), "", nodes.ModeResume); err != nil || e.ID != www {
		t.Errorf("%v, %v", e.ID, err)
	}
	typed := stopped(t, j, "api", nodes.Recipe{})
	_, err = j.Pick(t.Context(), "", nodes.ModeResume)
	wantKind(t, err, nodes.Usage, "which one?", www, typed)
	_, err = j.Pick(t.Context(), typed, nodes.ModeResume)
	wantKind(t, err, nodes.Refused, "typed at the shell")
	dns := stopped(t, j, "dns", nodes.Recipe{Path: "/p/dns.lua"})
	if e, err := j.Pick(t.Context(), "", nodes.ModeBack); err != nil || e.ID != dns {
		t.Errorf("back means %v (%v), and the last roll is %s of another name", e.ID, err, dns)
	}
}

// TestBackMeansTheLastThatChangedAnything passes over a roll that was refused,
// and one that found everything in place.
func TestBackMeansTheLastThatChangedAnything(t *testing.T) {
	j := journal(t, session(t.TempDir()))
	recipe := nodes.Recipe{Path: "/p/prod.lua"}
	_, err := j.Pick(t.Context(), "", nodes.ModeBack)
	wantKind(t, err, nodes.NotFound)
	r, err := j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1"), Recipe: recipe})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Pin(t.Context(), roll.Pin{To: "45", Undo: "x"}); err != nil {
		t.Fatal(err)
	}
	s := r.Set().Nodes[0]
	step(t, r, s, roll.Switched)
	changed := r.Entry().ID
	if _, err := r.Finish(t.Context(), errors.New("enough")); err != nil {
		t.Fatal(err)
	}
	if err := j.CloseRoll(t.Context(), changed, "so it stays"); err != nil {
		t.Fatal(err)
	}
	for _, why := range []error{nil, &nodes.Error{Kind: nodes.Refused, Message: "changes of its own"}} {
		r, err := j.Begin(t.Context(), roll.Request{Name: "www", To: web("web1"), Recipe: recipe})
		if err != nil {
			t.Fatal(err)
		}
		if why == nil {
			step(t, r, s, roll.Done)
		}
		if _, err := r.Finish(t.Context(), why); err != nil {
			t.Fatal(err)
		}
	}
	_, err = j.Pick(t.Context(), "", nodes.ModeBack)
	wantKind(t, err, nodes.NotFound) // the one that changed anything was closed
	list, err := j.Status(t.Context(), "www")
	if err != nil || list[0].Last.State != roll.RollDone || list[0].Nodes[0].State != roll.Done {
		t.Errorf("%+v, %v: a refused roll heads the status", list, err)
	}
}
