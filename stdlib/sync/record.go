package sync

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// record remembers what each tree on each node held after the last sync from
// here. It is a guess that saves a round trip; the node knows better and is
// always asked. What cannot be read or written is left out.
type record struct {
	dir string
	mu  sync.Mutex
	at  map[string]manifest.Digest
	all map[manifest.Digest][]manifest.Entry
}

const keptManifests = 64

func newRecord(cache string) *record {
	dir := ""
	if cache != "" {
		dir = filepath.Join(cache, "sync")
	}
	return &record{dir: dir, at: map[string]manifest.Digest{}, all: map[manifest.Digest][]manifest.Entry{}}
}

func treeKey(n *nodes.Node, path nodes.RemotePath) string {
	sum := sha256.Sum256([]byte(placeOf(n) + "\x00" + string(path)))
	return hex.EncodeToString(sum[:16])
}

// base gives what is believed to be ours in a tree; an empty digest when
// nothing is known. What is the same as the source is taken from there.
func (r *record) base(n *nodes.Node, path nodes.RemotePath, src *source) (manifest.Digest, []manifest.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := treeKey(n, path)
	d, ok := r.at[key]
	if !ok && r.dir != "" {
		b, _ := os.ReadFile(filepath.Join(r.dir, "at-"+key))
		d = manifest.Digest(b)
		r.at[key] = d
	}
	if d == "" {
		return "", nil
	}
	list, ok := r.all[d]
	switch {
	case ok:
		return d, list
	case d == src.digest:
		list = src.entries
	default:
		if list, ok = r.load(d); !ok {
			return "", nil
		}
	}
	r.all[d] = list
	return d, list
}

// forget drops the lists that no tree is believed to be at any more.
func (r *record) forget() {
	used := map[manifest.Digest]bool{}
	for _, d := range r.at {
		used[d] = true
	}
	maps.DeleteFunc(r.all, func(d manifest.Digest, _ []manifest.Entry) bool { return !used[d] })
}

func (r *record) load(d manifest.Digest) ([]manifest.Entry, bool) {
	if r.dir == "" || strings.ContainsAny(string(d), "/.") {
		return nil, false
	}
	name := filepath.Join(r.dir, "manifest-"+string(d))
	packed, err := os.ReadFile(name)
	if err != nil {
		return nil, false
	}
	b, err := wire.Unpack(packed)
	if err != nil || manifest.DigestOf(b) != d {
		return nil, false
	}
	list, err := manifest.Decode(b)
	now := time.Now()
	_ = os.Chtimes(name, now, now)
	return list, err == nil
}

// keep notes what is ours in a tree now. A list that does not have the digest
// is not kept.
func (r *record) keep(n *nodes.Node, path nodes.RemotePath, d manifest.Digest, list []manifest.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := treeKey(n, path)
	known := r.all[d] != nil
	if !known {
		b := manifest.Encode(list)
		if manifest.DigestOf(b) != d {
			d = ""
		} else {
			r.all[d] = list
			r.store("manifest-"+string(d), wire.Pack(b))
			r.prune()
		}
	}
	if r.at[key] != d || !known {
		r.at[key] = d
		r.store("at-"+key, []byte(d))
		r.forget()
	}
}

func (r *record) store(name string, b []byte) {
	if r.dir == "" || os.MkdirAll(r.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(r.dir, "new-")
	if err != nil {
		return
	}
	_, err = f.Write(b)
	if e := f.Close(); err != nil || e != nil || os.Rename(f.Name(), filepath.Join(r.dir, name)) != nil {
		_ = os.Remove(f.Name())
	}
}

// prune forgets the manifests that were not used for longest.
func (r *record) prune() {
	names, _ := filepath.Glob(filepath.Join(r.dir, "manifest-*"))
	if len(names) <= keptManifests {
		return
	}
	age := map[string]time.Time{}
	for _, n := range names {
		if st, err := os.Stat(n); err == nil {
			age[n] = st.ModTime()
		}
	}
	slices.SortFunc(names, func(a, b string) int { return age[a].Compare(age[b]) })
	for _, n := range names[:len(names)-keptManifests] {
		_ = os.Remove(n)
	}
}
