package sync

import (
	"context"
	"io"
	"path"
	"strconv"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// thinDrift is the agent's drift over SFTP; owners are numbers.
func (e *Engine) thinDrift(ctx context.Context, j *job, why string) (*wire.Report, error) {
	e.sayThin(j.events, j.node, why)
	t, err := e.openThin(ctx, j)
	if err != nil {
		return nil, err
	}
	defer t.shut()
	if j.src == nil && t.now.First() {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "no roll was made to " + t.root, Hint: "give from= to compare with"}
	}
	rules, err := j.rules()
	if err != nil {
		return nil, err
	}
	sides, stop := t.sides(rules, nil)
	sides.Want = sides.Ours
	if j.src != nil {
		sides.Want, _ = rules.Filter(j.src.list)
	}
	list, err := sides.Differences()
	if err = stop(err); err != nil {
		return nil, t.why(err)
	}
	name := func(id uint32) string { return strconv.Itoa(int(id)) }
	rep := &wire.Report{Marker: &t.now.Marker, First: t.now.First(), Pending: t.unsettled()}
	rep.Drift = wire.Findings(list, name)
	return rep, nil
}

// rules say what of the tree is looked at.
func (j *job) rules() (*manifest.Rules, error) {
	if j.src != nil {
		return j.src.rules, nil
	}
	r, err := manifest.Compile(j.o.patterns(nil))
	if err != nil {
		return nil, usage(err.Error())
	}
	return r, nil
}

// thinStream reads at most limit bytes of a file of the tree.
func (e *Engine) thinStream(ctx context.Context, j *job, file string, limit int64, w io.Writer) (int64, error) {
	t, err := e.openThin(ctx, j)
	if err != nil {
		return 0, err
	}
	defer t.shut()
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if st, err := t.lstat(dir); err == nil && st.Kind != manifest.Dir {
			return 0, &nodes.Error{Kind: nodes.Refused, Message: manifest.Quote(dir) + " is not a folder on the node"}
		}
	}
	st, err := t.lstat(file)
	if err != nil {
		return 0, err
	}
	if st.Kind != manifest.File {
		return 0, &nodes.Error{Kind: nodes.Failed, Message: "cannot read " + manifest.Quote(file) + ": it is not a file"}
	}
	r, err := t.f.Open(t.at(file))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(w, io.LimitReader(r, limit))
}
