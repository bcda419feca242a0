package lint

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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
	maxWarmSize  = 8 << 20 // a larger file goes to `php -l` straight away
)

var errNotWarm = errors.New("no warm php")

// sieve compiles the jobs in warm parents and gives those that do not compile
// there, for `php -l` to judge. It calls done for the others. Where php cannot
// be kept warm, the jobs that are left are given back.
func sieve(ctx context.Context, php string, jobs []*job, done func()) ([]*job, error) {
	var mu sync.Mutex
	var suspects []*job
	size := max(smallBatch, min(batchSize, (len(jobs)+parents-1)/parents))
	batches := make(chan []*job, len(jobs)/size+1)
	var batch []*job
	for _, j := range jobs {
		if info, err := os.Lstat(j.path); err != nil || info.Size() > maxWarmSize {
			suspects = append(suspects, j)
			continue
		}
		if batch = append(batch, j); len(batch) == size {
			batches <- batch
			batch = nil
		}
	}
	batches <- batch
	close(batches)

	var wg sync.WaitGroup
	for range min(parents, workers()) {
		wg.Go(func() {
			s := &sifter{ctx: ctx, php: php, done: done}
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

// sifter sifts batches with one warm parent, and starts another where that went
// away.
type sifter struct {
	ctx    context.Context
	php    string
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
		marks, err := s.parent.compile(jobs)
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
		p, err := startParent(s.ctx, s.php)
		s.parent, s.broken = p, err != nil
	}
	return s.parent != nil
}

// parent is a warm php process.
type parent struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	in     io.WriteCloser
	pipe   *os.File
	out    *bufio.Reader
}

func startParent(ctx context.Context, php string) (*parent, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, "/", []string{
		php, "-d", "display_errors=0", "-d", "display_startup_errors=0", "-d", "log_errors=0",
		"-d", "auto_prepend_file=", "-d", "auto_append_file=", "-d", "opcache.enable_cli=0", "-d", "memory_limit=1G",
		"-d", "max_execution_time=0", "-r", strings.TrimPrefix(warmScript, "<?php"),
	})
	cmd.ExtraFiles = []*os.File{w}
	p := &parent{cmd: cmd, cancel: cancel, pipe: r, out: bufio.NewReader(r)}
	if p.in, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	w.Close()
	if err != nil {
		cancel()
		r.Close()
		return nil, err
	}
	line, err := p.line(startTime)
	if err != nil || line != "rollsh lint 1" {
		p.stop()
		return nil, errNotWarm
	}
	return p, nil
}

// stop ends the parent and its child.
func (p *parent) stop() {
	p.cancel()
	p.in.Close()
	_ = p.cmd.Wait() // it was killed
	p.pipe.Close()
}

// compile gives a mark for each job that got one, in order. With an error the
// parent is of no use any more.
func (p *parent) compile(jobs []*job) (string, error) {
	paths := make([]string, len(jobs))
	for i, j := range jobs {
		paths[i] = j.path
	}
	text := strings.Join(paths, "\x00")
	if _, err := fmt.Fprintf(p.in, "%d\n%s", len(text), text); err != nil {
		return "", err
	}
	return p.line(warmFileTime)
}

// line reads bytes up to a newline; each may take the given time.
func (p *parent) line(each time.Duration) (string, error) {
	var b strings.Builder
	for {
		if err := p.pipe.SetReadDeadline(time.Now().Add(each)); err != nil {
			return b.String(), err
		}
		c, err := p.out.ReadByte()
		if err != nil {
			return b.String(), err
		}
		if c == '\n' {
			return b.String(), nil
		}
		b.WriteByte(c)
	}
}
