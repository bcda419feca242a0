package svn_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/stdlib/svn"
)

// compareNeeds compares what previews say is needed with all sets of up to three
// earlier changesets, and with svn itself: it is enough where anything is, and none
// of it can be left out.
func compareNeeds(t *testing.T, b *bench, m *svn.Merge, wc string, r *rand.Rand, sets int) {
	all := numbers(must[svn.List](t)(m.Available(b.ctx(), svn.Filter{})).Changesets)
	trial := must[func(...int) (svn.Preview, error)](t)(m.Trial(b.ctx()))
	with := func(picks ...int) svn.Preview {
		picks = slices.Sorted(slices.Values(picks))
		return must[svn.Preview](t)(trial(slices.Compact(picks)...))
	}
	helped := 0
	for range sets {
		picks := []int{all[len(all)/3+r.IntN(len(all)*2/3)], all[len(all)/3+r.IntN(len(all)*2/3)]}
		p := with(picks...)
		if p.Clean {
			if len(p.Needs) > 0 {
				t.Errorf("%v is clean and needs %s", picks, p.Needs.Revs())
			}
			continue
		}
		needed := numbers(p.Needs)
		whole := with(slices.Concat(picks, needed)...)
		if answer := smallestAnswer(all, picks, with); (answer != nil) != whole.Clean {
			t.Errorf("%v needs %v, found %v: %v\n%+v", picks, answer, needed, whole.Conflicts, p.Conflicts)
		}
		for i, rev := range needed {
			if less := with(slices.Concat(picks, needed[:i], needed[i+1:])...); weight(less) <= weight(whole) && whole.Clean {
				t.Errorf("%v does not need r%d of %v", picks, rev, needed)
			}
		}
		if whole.Clean {
			helped++
			list := strings.Trim(strings.ReplaceAll(fmt.Sprint(slices.Compact(slices.Sorted(slices.Values(slices.Concat(picks, needed))))), " ", ","), "[]")
			if met := realConflicts(b, wc, list); len(met) > 0 {
				t.Errorf("svn meets %v with %s", met, list)
			}
		}
	}
	t.Logf("%d of %d picks were helped", helped, sets)
}

// smallestAnswer tries all sets of up to three changesets before the last pick.
func smallestAnswer(all, picks []int, with func(...int) svn.Preview) []int {
	earlier := slices.DeleteFunc(slices.Clone(all), func(rev int) bool { return rev >= slices.Max(picks) })
	for i, a := range earlier {
		for j, b := range earlier[i:] {
			for _, c := range earlier[i+j:] {
				if with(append([]int{a, b, c}, picks...)...).Clean {
					return []int{a, b, c}
				}
			}
		}
	}
	return nil
}

func weight(p svn.Preview) int {
	n := 0
	for _, f := range p.Conflicts {
		n += max(1, len(f.Hunks))
	}
	return n
}
