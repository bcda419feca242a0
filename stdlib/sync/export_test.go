package sync

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"runtime"
	gosync "sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/agent/bin"
)

// SetAgentEnv gives the agents that are started from now on variables.
func (e *Engine) SetAgentEnv(env ...string) { e.agentEnv = env }

func uname() string {
	if runtime.GOARCH == "arm64" {
		return `Linux\ aarch64`
	}
	return `Linux\ x86_64`
}

// UseAgent makes the engine send the program in a file.
func (e *Engine) UseAgent(file string) error {
	read, _ := agentFiles.LoadOrStore(file, gosync.OnceValues(func() (program, error) {
		b, err := os.ReadFile(file)
		return programOf(uname(), b), err
	}))
	p, err := read.(func() (program, error))()
	e.programs = func() []program { return []program{p} }
	return err
}

// NoAgent leaves the engine without a program for any node: all go over SFTP.
func (e *Engine) NoAgent() { e.programs = func() []program { return nil } }

// agentFiles holds programs by their file: they are compressed once.
var agentFiles gosync.Map

// HoldStage is Push with a wait at the barrier.
func (e *Engine) HoldStage(ctx context.Context, set nodes.Set, o Options, until <-chan struct{}) error {
	return e.AtBarrier(ctx, set, o, func() { <-until })
}

// AtBarrier is Push that does something when all is staged.
func (e *Engine) AtBarrier(ctx context.Context, set nodes.Set, o Options, do func()) error {
	st, err := e.stage(ctx, "sync.push", set, o, nil, true)
	if err != nil {
		return err
	}
	if err := st.results("sync.push").Err(); err != nil {
		return err
	}
	do()
	return st.change(ctx, "sync.push", set).Err()
}

// BeOwnAgent makes the engine send the test program itself. It is compressed
// first: with the race detector that takes long.
func (e *Engine) BeOwnAgent() error {
	if err := e.UseAgent("/proc/self/exe"); err != nil {
		return err
	}
	_, err := e.programs()[0].gz()
	return err
}

// BuiltAgent gives the agent that was built in for a CPU; nil for none.
func BuiltAgent(goarch string) ([]byte, error) {
	from, err := bin.Sources(agentSources)
	read, _, ok := bin.Agent("linux", goarch, from)
	if err != nil || !ok {
		return nil, err
	}
	gz, err := read()
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// AllFar makes all nodes count as far away.
func (e *Engine) AllFar() { e.far = 0 }

// SlowToStart makes all nodes count as ones that took long to start an agent.
func (e *Engine) SlowToStart() { e.far = 1 }

// LockTimes sets how often locks over SFTP are renewed, and when they are stale.
func (e *Engine) LockTimes(beat, stale time.Duration) { e.locks = lockTimes{beat, stale} }

// Impatient has the engine not wait longer for the first words of agents.
func (e *Engine) Impatient(wait time.Duration) { e.patience = wait }
