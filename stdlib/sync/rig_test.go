package sync_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/ssh"
	"github.com/rollsh/rollsh/stdlib/sync"
	"github.com/rollsh/rollsh/stdlib/sync/agent"
)

// TestMain builds the agent for the nodes once, and gives all tests one cache
// for it, so that they can run at the same time. Most of them wait for nodes.
func TestMain(m *testing.M) {
	if handled, code := agent.Main(os.Args); handled {
		os.Exit(code)
	}
	for _, other := range []func() (bool, int){errandMain, foldingMain} {
		if handled, code := other(); handled {
			os.Exit(code)
		}
	}
	dir, err := os.MkdirTemp("", "rollsh-agent-")
	if err == nil {
		err = buildAgents(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache")) // of the agents on this machine
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0)))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// smallAgent is started often; rigAgent has the race detector when the tests
// have it.
var smallAgent, rigAgent string

func buildAgents(dir string) error {
	smallAgent = filepath.Join(dir, "agent")
	rigAgent = smallAgent
	builds := [][]string{{"build", "-ldflags", "-s -w", "-o", smallAgent, "./agent/cmd/rollsh-agent"}}
	if raced {
		rigAgent += "-race"
		builds = append(builds, []string{"build", "-race", "-ldflags", "-s -w", "-o", rigAgent, "./agent/cmd/rollsh-agent"})
	}
	for _, args := range builds {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go %v: %w\n%s", args, err, out)
		}
	}
	return nil
}

// rig is some real nodes and an engine in a session on them.
type rig struct {
	*testing.T
	bed    *nodetest.Bed
	events *nodetest.Recorder
	s      *nodes.Session
	engine *sync.Engine
	set    nodes.Set
	src    string
	home   string
	pool   *ssh.Pool
	line   *delayLine // to the first node; nil: the machine's own
	open   []func()   // end what connect made
}

// newRig is a rig whose nodes find the agent in the cache that all tests share:
// it is put there once. See newBareRig for nodes that have never had one.
func newRig(t *testing.T, n int, opts ...nodetest.Option) *rig {
	t.Helper()
	return newBareRig(t, n, append(opts, nodetest.Env("XDG_CACHE_HOME", os.Getenv("XDG_CACHE_HOME")))...)
}

// newBareRig is a rig of nodes that keep the agent in their own home, and have
// none yet.
func newBareRig(t *testing.T, n int, opts ...nodetest.Option) *rig {
	t.Helper()
	t.Parallel()
	nodetest.Need(t, "sshd")
	dir := quickDir(t)
	bed, err := nodetest.Open(filepath.Join(dir, "bed"), n, opts...)
	must(t, err)
	t.Cleanup(bed.Close)
	r := &rig{T: t, bed: bed, events: &nodetest.Recorder{}, src: filepath.Join(dir, "src"), home: t.TempDir()}
	must(t, os.Mkdir(r.src, 0o755))
	r.s = r.bed.Session(r.events)
	r.s.Project = r.home
	for i := range n {
		nd := *r.bed.Node(i)
		nd.Path = nodes.RemotePath(filepath.Join(r.bed.Dir(i), "www"))
		r.set.Nodes = append(r.set.Nodes, &nd)
	}
	t.Cleanup(r.disconnect)
	r.connect()
	return r
}

// connect makes a new engine with new connections, as a new rollsh would.
func (r *rig) connect() {
	pool := ssh.NewPool(r.s)
	r.pool, r.s.Dialer = pool, pool
	r.engine = sync.New(r.s)
	must(r.T, r.engine.UseAgent(rigAgent))
	engine := r.engine
	r.open = append(r.open, func() { engine.Close(); pool.Close() })
}

// disconnect ends all engines and connections.
func (r *rig) disconnect() {
	for _, end := range r.open {
		end()
	}
	r.open = nil
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.Cleanup(cancel)
	return ctx
}

func (r *rig) live(i int) string { return filepath.Join(r.bed.Dir(i), "www") }

func (r *rig) options() sync.Options { return sync.Options{From: nodes.Dir(r.src)} }

// file writes a file of the source. Times differ from file to file.
func (r *rig) file(name, text string) { write(r.T, filepath.Join(r.src, name), text) }

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) remove(name string) {
	r.Helper()
	if err := os.RemoveAll(filepath.Join(r.src, name)); err != nil {
		r.Fatal(err)
	}
}

// push pushes to all and fails the test when that fails.
func (r *rig) push(change ...func(*sync.Options)) *nodes.Results {
	r.Helper()
	res, err := r.try(change...)
	if err != nil {
		r.Fatalf("push: %v", err)
	}
	return res
}

func (r *rig) try(change ...func(*sync.Options)) (*nodes.Results, error) {
	o := r.options()
	for _, f := range change {
		f(&o)
	}
	return r.engine.Push(r.ctx(), r.set, o)
}

func (r *rig) stats(res *nodes.Results, i int) sync.Stats {
	r.Helper()
	v, ok := res.List[i].Value.(sync.Stats)
	if !ok {
		r.Fatalf("node %d has no value: %+v", i, res.List[i])
	}
	return v
}

// equal compares the source with a node's live tree, from outside: contents,
// types, permissions, times and links.
func (r *rig) equal(i int) {
	r.Helper()
	if d := difference(r.T, r.src, r.live(i)); d != "" {
		r.Fatalf("node %d differs from the source:\n%s", i, d)
	}
}

// difference lists what tells two trees apart; the folders' own times and
// rollsh's state do not count.
func difference(t *testing.T, a, b string) string {
	t.Helper()
	x, y := snapshot(t, a), snapshot(t, b)
	var out strings.Builder
	for p, v := range x {
		if y[p] != v {
			fmt.Fprintf(&out, "%q: %.200s / %.200s\n", p, v, y[p])
		}
	}
	for p, v := range y {
		if _, ok := x[p]; !ok {
			fmt.Fprintf(&out, "%q: (nothing) / %.200s\n", p, v)
		}
	}
	return out.String()
}

func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		if rel == "." {
			return nil
		}
		if d.Name() == ".rollsh" {
			return fs.SkipDir
		}
		st, err := os.Lstat(p)
		if err != nil {
			return err
		}
		v := st.Mode().String()
		switch {
		case st.Mode()&os.ModeSymlink != 0:
			v, _ = os.Readlink(p)
			v = "-> " + v
		case st.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			v += fmt.Sprintf(" %d %s", st.ModTime().UnixNano(), b)
		}
		out[rel] = v
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

// state lists what is in a node's state folder.
func (r *rig) state(i int) []string {
	r.Helper()
	var out []string
	list, err := os.ReadDir(filepath.Join(r.bed.Dir(i), ".rollsh-www"))
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// wantKind fails the test unless err, or the only error in it, has the kind
// and holds the words.
func wantKind(t *testing.T, err error, kind nodes.Kind, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", kind)
	}
	e := nodes.AsError(err, nodes.Internal)
	if e.Kind == nodes.Tasks && len(e.Errors) > 0 {
		e = nodes.AsError(e.Errors[0], nodes.Internal)
	}
	if e.Kind != kind {
		t.Fatalf("kind is %s, want %s: %v", e.Kind, kind, err)
	}
	for _, w := range words {
		if !strings.Contains(e.Error(), w) {
			t.Errorf("%q does not say %q", e.Error(), w)
		}
	}
}

// wholeSeconds cuts the times of the source's files, which SFTP does too.
func (r *rig) wholeSeconds() {
	r.Helper()
	err := filepath.WalkDir(r.src, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st, err := os.Stat(p)
		if err != nil {
			return err
		}
		return os.Chtimes(p, st.ModTime().Truncate(time.Second), st.ModTime().Truncate(time.Second))
	})
	if err != nil {
		r.Fatal(err)
	}
}

// newRigOn makes a second engine with connections of its own, as another
// rollsh would.
func newRigOn(r *rig) *sync.Engine {
	s := *r.s
	pool := ssh.NewPool(&s)
	s.Dialer = pool
	s.Cache = r.TempDir()
	engine := sync.New(&s)
	must(r.T, engine.UseAgent(rigAgent))
	r.Cleanup(func() { engine.Close(); pool.Close() })
	return engine
}

// restless is a tree of which one file is written to whenever it is scanned:
// after the scan began, before the file is sent.
type restless struct {
	nodes.Tree
	file    string
	writing gosync.WaitGroup
}

// Dated begins to change the file a little later.
func (r *restless) Dated(context.Context) (nodes.Revision, map[string]time.Time, error) {
	f, err := os.OpenFile(r.file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", nil, err
	}
	r.writing.Go(func() {
		defer f.Close()
		for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			_, _ = f.WriteString("more")
		}
	})
	return "", nil, nil
}
