package lint

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

var phpTool = tool{names: []string{"php"}, install: "php-cli"}

// fewFiles is up to how many files are given to `php -l` at once: starting a
// warm parent would take as long.
const fewFiles = 2

// phpRule is the rule of this machine's php.
func phpRule(s *nodes.Session) Rule {
	return phpRuleOf(func() php {
		p := &localPHP{session: s}
		p.warm = warmth{atOnce: p.atOnce(), start: p.start}
		return p
	})
}

// phpRuleOf is the rule of one php, which is made for each check.
func phpRuleOf(make func() php) Rule {
	r := Rule{Name: "php", Files: []string{"*.php", "*.html", "*.phtml", "*.inc"}, trivial: func(text []byte) bool { return !hasOpenTag(text) }}
	r.begin = func(r Rule) (Rule, func()) {
		p := make()
		r.tool = p.version
		r.check = func(ctx context.Context, jobs []*job, done func()) error { return phpCheck(ctx, p, jobs, done) }
		return r, p.kept().end
	}
	return r
}

// php is a php program somewhere.
type php interface {
	// version identifies it and its configuration.
	version(ctx context.Context) (string, error)
	// kept is its warm parent.
	kept() *warmth
	// lint runs `php -l` on one file. The file's path is the placeholder in what
	// it says.
	lint(ctx context.Context, j *job) (ending, error)
	// at once is how many files lint takes.
	atOnce() int
}

func phpCheck(ctx context.Context, p php, jobs []*job, done func()) error {
	bad := jobs
	if len(jobs) > fewFiles || p.kept().is() {
		var err error
		if bad, err = sieve(ctx, p.kept(), jobs, done); err != nil {
			return err
		}
	}
	return parallelN(ctx, p.atOnce(), len(bad), func(i int) error {
		defer done()
		return phpLint(ctx, p, bad[i])
	})
}

// localPHP is the php of this machine.
type localPHP struct {
	session *nodes.Session // for its cache folder
	warm    warmth
}

func (p *localPHP) kept() *warmth { return &p.warm }

func (p *localPHP) atOnce() int { return workers() }

func (p *localPHP) start(ctx context.Context) (*parent, error) {
	path, err := phpTool.find()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, "/", append([]string{path}, warmArgs()...))
	cmd.Env = environment("USE_ZEND_ALLOC_HUGE_PAGES=1") // far fewer page faults
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		cancel()
		return nil, err
	}
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		cancel()
		out.Close()
		return nil, err
	}
	return greeted(ctx, in, out, func() {
		cancel()
		in.Close()
		_ = cmd.Wait() // it was killed
		out.Close()
	})
}

func (p *localPHP) lint(ctx context.Context, j *job) (ending, error) {
	path, err := phpTool.find()
	if err != nil {
		return ending{}, err
	}
	e, err := invoke(ctx, "/", append(append([]string{path}, lintArgs...), j.path)...)
	e.output = strings.ReplaceAll(e.output, j.path, placeholder)
	return e, err
}

// lintArgs are those of `php -l`.
var lintArgs = []string{
	"-d", "display_errors=1", "-d", "display_startup_errors=0", "-d", "log_errors=0",
	"-d", "html_errors=0", "-d", "error_prepend_string=", "-d", "error_append_string=", "-l",
}

// phpFatal finds the errors in the output of `php -l`, in which placeholder stands
// for the path; warnings are not among them.
var phpFatal = nodes.Pattern(`(?m)^((?:Parse|Fatal|Compile|Core|Recoverable fatal) error): +([\s\S]*?) in ` + placeholder + ` on line (\d+)$`)

// phpLint takes the verdict of `php -l` on one file.
func phpLint(ctx context.Context, p php, j *job) error {
	e, err := p.lint(ctx, j)
	if err != nil {
		return err
	}
	if e.code == 0 && strings.Contains(e.output, "No syntax errors detected") {
		return nil
	}
	for _, m := range phpFatal().FindAllStringSubmatch(e.output, -1) {
		line, _ := strconv.Atoi(m[3]) // digits; 0 when there are too many
		j.report(line, m[1]+": "+strings.ReplaceAll(m[2], placeholder, j.path))
	}
	if len(j.problems) == 0 {
		j.report(0, "php -l "+e.how(strings.ReplaceAll(lastLine(e.output), placeholder, j.path)))
		j.open = j.open || e.signal != "" // the machine may have been short of something
	}
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// settings is what php said about itself, and the state of the files that it
// read then.
type settings struct {
	Version string
	Files   map[string]string // name to identity; empty when it was not there
}

// version identifies php and its configuration. What php says is kept, so that
// it is asked once; later its files are only looked at.
func (p *localPHP) version(ctx context.Context) (string, error) {
	path, err := phpTool.find()
	if err != nil {
		return "", err
	}
	id, err := identity(path)
	if err != nil {
		return "", err
	}
	if p.session.Cache == "" {
		return id, nil
	}
	sum := sha256.Sum256([]byte(id + "\x00" + os.Getenv("PHPRC") + "\x00" + os.Getenv("PHP_INI_SCAN_DIR")))
	kept := filepath.Join(p.session.Cache, "lint", "php-"+hex.EncodeToString(sum[:12]))
	var s settings
	text, err := os.ReadFile(kept)
	if err != nil || json.Unmarshal(text, &s) != nil || !s.current() {
		if s, err = p.ask(ctx, path); err != nil {
			return "", err
		}
		keep(kept, s)
	}
	text, err = json.Marshal(s) // keys of a map are sorted
	return id + string(text), err
}

// ask makes php tell about itself. It stays for what is to be compiled.
func (p *localPHP) ask(ctx context.Context, path string) (settings, error) {
	var said about
	if parent := p.warm.parent(ctx); parent != nil {
		said = parent.about
	} else {
		e, err := invoke(ctx, "/", path, "-d", "display_startup_errors=0", "-r", phpAsk)
		if err != nil {
			return settings{}, err
		}
		if said, err = aboutOf(e); err != nil {
			return settings{}, err
		}
	}
	s := settings{Version: said.Version, Files: map[string]string{}}
	for _, name := range said.Files {
		s.Files[name], _ = identity(name) // empty when it is not there
	}
	return s, nil
}

// current reports whether no file of the configuration was changed since.
func (s settings) current() bool {
	for name, was := range s.Files {
		if now, _ := identity(name); now != was {
			return false
		}
	}
	return s.Version != ""
}

// keep writes a small file atomically, as well as it can.
func keep(name string, s settings) {
	text, err := json.Marshal(s)
	if err != nil {
		return
	}
	writeWhole(name, func(w *bufio.Writer) { _, _ = w.Write(text) }) // Flush tells how it went
}
