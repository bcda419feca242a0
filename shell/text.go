package shell

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"

	"github.com/rollsh/rollsh/nodes"
)

var escapes = nodes.Pattern(`\x1b\[[0-9;]*m`)

// cells is how many columns a line takes on the terminal, colours not counted.
func cells(s string) int { return runewidth.StringWidth(escapes().ReplaceAllString(s, "")) }

// cut shortens plain text to a number of columns.
func cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if width < 4 {
		return runewidth.Truncate(s, width, "")
	}
	return runewidth.Truncate(s, width, "...")
}

// pad fills plain text up to a number of columns.
func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-cells(s))) }

// clean makes hostile text safe for one line of the terminal.
func clean(s string) string { return strings.ReplaceAll(nodes.Clean(s), "\n", " ") }

// cleanLines makes hostile text safe for the terminal, line breaks kept.
func cleanLines(s string) string { return nodes.Clean(s) }

// elapsed writes a duration for people: 0.4 s, 12 s, 3:05, 1:02:03.
func elapsed(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// amount writes a number of a unit: 4.2 MB, 1,204 files, 1 file.
func amount(n int64, unit string) string {
	if unit == "bytes" {
		return humanize.Bytes(uint64(max(0, n)))
	}
	if n == 1 { // units are plurals: files
		unit = strings.TrimSuffix(unit, "s")
	}
	return strings.TrimSpace(humanize.Comma(n) + " " + unit)
}
