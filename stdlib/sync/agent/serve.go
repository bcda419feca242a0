//go:build linux

package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// How long the agent waits: for the next piece of something under way, for a
// request while it holds locks or remembers trees, and for one while it does not.
const (
	pieceWait = 2 * time.Minute
	holdWait  = 10 * time.Minute
	idleWait  = time.Hour
	idleAfter = 2 * time.Second // without a request, memory is given back
	beatEvery = 250 * time.Millisecond
	beatLeast = 2 * time.Second
)

// server answers one controller.
type server struct {
	in   <-chan frame
	out  *output
	held map[string]*tree // trees whose lock is kept between requests, by root as asked

	watches      watches
	large        sync.Once // memory is taken care of
	files, bytes atomic.Int64
	step         atomic.Value // string
}

type frame struct {
	t   wire.Type
	p   []byte
	err error
}

// output lets answers and beats share one stream.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

// Write passes one whole frame on.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(b)
}

// Serve answers requests until in ends or nothing is asked for an hour.
func Serve(in io.Reader, out io.Writer) error {
	if _, err := io.WriteString(out, wire.Magic); err != nil {
		return err
	}
	s := &server{out: &output{w: out}, held: map[string]*tree{}, watches: watches{}}
	frames := make(chan frame)
	quit := make(chan struct{})
	defer close(quit)
	s.in = frames
	go receive(in, frames, quit)
	defer s.letGo()
	return s.loop()
}

func receive(in io.Reader, to chan<- frame, quit <-chan struct{}) {
	r := bufio.NewReaderSize(in, 256<<10)
	var f frame
	for {
		if f.err == nil { // else the end is told again, to whoever waits next
			f.t, f.p, f.err = wire.Read(r, wire.MaxFrame)
			if errors.Is(f.err, io.ErrUnexpectedEOF) {
				f.err = io.EOF // cut within a frame
			}
		}
		select {
		case to <- f:
		case <-quit:
			return
		}
	}
}

// errSilent is given when the controller said nothing for too long.
var errSilent = errors.New("the controller went silent")

func (s *server) next(wait time.Duration) (frame, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case f := <-s.in:
		return f, f.err
	case <-timer.C:
		return frame{}, errSilent
	}
}

func (s *server) loop() error {
	idle := time.AfterFunc(idleAfter, giveBack)
	defer idle.Stop()
	for {
		wait := idleWait
		if s.holds() {
			wait = holdWait
		}
		f, err := s.next(wait)
		switch {
		case errors.Is(err, errSilent) && s.holds():
			s.letGo()
		case errors.Is(err, errSilent), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case f.t == wire.TypeRequest:
			idle.Stop()
			if err := s.answer(f.p); err != nil {
				return err
			}
			idle.Reset(idleAfter)
		}
		// Anything else was sent on a guess that failed, and is passed over.
	}
}

// answer does one request. An error means that the controller is gone.
func (s *server) answer(payload []byte) error {
	var req wire.Request
	if err := json.Unmarshal(payload, &req); err != nil {
		return wire.WriteJSON(s.out, wire.TypeFailure, failure("protocol", "request: "+err.Error()))
	}
	s.files.Store(0)
	s.bytes.Store(0)
	s.step.Store(string(req.Op))
	stop := s.beat()
	rep, err := s.do(&req)
	stop()
	if errors.Is(err, io.EOF) || errors.Is(err, errSilent) {
		return err
	}
	if err != nil {
		s.watches.forget(string(req.Root)) // whatever it was is not to come of what was remembered
		return wire.WriteJSON(s.out, wire.TypeFailure, explain(err))
	}
	return wire.WritePacked(s.out, wire.TypeReport, rep)
}

func (s *server) do(req *wire.Request) (*wire.Report, error) {
	switch req.Op {
	case wire.OpStage:
		return s.stage(req)
	case wire.OpSwitch:
		return s.change(req, (*tree).switchStage)
	case wire.OpDrop:
		return s.change(req, (*tree).drop)
	case wire.OpUndo:
		return s.change(req, (*tree).undo)
	case wire.OpSettle:
		return s.change(req, (*tree).status)
	case wire.OpLook:
		return s.look(req)
	case wire.OpStatus:
		return s.view(req, (*tree).status)
	case wire.OpDrift:
		return s.drift(req)
	case wire.OpRead:
		return s.read(req)
	}
	return nil, failure("protocol", fmt.Sprintf("unknown operation '%s'", req.Op))
}

// change runs an operation that writes, under the tree's lock.
func (s *server) change(req *wire.Request, do func(*tree, *wire.Request) (*wire.Report, error)) (*wire.Report, error) {
	t, err := s.claim(req)
	if err != nil {
		return nil, err
	}
	defer s.release(req)
	return settled(t, req, do)
}

// open opens the tree for an operation that writes nothing.
func (s *server) open(req *wire.Request) (*tree, error) {
	t, err := openTree(string(req.Root), false)
	if err != nil {
		return nil, err
	}
	t.server = s
	if err := t.enterFor(req); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// view runs an operation that writes nothing.
func (s *server) view(req *wire.Request, do func(*tree, *wire.Request) (*wire.Report, error)) (*wire.Report, error) {
	t, err := s.open(req)
	if err != nil {
		return nil, err
	}
	defer t.close()
	return settled(t, req, do)
}

func settled(t *tree, req *wire.Request, do func(*tree, *wire.Request) (*wire.Report, error)) (*wire.Report, error) {
	rep, err := do(t, req)
	if rep != nil {
		rep.Settled = t.settled
	}
	return rep, err
}

// claim opens the tree for writing, or takes the one that is held for the same
// roll.
func (s *server) claim(req *wire.Request) (*tree, error) {
	if t := s.held[string(req.Root)]; t != nil {
		if t.by.Roll != req.Roll {
			return nil, heldBy(t.by)
		}
		return t, nil
	}
	by := req.By
	by.Roll, by.PID, by.Since = req.Roll, os.Getpid(), time.Now()
	t, err := lockTree(string(req.Root), by)
	if err != nil {
		return nil, err
	}
	t.server = s
	s.held[string(req.Root)] = t
	err = t.settle(req.Roll)
	if err == nil {
		err = t.enterFor(req)
	}
	if err != nil {
		s.release(req)
		return nil, err
	}
	return t, nil
}

func (s *server) release(req *wire.Request) {
	if t := s.held[string(req.Root)]; t != nil && t.by.Roll == req.Roll {
		t.close()
		delete(s.held, string(req.Root))
	}
}

// holds reports whether it has locked a tree, or remembers one.
func (s *server) holds() bool { return len(s.held) > 0 || s.watches.remember() }

// letGo ends that.
func (s *server) letGo() {
	for root, t := range s.held {
		t.close()
		delete(s.held, root)
	}
	s.watches.close()
}

// beat tells the controller, while an operation runs, that it does, and how
// far it is. What it returns stops it and waits until it stopped.
func (s *server) beat() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		var last wire.Beat
		var sent time.Time
		for {
			select {
			case <-quit:
				return
			case now := <-tick.C:
				step, _ := s.step.Load().(string)
				b := wire.Beat{Files: s.files.Load(), Bytes: s.bytes.Load(), Step: step}
				if b != last || now.Sub(sent) > beatLeast {
					last, sent = b, now
					_ = wire.WriteJSON(s.out, wire.TypeBeat, b)
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}
