package sync

import (
	"context"
	"os"
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
	own, err := ownProgram(uname())
	if err != nil {
		panic(err)
	}
	return []program{own}
})

func uname() string {
	if runtime.GOARCH == "arm64" {
		return "Linux aarch64"
	}
	return "Linux x86_64"
}

// UseAgent makes the engine send the program in a file.
func (e *Engine) UseAgent(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	own := programOf(uname(), b)
	e.programs = func() []program { return []program{own} }
	return nil
}

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
