package nodetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// The ports that beds take are below those that Linux gives to whoever asks for
// any (32768 to 60999, see ip(7)), so that no connection and no other server
// comes upon one before its server listens there.
const (
	lowestPort  = 10_000
	highestPort = 32_000
)

// FreePort finds a port of 127.0.0.1 that nobody listens on, and keeps it for
// this process until it ends: FreePort gives it to no other test meanwhile.
func FreePort() (int, error) {
	dir := filepath.Join(os.TempDir(), "rollsh-test-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		ours, err := reserve(filepath.Join(dir, strconv.Itoa(port)))
		if err != nil {
			return 0, err
		}
		if ours && silent(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", lowestPort, highestPort)
}

// reserve takes the lock of a file; it goes with the process. The descriptor is
// not an os.File, which would be closed when nobody refers to it.
func reserve(path string) (bool, error) {
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return true, nil
	}
	_ = syscall.Close(fd) // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return false, fmt.Errorf("%s: %w", path, err)
}

// silent reports whether nobody listens on the port.
func silent(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
