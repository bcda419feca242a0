//go:build linux

package agent

import (
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"golang.org/x/sys/unix"
)

// verify="trust" takes a tree as the last roll left it, for at most trustFor
// after it was looked at in full. A sample is looked at each time all the same:
// so many entries by lstat, and of so many files the bytes.
const (
	trustFor    = 24 * time.Hour
	sampleStat  = 300
	sampleSums  = 8
	sampleLarge = 1 << 20 // bytes of a file whose sum is taken
)

// distrust says why a tree must be looked at in full; empty when it need not.
func (c *comparison) distrust() (string, error) {
	m := &c.now.Marker
	age := time.Since(m.Looked)
	switch {
	case c.t.settled != "":
		return "a roll was cut short", nil
	case m.Boot != bootID():
		return "the node was started anew since the last roll", nil
	case m.Agent != agentName():
		return "the last roll was made by another version", nil
	case age > trustFor || age < 0:
		return "it was not looked at in full within " + trustFor.String(), nil
	}
	some, err := c.pick()
	if err != nil {
		return "", c.t.damaged(err)
	}
	if p := c.sample(some); p != "" {
		return show(p) + " is not as the last roll left it", nil
	}
	return "", nil
}

// pick chooses some of what is ours at random. Source: Vitter, Random Sampling
// with a Reservoir, algorithm R.
func (c *comparison) pick() ([]manifest.Entry, error) {
	var out []manifest.Entry
	s := c.ours.Read()
	n := 0
	for o := s.Next(); o != nil; o = s.Next() {
		if n++; len(out) < sampleStat {
			out = append(out, *o)
		} else if at := rand.Intn(n); at < sampleStat {
			out[at] = *o
		}
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out, s.Err()
}

// sample looks at some of what is ours, and gives a path that is not as it was
// left; empty when there is none.
func (c *comparison) sample(some []manifest.Entry) string {
	buf := make([]byte, 128<<10)
	sums := 0
	for i := range some {
		o := &some[i]
		l, err := c.t.lstat(o.Path)
		if err != nil || !l.SameStat(o) {
			return o.Path
		}
		if o.Kind != manifest.File || o.Size > sampleLarge || sums == sampleSums {
			continue
		}
		sums++
		sum, _, err := manifest.HashFile(c.t.root, o.Path, buf)
		if err == nil && sum != o.Sum {
			return o.Path
		}
	}
	return ""
}

// trust takes the tree as rolls left it, but for the paths to be changed, which are
// looked at as they are read.
func (c *comparison) trust() {
	c.trusted = true
	c.live = &trusting{c: c, both: manifest.Beside(c.ours.Read(), c.delta.Paths().Read())}
}

// trusting is a tree that is taken so. It is a Seq.
type trusting struct {
	c    *comparison
	both *manifest.Two
	e    manifest.Entry
	err  error
}

// Next implements manifest.Seq.
func (t *trusting) Next() *manifest.Entry {
	for t.err == nil {
		o, concerned := t.both.Next()
		switch {
		case o == nil && concerned == nil:
			return nil
		case concerned == nil:
			return o
		case t.look(concerned.Path, o != nil):
			return &t.e
		}
	}
	return nil
}

// look describes what is at a path; it is false for nothing.
func (t *trusting) look(p string, ours bool) bool {
	var err error
	t.e, err = t.c.t.lstat(p)
	switch {
	case errors.Is(err, unix.ENOENT):
		return false
	case err != nil:
		t.err = cannot("look at", p, err)
		return false
	}
	return ours || t.c.t.listed(p) // else it has another name there
}

// Err implements manifest.Seq.
func (t *trusting) Err() error { return errors.Join(t.err, t.both.Err()) }

// bootID tells one run of the node's kernel from another.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// agentName tells one version of the agent from another: its name holds its
// sum.
func agentName() string {
	name, _ := os.Readlink("/proc/self/exe")
	return strings.TrimSuffix(filepath.Base(name), " (deleted)")
}
