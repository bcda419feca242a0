package svn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// again is how many of the known revisions are read again each time: log
// messages are edited, most of all the recent ones.
const again = 50

// cacheVersion changes when the form of cached histories does.
const cacheVersion = 5

// history is the log of a URL with paths, oldest first, over copies too.
type history struct {
	Version int
	UUID    string
	Path    string // in the repository
	Commits commitList
	Seen    int               // what was committed up to this revision of the repository is in it
	Deltas  map[int]propDelta // what revisions did to merge properties; immutable

	Props   map[string]string // merge properties of the path itself
	PropsAt int               // when the repository's youngest revision was this

	Subtrees   map[string]string // merge properties below the path, by relative path
	SubtreesAt int               // as of this revision

	Shown   int  // the oldest revision that was listed for somebody, for fresh messages
	changed bool // since it was loaded
	rebuilt bool // read anew as a whole: the repository is not the one it was
	fresh   int  // messages from this revision on were read again
}

// propDelta is what a revision changed in properties.
type propDelta struct {
	Names  []string          // all property names, sorted
	Merged map[string]string // path to revisions that the merge information gained
	Undone map[string]string // and lost
	OnRoot bool              // some of it on the branch's own folder
}

// metadataCache keeps histories in memory and in the user's cache folder. What
// is in it is never trusted over what the repository says: each use reads what
// is new, and drops the rest when the repository is not the one it was.
type metadataCache struct {
	dir string
	mu  sync.Mutex
	in  map[string]*history
}

func newMetadataCache(dir string) *metadataCache {
	if dir != "" {
		dir = filepath.Join(dir, "svn")
	}
	return &metadataCache{dir: dir, in: map[string]*history{}}
}

func (m *metadataCache) key(uuid, path string) string {
	sum := sha256.Sum256([]byte(uuid + "\x00" + path))
	return hex.EncodeToString(sum[:16])
}

// load gives a copy of what is known; an empty history when nothing is.
func (m *metadataCache) load(uuid, path string) history {
	key := m.key(uuid, path)
	m.mu.Lock()
	known := m.in[key]
	m.mu.Unlock()
	if known != nil {
		return *known
	}
	empty := history{Version: cacheVersion, UUID: uuid, Path: path, Deltas: map[int]propDelta{}}
	var h history
	if !m.recall("history", key, &h) || h.Version != cacheVersion || h.UUID != uuid || h.Path != path {
		return empty
	}
	if h.Deltas == nil {
		h.Deltas = map[int]propDelta{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in[key] = &h
	return h
}

// save keeps a history; a cache that cannot be written is no failure.
func (m *metadataCache) save(h history) {
	if !h.changed {
		return
	}
	h.changed, h.rebuilt = false, false
	m.note(h)
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.key(h.UUID, h.Path)
	m.in[key] = &h
	m.keep("history", key, h)
}

// history reads the log of a URL and the repository's youngest revision: what is
// new with its paths, and again the recent part of what is known, for edited
// messages. With shown also what was listed before, however old it is. read is what
// was read ahead of it, or nil.
func (c *Checkout) history(ctx context.Context, url string, shown bool, read *logAhead) (h history, head int, err error) {
	h = c.svn.metadata.load(c.UUID, pathInRepository(c.Repo, url))
	known := h.again(shown)
	if len(known) > 0 {
		h.fresh = known[0].Rev
	}
	if h.followed(known) {
		if head, ok := c.follow(ctx, url, &h, known, read); ok {
			return h, head, nil
		}
	}
	err = together([]func() error{
		func() (err error) { head, err = c.head(ctx); return err },
		func() (err error) { h, err = c.walk(ctx, url, h, known); return err },
	})
	return h, head, err
}

// again are the commits to be read again: the recent ones, and with shown those
// that were listed for somebody.
func (h *history) again(shown bool) []commit {
	from := max(0, len(h.Commits)-again)
	if shown && h.Shown > 0 {
		from = min(from, max(0, slices.IndexFunc(h.Commits, func(k commit) bool { return k.Rev >= h.Shown })))
	}
	return h.Commits[from:]
}

// sparse is how many revisions of the repository there may be to one of the URL
// for the log of the whole repository to be read sooner.
const sparse = 3

// followed reports whether the log of the whole repository tells of the known
// commits sooner than that of their own line.
func (h *history) followed(known []commit) bool {
	return len(known) > 0 && h.Seen-known[0].Rev < sparse*len(known)
}

// follow reads the log of the whole repository, which is told without walking a
// path's history, and of the URL only what came since. ok is false where that
// cannot be: the user may not read the root, or the repository is not the one it
// was.
func (c *Checkout) follow(ctx context.Context, url string, h *history, known []commit, read *logAhead) (head int, ok bool) {
	all, err := read.take(ctx, c, known[0].Rev)
	if err != nil || len(all) == 0 || !agree(known, all) {
		return 0, false
	}
	head = all[len(all)-1].Rev
	if head > h.Seen {
		added, err := c.client.log(ctx, logQuery{url: at(url, head), lo: h.Seen + 1, hi: head, paths: true})
		if err != nil || slices.ContainsFunc(added, func(k commit) bool { _, _, born := birth(k, h.Path); return born }) {
			return 0, false // made anew: what is known was another line
		}
		h.Commits, h.Seen, h.changed = append(slices.Clone(h.Commits), added...), head, true
	}
	h.renew(all)
	return head, true
}

// walk reads the log of the URL alone.
func (c *Checkout) walk(ctx context.Context, url string, h history, known []commit) (history, error) {
	if len(known) == 0 {
		return c.wholeHistory(ctx, url, h)
	}
	fresh, err := c.client.log(ctx, logQuery{url: url + "@", lo: known[0].Rev, hi: headRevision})
	if err == nil && !joins(known, fresh) || nodes.KindOf(err) == nodes.NotFound { // the repository was restored
		return c.wholeHistory(ctx, url, h)
	}
	if err != nil {
		return h, err
	}
	if len(fresh) > len(known) {
		added, err := c.client.log(ctx, logQuery{url: url + "@", lo: fresh[len(known)].Rev, hi: fresh[len(fresh)-1].Rev, paths: true})
		if err != nil {
			return h, err
		}
		h.Commits, h.changed = append(slices.Clone(h.Commits), added...), true
		h.Seen = max(h.Seen, h.last())
	}
	h.renew(fresh[:len(known)])
	return h, nil
}

// agree reports whether all known commits were read again, with the same dates.
func agree(known, read []commit) bool {
	return !slices.ContainsFunc(known, func(k commit) bool {
		i, ok := slices.BinarySearchFunc(read, k.Rev, func(c commit, rev int) int { return c.Rev - rev })
		return !ok || !read[i].Date.Equal(k.Date)
	})
}

// wholeHistory reads everything, and forgets what was known.
func (c *Checkout) wholeHistory(ctx context.Context, url string, h history) (history, error) {
	if len(h.Commits) > 0 {
		c.svn.metadata.forget()
	}
	all, err := c.client.log(ctx, logQuery{url: url + "@", lo: 0, hi: headRevision, paths: true})
	h.Commits, h.Deltas, h.Subtrees, h.Shown, h.PropsAt, h.changed, h.rebuilt, h.fresh = all, map[int]propDelta{}, nil, 0, 0, true, true, 0
	h.Seen = h.last()
	return h, err
}

// joins reports whether what was read again begins as what is known: the same
// revisions of the same dates. Dates that somebody edited cost a whole reading.
func joins(known, fresh []commit) bool {
	return len(fresh) >= len(known) && slices.EqualFunc(known, fresh[:len(known)], func(a, b commit) bool {
		return a.Rev == b.Rev && a.Date.Equal(b.Date)
	})
}

func byPath(list []touch) []touch {
	return slices.SortedFunc(slices.Values(list), func(a, b touch) int { return strings.Compare(a.Path, b.Path) })
}

// fresh reads the messages of revisions again that are shown and were not read in
// this look: they may have been edited.
func (m *Merge) fresh(ctx context.Context, p *picture, revs revset) error {
	again, err := m.reread(ctx, p, revs)
	p.source.renew(again)
	return err
}

// reread reads what fresh puts into the history.
func (m *Merge) reread(ctx context.Context, p *picture, revs revset) ([]commit, error) {
	list := slices.DeleteFunc(revs.list(), func(rev int) bool { return rev >= p.source.fresh })
	if len(list) == 0 {
		return nil, nil
	}
	return m.messages(ctx, p.head, list)
}

// messages reads revisions of the source without their paths: out of the whole
// repository, which is told without walking a path's history, unless the user may
// not read that.
func (m *Merge) messages(ctx context.Context, head int, list []int) ([]commit, error) {
	q := logQuery{url: at(m.Into.Repo, head), only: list}
	if len(list) > manyMessages {
		q = logQuery{url: q.url, lo: list[0], hi: list[len(list)-1]}
	}
	again, err := m.Into.client.log(ctx, q)
	if err != nil && ctx.Err() == nil {
		q.url = at(m.From, head)
		again, err = m.Into.client.log(ctx, q)
	}
	return again, err
}

// manyMessages is how many revisions are asked for by name; more are read as a
// range.
const manyMessages = 200

// renew puts messages and authors that were read again into the commits.
func (h *history) renew(messages []commit) {
	cloned := false
	for _, m := range messages {
		i, ok := slices.BinarySearchFunc(h.Commits, m.Rev, func(c commit, rev int) int { return c.Rev - rev })
		if !ok || h.Commits[i].Message == m.Message && h.Commits[i].Author == m.Author {
			continue
		}
		if !cloned {
			h.Commits, cloned, h.changed = slices.Clone(h.Commits), true, true
		}
		h.Commits[i].Message, h.Commits[i].Author = m.Message, m.Author
	}
}

// cut drops what is younger than a revision: the parts of a picture are read side
// by side, while others may commit.
func (h *history) cut(head int) {
	i := slices.IndexFunc(h.Commits, func(c commit) bool { return c.Rev > head })
	if i >= 0 {
		h.Commits, h.Seen = h.Commits[:i:i], head
	}
}

// delta asks what a revision did to properties below a path; the answer never
// changes and is kept by the caller.
func (c *Checkout) delta(ctx context.Context, path string, rev int) (propDelta, error) {
	n := strconv.Itoa(rev)
	a, err := c.client.must(ctx, call{args: []string{"diff", "--properties-only", "--internal-diff", "-r", strconv.Itoa(rev-1) + ":" + n, at(join(c.Repo, path), rev)}})
	if err != nil {
		return propDelta{}, err
	}
	return parseDelta(a.stdout), nil
}

var (
	changedOn   = nodes.Pattern(`^Property changes on: (.*)$`)
	changedProp = nodes.Pattern(`^(?:Added|Modified|Deleted): (\S+)$`)
	gained      = nodes.Pattern(`^   (Merged|Reverse-merged) (/.*):(r?[0-9r,*-]+)$`)
)

// parseDelta reads svn's diff of properties. Lines of other properties' values
// begin with +, - or a blank and are not taken for svn's.
func parseDelta(text string) propDelta {
	d := propDelta{Merged: map[string]string{}, Undone: map[string]string{}}
	on, prop := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := changedOn().FindStringSubmatch(line); m != nil {
			on, prop = m[1], ""
		} else if m := changedProp().FindStringSubmatch(line); m != nil && on != "" {
			prop = m[1]
			d.Names = append(d.Names, prop)
			d.OnRoot = d.OnRoot || on == "." && prop == mergeProperty
		} else if m := gained().FindStringSubmatch(line); m != nil && prop == mergeProperty {
			revs := strings.ReplaceAll(strings.ReplaceAll(m[3], "r", ""), "*", "")
			if m[1] == "Merged" {
				d.Merged[m[2]] = strings.Trim(d.Merged[m[2]]+","+revs, ",")
			} else {
				d.Undone[m[2]] = strings.Trim(d.Undone[m[2]]+","+revs, ",")
			}
		}
	}
	slices.Sort(d.Names)
	d.Names = slices.Compact(d.Names)
	return d
}
