package nodes

import "net/url"

// Border is what an administrator lets the one who runs rollsh do. What it does not
// let be done must not be done: its errors are of kind policy, and are in the audit
// where there is one.
type Border interface {
	// Call lets a function be called that may change something, by any of its names.
	Call(names ...string) error
	// Reach lets a connection be made. The user is empty where none logs in.
	Reach(user, host, port string) error
	// Run lets a recipe be run, by its absolute path.
	Run(recipe string) error
	// Trust lets a file be read that decides what is done: one that the user who runs
	// rollsh can neither write nor replace. A file that is not there is as good.
	Trust(file string) error
}

// Reach is why the session may not connect to a host; nil where it may.
func (s *Session) Reach(user, host, port string) error {
	if s.Policy == nil {
		return nil
	}
	return s.Policy.Reach(user, host, port)
}

// ReachURL is Reach for what a web address names.
func (s *Session) ReachURL(u *url.URL) error {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return s.Reach("", u.Hostname(), port)
}

// Trust is why the session may not go by what a file says; nil where it may.
func (s *Session) Trust(file string) error {
	if s.Policy == nil {
		return nil
	}
	return s.Policy.Trust(file)
}
