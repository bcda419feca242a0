package nodes

// Columned is a Person who knows how wide the screen is. A Person need not be
// one.
type Columned interface {
	// Columns is the width of standard output's terminal; 0 where it is none.
	Columns() int
}

// Columns is the width that a table shown to p may have; 0 means that it goes
// to no terminal and need not be cut.
func Columns(p Person) int {
	if c, ok := p.(Columned); ok {
		return c.Columns()
	}
	return 0
}
