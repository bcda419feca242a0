package svn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// again is how many of the known revisions are read again each time: log
// messages are edited, most of all the recent ones.
const again = 50

// cacheVersion changes when the form of cached histories does.
const cacheVersion = 1

// history is the log of a URL with paths, oldest first, over copies too.
type history struct {
	Version int
	UUID    string
	Path    string // in the repository
	Head    int    // known up to here
	Commits []commit
	Deltas  map[int]propDelta // what revisions did to merge properties; immutable

	Subtrees   map[string]string // merge properties below the path, by relative path
	SubtreesAt int               // as of this revision

	Shown int // the oldest revision that was listed for somebody, for fresh messages
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
		dir = filepath.Join(dir, "svn", "history")
	}
	return &metadataCache{dir: dir, in: map[string]*history{}}
}

func (m *metadataCache) key(uuid, path string) string {
	sum := sha256.Sum256([]byte(uuid + "\x00" + path))
	return hex.EncodeToString(sum[:16])
}

// load gives a copy of what is known; an empty history when nothing is.
func (m *metadataCache) load(uuid, path string) history {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.key(uuid, path)
	if h := m.in[key]; h != nil {
		return *h
	}
	empty := history{Version: cacheVersion, UUID: uuid, Path: path, Deltas: map[int]propDelta{}}
	text, err := os.ReadFile(filepath.Join(m.dir, key))
	if err != nil || m.dir == "" {
		return empty
	}
	var h history
	if gob.NewDecoder(bytes.NewReader(text)).Decode(&h) != nil || h.Version != cacheVersion || h.UUID != uuid || h.Path != path {
		return empty
	}
	if h.Deltas == nil {
		h.Deltas = map[int]propDelta{}
	}
	return h
}

// save keeps a history; a cache that cannot be written is no failure.
func (m *metadataCache) save(h history) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.key(h.UUID, h.Path)
	m.in[key] = &h
	var b bytes.Buffer
	if m.dir == "" || gob.NewEncoder(&b).Encode(h) != nil || os.MkdirAll(m.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(m.dir, "new-*")
	if err != nil {
		return
	}
	_, err = f.Write(b.Bytes())
	if closeErr := f.Close(); err != nil || closeErr != nil || os.Rename(f.Name(), filepath.Join(m.dir, key)) != nil {
		_ = os.Remove(f.Name())
	}
}

// history reads the log of a URL up to head: what is new, what is recent, and
// the messages of what was listed before.
func (c *Checkout) history(ctx context.Context, url string, head int) (history, error) {
	cache := c.svn.metadata
	h := cache.load(c.UUID, pathInRepository(c.Repo, url))
	if h.Head > head { // an older repository under the same name
		h.Head, h.Commits, h.Deltas = 0, nil, map[int]propDelta{}
	}
	from := 0
	if n := len(h.Commits); n > again {
		from = h.Commits[n-again].Rev
	}
	fresh, messages, err := c.readLogs(ctx, url, head, from, h.Shown)
	if err != nil {
		return h, err
	}
	if !joins(h.Commits, fresh, from) {
		if fresh, err = c.client.log(ctx, logQuery{url: at(url, head), lo: 0, hi: head, paths: true}); err != nil {
			return h, err
		}
		h.Commits, h.Deltas, messages = nil, map[int]propDelta{}, nil
	}
	known := slices.IndexFunc(h.Commits, func(k commit) bool { return k.Rev >= from })
	h.Commits = append(slices.Clone(h.Commits[:max(known, 0)]), fresh...)
	renew(h.Commits, messages)
	h.Head = head
	return h, nil
}

// readLogs reads the new part of a log with its paths, and at the same time the
// messages of the part that is known and was listed.
func (c *Checkout) readLogs(ctx context.Context, url string, head, from, shown int) (fresh, messages []commit, err error) {
	var wg sync.WaitGroup
	var messagesErr error
	if from > 0 && shown > 0 && shown < from {
		wg.Go(func() {
			messages, messagesErr = c.client.log(ctx, logQuery{url: at(url, head), lo: shown, hi: from - 1})
		})
	}
	fresh, err = c.client.log(ctx, logQuery{url: at(url, head), lo: from, hi: head, paths: true})
	wg.Wait()
	return fresh, messages, firstError(err, messagesErr)
}

// joins reports whether what was read again is what is known: the same
// revisions with the same paths.
func joins(known, fresh []commit, from int) bool {
	at := slices.IndexFunc(known, func(k commit) bool { return k.Rev >= from })
	if at < 0 {
		return len(known) == 0
	}
	old := known[at:]
	if len(fresh) < len(old) {
		return false
	}
	for i, k := range old {
		if fresh[i].Rev != k.Rev || !slices.EqualFunc(byPath(fresh[i].Paths), byPath(k.Paths), func(a, b touch) bool { return a == b }) {
			return false
		}
	}
	return true
}

func byPath(list []touch) []touch {
	return slices.SortedFunc(slices.Values(list), func(a, b touch) int { return strings.Compare(a.Path, b.Path) })
}

// renew puts messages, authors and dates that were read again into commits.
func renew(commits, messages []commit) {
	for _, m := range messages {
		i, ok := slices.BinarySearchFunc(commits, m.Rev, func(c commit, rev int) int { return c.Rev - rev })
		if ok {
			commits[i].Message, commits[i].Author, commits[i].Date = m.Message, m.Author, m.Date
		}
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
	changedOn   = regexp.MustCompile(`^Property changes on: (.*)$`)
	changedProp = regexp.MustCompile(`^(?:Added|Modified|Deleted): (\S+)$`)
	gained      = regexp.MustCompile(`^   (Merged|Reverse-merged) (/.*):(r?[0-9r,*-]+)$`)
)

// parseDelta reads svn's diff of properties. Lines of other properties' values
// begin with +, - or a blank and are not taken for svn's.
func parseDelta(text string) propDelta {
	d := propDelta{Merged: map[string]string{}, Undone: map[string]string{}}
	on, prop := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := changedOn.FindStringSubmatch(line); m != nil {
			on, prop = m[1], ""
		} else if m := changedProp.FindStringSubmatch(line); m != nil && on != "" {
			prop = m[1]
			d.Names = append(d.Names, prop)
			d.OnRoot = d.OnRoot || on == "." && prop == mergeProperty
		} else if m := gained.FindStringSubmatch(line); m != nil && prop == mergeProperty {
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
