package nodes

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled when it is first used: a
// start of rollsh pays for none of those that it does not need. It panics there
// where the expression is bad.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
