package shell

import "github.com/rollsh/rollsh/nodes"

// sink is a nodes.Sink that can be made to show at once what it still holds.
type sink interface {
	nodes.Sink
	flush()
}

// The formats of output.
const (
	formatPretty = "pretty"
	formatPlain  = "plain"
	formatJSON   = "json"
)

func newSink(format string, s *screen, p *palette) sink {
	switch format {
	case formatJSON:
		return &events{screen: s}
	case formatPretty:
		return newPretty(s, p)
	}
	return newPlain(s, p)
}
