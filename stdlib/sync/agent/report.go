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
func Summary(d *manifest.Decision, lists bool) *wire.Report {
	var added, changed, deleted []string
	fresh := map[string]bool{}
	for i := range d.Puts {
		p := &d.Puts[i]
		switch {
		case p.Live != nil:
			changed = append(changed, p.Path)
		case p.Kind != manifest.Dir:
			added = append(added, p.Path)
			full(fresh, p.Path)
		}
	}
	for i := range d.Puts {
		if p := &d.Puts[i]; p.Kind == manifest.Dir && p.Live == nil && !fresh[p.Path] {
			added = append(added, p.Path)
			full(fresh, p.Path)
		}
	}
	emptied := map[string]bool{}
	for i := range d.Deletes {
		if e := &d.Deletes[i]; e.Kind != manifest.Dir {
			deleted = append(deleted, e.Path)
			full(emptied, e.Path)
		}
	}
	for i := len(d.Deletes) - 1; i >= 0; i-- {
		if e := &d.Deletes[i]; e.Kind == manifest.Dir && !emptied[e.Path] {
			deleted = append(deleted, e.Path)
			full(emptied, e.Path)
		}
	}
	rep := &wire.Report{
		Added: len(added), Changed: len(changed), Deleted: len(deleted), Extra: d.Extras,
		Adopted: d.Adopted, Blocked: d.Blocked, Digest: digest(d), Nothing: len(d.Puts)+len(d.Deletes) == 0,
	}
	for i := range d.Puts {
		if p := &d.Puts[i]; p.Kind == manifest.File && !p.Have {
			rep.Files++
			rep.Bytes += p.Size
		}
	}
	if w := closing(d); w != "" {
		rep.Warnings = append(rep.Warnings, w)
	}
	if lists {
		rep.Lists = &wire.Lists{
			Added: manifest.EncodePaths(added), Changed: manifest.EncodePaths(changed),
			Deleted: manifest.EncodePaths(deleted), Extra: manifest.EncodePaths(d.Extra), Attributes: attributes(d),
		}
	}
	return rep
}

// attributes lists what changes in permissions, owner or time alone.
func attributes(d *manifest.Decision) (out []wire.Attribute) {
	for i := range d.Puts {
		p := &d.Puts[i]
		l := p.Live
		stays := l != nil && l.Kind == p.Kind && !p.Joins && (p.Kind == manifest.Dir || p.Have || p.Kind == manifest.Link && p.Link == l.Link)
		if !stays {
			continue
		}
		a := wire.Attribute{Path: []byte(p.Path)}
		perms, owner, time := p.Attributes(l)
		if a.Time = time; perms {
			a.Was, a.Mode = l.Mode, p.Mode
		}
		if owner {
			a.Owner = p.Owner.String()
		}
		if perms || owner || time {
			out = append(out, a)
		}
	}
	return out
}

// closing warns of files that everybody could read and soon cannot: a web
// server, say.
func closing(d *manifest.Decision) string {
	count, name := 0, ""
	for i := range d.Puts {
		p := &d.Puts[i]
		l := p.Live
		if l != nil && l.Kind == p.Kind && p.Kind != manifest.Link && l.Mode&0o004 != 0 && p.Mode&0o004 == 0 {
			if count++; name == "" {
				name = show(p.Path)
			}
		}
	}
	switch count {
	case 0:
		return ""
	case 1:
		return name + " can be read by everybody now, and no longer after this"
	}
	return fmt.Sprintf("%s and %d more can be read by everybody now, and no longer after this", name, count-1)
}

// full marks the folders above p.
func full(m map[string]bool, p string) {
	for i := len(p) - 1; i > 0; i-- {
		if p[i] == '/' {
			m[p[:i]] = true
		}
	}
}

// digest names what a decision does, down to the bytes.
func digest(d *manifest.Decision) string {
	h := sha256.New()
	puts, deletes := make(manifest.Refs, len(d.Puts)), make(manifest.Refs, len(d.Deletes))
	for i := range d.Puts {
		puts[i] = d.Puts[i].Entry
	}
	for i := range d.Deletes {
		deletes[i] = &d.Deletes[i]
	}
	for _, part := range []manifest.Refs{puts, deletes, d.Ours.Change} {
		fmt.Fprintf(h, "%d ", len(part))
		_, _ = manifest.Write(h, part) // of what is in memory
	}
	fmt.Fprintf(h, "%q", d.Ours.Gone)
	for i := range d.Drift {
		fmt.Fprintf(h, "%q %s ", d.Drift[i].Path, d.Drift[i].What)
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
