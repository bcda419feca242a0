package lint

import (
	"bytes"
	"regexp"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/rollsh/rollsh/nodes"
)

// maxScript is the largest JavaScript or CSS file that is checked, in bytes.
const maxScript = 16 << 20

// jsRule finds what does not parse as a script, as a module or with JSX in it.
// Sources with Flow's types are let pass.
func jsRule() Rule {
	return textRule("js", []string{"*.js", "*.mjs", "*.cjs"}, maxScript, func(_ string, text []byte) []finding {
		found := parseWeb(text, api.LoaderJS, nil)
		if len(found) > 0 && (bytes.Contains(text[:min(len(text), 2000)], []byte("@flow")) || len(parseWeb(text, api.LoaderJSX, nil)) == 0) {
			return nil
		}
		return found
	})
}

// cssBroken are the complaints about CSS that no browser can mend: a bracket,
// comment or text that does not end. Others (hacks for old browsers, properties
// that are not known) are let pass.
var cssBroken = nodes.Pattern(`^(?:Expected "[})\]]"|Expected "\*/"|Unterminated |Unexpected "[})\]]")`)

func cssRule() Rule {
	return textRule("css", []string{"*.css"}, maxScript, func(_ string, text []byte) []finding {
		return parseWeb(text, api.LoaderCSS, cssBroken())
	})
}

// parseWeb gives what esbuild's parser calls an error, and those warnings that
// match. Templates, which PHP or a site generator (they begin with ---) turns into
// a script or style first, are let pass.
func parseWeb(text []byte, loader api.Loader, warnings *regexp.Regexp) []finding {
	if bytes.HasPrefix(text, []byte("---\n")) || bytes.Contains(text, []byte("<?php")) || bytes.Contains(text, []byte("<?=")) {
		return nil
	}
	// No folder and no settings: nothing but the text is read.
	res := api.Transform(string(text), api.TransformOptions{
		Loader: loader, LogLevel: api.LogLevelSilent, LogLimit: maxPerFile, TsconfigRaw: "{}",
	})
	var out []finding
	for _, m := range res.Errors {
		out = append(out, webFinding(m))
	}
	for _, m := range res.Warnings {
		if warnings != nil && warnings.MatchString(m.Text) {
			out = append(out, webFinding(m))
		}
	}
	return out
}

func webFinding(m api.Message) finding {
	f := finding{message: m.Text}
	if m.Location != nil {
		f.line = m.Location.Line
	}
	return f
}
