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
