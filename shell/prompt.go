package shell

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// prompt shows the project and the nodes file in use, open and lost
// connections, and drained nodes, as far as half of the terminal goes.
func (a *app) prompt() string {
	p := a.outPaint
	name := "rollsh"
	if a.session.Project != "" {
		name = filepath.Base(a.session.Project)
	}
	width, _ := a.screen.size()
	name = cut(clean(name), max(6, width/4))
	if file := clean(a.nodesFile); file != "" && cells(name+file) < width/3 {
		name += ":" + file
	}
	var plainParts, parts []string
	add := func(look, text string) {
		plainParts = append(plainParts, text)
		parts = append(parts, p.as(look, text))
	}
	if live := a.library.Live(); len(live) > 0 {
		add(good, strconv.Itoa(len(live))+" live")
	}
	if lost := a.seen.lostNodes(); len(lost) > 0 {
		add(bad, "lost "+foldNames(lost))
	}
	if out := a.session.Service.Out(); len(out) > 0 {
		add(warning, "drained "+foldNames(out))
	}
	text := p.as(strong, name)
	if len(parts) > 0 && cells(name+strings.Join(plainParts, ", ")) < width/2 {
		text += " (" + strings.Join(parts, ", ") + ")"
	} else if len(parts) > 0 {
		text += p.as(warning, "!")
	}
	return text + "> "
}

// fileInUse is the nodes file that a chunk works with, the last one it names;
// files are those there are. Empty: it names none.
func fileInUse(chunk string, files []string) string {
	tokens := solid(lex(chunk))
	used := ""
	for i, t := range tokens {
		if t.kind != word || t.text != "nodes" || i > 0 && (tokens[i-1].text == "." || tokens[i-1].text == ":") {
			continue
		}
		next := i + 1
		if next < len(tokens) && tokens[next].text == "(" {
			next++
		}
		if next < len(tokens) && tokens[next].kind == quoted {
			if file := strings.Trim(tokens[next].text, `"'`); slices.Contains(files, file) {
				used = file
			}
		}
	}
	return used
}
