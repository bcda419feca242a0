package svn

import "context"

// Trial looks at the repository once and gives a preview of picks without another
// look, for tests that try many.
func (m *Merge) Trial(ctx context.Context) (func(picks ...int) (Preview, error), error) {
	p, err := m.study(ctx, false)
	if err != nil {
		return nil, err
	}
	n := &needs{m: m, p: p, library: newLibrary(m.Into), trails: newTrails(p, m.Into.inRepo)}
	return func(picks ...int) (Preview, error) {
		s := m.rehearse(p, revsetOf(picks), n.library, n.trails)
		if err := s.run(ctx); err != nil {
			return Preview{}, err
		}
		needed, err := n.find(ctx, s)
		return s.result(needed), err
	}, nil
}
