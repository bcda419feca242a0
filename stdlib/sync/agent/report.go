//go:build linux

package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// Summary puts a decision into a report: counts, and with lists every path.
func Summary(d *manifest.Decision, lists bool) (*wire.Report, error) {
	rep := &wire.Report{
		Added: d.Added, Changed: d.Changed, Deleted: d.Deleted, Files: d.Files, Bytes: d.Bytes, Extra: d.Extras,
		Adopted: d.Adopted, Blocked: d.Blocked, Nothing: d.Puts+d.Goes == 0,
	}
	if lists {
		rep.Lists = &wire.Lists{Extra: manifest.EncodePaths(d.Extra)}
	}
	sum := newDigest()
	var closes closing
	s := d.Read()
	for c := s.Next(); c != nil; c = s.Next() {
		sum.add(c)
		closes.add(c)
		if lists {
			list(rep.Lists, c)
		}
	}
	rep.Digest = sum.done(d)
	if w := closes.warning(); w != "" {
		rep.Warnings = append(rep.Warnings, w)
	}
	return rep, s.Err()
}

// list puts a change into lists.
func list(to *wire.Lists, c *manifest.Change) {
	p := []string{c.Path()}
	switch {
	case c.Put && c.Live != nil:
		to.Changed = append(to.Changed, manifest.EncodePaths(p)...)
		attributes(to, c)
	case c.Put && (c.Want.Kind != manifest.Dir || c.Alone):
		to.Added = append(to.Added, manifest.EncodePaths(p)...)
	case c.Goes && (c.Live.Kind != manifest.Dir || c.Alone):
		to.Deleted = append(to.Deleted, manifest.EncodePaths(p)...)
	}
}

// attributes lists what changes in permissions, owner or time alone.
func attributes(to *wire.Lists, c *manifest.Change) {
	e, l := c.Want, c.Live
	stays := l.Kind == e.Kind && !c.Joins && (e.Kind == manifest.Dir || c.Have || e.Kind == manifest.Link && e.Link == l.Link)
	if !stays {
		return
	}
	a := wire.Attribute{Path: []byte(e.Path)}
	perms, owner, time := e.Attributes(l)
	if a.Time = time; perms {
		a.Was, a.Mode = l.Mode, e.Mode
	}
	if owner {
		a.Owner = e.Owner.String()
	}
	if perms || owner || time {
		to.Attributes = append(to.Attributes, a)
	}
}

// closing are files that everybody could read and soon cannot: a web server, say.
type closing struct {
	count int
	name  string // of the first
}

func (w *closing) add(c *manifest.Change) {
	l := c.Live
	if c.Put && l != nil && l.Kind == c.Want.Kind && l.Kind != manifest.Link && l.Mode&0o004 != 0 && c.Want.Mode&0o004 == 0 {
		if w.count++; w.name == "" {
			w.name = show(c.Want.Path)
		}
	}
}

func (w *closing) warning() string {
	switch w.count {
	case 0:
		return ""
	case 1:
		return w.name + " can be read by everybody now, and no longer after this"
	}
	return fmt.Sprintf("%s and %d more can be read by everybody now, and no longer after this", w.name, w.count-1)
}

// digests name what a decision does, down to the bytes: what is put in place, what
// goes, what becomes ours, what no longer is, and what is replaced: as it is there,
// and as the last roll left it.
type digests [6]*manifest.Writer

func newDigest() *digests {
	var d digests
	for i := range d {
		d[i] = manifest.NewWriter(nil)
	}
	return &d
}

func (d *digests) add(c *manifest.Change) {
	if c.Put {
		d[0].Add(c.Want)
		if c.Live != nil {
			d[4].Add(seen(c.Live))
		}
		if c.Was != nil {
			d[5].Add(c.Was)
		}
	}
	if c.Goes {
		d[1].Add(c.Live)
	}
	if ours, gone := c.Settled(); ours != nil {
		d[2].Add(ours)
	} else if gone != nil {
		d[3].Add(gone)
	}
}

// seen is an entry without what not every look at it tells.
func seen(e *manifest.Entry) *manifest.Entry {
	return &manifest.Entry{Path: e.Path, Kind: e.Kind, Mode: e.Mode, Size: e.Size, Mtime: e.Mtime, Link: e.Link}
}

func (d *digests) done(of *manifest.Decision) string {
	h := sha256.New()
	for _, w := range d {
		sum, _ := w.Done() // it goes nowhere
		fmt.Fprintln(h, sum)
	}
	for i := range of.Drift {
		fmt.Fprintf(h, "%q %s ", of.Drift[i].Path, of.Drift[i].What)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// facts are what preflight asks for. Nothing is changed to learn them.
func (t *tree) facts() *wire.Facts {
	f := &wire.Facts{Exists: t.root >= 0, State: t.place, Inside: t.inside, Clock: time.Now(), User: strconv.Itoa(os.Geteuid())}
	if u, err := user.Current(); err == nil {
		f.User = u.Username
	}
	place := t.path
	for place != "/" {
		if st, err := os.Stat(place); err == nil {
			if !st.IsDir() {
				f.NotFolder = place
			}
			break
		}
		place = filepath.Dir(place)
	}
	f.Writable = true
	if err := unix.Access(place, unix.W_OK|unix.X_OK); err != nil {
		f.Writable, f.Why = false, place+": "+err.Error()
	}
	var fs unix.Statfs_t
	if unix.Statfs(place, &fs) == nil {
		room(f, &fs)
	}
	f.FSType, f.Mount = mounted(t.path, place)
	return f
}

func room(f *wire.Facts, fs *unix.Statfs_t) {
	f.FreeBytes, f.FreeFiles, f.NoInodes = fs.Bavail*uint64(fs.Bsize), fs.Ffree, fs.Files == 0
}

// mounted tells the type of the filesystem that holds place, and whether path
// itself is where one is mounted.
func mounted(path, place string) (fstype string, mount bool) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", false
	}
	best := ""
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 10 {
			continue
		}
		at := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(f[4])
		if at != place && !strings.HasPrefix(place, strings.TrimSuffix(at, "/")+"/") || len(at) < len(best) {
			continue
		}
		best = at
		for i := 6; i+1 < len(f); i++ {
			if f[i] == "-" {
				fstype = f[i+1]
				break
			}
		}
	}
	return fstype, best == path
}

// status reports the marker and the facts.
func (t *tree) status(*wire.Request) (*wire.Report, error) {
	now, err := t.markerAlone()
	if err != nil {
		return nil, err
	}
	rep := &wire.Report{First: now.Roll == "", Pending: t.unsettled(), Facts: t.facts()}
	if !rep.First {
		rep.Marker = now
	}
	return rep, nil
}
