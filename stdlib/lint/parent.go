package lint

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

//go:embed warm.php
var warmScript string

const (
	startTime = 10 * time.Second
	batchTime = time.Minute // php itself gives a batch 10 s, and one that takes longer 10 s a file
	maxLine   = 64 << 10    // bytes that a parent says in a line
	maxStarts = 5           // a php that goes away so often is not kept warm
	greeting  = "rollsh lint 3"
)

var (
	errNotWarm  = errors.New("no warm php")
	errTooLarge = errors.New("too large")
)

// about is what a php says of itself.
type about struct {
	Version    string   // with interface, threads and system
	Extensions string   // those that are loaded
	Files      []string // of its configuration, and folders of such
	Settings   string   // a hash of the texts of its configuration
}

// phpAsk makes php tell it, in a line of JSON; older ones, too, that warm.php is not
// for.
const phpAsk = `$rollsh = array_values(array_filter(array_map("trim", array_merge([(string) php_ini_loaded_file()], explode(",", (string) php_ini_scanned_files())))));
echo json_encode(["version" => PHP_VERSION . " " . PHP_SAPI . " " . PHP_ZTS . " " . PHP_OS, "extensions" => implode(",", get_loaded_extensions()),
	"settings" => md5(implode("\0", array_map("file_get_contents", $rollsh))),
	"files" => array_merge($rollsh, array_values(array_filter([(string) PHP_CONFIG_FILE_SCAN_DIR, (string) getenv("PHP_INI_SCAN_DIR")])))]), "\n";
`

// read takes a line of what php says; ok is false for another.
func (a *about) read(line string) (ok bool) {
	return strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), a) == nil && a.Version != ""
}

// aboutOf reads what phpAsk said.
func aboutOf(e ending) (about, error) {
	var a about
	for line := range strings.Lines(e.output) {
		if e.code == 0 && a.read(line) {
			return a, nil
		}
	}
	return about{}, &nodes.Error{Kind: nodes.Failed, Message: "php does not work: it " + e.how(nodes.Clean(lastLine(e.output)))}
}

// warmArgs start a parent; php is put before them. What a file may take is as
// `php -l` has it (memory_limit), but for time: the parent stays.
func warmArgs() []string {
	return []string{
		"-d", "display_errors=0", "-d", "display_startup_errors=0", "-d", "log_errors=0",
		"-d", "auto_prepend_file=", "-d", "auto_append_file=", "-d", "opcache.enable_cli=0",
		"-d", "max_execution_time=0", "-r", phpAsk + strings.TrimPrefix(warmScript, "<?php"),
	}
}

// warmth is the warm parent of one check: it is started when it is needed, and
// anew when it goes away.
type warmth struct {
	atOnce int // batches
	start  func(context.Context) (*parent, error)
	mu     sync.Mutex
	now    *parent
	starts int
}

// parent gives the parent; nil where php cannot be kept warm.
func (w *warmth) parent(ctx context.Context) *parent {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil && w.starts < maxStarts {
		w.starts++
		var err error
		if w.now, err = w.start(ctx); err != nil {
			w.now, w.starts = nil, maxStarts
		}
	}
	return w.now
}

// is reports whether php is warm.
func (w *warmth) is() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now != nil
}

// drop gives a parent up.
func (w *warmth) drop(p *parent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p == w.now {
		w.now = nil
	}
	p.stop()
}

// end stops the parent; there is none after it.
func (w *warmth) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != nil {
		w.now.stop()
	}
	w.now, w.starts = nil, maxStarts
}

// parent is a warm php process. It takes batches from several goroutines.
type parent struct {
	about   about
	stop    func() // ends it and its children; again does nothing
	remote  bool   // it cannot read the files; their texts are sent
	ended   chan struct{}
	writing sync.Mutex
	in      io.WriteCloser
	request []byte // used again for every batch
	mu      sync.Mutex
	last    int                 // number of the last batch
	waiting map[int]chan string // who waits for the marks of a batch
}

// greeted makes a parent of a process that was started, once it says hello; end
// ends the process, and with it what is read from out.
func greeted(ctx context.Context, in io.WriteCloser, out io.Reader, end func()) (*parent, error) {
	p := &parent{stop: sync.OnceFunc(end), in: in, ended: make(chan struct{}), waiting: map[int]chan string{}}
	hello := make(chan struct{})
	go p.listen(out, hello)
	late := time.NewTimer(startTime)
	defer late.Stop()
	var err error
	select {
	case <-hello:
	case <-p.ended:
		err = errNotWarm
	case <-late.C:
		err = errNotWarm
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// listen reads what php says until it ends, or says what it should not. It closes
// hello after the greeting.
func (p *parent) listen(out io.Reader, hello chan<- struct{}) {
	defer close(p.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	warm := false
	for before := 0; lines.Scan(); {
		switch line := lines.Text(); {
		case warm && p.answer(line):
		case warm || before > 20: // what php says when it starts may come before
			return
		case line == greeting:
			warm = true
			close(hello)
		default:
			p.about.read(line)
			before++
		}
	}
}

// answer gives the marks of a batch to who waits for them.
func (p *parent) answer(line string) bool {
	id, marks, ok := strings.Cut(line, " ")
	n, err := strconv.Atoi(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := p.waiting[n]
	if !ok || err != nil || answer == nil {
		return false
	}
	delete(p.waiting, n)
	answer <- marks
	return true
}

// compile gives a mark for each job that got one, in order. With an error the
// parent is of no use any more.
func (p *parent) compile(ctx context.Context, jobs []*job) (string, error) {
	answer := make(chan string, 1)
	p.mu.Lock()
	p.last++
	id := p.last
	p.waiting[id] = answer
	p.mu.Unlock()
	late := time.AfterFunc(batchTime, p.stop)
	defer late.Stop()
	if err := p.ask(id, jobs); err != nil {
		return "", err
	}
	select {
	case marks := <-answer:
		if len(marks) > len(jobs) {
			return "", errNotWarm
		}
		return marks, nil
	case <-p.ended:
		return "", io.ErrUnexpectedEOF
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ask sends a batch.
func (p *parent) ask(id int, jobs []*job) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.request = append(strconv.AppendInt(p.request[:0], int64(id), 10), ' ')
	p.request = append(strconv.AppendInt(p.request, int64(len(jobs)), 10), '\n')
	for _, j := range jobs {
		if p.remote {
			p.addText(j)
		} else {
			p.addPath(j)
		}
	}
	_, err := p.in.Write(p.request)
	return err
}

// addPath puts a file into the batch.
func (p *parent) addPath(j *job) {
	p.request = append(strconv.AppendInt(p.request, j.size, 10), ' ')
	p.request = append(strconv.AppendInt(p.request, int64(len(j.path)), 10), '\n')
	p.request = append(p.request, j.path...)
}

// addText puts the text of a file into the batch. One that cannot be had is sent as
// what does not compile: `php -l` is to look at it.
func (p *parent) addText(j *job) {
	text, err := readUpTo(j.path, maxWarmSize)
	if err != nil {
		text = []byte("<?php (")
	}
	p.request = append(strconv.AppendInt(append(p.request, ' '), int64(len(text)), 10), '\n')
	p.request = append(p.request, text...)
}

// readUpTo reads a file that is not longer than the limit.
func readUpTo(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(text)) > limit {
		err = cmp.Or(err, errTooLarge)
	}
	return text, err
}
