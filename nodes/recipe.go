package nodes

import "strings"

// Mode says what a recipe is run for.
type Mode string

// The modes. Every mode runs the recipe from its first line.
const (
	ModeRun     Mode = ""        // do it
	ModePlan    Mode = "plan"    // show what would be done; change nothing anywhere
	ModePending Mode = "pending" // show what waits to be rolled; change nothing
	ModeResume  Mode = "resume"  // go on with an unfinished roll
	ModeBack    Mode = "back"    // undo what a roll switched
)

// Recipe is the recipe under way, as the shell knows it. A roll writes it into
// the journal, so that it can be resumed and undone by the same recipe.
type Recipe struct {
	Path  string            // absolute; empty at the prompt
	Args  []string          // as given on the command line
	Files map[string]string // every file loaded so far: absolute path to SHA-256 in hex

	Mode          Mode
	FailAt        string // for ModePlan: NODE:CALL, a call that is assumed to fail; see FailsAt
	RollID        string // for ModeResume and ModeBack: which roll
	Failed        bool   // --failed: resume takes the failed nodes too
	RecipeChanged bool   // --recipe-changed: resume although a file is not as it was
	Takeover      string // --takeover=REASON: take a stale lock; empty: do not
}

// FailsAt reports whether a plan is to assume that op (sync.push, node:run)
// fails on a node; empty is this machine, which FailAt calls "here". FailAt may
// name op in full, its last part (push, run), or its module (sync).
func (r *Recipe) FailsAt(n Name, op string) bool {
	who, call, ok := strings.Cut(r.FailAt, ":")
	if n == "" {
		n = "here"
	}
	if !ok || call == "" || who != string(n) {
		return false
	}
	module, _, inModule := strings.Cut(op, ".")
	return call == op || call == op[strings.LastIndexAny(op, ".:")+1:] || inModule && call == module
}
