package svn

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
	"sync"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// exportsAtOnce is how many svn processes fetch files for a shadow.
const exportsAtOnce = 4

// shadow is what a checkout would be at another revision: a folder with hard
// links of what stays and exports of what changes. The checkout is not changed.
type shadow struct {
	*Checkout
	dir   string
	rev   int
	local map[string]bool // changed in the checkout, so with the file's own time
}

// At gives the checkout as an update to rev would leave it, without changing it.
// Where the update would do nothing, that is the checkout itself. Local changes
// stay in it, as they would; where rev changes the same file, it fails with
// Conflict. Unversioned files are in it too. close removes it.
func (c *Checkout) At(ctx context.Context, rev nodes.Revision) (nodes.Tree, func(), error) {
	head, err := c.head(ctx)
	if err != nil {
		return nil, nil, err
	}
	want, err := revision(rev, head, head)
	if err != nil {
		return nil, nil, err
	}
	entries, err := c.entries(ctx, "-u", "-r", strconv.Itoa(want))
	if err != nil {
		return nil, nil, err
	}
	p, err := c.incoming(entries)
	if err != nil {
		return nil, nil, err
	}
	now, err := c.number(ctx)
	if err != nil {
		return nil, nil, err
	}
	if p.empty() {
		if now == want {
			return c, func() {}, nil
		}
		return &shadow{Checkout: c, dir: c.Path, rev: want, local: p.local}, func() {}, nil
	}
	return c.cast(ctx, p, want)
}

// incoming is what an update would do.
type incoming struct {
	gone  map[string]bool // deleted, replaced or modified: not taken from the checkout
	fetch []string        // files and folders to be exported
	local map[string]bool // changed in the checkout
}

func (p incoming) empty() bool { return len(p.gone)+len(p.fetch) == 0 }

// incoming reads the answer of `svn status -u -r`.
func (c *Checkout) incoming(entries []statusXML) (incoming, error) {
	p := incoming{gone: map[string]bool{}, local: map[string]bool{}}
	var both []Status
	for _, e := range entries {
		mine, item := e.status(), e.Repos.Item
		missing := mine.Item == "missing" || mine.Item == "incomplete"
		if mine.own() && !missing {
			p.local[e.Path] = true
		}
		if !missing && (item == "" || item == "none" && e.Repos.Props == "none") || c.isFolder(e.Path, item) {
			continue
		}
		if !missing && (mine.own() || mine.Item == "unversioned") {
			both = append(both, mine)
		}
		p.gone[e.Path] = true
		if item != "deleted" {
			p.fetch = append(p.fetch, e.Path)
		}
	}
	if len(both) > 0 {
		return p, &nodes.Error{
			Kind: nodes.Conflict, Message: "changed in the checkout " + c.Path + " and in the repository: " + some(both),
			Hint: "commit or revert the local changes, or update the checkout first",
		}
	}
	slices.Sort(p.fetch)
	p.fetch = topmost(p.fetch)
	return p, nil
}

// isFolder reports whether a folder stays where it is: what changes in it is
// listed apart, and its own properties are not in the tree.
func (c *Checkout) isFolder(rel, item string) bool {
	if rel == "." {
		return true
	}
	fi, err := os.Lstat(filepath.Join(c.Path, rel))
	return err == nil && fi.IsDir() && (item == "modified" || item == "none" || item == "")
}

// topmost drops paths that are below another of the sorted list.
func topmost(sorted []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, p := range sorted {
		if !anyAbove(p, seen) {
			out = append(out, p)
		}
		seen[p] = true
	}
	return out
}

// anyAbove reports whether a folder above p is in the set.
func anyAbove(p string, set map[string]bool) bool {
	for d := filepath.Dir(p); d != "."; d = filepath.Dir(d) {
		if set[d] {
			return true
		}
	}
	return false
}

// cast builds the shadow.
func (c *Checkout) cast(ctx context.Context, p incoming, rev int) (nodes.Tree, func(), error) {
	dir, remove, err := c.svn.scratch("shadow")
	if err != nil {
		return nil, nil, err
	}
	if err := mirror(ctx, c.Path, dir, p.gone); err != nil {
		remove()
		return nil, nil, err
	}
	if err := c.export(ctx, dir, p.fetch, rev); err != nil {
		remove()
		return nil, nil, err
	}
	return &shadow{Checkout: c, dir: dir, rev: rev, local: p.local}, remove, nil
}

// scratch makes a folder in the cache and removes those that dead processes
// left there.
func (s *Svn) scratch(what string) (dir string, remove func(), err error) {
	parent := filepath.Join(s.cacheFolder(), what)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", nil, diskError(err)
	}
	old, _ := os.ReadDir(parent)
	for _, e := range old {
		pid, _, _ := strings.Cut(e.Name(), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(filepath.Join(parent, e.Name()))
		}
	}
	dir, err = os.MkdirTemp(parent, strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", nil, diskError(err)
	}
	return dir, sync.OnceFunc(func() { _ = os.RemoveAll(dir) }), nil
}

func (s *Svn) cacheFolder() string {
	if s.session.Cache == "" {
		return filepath.Join(os.TempDir(), "rollsh-svn-"+strconv.Itoa(os.Getuid()))
	}
	return filepath.Join(s.session.Cache, "svn")
}

// mirror fills dir with what the checkout at root holds, without what is gone.
func mirror(ctx context.Context, root, dir string, gone map[string]bool) error {
	var folders []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nodes.Stopped(ctx)
		}
		rel, _ := filepath.Rel(root, name)
		switch {
		case d.IsDir() && (d.Name() == ".svn" || d.Name() == ".git" || gone[rel]):
			return filepath.SkipDir
		case rel == "." || gone[rel]:
			return nil
		case d.IsDir():
			folders = append(folders, rel)
			return os.Mkdir(filepath.Join(dir, rel), 0o700)
		}
		return link(name, filepath.Join(dir, rel), d.Type())
	})
	if err != nil {
		return firstError(stopped(err), diskError(err))
	}
	return chmodFolders(root, dir, folders)
}

func stopped(err error) error {
	var e *nodes.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// chmodFolders gives the folders the permissions of the originals, the deepest
// first, so that one that cannot be written is filled by then.
func chmodFolders(root, dir string, folders []string) error {
	for _, rel := range slices.Backward(append([]string{"."}, folders...)) {
		fi, err := os.Stat(filepath.Join(root, rel))
		if err == nil {
			err = os.Chmod(filepath.Join(dir, rel), fi.Mode().Perm()|0o700)
		}
		if err != nil {
			return diskError(err)
		}
	}
	return nil
}

// link makes dst the same file as src: a hard link, or a copy where that is
// refused (another filesystem, protected hard links). Sockets, pipes and devices
// are left out, as no roll takes them.
func link(src, dst string, typ fs.FileMode) error {
	switch {
	case typ&fs.ModeSymlink != 0:
		target, err := os.Readlink(src)
		if err != nil {
			return err
		}
		return os.Symlink(target, dst)
	case !typ.IsRegular():
		return nil
	}
	if os.Link(src, dst) == nil {
		return nil
	}
	return copyFile(src, dst)
}

func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	err = errors.Join(err, out.Chmod(fi.Mode().Perm()), out.Close(), os.Chtimes(dst, fi.ModTime(), fi.ModTime()))
	return err
}

// export fetches files and folders of a revision, as an update would write them.
func (c *Checkout) export(ctx context.Context, dir string, paths []string, rev int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	turns := make(chan struct{}, exportsAtOnce)
	errs := make([]error, len(paths))
	for i, p := range paths {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			k := call{args: []string{
				"export", "-q", "--force", "--ignore-externals", "-r", strconv.Itoa(rev),
				at(join(c.URL, p), rev), local(filepath.Join(dir, p)),
			}}
			if _, errs[i] = c.client.must(ctx, k); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && nodes.KindOf(err) != nodes.Cancelled {
			return err
		}
	}
	return firstError(errs...)
}

// Root is the shadow's folder.
func (s *shadow) Root() string { return s.dir }

// Revision is the revision that the shadow shows.
func (s *shadow) Revision(context.Context) (nodes.Revision, error) {
	return nodes.Revision(strconv.Itoa(s.rev)), nil
}

// Files lists as the checkout does; an empty to is the shadow's revision.
func (s *shadow) Files(ctx context.Context, from, to nodes.Revision) ([]nodes.Change, error) {
	if to == "" {
		to = nodes.Revision(strconv.Itoa(s.rev))
	}
	return s.Checkout.Files(ctx, from, to)
}

// Dated gives the shadow's revision and its last-changed dates.
func (s *shadow) Dated(ctx context.Context) (nodes.Revision, map[string]time.Time, error) {
	list, err := s.list(ctx, s.rev)
	if err != nil {
		return "", nil, err
	}
	out := make(map[string]time.Time, len(list))
	for _, e := range list {
		if !s.local[e.Name] {
			out[e.Name] = e.Commit.when()
		}
	}
	rev, _ := s.Revision(ctx) // no question
	return rev, out, nil
}

// String names the shadow for messages.
func (s *shadow) String() string { return fmt.Sprintf("%s at r%d", s.Path, s.rev) }
