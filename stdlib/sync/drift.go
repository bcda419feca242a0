package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Drift is how a tree on a node differs from what rolls left there, or from a
// source.
type Drift struct {
	Changed []Found // with owner and time on the node
	Missing []Found
	Extra   []Found

	e      *Engine
	node   *nodes.Node
	path   nodes.RemotePath
	source string        // folder to compare contents with; empty: none was given
	known  manifest.List // of the source
}

// String tells the drift to a person: a line that counts, then a line a file;
// "no drift" when there is none.
func (d *Drift) String() string {
	if len(d.Changed)+len(d.Missing)+len(d.Extra) == 0 {
		return "no drift"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d changed, %d missing, %d extra", len(d.Changed), len(d.Missing), len(d.Extra))
	for _, part := range []struct {
		sign string
		list []Found
	}{{"~", d.Changed}, {"-", d.Missing}, {"+", d.Extra}} {
		for i, f := range part.list {
			if i == maxShown {
				fmt.Fprintf(&b, "\n%s ... and %d more", part.sign, len(part.list)-i)
				break
			}
			fmt.Fprintf(&b, "\n%s %s", part.sign, f.text)
		}
	}
	return b.String()
}

// maxDiff limits the size of a file that is compared line by line.
const maxDiff = 4 << 20

// Drift compares the trees on all nodes with what rolls left there or, when
// o.From is given, with that. It changes nothing. The value is a *Drift.
func (e *Engine) Drift(ctx context.Context, set nodes.Set, o Options) (*nodes.Results, error) {
	const op = "sync.drift"
	o, err := o.with()
	if err != nil {
		return nil, nodes.At(err, op, "")
	}
	var src *source
	if o.From != nil {
		if src, err = e.scan(ctx, &o); err != nil {
			return nil, nodes.At(asSource(err), op, "")
		}
		defer src.close()
	}
	return e.onAll(ctx, op, set, o.Path, func(ctx context.Context, n *nodes.Node, path nodes.RemotePath, m emitter) (any, error) {
		m.quiet = true
		j := &job{e: e, o: &o, src: src, node: n, path: path, op: wire.OpDrift, events: m, by: e.holder(op)}
		rep, err := j.drift(ctx)
		if noAgent(err) {
			rep, err = e.thinDrift(ctx, j, why(err))
		}
		if err != nil {
			return nil, plainError(err)
		}
		if rep.Pending != "" {
			m.warn(rep.Pending)
		}
		d := &Drift{e: e, node: n, path: path}
		if src != nil {
			d.source, d.known = src.root, src.list
		}
		for _, f := range found(rep.Drift) {
			switch f.What {
			case "missing", "unsent":
				d.Missing = append(d.Missing, f)
			case "extra", "obsolete":
				d.Extra = append(d.Extra, f)
			default:
				d.Changed = append(d.Changed, f)
			}
		}
		return d, nil
	})
}

func (j *job) drift(ctx context.Context) (*wire.Report, error) {
	req := wire.Request{
		Op: wire.OpDrift, Root: []byte(j.path), By: j.by, Verify: j.o.Verify,
		Rules: wire.Carry(j.o.patterns(nil)),
	}
	if j.src != nil {
		req.Rules, req.Want = j.src.carried, j.src.list.Digest
	}
	var rep *wire.Report
	err := j.e.converse(ctx, j.node, func(ctx context.Context, l *line) error {
		if err := wireJSON(ctx, l, req); err != nil {
			return err
		}
		t := &talk{j: j, l: l}
		defer func() { _ = t.halt() }()
		var err error
		rep, err = t.answers(ctx)
		return err
	})
	return rep, err
}

// Diff shows how a file on the node differs from the source that the drift was
// taken against, as diff -u does. One that is on neither side is kind notfound.
func (d *Drift) Diff(ctx context.Context, file string) (string, error) {
	if !manifest.Clean(file) {
		return "", usage("'" + file + "' is not a path in the tree")
	}
	if d.source == "" {
		return "", usage("the drift was taken without from=, so there are no contents to compare with")
	}
	there, found, err := d.read(ctx, file)
	if err != nil {
		return "", nodes.At(plainError(err), called(ctx, "drift:diff"), d.node.Name)
	}
	dir, err := os.MkdirTemp(d.e.session.Cache, "diff-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	remote := filepath.Join(dir, "node")
	if err := os.WriteFile(remote, there, 0o600); err != nil {
		return "", err
	}
	local := filepath.Join(d.source, file)
	if _, err := os.Stat(local); errors.Is(err, os.ErrNotExist) {
		if !found {
			return "", &nodes.Error{Kind: nodes.NotFound, Message: "there is no " + file + ", neither in " + d.source + " nor on " + string(d.node.Name)}
		}
		local = os.DevNull
	}
	cmd := exec.CommandContext(ctx, "diff", "-u", "--label", "source/"+file, "--label", string(d.node.Name)+"/"+file, "--", local, remote)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return "", &nodes.Error{Kind: nodes.Failed, Message: "diff: " + err.Error(), Cause: err}
	}
	if !utf8.Valid(out) {
		return fmt.Sprintf("%s differs, and is no text\n", manifest.Quote(file)), nil
	}
	return string(out), nil
}

// read fetches a file of the tree, and tells whether it is there.
func (d *Drift) read(ctx context.Context, file string) (text []byte, found bool, err error) {
	var b bytes.Buffer
	_, err = d.stream(ctx, file, maxDiff+1, &b)
	if nodes.KindOf(plainError(err)) == nodes.NotFound {
		return nil, false, nil
	}
	if err == nil && b.Len() > maxDiff {
		err = &nodes.Error{Kind: nodes.Refused, Message: file + " is too large to be compared line by line"}
	}
	return b.Bytes(), true, err
}
