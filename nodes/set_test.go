package nodes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// set makes a set from words such as "web1@app#php#blue".
func set(words ...string) nodes.Set {
	var s nodes.Set
	for _, w := range words {
		head, tags, _ := strings.Cut(w, "#")
		name, tier, _ := strings.Cut(head, "@")
		n := &nodes.Node{Name: nodes.Name(name), Tier: tier}
		if tags != "" {
			n.Tags = strings.Split(tags, "#")
		}
		s.Nodes = append(s.Nodes, n)
	}
	return s
}

var farm = set("cdn1@cdn", "cdn2@cdn", "web1@app#php", "web2@app#php", "web3@app", "web12@app")

func names(s nodes.Set) string { return strings.Join(s.Names(), " ") }

func TestOnly(t *testing.T) {
	for pattern, want := range map[string]string{
		"*":               "cdn1 cdn2 web1 web2 web3 web12",
		"web3,cdn1":       "cdn1 web3",
		"web[1-2]":        "web1 web2",
		"web[1-2,12]":     "web1 web2 web12",
		"web[1-3]*":       "web1 web2 web3 web12",
		"*1*":             "cdn1 web1 web12",
		"???1":            "cdn1 web1",
		"@cdn":            "cdn1 cdn2",
		"@c*":             "cdn1 cdn2",
		"#php":            "web1 web2",
		"#php, @cdn":      "cdn1 cdn2 web1 web2",
		"web[1-99999999]": "web1 web2 web3 web12",
	} {
		got, err := farm.Only(pattern)
		if err != nil || names(got) != want {
			t.Errorf("Only(%q) = %q, %v; want %q", pattern, names(got), err, want)
		}
		rest, err := farm.Except(pattern)
		if err != nil || len(rest.Nodes)+len(got.Nodes) != len(farm.Nodes) || names(got.Union(rest).Minus(rest)) != want {
			t.Errorf("Except(%q) = %q, %v", pattern, names(rest), err)
		}
	}
}

func TestPatternMistakes(t *testing.T) {
	for pattern, want := range map[string]string{
		"wbe3":      "nothing in this set matches 'wbe3' (hint: did you mean 'web3'?)",
		"web[7-9]":  "nothing in this set matches 'web[7-9]'",
		"web[01]":   "nothing in this set matches 'web[01]'",
		"@ap":       "nothing in this set matches '@ap' (hint: did you mean '@app'?)",
		"#pph":      "nothing in this set matches '#pph' (hint: did you mean '#php'?)",
		"web1,web4": "nothing in this set matches 'web4' (hint: did you mean 'web1'?)",
		"":          `empty pattern (hint: "*" is all nodes)`,
		",":         `empty pattern (hint: "*" is all nodes)`,
		"web[3-1]":  "pattern 'web[3-1]': bad range '3-1': it runs backwards, write 1-3",
		"web[1-":    "pattern 'web[1-': '[1-' has no ']'",
		"web[a-c]":  "pattern 'web[a-c]': '[a-c]' is not a range of numbers such as [1-3] or [01-12,20]",
		"web[1-05]": "pattern 'web[1-05]': bad range '1-05': both ends need the same number of digits",
		"web[-3]":   "pattern 'web[-3]': bad range '-3': write it as 3 or 1-3",
		"web]":      "pattern 'web]': ']' without '[' before it",
	} {
		for _, f := range []func(...string) (nodes.Set, error){farm.Only, farm.Except} {
			if got, err := f(pattern); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%q: %q, %v; want %s", pattern, names(got), err, want)
			}
		}
	}
}

func TestSetAlgebra(t *testing.T) {
	a, b := set("a", "b"), set("c", "b", "d")
	if got := names(a.Union(b)); got != "a b c d" {
		t.Errorf("union %q", got)
	}
	if got := names(b.Minus(a)); got != "c d" {
		t.Errorf("minus %q", got)
	}
	if names(a) != "a b" || names(b) != "c b d" {
		t.Error("an operand was changed")
	}
	if got := names(a.Balance(nil).Union(a)); got != "a b" {
		t.Errorf("a balanced copy is the same node: %q", got)
	}
	var tiers []string
	for _, tier := range farm.Tiers() {
		tiers = append(tiers, tier.Name+"="+tier.Fold())
	}
	if got := strings.Join(tiers, " "); got != "cdn=cdn[1-2] app=web[1-3,12]" {
		t.Errorf("tiers %q", got)
	}
	if _, err := farm.Tier("cnd"); nodes.KindOf(err) != nodes.NotFound || !strings.Contains(err.Error(), "'cdn'") {
		t.Errorf("Tier: %v", err)
	}
	if _, err := farm.Lookup("web13"); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("Lookup: %v", err)
	}
}

func TestCheck(t *testing.T) {
	node := func(name, host string, port int, jump string) *nodes.Node {
		return &nodes.Node{Name: nodes.Name(name), Host: host, Port: port, Jump: jump, Source: "nodes/prod:1"}
	}
	for _, c := range []struct {
		a, b *nodes.Node
		want string
	}{
		{node("a", "10.0.0.1", 0, ""), node("b", "10.0.0.1", 2222, ""), ""},
		{node("a", "10.0.0.1", 0, ""), node("b", "10.0.0.1", 0, "gate"), ""},
		{node("a", "", 0, ""), node("b", "", 0, ""), ""},
		{node("a", "10.0.0.1", 0, ""), node("b", "10.0.0.1", 22, ""), "a and b are both 10.0.0.1:22"},
		{node("a", "WEB.example", 22, ""), node("b", "web.example", 22, ""), "a and b are both web.example:22"},
		{node("a", "::1", 1, ""), node("b", "0:0:0:0:0:0:0:1", 1, ""), "a and b are both [0:0:0:0:0:0:0:1]:1"},
		{node("a", "127.0.0.1", 0, ""), node("b", "::ffff:127.0.0.1", 0, ""), "a and b are both ::ffff:127.0.0.1"},
		{node("a", "web.example.", 0, ""), node("b", "web.example", 0, ""), "a and b are both web.example"},
		{node("a", "x", 0, ""), node("a", "y", 0, ""), "two nodes are named 'a' (nodes/prod:1, nodes/prod:1)"},
	} {
		err := nodes.Set{Nodes: []*nodes.Node{c.a, c.b}}.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v %v: %v, want %q", c.a.Endpoint(), c.b.Endpoint(), err, c.want)
		}
	}
}

func TestFoldNames(t *testing.T) {
	for in, want := range map[string]string{
		"web1 web2 web3":                   "web[1-3]",
		"web3 web1":                        "web[1,3]",
		"web01 web02 web12 web20 cdn1":     "web[01-02,12,20],cdn1",
		"web08 web09 web10 web11":          "web[08-11]",
		"web8 web9 web10 web08":            "web[8-9],web[08,10]",
		"web1.dc2 web2.dc2 web3.dc2":       "web[1-3].dc2",
		"r1n1 r1n2 r2n1 r2n2":              "r1n[1-2],r2n[1-2]",
		"a":                                "a",
		"":                                 "",
		"1 2 3":                            "[1-3]",
		"x99999999999999999999 x1 x2":      "x99999999999999999999,x[1-2]",
		"web web1 web2":                    "web,web[1-2]",
		"web1 cdn1 web2 cdn2":              "web[1-2],cdn[1-2]",
		"10.0.0.1 10.0.0.2 10.0.0.3":       "10.0.0.[1-3]",
		"web00 web0 web1":                  "web00,web[0-1]",
		"php-1a php-2a php-1b php-2b node": "php-[1-2]a,php-[1-2]b,node",
	} {
		if got := nodes.FoldNames(strings.Fields(in)); got != want {
			t.Errorf("FoldNames(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestExpandBounds(t *testing.T) {
	for _, hostile := range []string{"n[1-999999999]", "n[1-100001]", "n[1-9999]m[1-9999]o[1-9999]", "n[1-400]" + strings.Repeat("[1-2]", 60), "n[1-9999999999]"} {
		if got, err := nodes.Expand(hostile); nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%s gave %d names, %v", hostile, len(got), err)
		}
	}
	if got, err := nodes.Expand("r[1-2]n[08-10,20]"); err != nil || fmt.Sprint(got) != "[r1n08 r1n09 r1n10 r1n20 r2n08 r2n09 r2n10 r2n20]" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"at_once", "max_failed", "max_unreachable", "on_failure", "web3", "node", "nodes"}
	for in, want := range map[string]string{
		"nodez": "nodes", "nod": "node",
		"atonce": "at_once", "max_fialed": "max_failed", "on_failiure": "on_failure", "wbe3": "web3",
		"drift": "", "x": "", "": "", "AT_ONCE": "at_once", strings.Repeat("y", 1<<16): "",
	} {
		if got := nodes.Suggest(in, words); got != want {
			t.Errorf("Suggest(%.20q) = %q, want %q", in, got, want)
		}
	}
}

func TestUnknownKeysNamesTheNearest(t *testing.T) {
	if err := nodes.UnknownKeys(map[string]any{"on": 1}, "on", "database"); err != nil {
		t.Error(err)
	}
	err := nodes.UnknownKeys(map[string]any{"on": 1, "databse": 2, "zzz": 3}, "on", "database")
	if err == nil || err.Error() != "unknown key 'databse' (did you mean 'database'?): expected on, database" {
		t.Error(err)
	}
}

// FuzzPattern holds that a pattern either is refused or selects a part of the
// set, and that folding a set and expanding it again gives the same names.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"web[1-3],cdn*", "@app", "#php", "[", "]", "a[1-2]b[01-03]", "[1-9999999]", "*[1-2]*", "web[1-,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		only, err := farm.Only(pattern)
		if err == nil && len(only.Nodes) == 0 {
			t.Fatalf("%q selects nothing and is no error", pattern)
		}
		names, err := nodes.Expand(pattern)
		if err != nil || len(names) > 1000 || pattern == "" || strings.ContainsAny(pattern, ",*\x00") {
			return
		}
		seen := map[string]bool{}
		for _, n := range names {
			seen[n] = true
		}
		for _, piece := range splitFold(nodes.FoldNames(names)) {
			back, err := nodes.Expand(piece)
			if err != nil {
				t.Fatalf("%q folds to %q: %v", pattern, piece, err)
			}
			for _, n := range back {
				if !seen[n] {
					t.Fatalf("%q: folding made up %q", pattern, n)
				}
				delete(seen, n)
			}
		}
		if len(seen) > 0 {
			t.Fatalf("%q: folding lost %v", pattern, seen)
		}
	})
}

// splitFold cuts at commas outside brackets.
func splitFold(text string) []string {
	depth := 0
	return strings.FieldsFunc(text, func(r rune) bool {
		depth += strings.Count(string(r), "[") - strings.Count(string(r), "]")
		return r == ',' && depth == 0
	})
}
