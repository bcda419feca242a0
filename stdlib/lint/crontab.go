package lint

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// crontabRule reads tables of cron: those of a user, and those of the system,
// which name a user after the times.
func crontabRule() Rule {
	r := textRule("crontab", []string{"crontab", "*.crontab", "**/cron.d/*", "**/crontabs/*"}, 1<<20, parseCrontab)
	r.only = func(f *file) bool { // cron reads no other names in cron.d
		return filepath.Base(filepath.Dir(f.path)) != "cron.d" || cronName().MatchString(filepath.Base(f.path))
	}
	return r
}

// cronFields are the times of a line in order.
var cronFields = []struct {
	name     string
	low, top int
	words    []string // of the values from low on
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")},
	{"day of week", 0, 7, strings.Fields("sun mon tue wed thu fri sat")},
}

var (
	cronNicknames = strings.Fields("@reboot @yearly @annually @monthly @weekly @daily @midnight @hourly")
	cronSetting   = nodes.Pattern(`^\s*(?:"[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_]*)\s*=`)
	cronUser      = nodes.Pattern(`^[A-Za-z_][A-Za-z0-9_.@-]*\$?$`)
	cronName      = nodes.Pattern(`^[A-Za-z0-9_-]+$`)
)

// parseCrontab finds lines that cron would refuse; it takes none of such a table.
func parseCrontab(name string, text []byte) []finding {
	if strings.HasPrefix(string(text), "#!") {
		return nil // a program that is called so
	}
	var out []finding
	lines := strings.Split(string(text), "\n")
	if last := lines[len(lines)-1]; last != "" {
		out = append(out, finding{len(lines), "the last line has no newline, cron does not read it"})
	}
	system := systemTable(name)
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " \t")
		if trimmed == "" || trimmed[0] == '#' || cronSetting().MatchString(line) {
			continue
		}
		if message := cronLine(trimmed, system); message != "" {
			out = append(out, finding{i + 1, message})
		}
	}
	slices.SortStableFunc(out, func(a, b finding) int { return a.line - b.line })
	return out
}

// systemTable reports whether the lines of a table name a user.
func systemTable(name string) bool {
	dir := path.Base(path.Dir(name))
	return dir == "cron.d" || path.Base(name) == "crontab" && dir == "etc"
}

// cronLine tells what is wrong in a line; empty for nothing.
func cronLine(line string, system bool) string {
	words := strings.Fields(line)
	times := len(cronFields)
	if strings.HasPrefix(line, "@") {
		times = 1
		if !slices.Contains(cronNicknames, words[0]) {
			return "unknown time " + words[0]
		}
	}
	for i, field := range words[:min(times, len(words))] {
		if times == 1 {
			break
		}
		if message := cronTimes(i, field); message != "" {
			return message
		}
	}
	rest := words[min(times, len(words)):]
	if system && len(rest) > 0 {
		if !cronUser().MatchString(rest[0]) {
			return "'" + rest[0] + "' is no user; a line here is: times, user, command"
		}
		rest = rest[1:]
	}
	if len(words) < times {
		return fmt.Sprintf("%d of the %d times", len(words), times)
	}
	if len(rest) == 0 {
		return "no command"
	}
	return ""
}

// cronTimes tells what is wrong in one field of times: a list of values, ranges
// and *, each with a step at will.
func cronTimes(i int, field string) string {
	f := cronFields[i]
	for item := range strings.SplitSeq(field, ",") {
		span, step, stepped := strings.Cut(item, "/")
		low, high, ranged := strings.Cut(span, "-")
		from, ok := cronValue(i, low)
		to, ok2 := from, true
		if ranged {
			to, ok2 = cronValue(i, high)
		}
		if f.top == 7 && ranged && to == 0 {
			to = 7 // sunday, as the end of a week
		}
		n, err := strconv.Atoi(step)
		switch {
		case span == "*" && !stepped, span == "*" && err == nil && n > 0:
			continue
		case !ok || !ok2:
			return fmt.Sprintf("'%s' is no %s: expected %d to %d, a range, a list or *", item, f.name, f.low, f.top)
		case from > to:
			return fmt.Sprintf("'%s': the %s ends before it begins", item, f.name)
		case stepped && (err != nil || n <= 0 || !ranged):
			return fmt.Sprintf("'%s': a step belongs to * or a range, as in */5", item)
		}
	}
	return ""
}

// cronValue reads a number, or a name where the field has names.
func cronValue(i int, text string) (int, bool) {
	f := cronFields[i]
	if at := slices.Index(f.words, strings.ToLower(text)); at >= 0 {
		return f.low + at, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.low && n <= f.top && text[0] != '+'
}
