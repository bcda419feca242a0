package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes/nodetest"
)

// What the repository for merges holds: a trunk of many files, production copied
// from it, and edits of trunk that production lacks.
const (
	mergeRevisions = 2000
	mergeBase      = 3    // r2 makes the files, r3 production
	editedFiles    = 2000 // each revision edits one to ten of these
	mergePicks     = 20
)

// site is that repository behind svnserve, with a checkout of production.
type site struct {
	*nodetest.Repository
	checkout string
	picks    []string
}

// newSite makes the repository from a dump that it writes itself.
func newSite(dir string, files int) (*site, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	repo, err := nodetest.OpenSvn(dir)
	if err != nil {
		return nil, err
	}
	s := &site{Repository: repo, checkout: filepath.Join(dir, "checkout")}
	if err := s.fill(files); err != nil {
		repo.Close()
		return nil, err
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range mergePicks {
		s.picks = append(s.picks, fmt.Sprint(mergeRevisions-600+i*30+r.IntN(10)))
	}
	return s, nil
}

// fill loads the dump, opens the repository to everybody on this machine, and
// checks production out.
func (s *site) fill(files int) error {
	load := exec.Command("svnadmin", "load", "-q", "--no-flush-to-disk", s.Path)
	in, err := load.StdinPipe()
	if err != nil {
		return err
	}
	if err := load.Start(); err != nil {
		return err
	}
	err = writeDump(in, files)
	if closeErr := in.Close(); err == nil {
		err = closeErr
	}
	if waitErr := load.Wait(); err == nil {
		err = waitErr
	}
	if err != nil {
		return fmt.Errorf("svnadmin load: %w", err)
	}
	conf := filepath.Join(s.Path, "conf", "svnserve.conf")
	if err := os.WriteFile(conf, []byte("[general]\nanon-access = write\n"), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command("svn", "checkout", "-q", s.URL+"/production", s.checkout).CombinedOutput(); err != nil {
		return fmt.Errorf("svn checkout: %w: %s", err, out)
	}
	return nil
}

func sitePath(n int) string { return fmt.Sprintf("d%d/s%d/f%d.php", n%40, n/40%50, n) }

// siteText is a file of which each version changes another line, so that picks
// seldom conflict.
func siteText(n, version int) string {
	var b strings.Builder
	for i := range 60 {
		v := 0
		if i == version%60 {
			v = version
		}
		fmt.Fprintf(&b, "line %d of file %d, version %d of what is written here\n", i, n, v)
	}
	return b.String()
}

// dump writes revisions in svn's dump format.
type dump struct{ *bufio.Writer }

func (d dump) revision(n int, log string) {
	props := fmt.Sprintf("K 7\nsvn:log\nV %d\n%s\nK 10\nsvn:author\nV 3\nbob\nK 8\nsvn:date\nV 27\n2026-01-01T00:00:00.000000Z\nPROPS-END\n", len(log), log)
	fmt.Fprintf(d, "Revision-number: %d\nProp-content-length: %d\nContent-length: %d\n\n%s\n", n, len(props), len(props), props)
}

func (d dump) file(path, action, text string) {
	fmt.Fprintf(d, "Node-path: %s\nNode-kind: file\nNode-action: %s\nText-content-length: %d\nContent-length: %d\n\n%s\n\n", path, action, len(text), len(text), text)
}

func (d dump) folder(path string) {
	fmt.Fprintf(d, "Node-path: %s\nNode-kind: dir\nNode-action: add\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n", path)
}

// writeDump writes all revisions after r1, which made /trunk.
func writeDump(to io.Writer, files int) error {
	d := dump{bufio.NewWriter(to)}
	fmt.Fprint(d, "SVN-fs-dump-format-version: 2\n\n")
	d.revision(mergeBase-1, "all files")
	seen := map[string]bool{}
	for n := range files {
		parts := strings.Split(sitePath(n), "/")
		for i := 1; i < len(parts); i++ {
			if folder := strings.Join(parts[:i], "/"); !seen[folder] {
				seen[folder] = true
				d.folder("trunk/" + folder)
			}
		}
		d.file("trunk/"+sitePath(n), "add", siteText(n, 0))
	}
	d.revision(mergeBase, "production")
	fmt.Fprintf(d, "Node-path: production\nNode-kind: dir\nNode-action: add\nNode-copyfrom-rev: %d\nNode-copyfrom-path: trunk\n\n\n", mergeBase-1)
	r := rand.New(rand.NewPCG(2, 2))
	for rev := mergeBase + 1; rev <= mergeRevisions; rev++ {
		d.revision(rev, fmt.Sprintf("change %d, fixes #%d", rev, rev%500))
		touched := map[int]bool{}
		for range 1 + r.IntN(10) {
			touched[r.IntN(min(editedFiles, files))] = true
		}
		for n := range touched {
			d.file("trunk/"+sitePath(n), "change", siteText(n, rev))
		}
	}
	return d.Flush()
}
