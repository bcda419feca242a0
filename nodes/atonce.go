package nodes

import (
	"math"
	"strconv"
	"strings"
)

// AtOnce says how many nodes are worked on at once: a number, a percentage of
// the whole set, all of them, or a list of those for batches of which the last
// repeats. Its zero value means that nothing was said: one at a time.
type AtOnce struct {
	steps []step
	list  bool // written as a list: always batches
}

// step is one size; exactly one of its fields is set.
type step struct {
	n       int
	percent int
	all     bool
}

// AllAtOnce works on every node of the set at once.
func AllAtOnce() AtOnce { return AtOnce{steps: []step{{all: true}}} }

// IsZero reports that nothing was said.
func (a AtOnce) IsZero() bool { return len(a.steps) == 0 }

// OneAtOnce works on one node at a time, whatever a nodes file says.
func OneAtOnce() AtOnce { return AtOnce{steps: []step{{n: 1}}} }

// ParseAtOnce reads "4", "20%", "all" or "1,4,50%", as in a nodes file. Empty is
// the zero value.
func ParseAtOnce(text string) (AtOnce, error) {
	if text == "" {
		return AtOnce{}, nil
	}
	words := strings.Split(text, ",")
	a := AtOnce{list: len(words) > 1}
	for _, w := range words {
		s, err := parseStep(strings.TrimSpace(w))
		if err != nil {
			return AtOnce{}, err
		}
		a.steps = append(a.steps, s)
	}
	return a, nil
}

// UnpackLua takes 1, 4, "20%", "all", or a list such as {1, 4, "50%"}.
func (a *AtOnce) UnpackLua(v any) error {
	items, list := v.([]any)
	if !list {
		items = []any{v}
	}
	out := AtOnce{list: list}
	for _, item := range items {
		s, err := unpackStep(item)
		if err != nil {
			return err
		}
		out.steps = append(out.steps, s)
	}
	if list && len(items) == 0 {
		return badStep("{}")
	}
	*a = out
	return nil
}

func unpackStep(v any) (step, error) {
	switch v := v.(type) {
	case float64:
		if v != math.Trunc(v) || v < 1 || v > math.MaxInt32 {
			return step{}, badStep(strconv.FormatFloat(v, 'g', -1, 64))
		}
		return step{n: int(v)}, nil
	case string:
		return parseStep(v)
	}
	return step{}, badStep(TypeOf(v))
}

func parseStep(word string) (step, error) {
	if word == "all" {
		return step{all: true}, nil
	}
	digits, isPercent := strings.CutSuffix(word, "%")
	n, err := strconv.ParseInt(digits, 10, 32)
	switch {
	case err != nil || n < 1 || isPercent && n > 100:
		return step{}, badStep("'" + word + "'")
	case isPercent:
		return step{percent: int(n)}, nil
	}
	return step{n: int(n)}, nil
}

func badStep(got string) error {
	return &Error{Kind: Usage, Message: `at_once takes a number from 1, "20%", "all" or a list of those, not ` + got}
}

// size is how many nodes the k-th batch of a set of total nodes holds. A
// percentage is of the whole set, rounded up; no batch is empty.
func (a AtOnce) size(k, total int) int {
	if a.IsZero() {
		return 1
	}
	s := a.steps[min(k, len(a.steps)-1)]
	switch {
	case s.all:
		return max(1, total)
	case s.percent > 0:
		return max(1, (total*s.percent+99)/100)
	}
	return s.n
}

// String writes it as ParseAtOnce reads it; "1" for the zero value.
func (a AtOnce) String() string {
	if a.IsZero() {
		return "1"
	}
	words := make([]string, len(a.steps))
	for i, s := range a.steps {
		switch {
		case s.all:
			words[i] = "all"
		case s.percent > 0:
			words[i] = strconv.Itoa(s.percent) + "%"
		default:
			words[i] = strconv.Itoa(s.n)
		}
	}
	return strings.Join(words, ",")
}

// AtOnce is what the nodes file says of at_once for this set, where it says the
// same for all its nodes (a tier, as a rule); else the zero value.
func (s Set) AtOnce() AtOnce {
	for _, n := range s.Nodes {
		if n.AtOnce != s.Nodes[0].AtOnce {
			return AtOnce{}
		}
	}
	if len(s.Nodes) == 0 {
		return AtOnce{}
	}
	a, err := ParseAtOnce(s.Nodes[0].AtOnce)
	if err != nil {
		return AtOnce{} // Load has refused it; a node made by hand has no at_once
	}
	return a
}
