package lint

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

//go:embed warm.php
var warmScript string

const (
	batchSize    = 100 // files a child compiles; more gain nothing
	smallBatch   = 10  // fewer are not worth a parent of their own
	parents      = 2   // more contend for memory and gain nothing
	startTime    = 10 * time.Second
	warmFileTime = 10 * time.Second
	maxWarmSize  = 4 << 20 // a larger file goes to `php -l` straight away
	maxBatch     = 8 << 20 // bytes of a batch: php holds them all
	greeting     = "rollsh lint 2"
)

var errNotWarm = errors.New("no warm php")

// warmArgs start a parent; php is put before them. What a file may take is as
// `php -l` has it (memory_limit), but for time: the parent stays.
func warmArgs() []string {
	return []string{
		"-d", "display_errors=0", "-d", "display_startup_errors=0", "-d", "log_errors=0",
		"-d", "auto_prepend_file=", "-d", "auto_append_file=", "-d", "opcache.enable_cli=0",
		"-d", "max_execution_time=0", "-r", strings.TrimPrefix(warmScript, "<?php"),
	}
}

// sieve compiles the jobs in warm parents, which start makes, and gives those
// that do not compile there, for `php -l` to judge. It calls done for the others.
// Where php cannot be kept warm, the jobs that are left are given back.
func sieve(ctx context.Context, start func(context.Context) (*parent, error), jobs []*job, done func()) ([]*job, error) {
	var mu sync.Mutex
	batches, suspects := inBatches(jobs)
	var wg sync.WaitGroup
	for range min(parents, workers()) {
		wg.Go(func() {
			s := &sifter{ctx: ctx, open: start, done: done}
			defer s.stop()
			for batch := range batches {
				bad := s.batch(batch)
				mu.Lock()
				suspects = append(suspects, bad...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, nodes.Stopped(ctx)
	}
	return suspects, nil
}

// inBatches deals the jobs out; those that are too large for a parent are left.
func inBatches(jobs []*job) (batches chan []*job, left []*job) {
	size := max(smallBatch, min(batchSize, (len(jobs)+parents-1)/parents))
	batches = make(chan []*job, len(jobs)+1)
	var batch []*job
	bytes := int64(0)
	for _, j := range jobs {
		info, err := os.Lstat(j.path)
		if err != nil || info.Size() > maxWarmSize {
			left = append(left, j)
			continue
		}
		if len(batch) == size || bytes+info.Size() > maxBatch {
			batches <- batch
			batch, bytes = nil, 0
		}
		batch, bytes = append(batch, j), bytes+info.Size()
	}
	batches <- batch
	close(batches)
	return batches, left
}

// sifter sifts batches with one warm parent, and starts another where that went
// away.
type sifter struct {
	ctx    context.Context
	open   func(context.Context) (*parent, error)
	done   func()
	parent *parent
	broken bool // it cannot be kept warm
}

func (s *sifter) stop() {
	if s.parent != nil {
		s.parent.stop()
		s.parent = nil
	}
}

// batch gives the jobs of the batch that `php -l` must judge. A job that ends a
// child is tried again as the first in a child of its own, as what is left by
// those before it may be the reason; only then it is a suspect.
func (s *sifter) batch(jobs []*job) []*job {
	var suspects []*job
	for len(jobs) > 0 && s.ctx.Err() == nil {
		if !s.start() {
			return append(suspects, jobs...)
		}
		marks, err := s.parent.compile(s.ctx, jobs)
		passed := 0
		for ; passed < len(marks) && marks[passed] != 'b'; passed++ {
			if marks[passed] == '.' {
				s.done()
			} else {
				suspects = append(suspects, jobs[passed])
			}
		}
		jobs = jobs[passed:]
		if err != nil {
			s.stop()
		}
		if passed == 0 && len(jobs) > 0 || err != nil && len(jobs) > 0 {
			suspects, jobs = append(suspects, jobs[0]), jobs[1:]
		}
	}
	return suspects
}

// start makes sure of a parent.
func (s *sifter) start() bool {
	if s.parent == nil && !s.broken {
		p, err := s.open(s.ctx)
		s.parent, s.broken = p, err != nil
	}
	return s.parent != nil
}

// parent is a warm php process.
type parent struct {
	in            io.WriteCloser
	out           chan byte // what it says; closed at its end
	stop          func()    // ends it and its child
	text, content []byte    // what is written to it, and a file of that; used again for every batch
}

// greeted makes a parent of a process that was started, once it says hello; end
// ends the process, and with it what is read from out.
func greeted(ctx context.Context, in io.WriteCloser, out io.Reader, end func()) (*parent, error) {
	p := &parent{in: in, out: make(chan byte, batchSize)}
	stopped := make(chan struct{})
	p.stop = sync.OnceFunc(func() {
		close(stopped)
		end()
	})
	go func() {
		defer close(p.out)
		buf := make([]byte, 256)
		for {
			n, err := out.Read(buf)
			for _, c := range buf[:n] {
				select {
				case p.out <- c:
				case <-stopped:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for range 20 { // what php says of itself may come before
		line, err := p.line(ctx, startTime)
		if err == nil && line == greeting {
			return p, nil
		}
		if err != nil {
			break
		}
	}
	p.stop()
	return nil, errNotWarm
}

// compile gives a mark for each job that got one, in order. With an error the
// parent is of no use any more.
func (p *parent) compile(ctx context.Context, jobs []*job) (string, error) {
	p.text = strconv.AppendInt(p.text[:0], int64(len(jobs)), 10)
	p.text = append(p.text, '\n')
	for _, j := range jobs {
		p.add(j.path)
	}
	if _, err := p.in.Write(p.text); err != nil {
		return "", err
	}
	return p.line(ctx, warmFileTime)
}

// add puts a file into the batch. One that changed meanwhile is sent as what does
// not compile: `php -l` is to look at it.
func (p *parent) add(path string) {
	content := []byte("<?php (")
	if f, err := os.Open(path); err == nil {
		if st, err := f.Stat(); err == nil && st.Size() <= maxWarmSize {
			p.content = slices.Grow(p.content[:0], int(st.Size())+1)[:st.Size()+1]
			n, err := io.ReadFull(f, p.content)
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				content = p.content[:n]
			}
		}
		_ = f.Close() // it was only read
	}
	p.text = strconv.AppendInt(p.text, int64(len(content)), 10)
	p.text = append(p.text, '\n')
	p.text = append(p.text, content...)
}

// line reads bytes up to a newline; each may take the given time.
func (p *parent) line(ctx context.Context, each time.Duration) (string, error) {
	var b strings.Builder
	late := time.NewTimer(each)
	defer late.Stop()
	for {
		select {
		case c, ok := <-p.out:
			switch {
			case !ok:
				return b.String(), io.ErrUnexpectedEOF
			case c == '\n':
				return b.String(), nil
			}
			b.WriteByte(c)
			late.Reset(each)
		case <-late.C:
			return b.String(), os.ErrDeadlineExceeded
		case <-ctx.Done():
			return b.String(), ctx.Err()
		}
	}
}
