package nodes

// Set is an ordered list of nodes without repeats. It is a value: operations
// give new sets and leave their operands alone.
type Set struct {
	Name  string // the nodes file or tier it came from; may be empty
	Nodes []*Node
}
