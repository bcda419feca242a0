package sync

// SetAgentEnv gives the agents that are started from now on variables.
func (e *Engine) SetAgentEnv(env ...string) { e.agentEnv = env }
