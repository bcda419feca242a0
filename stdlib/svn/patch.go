package svn

import (
	"context"
	"encoding/base64"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// changeMap is what a revision did, by relative path.
type changeMap map[string]change

// change is what a revision did to one file: both whole texts, as the repository
// keeps them.
type change struct {
	Left, Right []string
	Binary      bool
	Props       []string // names of changed properties
}

// wholeContext makes svn diff show whole files.
const wholeContext = "-U1000000"

// maxPatch bounds what one revision may have changed to be looked into.
const maxPatch = 256 << 20

// changes reads what a revision did to the files below a path, by relative path.
// It never changes, and is cached.
func (c *Checkout) changes(ctx context.Context, path string, rev int) (changeMap, error) {
	cache := c.svn.metadata
	key := cache.key(c.UUID, "changes\x00"+path+"\x00"+strconv.Itoa(rev))
	var out changeMap
	if cache.recall("changes", key, &out) {
		return out, nil
	}
	var text []byte
	read := func(r io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(r, maxPatch+1))
		if err == nil && len(text) > maxPatch {
			return &nodes.Error{Kind: nodes.Refused, Message: "r" + strconv.Itoa(rev) + " changed too much to be previewed", Hint: "take it and look"}
		}
		return err
	}
	args := []string{"diff", "--internal-diff", "-x", wholeContext, "-r", strconv.Itoa(rev-1) + ":" + strconv.Itoa(rev), at(join(c.Repo, path), rev)}
	if _, err := c.client.must(ctx, call{args: args, read: read}); err != nil {
		return nil, err
	}
	out, err := parsePatch(string(text))
	if err != nil {
		return nil, err
	}
	cache.keep("changes", key, out)
	return out, nil
}

var hunkHead = nodes.Pattern(`^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@`)

var errPatch = &nodes.Error{Kind: nodes.Protocol, Message: "svn's diff cannot be read"}

// parsePatch reads svn's unified diff with whole files as context.
func parsePatch(text string) (changeMap, error) {
	p := &patchReader{lines: splitLines(text), out: changeMap{}}
	for p.at < len(p.lines) {
		if err := p.step(); err != nil {
			return nil, err
		}
	}
	p.flush()
	return p.out, nil
}

type patchReader struct {
	lines []string
	at    int
	out   changeMap
	path  string
	cur   change
	open  bool
	props bool // in the part about properties
}

func (p *patchReader) flush() {
	if p.open {
		slices.Sort(p.cur.Props)
		p.out[p.path] = p.cur
	}
	p.cur, p.open, p.props = change{}, false, false
}

// step reads one line outside hunks, or a hunk.
func (p *patchReader) step() error {
	line := strings.TrimSuffix(p.lines[p.at], "\n")
	p.at++
	switch {
	case strings.HasPrefix(line, "Index: "):
		p.flush()
		p.path, p.open = strings.TrimPrefix(line, "Index: "), true
	case strings.HasPrefix(line, "Property changes on: "):
		if name := strings.TrimPrefix(line, "Property changes on: "); !p.open || p.path != name {
			p.flush()
			p.path, p.open = name, true
		}
		p.props = true
	case p.props && changedProp().MatchString(line):
		p.cur.Props = append(p.cur.Props, changedProp().FindStringSubmatch(line)[1])
	case !p.props && strings.HasPrefix(line, "Cannot display: file marked as a binary type"):
		p.cur.Binary = true
	case !p.props && hunkHead().MatchString(line):
		return p.hunk(hunkHead().FindStringSubmatch(line))
	}
	return nil
}

// hunk reads as many lines as its head announces.
func (p *patchReader) hunk(head []string) error {
	count := func(s string) int {
		if s == "" {
			return 1
		}
		return number(s)
	}
	left, right := count(head[2]), count(head[4])
	for left > 0 || right > 0 {
		if p.at >= len(p.lines) {
			return errPatch
		}
		line := p.lines[p.at]
		p.at++
		text := line[1:]
		if p.at < len(p.lines) && strings.HasPrefix(p.lines[p.at], `\ No newline`) {
			text = strings.TrimSuffix(text, "\n")
			p.at++
		}
		switch line[0] {
		case ' ':
			p.cur.Left, p.cur.Right = append(p.cur.Left, text), append(p.cur.Right, text)
			left, right = left-1, right-1
		case '-':
			p.cur.Left, left = append(p.cur.Left, text), left-1
		case '+':
			p.cur.Right, right = append(p.cur.Right, text), right-1
		default:
			return errPatch
		}
	}
	if left < 0 || right < 0 {
		return errPatch
	}
	return nil
}

// contents reads a file of the repository with its keywords contracted.
func (c *Checkout) contents(ctx context.Context, path string, rev int) ([]byte, error) {
	var text []byte
	read := func(r io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(r, maxPatch+1))
		if err == nil && len(text) > maxPatch {
			err = &nodes.Error{Kind: nodes.Refused, Message: path + " is too large to be merged here"}
		}
		return err
	}
	_, err := c.client.must(ctx, call{args: []string{"cat", "--ignore-keywords", "-r", strconv.Itoa(rev), at(join(c.Repo, path), rev)}, read: read})
	return text, err
}

// properties reads the properties of a node of the repository; rev -1 is HEAD.
func (c *Checkout) properties(ctx context.Context, path string, rev int) (map[string]string, error) {
	return c.proplist(ctx, call{args: []string{"proplist", "-v", "--xml", at(join(c.Repo, path), rev)}})
}

// proplist reads the properties that a call of svn proplist gives.
func (c *Checkout) proplist(ctx context.Context, k call) (map[string]string, error) {
	var list []struct {
		Props []struct {
			Name     string `xml:"name,attr"`
			Encoding string `xml:"encoding,attr"`
			Value    string `xml:",chardata"`
		} `xml:"property"`
	}
	k.read = collect("target", &list)
	_, err := c.client.must(ctx, k)
	out := map[string]string{}
	for _, t := range list {
		for _, p := range t.Props {
			out[p.Name] = p.Value
			if p.Encoding == "base64" { // what XML cannot hold
				raw, _ := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(p.Value), ""))
				out[p.Name] = string(raw)
			}
		}
	}
	return out, err
}
