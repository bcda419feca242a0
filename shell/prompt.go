package shell

import (
	"path/filepath"
	"strconv"
	"strings"
)

// prompt shows the project, open and lost connections, and drained nodes, as
// far as a third of the terminal goes.
func (a *app) prompt() string {
	p := a.outPaint
	name := "rollsh"
	if a.session.Project != "" {
		name = filepath.Base(a.session.Project)
	}
	width, _ := a.screen.size()
	name = cut(clean(name), max(6, width/4))
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
