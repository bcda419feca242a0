package sync

import (
	"context"
	"runtime"
	gosync "sync"

	"github.com/rollsh/rollsh/nodes"
)

// SetAgentEnv gives the agents that are started from now on variables.
func (e *Engine) SetAgentEnv(env ...string) { e.agentEnv = env }

// BeOwnAgent makes the engine send the test program itself, whatever agents
// were built in: these may be older than the code.
func (e *Engine) BeOwnAgent() { e.programs = ownPrograms }

// ownPrograms reads the test program once for all tests.
var ownPrograms = gosync.OnceValue(func() []program {
	uname := "Linux x86_64"
	if runtime.GOARCH == "arm64" {
		uname = "Linux aarch64"
	}
	own, err := ownProgram(uname)
	if err != nil {
		panic(err)
	}
	return []program{own}
})

// HoldStage is Push with a wait at the barrier.
func (e *Engine) HoldStage(ctx context.Context, set nodes.Set, o Options, until <-chan struct{}) error {
	st, err := e.stage(ctx, "sync.push", set, o, nil, true)
	if err != nil {
		return err
	}
	if err := st.results("sync.push").Err(); err != nil {
		return err
	}
	<-until
	return st.change(ctx, "sync.push", set).Err()
}
