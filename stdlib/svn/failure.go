package svn

import (
	"slices"
	"strings"
	"unicode"

	"github.com/rollsh/rollsh/nodes"
)

// complaint is one error or warning line of svn.
type complaint struct {
	code string // E170013, W155007
	text string
}

var complaintLine = nodes.Pattern(`^svn: (?:warning: )?([EW]\d{6}): (.*)$`)

// complaints reads svn's standard error: errors and warnings, outermost first.
// Lines without a number belong to the one before (texts of hooks).
func complaints(stderr string) []complaint {
	var out []complaint
	for line := range strings.Lines(stderr) {
		line = strings.TrimRight(line, "\r\n")
		if m := complaintLine().FindStringSubmatch(line); m != nil {
			out = append(out, complaint{m[1], m[2]})
		} else if n := len(out); n > 0 && strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "svn: ") {
			out[n-1].text += "\n" + line
		}
	}
	return out
}

// harmless are warnings that leave the answer complete.
var harmless = []string{
	"W000013", // cannot open the user's configuration
	"W200024", // unknown node kind of an external
}

// err is nil when svn did what it was asked: it exited with 0 and did not warn
// of a target that it left out.
func (a answer) err() error {
	all := complaints(a.stderr)
	if !a.failed {
		all = slices.DeleteFunc(all, func(c complaint) bool { return slices.Contains(harmless, c.code) })
		if len(all) == 0 {
			return nil
		}
	}
	return failure(all, a)
}

// failure makes the error of svn's complaints in an answer.
func failure(all []complaint, a answer) *nodes.Error {
	e := &nodes.Error{Kind: nodes.Protocol, Stderr: a.stderr}
	if len(all) == 0 {
		e.Message = "svn failed: " + oneLine(a.stderr)
		if strings.TrimSpace(a.stderr) == "" {
			e.Message = "svn failed and said nothing"
		}
		return e
	}
	e.Code = all[0].code
	var texts []string
	for i, c := range all {
		t := sentence(c.text)
		if says := !noise().MatchString(t) || len(texts) == 0 && i == len(all)-1; says && !slices.Contains(texts, t) && len(texts) < 4 {
			texts = append(texts, t)
		}
	}
	e.Message = strings.Join(texts, ": ")
	for _, r := range causes {
		if r.matches(all) {
			e.Kind, e.Hint = r.kind, strings.ReplaceAll(r.hint, askByHand, firstNonEmpty(a.byHand, askByHand))
			break
		}
	}
	if m := tunnelled().FindStringSubmatch(e.Message); m != nil && e.Kind == nodes.Unreachable {
		e.Hint = "run `ssh " + nodes.Quote(m[1]) + "` by hand: it tells what svn does not"
	}
	if e.Kind == nodes.Permission {
		for _, m := range slices.Backward(localPath().FindAllStringSubmatch(e.Message, -1)) {
			e.Hint = firstNonEmpty(e.Hint, whose(m[1]))
		}
	}
	return e
}

// localPath finds a path in a message of svn's.
var localPath = nodes.Pattern(`'(/[^']*)'`)

// noise are svn's lines that say nothing.
var noise = nodes.Pattern(`^commit failed$|^to better debug SSH connection problems`)

// tunnelled finds the host of a URL that is reached by ssh.
var tunnelled = nodes.Pattern(`svn\+ssh://([^/':]+)`)

// cause maps svn's numbers to what a person does about them.
type cause struct {
	codes []string // any of them
	with  []string // and any of these, where not empty
	kind  nodes.Kind
	hint  string
}

func (r cause) matches(all []complaint) bool {
	has := func(codes []string) bool {
		return slices.ContainsFunc(all, func(c complaint) bool { return slices.Contains(codes, c.code) })
	}
	return has(r.codes) && (len(r.with) == 0 || has(r.with))
}

// causes is searched in order. Source of the numbers: subversion's
// svn_error_codes.h, and runs of svn 1.14.2.
var causes = []cause{
	{codes: []string{"E165001"}, kind: nodes.Refused, hint: "the repository's hook said no; its text is above"},
	{
		codes: []string{"E230001", "E120171", "E170013"}, with: []string{"E230001", "E120171"}, kind: nodes.Protocol,
		hint: "the server's certificate is not trusted: run `" + askByHand + "` by hand once and look at it, or add its authority to ssl-authority-files in ~/.subversion/servers",
	},
	{
		codes: []string{"E170001", "E215004", "E170002"}, kind: nodes.Auth,
		hint: "give user= and password=secret \"svn\", or log in once by hand with `" + askByHand + "`",
	},
	{codes: []string{"E175013", "E220001", "E220004", "E000013", "E200031"}, kind: nodes.Permission},
	{codes: []string{"E000028", "E000122"}, kind: nodes.Space},
	{codes: []string{"E210005", "E180001", "E170000", "W170000", "E200009", "E155007", "W155007", "E155010", "W155010", "E160013", "W160013", "E160006", "E160005", "E160016", "E000002", "E000020", "E195012"}, kind: nodes.NotFound},
	{
		codes: []string{"E170013", "E210002", "E120108", "E000104", "E000111", "E000110", "E000113", "E000101", "E670002", "E670003", "E120106"},
		with:  unreached, kind: nodes.Unreachable, hint: "is the svn server up, and is its name right?",
	},
	{
		codes: []string{"E155004", "E155037", "E200030", "E200033"}, kind: nodes.Locked,
		hint: "another svn works there or was killed: checkout:cleanup() when none runs",
	},
	{codes: []string{"E160035", "E160037", "E160038", "E160039", "E195022", "E170010"}, kind: nodes.Locked},
	{codes: []string{"E155015", "E155023", "E155027", "E155035", "W195024", "E160024"}, kind: nodes.Conflict},
	{codes: []string{"E160028", "E155011", "E170004", "E160042"}, kind: nodes.Changed, hint: "somebody committed meanwhile: checkout:update()"},
	{codes: []string{"E155036"}, kind: nodes.Protocol, hint: "the checkout was made by an older svn: run `svn upgrade` in it"},
	{codes: []string{"E155021"}, kind: nodes.Protocol, hint: "the checkout was made by a newer svn than this machine has"},
	{codes: []string{"E200015"}, kind: nodes.Cancelled},
}

// askByHand stands in a hint for a command that asks the repository.
const askByHand = "svn info URL"

// unreached are the numbers of a server that did not answer.
var unreached = []string{"E000101", "E000104", "E000110", "E000111", "E000113", "E000032", "E670002", "E670003", "E670008", "E210002", "E120106", "E120108", "E731001"}

// sentence makes svn's line one of ours: lower case, no full stop, no control
// characters.
func sentence(s string) string {
	s = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(oneLine(s), ".: "), "(details follow)"), ".: ")
	if len(s) > 1 && unicode.IsUpper(rune(s[0])) && !unicode.IsUpper(rune(s[1])) {
		s = strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// oneLine puts text on one line and drops what could steer a terminal.
func oneLine(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

// printable drops what could steer a terminal; line ends stay.
func printable(s string) string { return strings.ReplaceAll(nodes.Clean(s), "\t", " ") }
