package shell

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// record is one line of --json, on standard output. Fields that are empty are
// left out; names and meanings do not change. Text that is not UTF-8 has its bad
// bytes replaced by U+FFFD.
//
//	time    when, RFC 3339 with nanoseconds, UTC
//	type    started output progress finished said warned planned state, as nodes.EventType;
//	        printed: print() or a value, in text; error: how the run failed, in error;
//	        finding: of check; asked: a question of ask, confirm or choose, with its answer
//	id      joins started, output, progress and finished of one operation on one node
//	op      sync.push, node:run
//	node    name of the node; absent: this machine
//	where   recipes/prod.lua:14
//	text    what is run, said, put out or printed
//	stream  of output: stdout or stderr
//	done    of progress: so far, in unit
//	total   of progress: the whole; absent: not known
//	unit    bytes or files
//	state   of state: staged, drained, ...
//	lines   of planned: what would be done in full, such as "+ index.html"
//	error   of finished and error: kind message where op node code (a number, or a
//	        program's own word) signal hint, and errors, a list of the same for several nodes
//	answer  of asked: yes, no or a text; [secret] for a secret
//	by      of asked: terminal, --yes, or no terminal, where the default was taken
//	file line column hint warning
//	        of finding, what check found, with its text; lint's op is lint.RULE
type record struct {
	Time   string   `json:"time"`
	Type   string   `json:"type"`
	ID     uint64   `json:"id,omitempty"`
	Op     string   `json:"op,omitempty"`
	Node   string   `json:"node,omitempty"`
	Where  string   `json:"where,omitempty"`
	Text   string   `json:"text,omitempty"`
	Stream string   `json:"stream,omitempty"`
	Done   int64    `json:"done,omitempty"`
	Total  int64    `json:"total,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	State  string   `json:"state,omitempty"`
	Lines  []string `json:"lines,omitempty"`
	Error  *problem `json:"error,omitempty"`
	Answer string   `json:"answer,omitempty"`
	By     string   `json:"by,omitempty"`

	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

// problem is a nodes.Error in a record.
type problem struct {
	Kind    string    `json:"kind"`
	Message string    `json:"message"`
	Where   string    `json:"where,omitempty"`
	Op      string    `json:"op,omitempty"`
	Node    string    `json:"node,omitempty"`
	Code    code      `json:"code,omitempty"`
	Signal  string    `json:"signal,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	Errors  []problem `json:"errors,omitempty"`
}

// code is an exit code, or a program's own: a number where it is one, as in Lua.
type code string

// MarshalJSON writes a number or a text.
func (c code) MarshalJSON() ([]byte, error) {
	if n, err := strconv.Atoi(string(c)); err == nil {
		return json.Marshal(n)
	}
	return json.Marshal(string(c))
}

// UnmarshalJSON reads a number or a text.
func (c *code) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(c))
	}
	*c = code(text)
	return nil
}

// events is the Sink of --json.
type events struct {
	screen *screen
	mu     sync.Mutex
}

// Emit writes e as one line.
func (j *events) Emit(e nodes.Event) { j.write(recordOf(e)) }

// flush does nothing: every event is written at once.
func (j *events) flush() {}

func (j *events) write(r record) {
	line, err := json.Marshal(r) // replaces bad UTF-8 itself
	if err != nil {
		return // a record is strings and numbers: it cannot fail
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.screen.result(escapeControls(string(line)) + "\n")
}

// escapeControls writes DEL and the C1 controls as JSON escapes: some terminals
// obey them, and encoding/json leaves them as they are.
func escapeControls(line string) string {
	var b strings.Builder
	for _, r := range line {
		if r >= 0x7f && r <= 0x9f {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func recordOf(e nodes.Event) record {
	r := record{
		Time: stamp(e.Time), Type: string(e.Type), ID: e.ID, Op: e.Op, Node: string(e.Node), Where: e.Where, Text: e.Text,
		Stream: e.Stream, Done: e.Done, Total: e.Total, Unit: e.Unit, State: e.State, Lines: e.Lines,
	}
	if e.Err != nil {
		p := problemOf(e.Err)
		r.Error = &p
	}
	return r
}

func stamp(t time.Time) string {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func problemOf(err error) problem {
	e := nodes.AsError(err, nodes.Internal)
	p := problem{
		Kind: string(e.Kind), Message: firstLine(e), Where: e.Where, Op: e.Op, Node: string(e.Node), Code: code(e.Code),
		Signal: e.Signal, Hint: e.Hint,
	}
	for _, sub := range e.Errors {
		p.Errors = append(p.Errors, problemOf(sub))
	}
	return p
}

// firstLine is an error's message; for several nodes without the folded lines,
// which errors tells.
func firstLine(e *nodes.Error) string {
	if len(e.Errors) == 0 {
		return e.Message
	}
	line, _, _ := strings.Cut(e.Message, "\n")
	return line
}

// event reads a record back; ok is false for records that are no events.
func (r record) event() (e nodes.Event, ok bool) {
	t, err := time.Parse(time.RFC3339Nano, r.Time)
	if err != nil || r.Type == "" {
		return e, false
	}
	e = nodes.Event{
		Time: t, Type: nodes.EventType(r.Type), ID: r.ID, Op: r.Op, Node: nodes.Name(r.Node), Where: r.Where, Text: r.Text,
		Stream: r.Stream, Done: r.Done, Total: r.Total, Unit: r.Unit, State: r.State, Lines: r.Lines,
	}
	if r.Error != nil {
		e.Err = r.Error.restore()
	}
	return e, true
}

func (p problem) restore() *nodes.Error {
	e := &nodes.Error{
		Kind: nodes.Kind(p.Kind), Message: p.Message, Where: p.Where, Op: p.Op, Node: nodes.Name(p.Node), Code: string(p.Code),
		Signal: p.Signal, Hint: p.Hint,
	}
	for _, sub := range p.Errors {
		e.Errors = append(e.Errors, sub.restore())
	}
	return e
}
