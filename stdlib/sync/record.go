package sync

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// record remembers what each tree on each node held after the last sync from
// here, and which nodes have the agent. It is a guess that saves round trips; the
// node knows better and is always asked. What cannot be read or written is left
// out.
type record struct {
	dir string
	mu  sync.Mutex
	at  map[string]manifest.Digest
	all map[manifest.Digest]manifest.List

	agents map[string]string // see agent; by agentKey
}

// saysNothing is noted in place of agents where SFTP alone was answered.
const saysNothing = "says nothing"

const keptManifests = 64

func newRecord(cache string) *record {
	dir := ""
	if cache != "" {
		dir = filepath.Join(cache, "sync")
	}
	return &record{dir: dir, at: map[string]manifest.Digest{}, all: map[manifest.Digest]manifest.List{}, agents: map[string]string{}}
}

func treeKey(n *nodes.Node, path nodes.RemotePath) string {
	return keyOf(placeOf(n) + "\x00" + string(path))
}

func agentKey(n *nodes.Node) string { return "agent-" + keyOf(placeOf(n)) }

func keyOf(what string) string {
	sum := sha256.Sum256([]byte(what))
	return hex.EncodeToString(sum[:16])
}

// base gives what is believed to be ours in a tree; an empty digest when
// nothing is known. What is the same as the source is taken from there.
func (r *record) base(n *nodes.Node, path nodes.RemotePath, src *source) (manifest.Digest, manifest.List) {
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
	case d == src.list.Digest:
		list = src.list
	default:
		if list = r.load(d); list == nil {
			return "", nil
		}
	}
	r.all[d] = list
	return d, list
}

// agent names the agents one of which answered on a node when it was last started
// from here, or is saysNothing; empty where that is not known.
func (r *record) agent(n *nodes.Node) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agentOf(agentKey(n))
}

func (r *record) agentOf(key string) string {
	id, ok := r.agents[key]
	if !ok && r.dir != "" {
		b, _ := os.ReadFile(filepath.Join(r.dir, key))
		id = string(b)
		r.agents[key] = id
	}
	return id
}

// learn notes what agent gives; empty: the next one is waited for.
func (r *record) learn(n *nodes.Node, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := agentKey(n)
	if r.agentOf(key) == id {
		return
	}
	r.agents[key] = id
	r.store(key, func(w io.Writer) error {
		_, err := io.WriteString(w, id)
		return err
	})
}

// forget drops the lists that no tree is believed to be at any more.
func (r *record) forget() {
	used := map[manifest.Digest]bool{}
	for _, d := range r.at {
		used[d] = true
	}
	maps.DeleteFunc(r.all, func(d manifest.Digest, _ manifest.List) bool { return !used[d] })
}

// load reads a list that was kept; nil where that fails.
func (r *record) load(d manifest.Digest) manifest.List {
	if r.dir == "" || strings.ContainsAny(string(d), "/.") {
		return nil
	}
	name := filepath.Join(r.dir, "manifest-"+string(d))
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil
	}
	defer z.Close()
	to := r.spool()
	if _, err := io.Copy(to, z); err != nil {
		return nil
	}
	list, err := manifest.Open(to, 0, to.Size())
	if err != nil || list.Digest != d {
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(name, now, now)
	return list
}

func (r *record) spool() *manifest.Spool {
	return manifest.NewSpool(func() (*os.File, error) { return tempFile(r.dir) })
}

// keep notes what is ours in a tree now. A list that does not have the digest
// is not kept.
func (r *record) keep(n *nodes.Node, path nodes.RemotePath, d manifest.Digest, list manifest.List) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := treeKey(n, path)
	known := r.all[d] != nil
	if !known {
		if kept := r.own(list, d); kept == nil {
			d = ""
		} else {
			r.all[d] = kept
			r.store("manifest-"+string(d), func(w io.Writer) error { return compress(w, kept) })
			r.prune()
		}
	}
	if r.at[key] != d || !known {
		r.at[key] = d
		r.store("at-"+key, func(w io.Writer) error {
			_, err := io.WriteString(w, string(d))
			return err
		})
		r.forget()
	}
}

// own gives a list with this digest that rests on no other; nil where it has
// another one.
func (r *record) own(list manifest.List, d manifest.Digest) *manifest.Encoded {
	kept, ok := list.(*manifest.Encoded)
	if !ok {
		var err error
		if kept, err = manifest.Keep(list, r.spool()); err != nil {
			return nil
		}
	}
	if kept.Digest != d {
		return nil
	}
	return kept
}

// compress writes the encoding of a list, packed.
func compress(w io.Writer, l *manifest.Encoded) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	_, err = io.Copy(z, l.Encoding())
	return errors.Join(err, z.Close())
}

// store makes a file of the record appear whole.
func (r *record) store(name string, fill func(io.Writer) error) {
	if r.dir == "" || os.MkdirAll(r.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(r.dir, "new-")
	if err != nil {
		return
	}
	err = fill(f)
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
