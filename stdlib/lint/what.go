package lint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// maxFiles is how many files one check takes.
const maxFiles = 1_000_000

// What is what to check: paths, a tree, or what was touched.
type What struct {
	paths   []string // folders and files, as a person gave them
	list    bool     // they were given as a list: names of files begin with them
	tree    nodes.Tree
	touched nodes.Touched
}

// Paths are folders and files; relative ones belong to the project.
func Paths(paths ...string) What { return What{paths: paths, list: len(paths) > 1} }

// InTree is a checkout, or the part of it that Options choose.
func InTree(t nodes.Tree) What { return What{tree: t} }

// InTouched is what a merge's working copy differs in.
func InTouched(t nodes.Touched) What { return What{touched: t} }

// UnpackLua takes a folder, a file, a list of those, a Checkout or a Merge.
func (w *What) UnpackLua(v any) error {
	switch v := v.(type) {
	case string:
		*w = Paths(v)
		return nil
	case []any:
		*w = What{list: true}
		for i, item := range v {
			path, ok := item.(string)
			if !ok {
				return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("item %d of the list is no path", i+1)}
			}
			w.paths = append(w.paths, path)
		}
		return nil
	case nodes.Tree:
		*w = InTree(v)
		return nil
	case nodes.Touched:
		*w = InTouched(v)
		return nil
	}
	return &nodes.Error{Kind: nodes.Usage, Message: "expected a Checkout, a Merge, a folder, a file or a list of files"}
}

// files lists the files to look at, each once.
func (w What) files(ctx context.Context, s *nodes.Session, o Options) ([]*file, error) {
	between := o.From != "" || o.To != ""
	switch {
	case (between || o.Changes != nil) && w.tree == nil:
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "changes=, from= and to= choose from a Checkout", Hint: "give the Checkout, not its path"}
	case between && o.Changes != nil:
		return nil, &nodes.Error{Kind: nodes.Usage, Message: "changes= and from=, to= both say which files", Hint: "give either changes=, or from= and to="}
	}
	l := &listing{ctx: ctx, session: s, seen: map[string]bool{}}
	defer l.close()
	var err error
	switch {
	case w.touched != nil:
		err = l.touched(w.touched)
	case w.tree != nil && o.Changes != nil:
		err = l.changes(w.tree, o.Changes)
	case w.tree != nil && between:
		err = l.between(w.tree, o.From, o.To)
	case w.tree != nil:
		err = l.walk(w.tree.Root(), "")
	default:
		err = l.paths(s, w)
	}
	if ctx.Err() != nil {
		return nil, nodes.Stopped(ctx)
	}
	return l.files, err
}

// listing gathers files.
type listing struct {
	ctx     context.Context
	session *nodes.Session
	files   []*file
	seen    map[string]bool // by absolute path
	record  *seen           // of the folder that is walked
	root    *os.Root        // the folder last looked into
	past    nodes.Earlier   // who tells what files were; nil: nobody
	since   nodes.Revision  // at which revision; empty: before changes that were not committed
}

// ago gives what a changed file was; nil where nobody knows.
func (l *listing) ago(name string) before {
	past, since := l.past, l.since
	if past == nil {
		return nil
	}
	return func(ctx context.Context) ([]byte, bool, error) {
		text, err := past.Earlier(ctx, filepath.ToSlash(name), since)
		if nodes.KindOf(err) == nodes.NotFound {
			return nil, false, nil
		}
		return text, err == nil, err
	}
}

// add takes a file of the tree at top.
func (l *listing) add(top, path, name string) error {
	if l.seen[path] {
		return nil
	}
	if len(l.files) >= maxFiles {
		return &nodes.Error{Kind: nodes.Usage, Message: fmt.Sprintf("more than %d files to check", maxFiles)}
	}
	l.seen[path] = true
	l.files = append(l.files, &file{path: path, name: name, top: top, before: l.ago(name), seen: l.record})
	return nil
}

// skipped are folders that no roll sends.
func skipped(name string) bool {
	switch name {
	case ".svn", ".git", ".hg", ".bzr":
		return true
	}
	return strings.HasPrefix(name, ".rollsh")
}

// walk adds the regular files under root; names are relative to it, with prefix
// before them.
func (l *listing) walk(root, prefix string) error {
	l.record = openSeen(l.session, root+"\x00"+prefix)
	defer func() { l.record = nil }()
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != root:
			return nil
		case err != nil:
			return unreadable(path, err)
		case d.IsDir() && path != root && skipped(d.Name()):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return l.add(root, path, filepath.Join(prefix, rel))
	})
}

// paths adds what a person named; a path that is not there is an error.
func (l *listing) paths(s *nodes.Session, w What) error {
	for _, p := range w.paths {
		abs := s.Path(p)
		info, err := os.Stat(abs)
		if errors.Is(err, fs.ErrNotExist) {
			return &nodes.Error{Kind: nodes.NotFound, Message: "no file or folder " + p}
		}
		if err != nil {
			return unreadable(p, err)
		}
		if abs, err = filepath.EvalSymlinks(abs); err != nil {
			return &nodes.Error{Kind: nodes.NotFound, Message: "no file or folder " + p, Cause: err}
		}
		prefix := ""
		if w.list {
			prefix = p
		}
		switch {
		case info.IsDir():
			err = l.walk(abs, prefix)
		case info.Mode().IsRegular():
			err = l.add(topOf(s, abs), abs, p)
		default:
			err = &nodes.Error{Kind: nodes.Usage, Message: p + " is neither a file nor a folder"}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// topOf is where the tree of a file begins that was named by itself: the project, or
// the file's folder where it is elsewhere.
func topOf(s *nodes.Session, path string) string {
	top := projectOf(s)
	if rel, err := filepath.Rel(top, path); top != "" && err == nil && filepath.IsLocal(rel) {
		return top
	}
	return filepath.Dir(path)
}

// projectOf is the folder of the project without symlinks, as paths of files are;
// empty where there is none.
func projectOf(s *nodes.Session) string {
	if s.Project == "" {
		return ""
	}
	path, err := filepath.EvalSymlinks(s.Project)
	if err != nil {
		return ""
	}
	return path
}

// inside adds a path relative to root, when it is a regular file beneath it.
func (l *listing) inside(root, name string) error {
	if !filepath.IsLocal(name) || slices.ContainsFunc(strings.Split(filepath.ToSlash(name), "/"), skipped) {
		return nil
	}
	info, err := l.lstat(root, name)
	if err != nil || info == nil || !info.Mode().IsRegular() {
		return err
	}
	return l.add(root, filepath.Join(root, name), name)
}

// lstat looks at a path beneath root; nil when there is nothing, or when a
// symlink on the way leads out of root.
func (l *listing) lstat(root, name string) (fs.FileInfo, error) {
	if l.root == nil || l.root.Name() != root {
		r, err := os.OpenRoot(root)
		if err != nil {
			return nil, unreadable(root, err)
		}
		l.close()
		l.root = r
	}
	info, err := l.root.Lstat(name)
	if err != nil {
		return nil, nil
	}
	return info, nil
}

func (l *listing) close() {
	if l.root != nil {
		l.root.Close()
	}
}

func unreadable(path string, err error) error {
	kind := nodes.Permission
	if errors.Is(err, fs.ErrNotExist) {
		kind = nodes.NotFound
	}
	return &nodes.Error{Kind: kind, Message: "cannot read " + path + ": " + reason(err), Cause: err}
}

func (l *listing) touched(t nodes.Touched) error {
	l.past, _ = t.(nodes.Earlier)
	names, err := t.Touched(l.ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.inside(t.Root(), name); err != nil {
			return err
		}
	}
	return nil
}

// between adds the files that differ between two revisions. A folder that was
// added stands for what is in it, as the repository may have copied it whole.
func (l *listing) between(t nodes.Tree, from, to nodes.Revision) error {
	if from != "" {
		l.past, _ = t.(nodes.Earlier)
		l.since = from
	}
	changes, err := t.Files(l.ctx, from, to)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := l.changed(t.Root(), c); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) changed(root string, c nodes.Change) error {
	if c.Action == "D" {
		return nil
	}
	info, err := l.lstat(root, c.Path)
	if err != nil {
		return err
	}
	if (c.Action == "A" || c.Action == "R") && info != nil && info.IsDir() {
		return l.walk(filepath.Join(root, c.Path), c.Path)
	}
	return l.inside(root, c.Path)
}

// changes adds the files that changesets touch. Their paths are the
// repository's; how many leading elements of those lie above the working copy is
// found by looking under which most of the paths exist.
func (l *listing) changes(t nodes.Tree, cs nodes.Changesets) error {
	if len(cs) == 0 {
		return nil
	}
	var paths []nodes.ChangedPath
	first := cs[0].Rev
	for _, c := range cs {
		paths = append(paths, c.Paths...)
		first = min(first, c.Rev)
	}
	if first > 0 {
		l.past, _ = t.(nodes.Earlier)
		l.since = nodes.Revision(strconv.Itoa(first - 1))
	}
	root := t.Root()
	depth := depthOf(root, paths)
	for _, p := range paths {
		name := below(p.Path, depth)
		if name == "" {
			continue
		}
		if err := l.changed(root, nodes.Change{Path: name, Action: p.Action}); err != nil {
			return err
		}
	}
	return nil
}

// below is a path of the repository without its first elements.
func below(path string, depth int) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	return filepath.Join(parts[min(depth, len(parts)):]...)
}

func depthOf(root string, paths []nodes.ChangedPath) int {
	best, most := 0, 0
	deepest := 0
	for _, p := range paths {
		deepest = max(deepest, strings.Count(strings.Trim(p.Path, "/"), "/"))
	}
	for depth := range deepest + 1 {
		found := 0
		for _, p := range paths {
			name := below(p.Path, depth)
			if name == "" || !filepath.IsLocal(name) {
				continue
			}
			if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
				found++
			}
		}
		if found > most {
			best, most = depth, found
		}
	}
	return best
}
