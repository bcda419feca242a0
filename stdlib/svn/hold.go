package svn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// lockName is the lock file of a checkout, in its .svn or .git folder, where every
// user of the checkout sees it.
const lockName = "rollsh.lock"

// Holder is who holds a checkout.
type Holder struct {
	Who   string    `json:"who" lua:"who"`
	Host  string    `json:"host" lua:"host"`
	PID   int       `json:"pid" lua:"pid"`
	What  string    `json:"what" lua:"what"`
	Since time.Time `json:"since" lua:"since"`
}

// holds are the checkouts that this process holds. Tasks of one process wait for
// each other; another process is refused.
type holds struct {
	mu   sync.Mutex
	byID map[string]*hold
}

// hold is one checkout's lock in this process: the file lock is taken with the
// first user and given up with the last.
type hold struct {
	turn  chan struct{} // holds one token: whose turn it is to change the checkout
	mu    sync.Mutex
	users int
	file  *os.File
}

// lockable is a checkout as far as its lock goes.
type lockable struct {
	svn   *Svn
	path  string // as people name it
	admin string // the folder that holds the lock: .svn or .git
}

func newHolds() *holds { return &holds{byID: map[string]*hold{}} }

func (h *holds) of(root string) *hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byID[root] == nil {
		h.byID[root] = &hold{turn: make(chan struct{}, 1)}
	}
	return h.byID[root]
}

// Hold takes the checkout's lock for this process until release is called. What
// this process does with the checkout meanwhile goes on as usual. It fails with
// Locked, naming the holder, when another process has it.
func (c *lockable) Hold(_ context.Context, what string) (release func(), err error) {
	h := c.svn.holds.of(c.admin)
	if err := h.enter(c, what); err != nil {
		return nil, err
	}
	return sync.OnceFunc(h.leave), nil
}

// change takes the lock for one change of the checkout, after the changes that
// other tasks of this process are making.
func (c *lockable) change(ctx context.Context, what string) (lock *os.File, release func(), err error) {
	if err := c.writable(); err != nil {
		return nil, nil, err
	}
	h := c.svn.holds.of(c.admin)
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, nodes.Stopped(ctx)
	}
	if err := h.enter(c, what); err != nil {
		<-h.turn
		return nil, nil, err
	}
	return h.file, sync.OnceFunc(func() { h.leave(); <-h.turn }), nil
}

func (h *hold) enter(c *lockable, what string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users == 0 {
		f, err := lockFile(filepath.Join(c.admin, lockName))
		if err != nil {
			return c.heldError(err)
		}
		s := c.svn.session
		writeHolder(f, Holder{Who: s.User, Host: s.Host, PID: os.Getpid(), What: what, Since: time.Now().UTC().Truncate(time.Second)})
		h.file = f
	}
	h.users++
	return nil
}

func (h *hold) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users--; h.users == 0 {
		_ = h.file.Truncate(0)
		_ = syscall.Flock(int(h.file.Fd()), syscall.LOCK_UN) // a process that is being started has the file until it runs
		_ = h.file.Close()
		h.file = nil
	}
}

var errHeld = errors.New("held")

// lockFile opens and locks; errHeld when another open file has the lock.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errHeld
		}
		return nil, err
	}
	return f, nil
}

// writeHolder tells others who holds the lock; the lock itself does not depend
// on this text.
func writeHolder(f *os.File, who Holder) {
	text, _ := json.Marshal(who)
	_ = f.Truncate(0)
	_, _ = f.WriteAt(append(text, '\n'), 0)
}

// Holder tells who holds the checkout; nil when nobody does.
func (c *lockable) Holder(context.Context) (*Holder, error) {
	name := filepath.Join(c.admin, lockName)
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskError(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, keptOutput))
	if err != nil {
		return nil, diskError(err)
	}
	var who Holder
	if json.Unmarshal(text, &who) != nil || syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return nil, nil
	}
	return &who, nil
}

func (c *lockable) heldError(err error) error {
	if !errors.Is(err, errHeld) {
		return firstError(c.writable(), diskError(err))
	}
	e := &nodes.Error{Kind: nodes.Locked, Message: "the checkout " + c.path + " is in use by another rollsh", Hint: "wait until it is done"}
	text, readErr := os.ReadFile(filepath.Join(c.admin, lockName))
	var who Holder
	if readErr == nil && json.Unmarshal(text, &who) == nil && who.Who != "" {
		e.Message = fmt.Sprintf("the checkout %s is held by %s on %s (process %d) for %s since %s", c.path,
			oneLine(who.Who), oneLine(who.Host), who.PID, oneLine(who.What), who.Since.Format(time.RFC3339))
	}
	return e
}

// diskError gives a failure of the local disk its kind and, where it is one of
// permissions, a hint.
func diskError(err error) error {
	kind, hint := nodes.Internal, ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		kind = nodes.Permission
		var at *os.PathError
		if errors.As(err, &at) {
			hint = whose(at.Path)
		}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = nodes.Space
	case errors.Is(err, os.ErrNotExist):
		kind = nodes.NotFound
	}
	return &nodes.Error{Kind: kind, Message: err.Error(), Hint: hint, Cause: err}
}
