package lint

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/ianaindex"
	"gopkg.in/yaml.v3"

	"github.com/rollsh/rollsh/nodes"
)

// finding is a problem of a text.
type finding struct {
	line    int
	message string
}

// textRule makes a rule of a parser that is built in. A parser that takes too
// long or fails badly is a problem of its file, not of the check.
func textRule(name string, files []string, limit int64, parse func(name string, text []byte) []finding) Rule {
	return Rule{Name: name, Files: files, check: func(ctx context.Context, jobs []*job, done func()) error {
		return parallel(ctx, len(jobs), func(i int) error {
			defer done()
			return parseFile(ctx, jobs[i], limit, parse)
		})
	}}
}

func parseFile(ctx context.Context, j *job, limit int64, parse func(string, []byte) []finding) error {
	info, err := os.Lstat(j.path)
	if err == nil && info.Size() > limit {
		j.report(0, fmt.Sprintf("%d bytes are too many to check, the limit is %d", info.Size(), limit))
		return nil
	}
	text, err := os.ReadFile(j.path)
	if err != nil {
		return &nodes.Error{Kind: nodes.Permission, Message: "cannot read " + j.name + ": " + reason(err), Cause: err}
	}
	found := make(chan []finding, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				found <- []finding{{0, fmt.Sprintf("the parser failed: %v", p)}}
			}
		}()
		found <- parse(j.path, text)
	}()
	late := time.NewTimer(fileTime)
	defer late.Stop()
	select {
	case list := <-found:
		for _, f := range list {
			j.report(f.line, f.message)
		}
	case <-late.C:
		j.report(0, "not checked within "+fileTime.String())
		j.open = true
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
	return nil
}

func luaRule(check LuaCheck) Rule {
	r := textRule("lua", []string{"*.lua"}, 1<<20, func(name string, text []byte) []finding {
		var out []finding
		for _, p := range check(name, text) {
			out = append(out, finding{p.Line, p.Message})
		}
		return out
	})
	// What a recipe may say depends on the project's other files too.
	r.tool = func(context.Context) (string, error) { return "", nil }
	return r
}

func jsonRule() Rule { return textRule("json", []string{"*.json"}, 64<<20, parseJSON) }

func parseJSON(_ string, text []byte) []finding {
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		return []finding{{1, "begins with a byte order mark, which JSON does not allow"}}
	}
	var v json.RawMessage
	err := json.Unmarshal(text, &v)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return []finding{{lineAt(text, syntax.Offset), err.Error()}}
	}
	return []finding{{0, err.Error()}}
}

// lineAt is the line of the last of the first n bytes.
func lineAt(text []byte, n int64) int {
	end := max(0, min(n, int64(len(text)))-1)
	return 1 + bytes.Count(text[:end], []byte("\n"))
}

func yamlRule() Rule { return textRule("yaml", []string{"*.yaml", "*.yml"}, 4<<20, parseYAML) }

var yamlLine = nodes.Pattern(`^yaml: (?:line (\d+): )?([\s\S]*)$`)

func parseYAML(_ string, text []byte) []finding {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var out []finding
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			m := yamlLine().FindStringSubmatch(err.Error())
			if m == nil {
				return append(out, finding{0, err.Error()})
			}
			line, _ := strconv.Atoi(m[1]) // 0 where none is named
			return append(out, finding{line, m[2]})
		}
		out = append(out, repeatedKeys(&n)...)
	}
}

// repeatedKeys finds keys that are twice in a mapping: YAML forbids it, and
// readers differ in which one they take. Aliases are not followed.
func repeatedKeys(n *yaml.Node) []finding {
	var out []finding
	seen := map[string]int{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind == yaml.ScalarNode && child.Tag != "!!merge" {
			id := child.ShortTag() + " " + child.Value
			if first, ok := seen[id]; ok {
				out = append(out, finding{child.Line, fmt.Sprintf("key '%s' is on line %d already", child.Value, first)})
			}
			seen[id] = child.Line
		}
		out = append(out, repeatedKeys(child)...)
	}
	return out
}

func xmlRule() Rule {
	return textRule("xml", []string{"*.xml", "*.xsd", "*.xsl", "*.xslt", "*.svg", "*.rng", "*.xhtml"}, 64<<20, parseXML)
}

var (
	entityUse     = nodes.Pattern(`&([A-Za-z_:][A-Za-z0-9_:.-]*);`)
	entityDeclare = nodes.Pattern(`<!ENTITY\s+([A-Za-z_:][A-Za-z0-9_:.-]*)\s`)
	xml11         = nodes.Pattern(`^(<\?xml\s+version\s*=\s*["'])1\.1`)
	externalDTD   = nodes.Pattern(`^DOCTYPE\s+\S+\s+(SYSTEM|PUBLIC)\b`)
)

// parseXML tells whether a text is well-formed. Entities are looked up by name
// only and never expanded; those that an external DTD may declare are let pass.
func parseXML(_ string, text []byte) []finding {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	// The parser knows version 1.0 only; 1.1 differs in rare control characters.
	known := xml11().ReplaceAll(text[:min(len(text), 100)], []byte("${1}1.0"))
	d := xml.NewDecoder(io.MultiReader(bytes.NewReader(known), bytes.NewReader(text[min(len(text), 100):])))
	d.CharsetReader = charset
	roots, depth, doctypes := 0, 0, 0
	fail := func(format string, args ...any) []finding {
		return []finding{{lineAt(text, d.InputOffset()), fmt.Sprintf(format, args...)}}
	}
	for {
		start := d.InputOffset()
		token, err := d.Token()
		var syntax *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF) && roots == 0:
			return fail("no element")
		case errors.Is(err, io.EOF) && depth == 0:
			return nil
		case errors.Is(err, io.EOF):
			return fail("ends before the element is closed")
		case errors.As(err, &syntax):
			return []finding{{syntax.Line, syntax.Msg}}
		case err != nil:
			return fail("%v", err)
		}
		switch t := token.(type) {
		case xml.ProcInst:
			if strings.EqualFold(t.Target, "xml") && (start > 0 || !bytes.Contains(t.Inst, []byte("version"))) {
				return fail("the XML declaration must be the very first and name a version")
			}
		case xml.Directive:
			if doctypes++; doctypes > 1 || roots > 0 || !bytes.HasPrefix(t, []byte("DOCTYPE")) {
				return fail("a declaration that is not allowed here")
			}
			d.Entity = entities(t, text)
		case xml.StartElement:
			if depth == 0 && roots > 0 {
				return fail("a second element after the first: %s", t.Name.Local)
			}
			if name := repeatedAttribute(t.Attr); name != "" {
				return fail("attribute %s is given twice", name)
			}
			depth, roots = depth+1, roots+1
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return fail("text outside the element")
			}
		}
	}
}

func repeatedAttribute(attrs []xml.Attr) string {
	seen := map[xml.Name]bool{}
	for _, a := range attrs {
		if seen[a.Name] {
			return a.Name.Local
		}
		seen[a.Name] = true
	}
	return ""
}

// entities are the names that a document type lets a text use.
func entities(doctype xml.Directive, text []byte) map[string]string {
	names := map[string]string{}
	for _, m := range entityDeclare().FindAllSubmatch(doctype, -1) {
		names[string(m[1])] = " "
	}
	if externalDTD().Match(doctype) {
		for _, m := range entityUse().FindAllSubmatch(text, -1) {
			names[string(m[1])] = " "
		}
	}
	return names
}

func charset(label string, in io.Reader) (io.Reader, error) {
	enc, err := ianaindex.IANA.Encoding(label)
	if err != nil || enc == nil {
		return nil, errors.New("unknown encoding " + strings.TrimSpace(label))
	}
	return enc.NewDecoder().Reader(in), nil
}
