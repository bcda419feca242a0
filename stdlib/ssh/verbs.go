package ssh

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/rollsh/rollsh/nodes"
)

// Hand does to nodes what recipes ask for.
type Hand struct {
	session *nodes.Session
	ids     *counter
}

// NewHand makes the hand of a session; nodes are reached by its Dialer.
func NewHand(s *nodes.Session) Hand { return Hand{s, newCounter(fromHand)} }

// Run runs a command on a node. With check, an ending other than exit code 0 is
// an error of kind Exit that carries code, signal and the last of the output.
func (h Hand) Run(ctx context.Context, n *nodes.Node, c nodes.Cmd, check bool) (nodes.Result, error) {
	conn, err := h.session.Dialer.Dial(ctx, n)
	if err != nil {
		return nodes.Result{}, err
	}
	res, err := conn.Run(ctx, c)
	if err == nil && check && !res.OK() {
		err = exitError(c, res)
	}
	return res, err
}

// run is Run for recipes: output that goes to files is kept in short too, and a
// command that only reads is run once more where the connection was lost.
func (h Hand) run(ctx context.Context, n *nodes.Node, c nodes.Cmd, reads, check bool, files *outputs) (nodes.Result, error) {
	var res nodes.Result
	err := again(reads, func() (err error) {
		if err = files.rewind(); err == nil {
			res, err = h.Run(ctx, n, c, false)
		}
		return err
	})
	err = files.close(&res, err)
	if err == nil && check && !res.OK() {
		err = exitError(c, res)
	}
	return res, err
}

// again does what only reads once more when the connection was lost under it;
// the second time it is made anew.
func again(reads bool, work func() error) error {
	err := work()
	if reads && nodes.KindOf(err) == nodes.Lost {
		err = work()
	}
	return err
}

// exitError is how a command failed.
func exitError(c nodes.Cmd, res nodes.Result) error {
	e := &nodes.Error{Kind: nodes.Exit, Signal: res.Signal, Stdout: string(res.Stdout), Stderr: string(res.Stderr)}
	if res.Signal == "" {
		e.Code = strconv.Itoa(res.Code)
	}
	e.Message = fmt.Sprintf("'%s': %s", title(c), ending(res))
	said := strings.TrimSpace(e.Stderr)
	if said == "" {
		said = strings.TrimSpace(e.Stdout)
	}
	lines := strings.Split(said, "\n")
	if last := nodes.Clean(strings.TrimSpace(lines[len(lines)-1])); last != "" {
		if runes := []rune(last); len(runes) > 200 {
			last = string(runes[:200]) + "..."
		}
		e.Message += ": " + strings.ReplaceAll(last, "\n", " ")
	}
	return e
}

// Test is true for exit code 0 and false for 1; any other ending is an error.
func (h Hand) Test(ctx context.Context, n *nodes.Node, c nodes.Cmd) (bool, error) {
	c.Quiet = true
	res, err := h.run(ctx, n, c, true, false, nil)
	switch {
	case err != nil:
		return false, err
	case res.Signal == "" && res.Code <= 1:
		return res.Code == 0, nil
	}
	return false, exitError(c, res)
}

// reading is with for work that changes nothing: it is done once more when the
// connection was lost under it.
func (h Hand) reading(ctx context.Context, n *nodes.Node, work func(nodes.Files) error) error {
	return again(true, func() error { return h.with(ctx, n, work) })
}

// access is with or reading.
type access func(context.Context, *nodes.Node, func(nodes.Files) error) error

// with opens the node's files for one piece of work.
func (h Hand) with(ctx context.Context, n *nodes.Node, work func(nodes.Files) error) error {
	conn, err := h.session.Dialer.Dial(ctx, n)
	if err != nil {
		return err
	}
	f, err := conn.Files(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	return work(f)
}

// remotePath checks a path on a node; on this machine a relative one belongs to
// the project.
func (h Hand) remotePath(n *nodes.Node, name string) (nodes.RemotePath, error) {
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return "", &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("%q is no path", name)}
	case n.Local:
		return nodes.RemotePath(h.session.Path(name)), nil
	case !path.IsAbs(name):
		return "", &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("path %q is relative: a path on a node is absolute", name)}
	}
	return nodes.RemotePath(path.Clean(name)), nil
}

// Read gives a file's content.
func (h Hand) Read(ctx context.Context, n *nodes.Node, name string) ([]byte, error) {
	p, err := h.remotePath(n, name)
	if err != nil {
		return nil, err
	}
	var text []byte
	err = h.reading(ctx, n, func(f nodes.Files) error {
		text, err = ReadFile(f, p)
		return err
	})
	return text, err
}

// Write replaces a file's content, atomically. The owner is "user" or
// "user:group", by name or number; empty keeps it.
func (h Hand) Write(ctx context.Context, n *nodes.Node, name, text string, perms Perms, owner string) error {
	p, err := h.remotePath(n, name)
	if err != nil {
		return err
	}
	var a Attributes
	if perms.Given {
		a.Perm = &perms.Mode
	}
	return h.with(ctx, n, func(f nodes.Files) error {
		if err := a.own(f, owner); err != nil {
			return err
		}
		return WriteFile(f, p, strings.NewReader(text), a)
	})
}

// own looks the owner up in the node's own files.
func (a *Attributes) own(f nodes.Files, owner string) error {
	user, group, _ := strings.Cut(owner, ":")
	var err error
	if user != "" {
		if a.UID, err = number(f, "/etc/passwd", user); err != nil {
			return err
		}
	}
	if group != "" {
		a.GID, err = number(f, "/etc/group", group)
	}
	return err
}

// number finds the number of a user or group. Source: passwd(5), group(5).
func number(f nodes.Files, file nodes.RemotePath, name string) (*int, error) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 {
		return &n, nil
	}
	text, err := ReadFile(f, file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(strings.TrimSpace(line), ":"); len(fields) > 2 && fields[0] == name {
			if n, err := strconv.Atoi(fields[2]); err == nil {
				return &n, nil
			}
		}
	}
	return nil, &nodes.Error{Kind: nodes.NotFound, Message: fmt.Sprintf("the node's %s has no '%s'", file, name), Hint: "give the number"}
}

// Put copies a local file or folder to a node.
func (h Hand) Put(ctx context.Context, n *nodes.Node, local, remote string) (Copied, error) {
	p, err := h.remotePath(n, remote)
	if err != nil {
		return Copied{}, err
	}
	local = h.session.Path(local)
	if strings.HasSuffix(remote, "/") {
		p = nodes.RemotePath(path.Join(string(p), filepath.Base(local)))
	}
	return h.copy(ctx, n, local+" -> "+string(p), h.with, func(c *Copier, f nodes.Files) (Copied, error) { return c.Put(ctx, f, local, p) })
}

// Get copies a file or folder of a node here. With perNode the local path is a
// folder that gets one folder for each node.
func (h Hand) Get(ctx context.Context, n *nodes.Node, remote, local string, perNode bool) (Copied, error) {
	p, err := h.remotePath(n, remote)
	if err != nil {
		return Copied{}, err
	}
	into := strings.HasSuffix(local, "/")
	local = h.session.Path(local)
	if st, err := os.Stat(local); err == nil {
		into = into || st.IsDir()
	}
	switch {
	case perNode && !into:
		return Copied{}, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("%s is no folder: files of several nodes need one", local), Hint: "write it with a / at the end"}
	case perNode:
		local = filepath.Join(local, filepath.Base(string(n.Name)))
	}
	if into {
		if err := os.MkdirAll(local, 0o755); err != nil {
			return Copied{}, localError("make", local, err)
		}
		local = filepath.Join(local, path.Base(string(p)))
	}
	return h.copy(ctx, n, string(p)+" -> "+local, h.reading, func(c *Copier, f nodes.Files) (Copied, error) { return c.Get(ctx, f, p, local) })
}

// copy copies and tells about it.
func (h Hand) copy(ctx context.Context, n *nodes.Node, text string, with access, work func(*Copier, nodes.Files) (Copied, error)) (Copied, error) {
	caller := nodes.CallerOf(ctx)
	e := nodes.Event{Time: time.Now(), Type: nodes.Started, ID: h.ids.next(), Op: caller.Op, Node: n.Name, Where: caller.Where, Text: text}
	h.session.Events.Emit(e)
	var done Copied
	err := with(ctx, n, func(f nodes.Files) error {
		var err error
		done, err = work(&Copier{Sink: h.session.Events, Event: e}, f)
		return err
	})
	e.Time, e.Type = time.Now(), nodes.Finished
	if err != nil {
		e.Err = nodes.AsError(err, nodes.Internal)
	}
	h.session.Events.Emit(e)
	return done, err
}

// Status is what stat gives.
type Status struct {
	Type  string    `lua:"type"` // file, folder, link (to nothing), other
	Size  int64     `lua:"size"`
	Perms string    `lua:"perms"`
	MTime time.Time `lua:"mtime"`
	UID   int       `lua:"uid"`
	GID   int       `lua:"gid"`
}

// Stat looks at a path, through symlinks; nil when there is nothing.
func (h Hand) Stat(ctx context.Context, n *nodes.Node, name string) (*Status, error) {
	p, err := h.remotePath(n, name)
	if err != nil {
		return nil, err
	}
	var st *Status
	err = h.reading(ctx, n, func(f nodes.Files) error {
		info, err := f.Stat(p)
		if nodes.KindOf(err) == nodes.NotFound {
			return nil
		}
		if err == nil {
			st = &Status{typeOf(info.Mode), info.Size, permText(info.Mode), info.ModTime, info.UID, info.GID}
		}
		return err
	})
	return st, err
}

func typeOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "folder"
	}
	return "other"
}

// Glob lists local paths that match a pattern, sorted; ** matches folders at
// any depth. Paths are relative to the project where the pattern is.
func (h Hand) Glob(pattern string) ([]string, error) {
	full := h.session.Path(pattern)
	if !doublestar.ValidatePathPattern(pattern) {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("%q is no pattern", pattern)}
	}
	found, err := doublestar.FilepathGlob(full, doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, localError("list", pattern, err)
	}
	if !filepath.IsAbs(pattern) {
		base := h.session.Path(".")
		for i := range found {
			if rel, err := filepath.Rel(base, found[i]); err == nil {
				found[i] = rel
			}
		}
	}
	slices.Sort(found)
	return found, nil
}
