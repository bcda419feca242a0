package lint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Bounds of what a configuration may take in.
const (
	maxIncluded = 1000    // files
	maxConfig   = 4 << 20 // bytes of a file
)

// reference is a place in a configuration that takes other files in.
type reference struct {
	start, end int    // in the text
	path       string // as it is written there; may be a pattern
	dir        bool   // the files of a folder are meant
	optional   bool   // there may be none
	none       bool   // it takes nothing in, and is left out
	exists     bool   // no more is asked of it than to be there: what the tree lacks is not missed
	word       string // what stands before the path
}

// language is how configurations of a kind take files in.
type language struct {
	// find gives the references in a text, in order.
	find func(text string) []reference
	// write is what takes the files in instead; several are all that is in their
	// folder. None are a reference to what is not there.
	write func(r reference, files []string) string
	// within gives the folder that relative paths belong to, of a file of the
	// configuration whose first file is main.
	within func(main, file string) string
	// skip tells the names in a folder that are passed over; nil: none.
	skip func(name string) bool
}

// staged is a copy of a configuration for a tool: what it takes in by absolute path
// is the tree's, as it will be on nodes, and never what this machine has there.
type staged struct {
	lang    *language
	top     *os.Root
	main    string            // the first file, absolute
	dir     string            // of the copies
	n       int               // of folders in it
	known   map[string]string // copies of files, by absolute path
	copies  [][2]string       // all copies, after the file of each
	texts   []string          // of all files, as they are in the tree
	missing []string          // paths that the tree does not have
}

// withIncluded calls check with the file, or with the copy of it, when it takes other
// files in; in what a tool said the copies then have the names of the files. What the
// tree lacks is left out, and noted.
func withIncluded(j *job, lang *language, check func(path string, s *staged) (ending, error)) (ending, error) {
	text, err := readUpTo(j.path, maxConfig)
	refs := lang.find(string(text))
	if err != nil || len(refs) == 0 {
		return check(j.path, &staged{texts: []string{string(text)}})
	}
	j.open = slices.ContainsFunc(refs, func(r reference) bool { return !r.none })
	s, err := stage(j, lang)
	if err != nil {
		return ending{}, err
	}
	defer s.close()
	path, err := s.copy(j.path)
	if err != nil {
		j.report(0, "not checked, as what it takes in cannot be followed: "+reason(err))
		return ending{}, nil
	}
	e, err := check(path, s)
	for _, c := range s.copies {
		e.output = strings.ReplaceAll(e.output, c[1], j.shown(c[0]))
	}
	for _, name := range s.missing {
		j.note("takes in " + name + ", which the tree does not have: checked without it")
	}
	return e, err
}

// stage begins copies of the job's file and of what it takes in; the caller closes it.
func stage(j *job, lang *language) (*staged, error) {
	dir, err := os.MkdirTemp("", "rollsh-lint-")
	if err != nil {
		return nil, &nodes.Error{Kind: nodes.Failed, Message: "no temporary folder: " + reason(err), Cause: err}
	}
	top, err := os.OpenRoot(j.top)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, unreadable(j.top, err)
	}
	return &staged{lang: lang, top: top, main: j.path, dir: dir, known: map[string]string{}}, nil
}

// close removes the copies.
func (s *staged) close() {
	_ = s.top.Close()       // nothing was written
	_ = os.RemoveAll(s.dir) // in the system's folder for temporary files
}

// shown is a file of the tree in a message about the job: its own path, or the name
// of another.
func (j *job) shown(file string) string {
	own, err := filepath.Rel(j.top, j.path)
	rel, err2 := filepath.Rel(j.top, file)
	if file == j.path || err != nil || err2 != nil {
		return file
	}
	if before, ok := strings.CutSuffix(j.name, own); ok {
		return before + rel
	}
	return rel
}

// folder makes a folder for copies.
func (s *staged) folder() (string, error) {
	s.n++
	dir := filepath.Join(s.dir, strconv.Itoa(s.n))
	return dir, os.Mkdir(dir, 0o700)
}

// copy makes the copy of a file, in a folder of its own.
func (s *staged) copy(file string) (string, error) {
	if path, ok := s.known[file]; ok {
		return path, nil
	}
	path, err := s.place(file)
	if err != nil {
		return "", err
	}
	return path, s.copyTo(file, path)
}

// copyOf makes the copy of a file with another text than it has.
func (s *staged) copyOf(file, text string) (string, error) {
	path, err := s.place(file)
	if err != nil {
		return "", err
	}
	return path, s.write(file, path, text)
}

// place is where the copy of a file goes: in a folder of its own, under its name.
func (s *staged) place(file string) (string, error) {
	dir, err := s.folder()
	path := filepath.Join(dir, filepath.Base(file))
	s.known[file] = path
	return path, err
}

func (s *staged) copyTo(file, path string) error {
	if len(s.copies) >= maxIncluded {
		return fmt.Errorf("more than %d files", maxIncluded)
	}
	rel, err := filepath.Rel(s.top.Name(), file)
	if err != nil {
		return err
	}
	info, err := s.top.Stat(rel)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return fmt.Errorf("%s is too large, or no file", rel)
	}
	text, err := s.top.ReadFile(rel)
	if err != nil {
		return err
	}
	return s.write(file, path, string(text))
}

// write makes a copy of a text, with copies of what that takes in.
func (s *staged) write(file, path, text string) error {
	s.copies, s.texts = append(s.copies, [2]string{file, path}), append(s.texts, text)
	changed, err := s.change(file, text)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(changed), 0o600)
}

// change writes the references of a text anew. Lines keep their numbers.
func (s *staged) change(file, text string) (string, error) {
	var b strings.Builder
	at := 0
	for _, r := range s.lang.find(text) {
		b.WriteString(text[at:r.start])
		at = r.end
		files, there := s.files(file, r)
		if !there && r.exists {
			files, there = []string{s.main}, true // any file
		}
		if !there && !r.optional && !r.none {
			s.missing = append(s.missing, r.path)
		}
		copies, err := s.together(files, r)
		if err != nil {
			return "", err
		}
		b.WriteString(s.lang.write(r, copies))
		b.WriteString(strings.Repeat("\n", strings.Count(text[r.start:r.end], "\n")))
	}
	b.WriteString(text[at:])
	return b.String(), nil
}

// together copies what a reference stands for: a file, or several into one folder,
// in which their order is the same.
func (s *staged) together(files []string, r reference) ([]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if len(files) == 1 && !r.dir {
		path, err := s.copy(files[0])
		return []string{path}, err
	}
	dir, err := s.folder()
	if err != nil {
		return nil, err
	}
	copies := make([]string, len(files))
	for i, file := range files {
		copies[i] = filepath.Join(dir, fmt.Sprintf("%04d-%s", i, filepath.Base(file)))
		if err := s.copyTo(file, copies[i]); err != nil {
			return nil, err
		}
	}
	return copies, nil
}

func pattern(path string) bool { return strings.ContainsAny(path, "*?[") }

// files are those of the tree that a reference in a file means; there tells that it
// has the place, though there may be no file in it.
func (s *staged) files(file string, r reference) (files []string, there bool) {
	path := filepath.Clean(r.path)
	if r.none {
		return nil, false
	}
	if !filepath.IsAbs(path) {
		return s.at(filepath.Join(s.lang.within(s.main, file), path), file, r)
	}
	// The tree may be a whole file system, or the part of one that begins with any
	// folder of the path; what is nearest to the file counts.
	for tail := path[1:]; ; {
		for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
			if found, there := s.at(filepath.Join(dir, tail), file, r); there {
				return found, true
			}
			if dir == s.top.Name() || dir == filepath.Dir(dir) {
				break
			}
		}
		_, rest, ok := strings.Cut(tail, "/")
		if !ok {
			return nil, false
		}
		tail = rest
	}
}

// at gives the files of the tree that a path there stands for, in order.
func (s *staged) at(path, from string, r reference) (files []string, there bool) {
	rel, err := filepath.Rel(s.top.Name(), path)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, false
	}
	found := []string{rel}
	if info, err := s.top.Stat(rel); pattern(rel) {
		if found, err = fs.Glob(s.top.FS(), filepath.ToSlash(rel)); err != nil || len(found) == 0 {
			return nil, false
		}
	} else if err != nil {
		return nil, false
	} else if info.IsDir() {
		found, there = s.inFolder(rel), true
	}
	for _, name := range found {
		info, err := s.top.Stat(name)
		full := filepath.Join(s.top.Name(), name)
		if err == nil && info.Mode().IsRegular() && full != from {
			files = append(files, full)
		}
	}
	return files, there || len(files) > 0
}

// inFolder are the names in a folder of the tree that count.
func (s *staged) inFolder(dir string) []string {
	entries, err := fs.ReadDir(s.top.FS(), filepath.ToSlash(dir))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if s.lang.skip == nil || !s.lang.skip(e.Name()) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
}

// byLine finds references that are lines: the pattern's groups are the word and the
// path, in quotes or not.
func byLine(lines func() *regexp.Regexp, of func(word string) reference) func(text string) []reference {
	return func(text string) []reference {
		var out []reference
		for _, m := range lines().FindAllStringSubmatchIndex(text, -1) {
			r := of(strings.ToLower(text[m[2]:m[3]]))
			r.start, r.end, r.word = m[0], m[1], text[m[2]:m[3]]
			r.path = strings.ReplaceAll(strings.Trim(text[m[4]:m[5]], `"`), `\ `, " ")
			out = append(out, r)
		}
		return out
	}
}

// quoted is a path of rollsh's own, which holds no quotes.
func quoted(path string) string { return `"` + path + `"` }
