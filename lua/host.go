package lua

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// Host runs Lua. It is made once for a run of rollsh; its methods are called
// from one goroutine, while the tasks that Lua starts have their own.
type Host struct {
	Session *nodes.Session
	Grace   time.Duration // how long cleanups may take after a cancel

	root     *glua.LState
	baton    chan struct{} // one token; blocked receivers are served in order
	tasks    map[*glua.LState]*task
	idle     []*glua.LState                // threads to be used again
	outer    map[*glua.LState]*glua.LState // the thread that waits for a protected call on another
	modules  []Module
	spelled  func() []Module // modules with what their Go results tell
	classes  map[reflect.Type]*class
	byName   map[string]*class
	bindings map[string]*binding             // functions by full name: sync.push, say, roll
	objects  map[*nodes.Node]*glua.LUserData // nodes that are alike have one object, so that they can be table keys
	named    map[nodes.Name][]*nodes.Node    // those that are not alike, by name
	scripts  map[string]*glua.LFunction
	files    *files
	listMeta *glua.LTable // of lists that rollsh made
	recorded int          // calls that a plan recorded
	audits   int          // calls that the audit was told of
}

// New makes a host with the modules' names as globals. A bad record panics:
// it is a defect of rollsh.
func New(s *nodes.Session, modules []Module) *Host {
	h := &Host{
		Session:  s,
		Grace:    15 * time.Second,
		root:     glua.NewState(stateOptions),
		baton:    make(chan struct{}, 1),
		tasks:    map[*glua.LState]*task{},
		outer:    map[*glua.LState]*glua.LState{},
		classes:  map[reflect.Type]*class{},
		byName:   map[string]*class{},
		bindings: map[string]*binding{},
		objects:  map[*nodes.Node]*glua.LUserData{},
		named:    map[nodes.Name][]*nodes.Node{},
		scripts:  map[string]*glua.LFunction{},
	}
	if s.Recipe == nil {
		s.Recipe = &nodes.Recipe{}
	}
	h.files = &files{host: h, loaded: map[string]*file{}}
	h.root.SetContext(context.Background())
	h.openLibraries()
	h.modules = append(h.coreModules(), modules...)
	h.spelled = sync.OnceValue(h.spelt)
	h.register()
	h.lockGlobals()
	h.baton <- struct{}{}
	return h
}

// stateOptions keep a suspended task near 33 kB, 16 of which are room for deep
// calls; threads inherit them.
// RegistrySize below 128 silently becomes 5,120.
var stateOptions = glua.Options{
	CallStackSize:       16_000,
	MinimizeStackMemory: true,
	RegistrySize:        256,
	RegistryGrowStep:    512,
	RegistryMaxSize:     256 * 1024,
	SkipOpenLibs:        true,
}

// Modules lists the records, the host's own first.
func (h *Host) Modules() []Module { return h.spelled() }

// take waits for the baton; from then on Lua may run on L.
func (h *Host) take(L *glua.LState) {
	<-h.baton
	L.G.CurrentThread = L
}

func (h *Host) give() { h.baton <- struct{}{} }

// Call is one call of a record from Lua.
type Call struct {
	Host *Host
	L    *glua.LState
	Name string // sync.push
	args []glua.LValue
}

// Block runs f without the baton, under the task's context. f must touch no
// Lua value.
func (c *Call) Block(f func(ctx context.Context) error) error {
	ctx := nodes.WithCaller(c.L.Context(), nodes.Caller{Where: c.Host.where(c.L), Op: c.Name})
	c.Host.give()
	defer c.Host.take(c.L)
	return f(ctx)
}

// Where is the recipe's file:line that made the call.
func (c *Call) Where() string { return c.Host.where(c.L) }

// where finds the nearest line of a recipe: embedded chunks are passed over,
// and a task that has none of its own names the line that started it.
func (h *Host) where(L *glua.LState) string {
	for level := 0; ; level++ {
		dbg, ok := L.GetStack(level)
		if !ok {
			break
		}
		if _, err := L.GetInfo("Sl", dbg, glua.LNil); err != nil || dbg.CurrentLine <= 0 || embedded(dbg.Source) {
			continue
		}
		return fmt.Sprintf("%s:%d", dbg.Source, dbg.CurrentLine)
	}
	if up := h.above(L); up != nil {
		return h.where(up)
	}
	if t := h.task(L); t != nil {
		return t.where
	}
	return ""
}

// called is what a function is called in messages: its name; but the parts that
// rollsh's own Lua is made of, such as roll:step in roll, go by the name of what
// the recipe called.
func (h *Host) called(L *glua.LState, full string) string {
	whole := h.within(L)
	if whole != "" && (strings.HasPrefix(full, whole+":") || strings.HasPrefix(full, whole+".")) {
		return whole
	}
	return full
}

// blamed is the function that an error names: the one that was called; but what is
// wrong with arguments that rollsh's own Lua passed on is told of what the recipe
// called.
func (h *Host) blamed(L *glua.LState, name string, err error) string {
	if whole := h.within(L); nodes.KindOf(err) == nodes.Usage && h.bindings[whole] != nil {
		return whole
	}
	return name
}

// within is the function of rollsh's own Lua that calls; "" where a recipe does.
func (h *Host) within(L *glua.LState) string {
	for level := 0; ; level++ {
		dbg, ok := L.GetStack(level)
		if up := h.above(L); !ok && up != nil {
			return h.within(up)
		}
		if !ok {
			return ""
		}
		if _, err := L.GetInfo("S", dbg, glua.LNil); err != nil || dbg.Source == "" || dbg.Source == "[G]" {
			continue // Go
		}
		whole, ours := strings.CutPrefix(dbg.Source, embeddedPrefix)
		if !ours {
			return ""
		}
		return whole
	}
}

// embeddedPrefix starts the chunk names of Lua that is part of rollsh.
const embeddedPrefix = "rollsh:"

// embedded reports whether code is rollsh's own: Go, or Lua inside it.
func embedded(source string) bool {
	return source == "" || source == "[G]" || strings.HasPrefix(source, embeddedPrefix)
}

// Shown is the name of a file in messages: relative to the project where it is
// inside it, else to the working directory where it is inside that.
func (h *Host) shown(path string) string {
	folders := []string{h.Session.Project}
	if dir, err := os.Getwd(); err == nil && dir != "/" {
		folders = append(folders, dir)
	}
	for _, folder := range folders {
		if rel, err := filepath.Rel(folder, path); folder != "" && err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}
