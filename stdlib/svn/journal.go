package svn

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// journalName is the record of a merge under way, in the checkout's .svn folder,
// where every process and person finds it.
const journalName = "rollsh-merge.json"

// step is how far an operation of a merge is.
type step string

const (
	running    step = "merging"   // svn is at work, or was killed at it
	conflicted step = "conflicts" // conflicts wait to be resolved
	complete   step = "merged"    // all of it is in the checkout
)

// operation is one change that a merge makes in the checkout.
type operation struct {
	Kind   string `json:"kind"`           // merge sync record block unblock rollback
	Revs   string `json:"revs"`           // of the source; empty for sync
	Also   string `json:"also,omitempty"` // of these, what the assistant added
	Reason string `json:"reason,omitempty"`
	Head   int    `json:"head"` // the source was read at this revision
	Step   step   `json:"step"`
	More   bool   `json:"more,omitempty"` // svn stopped at a conflict before the last revision
}

// journal is a merge under way.
type journal struct {
	Source      string      `json:"source"` // URL
	Target      string      `json:"target"` // URL
	Base        int         `json:"base"`   // what the checkout was at
	Who         string      `json:"who"`
	Host        string      `json:"host"`
	Since       time.Time   `json:"since"`
	Operations  []operation `json:"operations"`
	Queue       []operation `json:"queue,omitempty"` // to be done again, after a restart
	Resolutions []solution  `json:"resolutions,omitempty"`
	Open        []solution  `json:"open,omitempty"`  // conflicts as they were met
	Before      []string    `json:"before"`          // what was unversioned before
	Added       []string    `json:"added,omitempty"` // what the merge added
	Message     string      `json:"message,omitempty"`
}

// State is a merge under way as a recipe sees it.
type State struct {
	Who   string    `lua:"who"`
	Host  string    `lua:"host"`
	Picks string    `lua:"picks"` // such as r12-14,r20, or all
	Step  string    `lua:"step"`  // merging conflicts merged
	Since time.Time `lua:"since"`
	From  string    `lua:"from"`
}

func (j *journal) state() *State {
	return &State{Who: j.Who, Host: j.Host, Picks: j.picks(), Step: string(j.step()), Since: j.Since, From: j.Source}
}

// picks writes what all operations take.
func (j *journal) picks() string {
	var set revset
	var words []string
	for _, o := range slices.Concat(j.Operations, j.Queue) {
		r, err := ParseRevisions(o.Revs)
		switch {
		case o.Kind == "sync":
			words = append(words, "all")
		case err == nil && (o.Kind == "merge" || o.Kind == "record"):
			set = set.union(r.set)
		case err == nil:
			words = append(words, o.Kind+" "+rs(r.set))
		}
	}
	if len(set) > 0 {
		words = append([]string{rs(set)}, words...)
	}
	return strings.Join(words, ", ")
}

// rs writes a set as "r12-14,r20".
func rs(s revset) string {
	if len(s) == 0 {
		return ""
	}
	return "r" + strings.ReplaceAll(s.String(), ",", ",r")
}

// step is how far the merge is as a whole.
func (j *journal) step() step {
	switch o := j.last(); {
	case o != nil && o.Step != complete:
		return o.Step
	case len(j.Queue) > 0:
		return running
	}
	return complete
}

func (j *journal) last() *operation {
	if len(j.Operations) == 0 {
		return nil
	}
	return &j.Operations[len(j.Operations)-1]
}

// String tells the merge in one line.
func (j *journal) String() string {
	return fmt.Sprintf("%s by %s on %s since %s (%s)", j.picks(), oneLine(j.Who), oneLine(j.Host), j.Since.Format(time.RFC3339), j.step())
}

func (c *Checkout) journalPath() string { return filepath.Join(c.wcRoot, ".svn", journalName) }

// readJournal gives the merge under way; nil when there is none.
func (c *Checkout) readJournal() (*journal, error) {
	text, err := os.ReadFile(c.journalPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskError(err)
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, &nodes.Error{
			Kind: nodes.Failed, Message: "the record of a merge, " + c.journalPath() + ", cannot be read: " + err.Error(),
			Hint: "look at the checkout with svn status, then remove that file", Cause: err,
		}
	}
	return &j, nil
}

// writeJournal puts the record on the disk before what it says is done.
func (c *Checkout) writeJournal(j *journal) error {
	text, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return diskError(err)
	}
	return replaceFile(c.journalPath(), append(text, '\n'))
}

// replaceFile writes a file whole, or leaves the old one; others may read it.
func replaceFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".rollsh-new-*")
	if err != nil {
		return diskError(err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o664), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return diskError(err)
	}
	return nil
}

func (c *Checkout) dropJournal() error {
	if err := os.Remove(c.journalPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return diskError(err)
	}
	return os.RemoveAll(c.savedFolder())
}

// savedFolder holds resolutions of a merge under way.
func (c *Checkout) savedFolder() string { return filepath.Join(c.wcRoot, ".svn", "rollsh-merge") }
