package shell

// Columns is the width of standard output's terminal; 0 where it is none, so
// that tables in a file or a pipe are not cut.
func (p *person) Columns() int {
	if !p.screen.outTTY {
		return 0
	}
	width, _ := p.screen.size()
	return width
}

// Fit breaks a line at blanks where that terminal is too narrow for it; what goes
// on below stands after an indent.
func (p *person) Fit(line, indent string) string {
	return broken(line, indent, p.Columns())
}
