package nodes

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
	FailAt        string // for ModePlan: NODE:NAME of a call that is assumed to fail
	RollID        string // for ModeResume and ModeBack: which roll
	Failed        bool   // --failed: resume takes the failed nodes too
	RecipeChanged bool   // --recipe-changed: resume although a file is not as it was
	Takeover      string // --takeover=REASON: take a stale lock; empty: do not
}
