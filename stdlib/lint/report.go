package lint

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// How much of a result an error shows; the result itself holds all.
const (
	shownFiles    = 100
	shownOfAFile  = 20
	checkstyleVer = "4.3"
)

// inFile are the problems of one file, in order.
type inFile struct {
	name     string
	problems []Problem
}

// byFile puts the problems of each file together, in order of first appearance.
func byFile(list []Problem) []inFile {
	var out []inFile
	at := map[string]int{}
	for _, p := range list {
		i, ok := at[p.File]
		if !ok {
			i = len(out)
			at[p.File] = i
			out = append(out, inFile{name: p.File})
		}
		out[i].problems = append(out[i].problems, p)
	}
	return out
}

// Err is nil when nothing was found, else an error of kind Lint: its text shows
// the problems folded by file, up to a limit, and Errors has the same, one for
// each file.
func (r *Result) Err() error {
	if len(r.Errors) == 0 {
		return nil
	}
	files := byFile(r.Errors)
	e := &nodes.Error{Kind: nodes.Lint}
	e.Message = fmt.Sprintf("%s in %s", nodes.Count(len(r.Errors), "error"), nodes.Count(len(files), "file"))
	for _, f := range files[:min(len(files), shownFiles)] {
		e.Errors = append(e.Errors, f.err())
	}
	if more := len(files) - shownFiles; more > 0 {
		e.Errors = append(e.Errors, &nodes.Error{Kind: nodes.Lint, Message: "and " + nodes.Count(more, "more file")})
	}
	for _, sub := range e.Errors {
		e.Message += "\n  " + strings.ReplaceAll(sub.Error(), "\n", "\n  ")
	}
	return e
}

// err is a file with what is wrong in it.
func (f inFile) err() *nodes.Error {
	if len(f.problems) == 1 {
		return f.problems[0].err()
	}
	e := &nodes.Error{Kind: nodes.Lint, Where: inLine(f.name), Message: nodes.Count(len(f.problems), "error")}
	for _, p := range f.problems[:min(len(f.problems), shownOfAFile)] {
		e.Errors = append(e.Errors, p.err())
	}
	if more := len(f.problems) - shownOfAFile; more > 0 {
		e.Errors = append(e.Errors, &nodes.Error{Kind: nodes.Lint, Message: fmt.Sprintf("and %d more", more)})
	}
	for _, sub := range e.Errors {
		e.Message += "\n  " + strings.ReplaceAll(sub.Error(), "\n", "\n    ")
	}
	return e
}

func (p Problem) err() *nodes.Error {
	where := inLine(p.File)
	if p.Line > 0 {
		where += ":" + strconv.Itoa(p.Line)
	}
	message := p.Rule + ": " + p.Message
	if p.Node != "" {
		message += " (php of " + p.Node + ")"
	}
	return &nodes.Error{Kind: nodes.Lint, Where: where, Message: message}
}

// inLine is a file's name as a part of a line: its line breaks are written \n, and
// what a terminal would obey is left out.
func inLine(name string) string {
	return strings.ReplaceAll(nodes.Clean(name), "\n", `\n`)
}

// Format writes what was found for a person (text: the errors folded by file; a check
// warns of its notes itself) or a program: GitHub's annotations, or Checkstyle's XML,
// with errors and, as warnings, notes. It fails with Usage for another format.
func (r *Result) Format(format string) (string, error) {
	switch format {
	case "text":
		return text(r.Errors), nil
	case "github":
		return github(r.Errors, "error") + github(r.Notes, "warning"), nil
	case "checkstyle":
		return checkstyle(r.Errors, r.Notes)
	}
	return "", &nodes.Error{Kind: nodes.Usage, Message: "no format '" + format + "'", Hint: "known are text github checkstyle"}
}

func text(list []Problem) string {
	var b strings.Builder
	for _, f := range byFile(list) {
		indent := ""
		if len(f.problems) > 1 {
			b.WriteString(inLine(f.name) + ": " + nodes.Count(len(f.problems), "error") + "\n")
			indent = "  "
		}
		for _, p := range f.problems {
			b.WriteString(indent + strings.ReplaceAll(p.err().Error(), "\n", "\n"+indent+"  ") + "\n")
		}
	}
	return b.String()
}

var (
	githubText  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubField = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// github writes annotations of a level, error or warning.
func github(list []Problem, level string) string {
	var b strings.Builder
	for _, p := range list {
		line := ""
		if p.Line > 0 {
			line = fmt.Sprintf(",line=%d", p.Line)
		}
		fmt.Fprintf(&b, "::%s file=%s%s,title=%s::%s\n", level, nodes.Clean(githubField.Replace(p.File)), line, githubField.Replace(p.Rule), githubText.Replace(p.Message))
	}
	return b.String()
}

// checkstyle writes the XML that build machines read.
func checkstyle(errs, notes []Problem) (string, error) {
	type failure struct {
		Line     int    `xml:"line,attr,omitempty"`
		Severity string `xml:"severity,attr"`
		Message  string `xml:"message,attr"`
		Source   string `xml:"source,attr"`
	}
	type file struct {
		Name   string    `xml:"name,attr"`
		Errors []failure `xml:"error"`
	}
	doc := struct {
		XMLName xml.Name `xml:"checkstyle"`
		Version string   `xml:"version,attr"`
		Files   []file   `xml:"file"`
	}{Version: checkstyleVer}
	at := map[string]int{} // of files in doc
	add := func(list []Problem, severity string) {
		for _, p := range list {
			i, ok := at[p.File]
			if !ok {
				i, at[p.File] = len(doc.Files), len(doc.Files)
				doc.Files = append(doc.Files, file{Name: p.File})
			}
			doc.Files[i].Errors = append(doc.Files[i].Errors, failure{p.Line, severity, p.Message, "rollsh.lint." + p.Rule})
		}
	}
	add(errs, "error")
	add(notes, "warning")
	written, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return "", &nodes.Error{Kind: nodes.Internal, Message: "cannot write Checkstyle's XML: " + err.Error(), Cause: err}
	}
	return xml.Header + string(written) + "\n", nil
}
