//go:build linux

package agent

import (
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
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
func (c *comparison) distrust() string {
	m := &c.now.Marker
	age := time.Since(m.Looked)
	switch {
	case c.t.settled != "":
		return "a roll was cut short"
	case m.Boot != bootID():
		return "the node was started anew since the last roll"
	case m.Agent != agentName():
		return "the last roll was made by another version"
	case age > trustFor || age < 0:
		return "it was not looked at in full within " + trustFor.String()
	}
	if p := c.sample(); p != "" {
		return show(p) + " is not as the last roll left it"
	}
	return ""
}

// sample looks at some of what is ours, chosen at random, and gives a path that
// is not as it was left; empty when there is none.
func (c *comparison) sample() string {
	buf := make([]byte, 128<<10)
	sums := 0
	for _, i := range rand.Perm(len(c.ours))[:min(sampleStat, len(c.ours))] {
		o := &c.ours[i]
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

// trust takes the tree as rolls left it, but for the paths to be changed.
func (c *comparison) trust() error {
	c.trusted = true
	var seen []manifest.Entry
	var missing []string
	paths := slices.Clone(c.gone)
	for i := range c.change {
		paths = append(paths, c.change[i].Path)
	}
	slices.Sort(paths)
	for _, p := range paths {
		e, err := c.t.lstat(p)
		switch {
		case err == nil && manifest.Find(c.ours, p) == nil && !c.t.listed(p):
			missing = append(missing, p) // it has another name there
		case err == nil:
			seen = append(seen, e)
		case errors.Is(err, unix.ENOENT):
			missing = append(missing, p)
		default:
			return cannot("look at", p, err)
		}
	}
	c.live = manifest.Listing{Entries: manifest.Apply(c.ours, seen, missing)}
	return nil
}

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
