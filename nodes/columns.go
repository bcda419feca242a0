package nodes

// Columned is a Person who knows how wide the screen is. A Person need not be
// one.
type Columned interface {
	// Columns is the width of standard output's terminal; 0 where it is none.
	Columns() int
	// Fit breaks a line at blanks where that terminal is too narrow for it; what
	// goes on below stands after an indent.
	Fit(line, indent string) string
}

// Columns is the width that a table shown to p may have; 0 means that it goes
// to no terminal and need not be cut.
func Columns(p Person) int {
	if c, ok := p.(Columned); ok {
		return c.Columns()
	}
	return 0
}

// Fit breaks a line at blanks where the terminal of p is too narrow for it; what
// goes on below stands after an indent. A line that goes to no terminal stays as
// it is.
func Fit(p Person, line, indent string) string {
	if c, ok := p.(Columned); ok {
		return c.Fit(line, indent)
	}
	return line
}
