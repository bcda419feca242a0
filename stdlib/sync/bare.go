package sync

import (
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// bare notes of a source that gave no file how that is, unless it is what somebody
// meant who named paths that are gone from it: a wrong folder, or a checkout that
// is not filled yet, would have all deleted that is on the nodes.
func (r *reading) bare() error {
	if r.files {
		return nil
	}
	if some, err := r.s.filled(r.o); err != nil {
		return err
	} else if !some {
		r.s.bare = "there are no files to send in " + r.s.root
		return nil
	}
	var wild []string
	for _, p := range r.o.Only {
		if strings.ContainsAny(p, manifest.Wildcards) {
			wild = append(wild, "'"+p+"'")
		}
	}
	if len(wild) > 0 {
		slices.Sort(wild)
		r.s.bare = "only: there are no files in " + r.s.root + " that " + strings.Join(wild, ", ") + " matches"
	}
	return nil
}

// filled reports whether there is a file to send in the whole source.
func (s *source) filled(o *Options) (bool, error) {
	if !s.rules.Partial() {
		return false, nil
	}
	whole := *o
	whole.Only = nil
	rules, err := manifest.Compile(whole.patterns(s.ignore))
	if err != nil {
		return false, usage(err.Error())
	}
	scan := manifest.Scan(s.fd, rules, 1, nil)
	defer scan.Close()
	for en := scan.Next(); en != nil; en = scan.Next() {
		if en.Kind != manifest.Dir && en.Kind != manifest.Other {
			return true, nil
		}
	}
	if err := scan.Err(); err != nil {
		return false, &nodes.Error{Kind: nodes.Failed, Message: s.root + ": " + err.Error(), Cause: err}
	}
	return false, nil
}
