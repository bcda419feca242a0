package ssh

import (
	"net"

	"golang.org/x/sys/unix"
)

// promptReads is how many reads a login and the first session take at most.
const promptReads = 100

// promptConn acknowledges at once what it reads in the beginning, where the
// system would wait 40 ms for data that it could send along. Until the first
// command is started, sshd sends nothing small while something before it is not
// acknowledged (TCP_NODELAY is set with the first command).
type promptConn struct {
	*net.TCPConn
	left int
}

func promptly(conn net.Conn) net.Conn {
	if c, ok := conn.(*net.TCPConn); ok {
		return &promptConn{c, promptReads}
	}
	return conn
}

// Read is called by one goroutine at a time.
func (c *promptConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if c.left > 0 {
		c.left--
		c.acknowledge()
	}
	return n, err
}

// acknowledge sets what the system resets by itself; that it cannot be set does
// no harm.
func (c *promptConn) acknowledge() {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
