package shell

import (
	"strings"

	"github.com/rollsh/rollsh/lua"
)

// asRecipe writes chunks that were typed as a recipe: what was a global of the
// session becomes a local, an expression that did nothing but show its value is
// printed.
func asRecipe(chunks []string, name string) string {
	var b strings.Builder
	b.WriteString("-- " + name + ": what was typed in a session of rollsh.\n\n")
	known := map[string]bool{}
	for _, c := range chunks {
		c = strings.TrimSpace(c)
		switch {
		case strings.HasPrefix(c, "help") && strings.HasPrefix(strings.TrimLeft(c[4:], " "), "("), strings.HasPrefix(c, "help "):
			continue
		case strings.HasPrefix(c, "return ") || strings.HasPrefix(c, "return("): // only the last statement may be one
			b.WriteString("print(inspect(" + strings.TrimRight(strings.TrimSpace(c[len("return"):]), ";") + "))\n")
			continue
		case lua.Parse(c, name) != nil: // an expression
			b.WriteString("print(inspect(" + strings.TrimRight(c, ";") + "))\n")
			continue
		}
		b.WriteString(localized(c, known) + "\n")
	}
	return b.String()
}

// localized makes the first assignment of a global, and the definition of a
// global function, a local one.
func localized(chunk string, known map[string]bool) string {
	tokens := solid(lex(chunk))
	if len(tokens) < 2 {
		return chunk
	}
	if tokens[0].text == "local" {
		for _, name := range assigned(tokens[1:]) {
			known[name] = true
		}
		return chunk
	}
	if tokens[0].text == "function" && len(tokens) > 2 && tokens[2].text == "(" {
		known[tokens[1].text] = true
		return "local " + chunk
	}
	names := assigned(tokens)
	fresh := len(names) > 0
	for _, name := range names {
		fresh = fresh && !known[name]
		known[name] = true
	}
	if fresh {
		return "local " + chunk
	}
	return chunk
}

// assigned are the names before "=" of an assignment to plain names.
func assigned(tokens []token) []string {
	var names []string
	for i := 0; i+1 < len(tokens); i += 2 {
		if tokens[i].kind != word {
			return nil
		}
		names = append(names, tokens[i].text)
		switch tokens[i+1].text {
		case "=":
			return names
		case ",":
		default:
			return nil
		}
	}
	return names
}
