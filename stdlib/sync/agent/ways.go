//go:build linux

package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// Contents from wideFrom bytes on may come over more than one stream, of which
// there are maxWays at most beside the agent's input.
const (
	wideFrom = 16 << 20
	maxWays  = 8
	waySize  = 1 << 20 // what the system holds of each
)

// way is a pipe that an agent of another session, see relay, writes to.
type way struct {
	r    *os.File
	w    *os.File // kept open until a relay has it open; then nil
	from *bufio.Reader
}

// ways are the streams that contents come over, beside the agent's input.
type ways struct {
	all    []*way
	joined []*way // in the order of their turns
	turn   int    // 0: the input's; i: that of joined[i-1]
}

// openWays makes n pipes; a node that gives none has the input alone.
func openWays(n int) *ways {
	w := &ways{}
	for range min(n, maxWays) {
		var fds [2]int
		if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
			break
		}
		_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, waySize)
		w.all = append(w.all, &way{r: os.NewFile(uintptr(fds[0]), "way"), w: os.NewFile(uintptr(fds[1]), "way"), from: nil})
	}
	return w
}

// offer tells the controller of them.
func (w *ways) offer(out io.Writer) error {
	msg := wire.Ways{PID: os.Getpid()}
	for _, one := range w.all {
		raw, err := one.r.SyscallConn()
		if err != nil {
			return err
		}
		_ = raw.Control(func(fd uintptr) { msg.FDs = append(msg.FDs, int(fd)) })
	}
	return wire.WriteJSON(out, wire.TypeWays, msg)
}

// join gives a way its turn.
func (w *ways) join(index []byte) error {
	if len(index) != 1 || int(index[0]) >= len(w.all) || w.all[index[0]].w == nil {
		return failure("protocol", "a way that there is not")
	}
	one := w.all[index[0]]
	_ = one.w.Close() // so that the end of the relay is seen
	one.w, one.from = nil, bufio.NewReaderSize(one.r, 256<<10)
	w.joined = append(w.joined, one)
	return nil
}

// next gives the next frame of contents, from whichever stream's turn it is.
func (w *ways) next(s *server) (frame, error) {
	for w.turn == 0 {
		f, err := s.next(pieceWait)
		if err != nil || f.t != wire.TypeWay {
			w.step()
			return f, err
		}
		if err := w.join(f.p); err != nil {
			return frame{}, err
		}
	}
	one := w.joined[w.turn-1]
	w.step()
	_ = one.r.SetReadDeadline(time.Now().Add(pieceWait))
	t, p, err := wire.Read(one.from, waySize)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSilent
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = io.EOF
	}
	return frame{t: t, p: p}, err
}

func (w *ways) step() { w.turn = (w.turn + 1) % (1 + len(w.joined)) }

func (w *ways) close() {
	for _, one := range w.all {
		_ = one.r.Close()
		if one.w != nil {
			_ = one.w.Close()
		}
	}
}

// widen offers ways for large contents, where the controller would use them.
func (st *stager) widen(bytes int64) error {
	if st.c.req.Ways <= 0 || bytes < wideFrom {
		return nil
	}
	st.ways = openWays(st.c.req.Ways)
	return st.ways.offer(st.c.s.out)
}

// relay copies in to a pipe of another agent of the same user, given as its
// process id and the number of the pipe there.
func relay(in io.Reader, out io.Writer, pid, fd string) error {
	var p, n int
	if _, err := fmt.Sscanf(pid+" "+fd, "%d %d", &p, &n); err != nil {
		return err
	}
	to, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", p, n), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer to.Close()
	if st, err := to.Stat(); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		return errors.New("not a pipe")
	}
	if _, err := io.WriteString(out, wire.Magic); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{in}, make([]byte, 256<<10))
	return err
}
