package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
)

// Report is the environment variable by which `rollsh test` names the file that
// a Result of every case is added to, a line of JSON each. Where it is not set,
// no test runs.
const Report = "ROLLSH_TEST"

// Result is how a case ended.
type Result struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Stand is where one test file runs: its nodes and scratch folders.
type Stand struct {
	session *nodes.Session

	mu   sync.Mutex
	dir  string // made when it is first needed
	beds []*nodetest.Bed
	made int
}

// New makes the stand of a session; nothing is started.
func New(s *nodes.Session) *Stand { return &Stand{session: s} }

// Close ends all nodes and removes their files.
func (s *Stand) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.beds {
		b.Close()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // in the system's folder for temporary files
	}
	s.beds, s.dir = nil, ""
}

// folder makes a new scratch folder.
func (s *Stand) folder(what string) (string, error) {
	if os.Getenv(Report) == "" {
		return "", &nodes.Error{Kind: nodes.Refused, Message: "there are test nodes in a test only", Hint: "rollsh test FILE"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "rollsh-test-")
		if err != nil {
			return "", err
		}
		s.dir = dir
	}
	s.made++
	dir := filepath.Join(s.dir, what+strconv.Itoa(s.made))
	return dir, os.Mkdir(dir, 0o700)
}

// file is the name under which the text of test.nodes is read.
const file = "test"

// Nodes starts a node for each that text declares, as a nodes file does.
// Addresses, ports and users in it are not used. A path is below the node's
// home, "www" where none is given, so that "~/srv/www" is the tree of
// path=/srv/www. Commands run as the current user. NotFound where sshd is not
// installed.
func (s *Stand) Nodes(text string) (nodes.Set, error) {
	set, err := nodes.Load(fstest.MapFS{file: {Data: []byte(text)}}, file)
	if err != nil {
		return set, err
	}
	if nodetest.Program("sshd") == "" {
		return set, &nodes.Error{Kind: nodes.NotFound, Message: "sshd is not installed, and test nodes need it", Hint: "apt-get install openssh-server"}
	}
	dir, err := s.folder("nodes")
	if err != nil {
		return set, err
	}
	names := make([]string, len(set.Nodes))
	for i, n := range set.Nodes {
		names[i] = string(n.Name)
	}
	bed, err := nodetest.Open(dir, len(names), nodetest.Names(names...))
	if err != nil {
		return set, err
	}
	s.mu.Lock()
	s.beds = append(s.beds, bed)
	s.mu.Unlock()
	return s.placed(set, bed)
}

// placed gives the nodes their real addresses, and ssh their host keys.
func (s *Stand) placed(set nodes.Set, bed *nodetest.Bed) (nodes.Set, error) {
	for i, declared := range set.Nodes {
		n, at := *declared, bed.Node(i)
		n.Host, n.Port, n.User, n.Key, n.Jump, n.Proxy = at.Host, at.Port, at.User, bed.Key, "", ""
		if n.Path == "" {
			n.Path = "/www"
		}
		n.Path = nodes.RemotePath(filepath.Join(bed.NodeHome(i), string(n.Path)))
		set.Nodes[i] = &n
	}
	known, err := os.ReadFile(bed.KnownHosts)
	if err != nil {
		return set, err
	}
	ssh := filepath.Join(s.session.Home, ".ssh")
	if err := os.MkdirAll(ssh, 0o700); err != nil {
		return set, err
	}
	f, err := os.OpenFile(filepath.Join(ssh, "known_hosts"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return set, err
	}
	_, err = f.Write(known)
	return set, errors.Join(err, f.Close())
}

// Case runs one case and says how it ended; what it raises does not go on, but a
// cancel does.
func (s *Stand) Case(ctx context.Context, name string, run func(context.Context) error) (bool, error) {
	began := time.Now()
	err := run(ctx)
	if nodes.KindOf(err) == nodes.Cancelled {
		return false, err
	}
	took := fmt.Sprintf("  %.1f s", time.Since(began).Seconds())
	r := Result{Name: name, OK: err == nil}
	if err == nil {
		s.session.Person.Show("ok    " + name + took)
	} else {
		r.Error = err.Error()
		s.session.Person.Show("FAIL  " + name + took + "\n      " + strings.ReplaceAll(nodes.Clean(r.Error), "\n", "\n      "))
	}
	return r.OK, note(r)
}

// note adds a result to the report.
func note(r Result) error {
	path := os.Getenv(Report)
	if path == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}
