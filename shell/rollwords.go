package shell

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// rollsToComplete is how many rolls of the past their ids are completed from.
const rollsToComplete = 50

// completeNames completes the name of a roll: those that the journal knows, and
// those in the recipes.
func (a *app) completeNames(_ *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(words) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, r := range a.readRolls("roll.status{}") {
		names = append(names, field(r, "name"))
	}
	for _, path := range recipePaths(a.session.Project) {
		src, err := os.ReadFile(filepath.Join(a.session.Project, path))
		if err == nil { // one that cannot be read has none
			names = append(names, rollNames(string(src))...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

// completeIDs completes the id of a roll, the latest first; unfinished leaves out
// those that came to an end.
func (a *app) completeIDs(unfinished bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(words) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for _, r := range a.readRolls("roll.history{limit=" + strconv.Itoa(rollsToComplete) + "}") {
			state := field(r, "state")
			if unfinished && (state == "done" || state == "undone" || state == "closed") {
				continue
			}
			ids = append(ids, field(r, "id")+"\t"+field(r, "name")+" "+state+", "+field(r, "started"))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// readRolls gives what an expression says of rolls; nothing where it fails.
func (a *app) readRolls(code string) []map[string]any {
	values, err := a.commanded("return " + code)
	if err != nil || len(values) == 0 {
		return nil
	}
	list, _ := a.host.Value(values[0]).([]any)
	var out []map[string]any
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// rollNames are the names in roll{ name="www" } of a recipe.
func rollNames(src string) []string {
	tokens := solid(lex(src))
	var names []string
	for i, t := range tokens {
		if t.text != "roll" || i > 0 && (tokens[i-1].text == "." || tokens[i-1].text == ":") {
			continue
		}
		next := i + 1
		if next < len(tokens) && tokens[next].text == "(" {
			next++
		}
		if next < len(tokens) && tokens[next].text == "{" {
			if name := keyOf(tokens[next+1:], "name"); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// keyOf is the string that a key has in a table, whose tokens follow its {; empty
// where it has none.
func keyOf(tokens []token, key string) string {
	depth := 0
	for i, t := range tokens {
		switch t.text {
		case "{", "(", "[":
			depth++
		case "}", ")", "]":
			depth--
		}
		if depth < 0 {
			return ""
		}
		if depth == 0 && t.text == key && i+2 < len(tokens) && tokens[i+1].text == "=" && tokens[i+2].kind == quoted {
			return strings.Trim(tokens[i+2].text, `"'`)
		}
	}
	return ""
}
