package shell

import (
	"hash/fnv"
	"strings"

	"github.com/fatih/color"

	"github.com/rollsh/rollsh/nodes"
)

// palette colours text for one stream; without colour it leaves it alone.
type palette struct {
	nodes []*color.Color
	named map[string]*color.Color
}

// Looks of text, by what the text is.
const (
	bad     = "bad"
	good    = "good"
	warning = "warning"
	hint    = "hint"
	dim     = "dim"
	strong  = "strong"
	keyword = "keyword"
	literal = "literal"
	number  = "number"
)

func newPalette(on bool) *palette {
	paint := func(attrs ...color.Attribute) *color.Color {
		c := color.New(attrs...)
		if on {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c
	}
	p := &palette{named: map[string]*color.Color{
		bad: paint(color.FgRed), good: paint(color.FgGreen), warning: paint(color.FgYellow), hint: paint(color.FgCyan),
		dim: paint(color.Faint), strong: paint(color.Bold), keyword: paint(color.FgMagenta), literal: paint(color.FgGreen),
		number: paint(color.FgCyan),
	}}
	for _, a := range []color.Attribute{color.FgCyan, color.FgMagenta, color.FgBlue, color.FgYellow, color.FgHiCyan, color.FgHiMagenta} {
		p.nodes = append(p.nodes, paint(a))
	}
	return p
}

// as gives text a look.
func (p *palette) as(look, text string) string {
	if text == "" {
		return ""
	}
	return p.named[look].Sprint(text)
}

// node colours text by a node's name: always the same for one name, different
// for neighbours such as web1 and web2.
func (p *palette) node(name nodes.Name, text string) string {
	if name == "" {
		return text
	}
	stem := strings.TrimRight(string(name), "0123456789")
	h := fnv.New32a()
	_, _ = h.Write([]byte(stem)) // a hash never fails
	n := int(h.Sum32() % 97)
	for _, digit := range string(name)[len(stem):] {
		n = n*10 + int(digit-'0')
		n %= 6_000_000
	}
	return p.nodes[n%len(p.nodes)].Sprint(text)
}
