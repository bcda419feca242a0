package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// wire joins a TUN device in the controller's namespace with one in each
// node's and holds every packet for half the round trip: a delay line for
// kernels without netem. Packets pass unsplit (IFF_VNET_HDR), so that it takes
// little of the processors.
type wire struct {
	half    time.Duration
	devices []*os.File

	mu    sync.Mutex
	seen  counts
	asked time.Time // when the packet passed that began the round trip under way
	heard bool      // something came back since
}

// counts is what passed since count.
type counts struct {
	bytes int64 // both ways, all nodes
	trips int   // round trips that one had to wait for before the other, of the first node
}

// count begins to count anew.
func (w *wire) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.asked, w.heard = counts{}, time.Time{}, false
}

func (w *wire) counted() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// pass counts a packet to or from a node. What goes to a node a whole round trip
// after something that it answered may be the consequence of that answer.
func (w *wire) pass(bytes, node int, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.bytes += int64(bytes)
	if node != 1 || w.half == 0 {
		return
	}
	now := time.Now()
	switch {
	case !down:
		w.heard = true
	case w.asked.IsZero():
		w.asked = now
	case w.heard && now.Sub(w.asked) >= 2*w.half:
		w.seen.trips++
		w.asked, w.heard = now, false
	}
}

type packet struct {
	due time.Time
	b   []byte
}

// startWire joins the namespace controller with nodes, whose addresses are
// address(1) and so on.
func startWire(rtt time.Duration, controller string, nodes []string) (*wire, error) {
	w := &wire{half: rtt / 2}
	up, err := w.device(controller, address(0))
	if err != nil {
		return nil, err
	}
	down := make([]chan<- packet, len(nodes)+1)
	for i, ns := range nodes {
		d, err := w.device(ns, address(i+1))
		if err != nil {
			w.stop()
			return nil, err
		}
		down[i+1] = w.line(d)
		back := w.line(up)
		go w.read(d, func(b []byte) chan<- packet {
			w.pass(len(b), i+1, false)
			return back
		})
	}
	go w.read(up, func(b []byte) chan<- packet {
		// Ten bytes of virtio header; the last byte of an IPv4 destination is at 29.
		if len(b) > 30 && b[10]>>4 == 4 && b[26] == 10 && int(b[29]) < len(down) {
			w.pass(len(b), int(b[29]), true)
			return down[b[29]]
		}
		return nil
	})
	return w, nil
}

// address is where a node is, or the controller: number 0.
func address(i int) string {
	if i == 0 {
		return "10.77.255.254"
	}
	return fmt.Sprintf("10.77.0.%d", i)
}

func (w *wire) stop() {
	for _, d := range w.devices {
		_ = d.Close()
	}
}

// device makes a TUN device in a namespace.
func (w *wire) device(ns, addr string) (*os.File, error) {
	made := make(chan error, 1)
	var f *os.File
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends in its namespace
		var err error
		f, err = tun(ns)
		made <- err
	}()
	if err := <-made; err != nil {
		return nil, err
	}
	w.devices = append(w.devices, f)
	for _, args := range [][]string{{"addr", "add", addr + "/16", "dev", "w0"}, {"link", "set", "w0", "txqueuelen", "10000", "up"}} {
		if err := ip(append([]string{"-n", ns}, args...)...); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// tun opens a device in the namespace, which the thread enters.
func tun(ns string) (*os.File, error) {
	at, err := os.Open("/run/netns/" + ns)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if err := unix.Setns(int(at.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq("w0")
	if err != nil {
		return nil, err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, err
	}
	const checksums, segments = 1, 2 // TUN_F_CSUM, TUN_F_TSO4
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, checksums|segments); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "tun:"+ns), nil
}

// line gives every packet to a device when it is due.
func (w *wire) line(to *os.File) chan<- packet {
	in := make(chan packet, 8192)
	go func() {
		for p := range in {
			if d := time.Until(p.due); d > 0 {
				<-time.After(d)
			}
			_, _ = to.Write(p.b)
		}
	}()
	return in
}

func (w *wire) read(from *os.File, to func([]byte) chan<- packet) {
	buf := make([]byte, 70000)
	for {
		n, err := from.Read(buf)
		if errors.Is(err, os.ErrClosed) || err != nil {
			return
		}
		if line := to(buf[:n]); line != nil {
			line <- packet{time.Now().Add(w.half), append([]byte(nil), buf[:n]...)}
		}
	}
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}
