package roll_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// For how long a node's readers may have seen two revisions stands in the line
// of its state, and in no other.
func TestBurstStandsInTheLineOfTheState(t *testing.T) {
	p := newPlace(t, 2)
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	p.commit("bob", "two", "index.html", "two\n")
	if _, err := p.roll(nodes.Recipe{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.roll(nodes.Recipe{Mode: nodes.ModeBack, RollID: p.last().ID}); err != nil {
		t.Fatal(err)
	}
	if said := p.events.Text(nodes.Said); strings.Contains(said, "switched in") {
		t.Errorf("told twice:\n%s", said)
	}
	told := map[string]int{}
	for _, e := range p.events.Events() {
		if e.Type == nodes.State && regexp.MustCompile(`^\d+\.\d ms$`).MatchString(e.Text) {
			told[string(e.Node)+" "+e.State]++
		}
	}
	if told["web1 switched"] != 2 || told["web2 switched"] != 2 || told["web1 undone"] != 1 || told["web2 undone"] != 1 {
		t.Errorf("%v", told)
	}
}
