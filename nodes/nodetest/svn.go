package nodetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Repository is a Subversion repository with trunk, branches and tags (r1),
// and an svnserve in front of it.
type Repository struct {
	Path     string // of the repository on disk
	File     string // file:// URL
	URL      string // svn:// URL; only rw may read and write, ro may read trunk
	User     string // rw
	Password string

	cmd   *exec.Cmd
	ended chan struct{}
}

// Svn makes a repository and starts svnserve for a test; both end with it.
func Svn(t TB) *Repository {
	t.Helper()
	Need(t, "svn", "svnadmin", "svnserve")
	r, err := OpenSvn(t.TempDir())
	if err != nil {
		t.Fatalf("nodetest: %v", err)
	}
	t.Cleanup(r.Close)
	return r
}

// OpenSvn makes a repository under dir and starts svnserve. The caller closes
// it.
func OpenSvn(dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "repo")
	r := &Repository{Path: path, File: "file://" + path, User: "rw", Password: "rw-pw"}
	if out, err := exec.Command("svnadmin", "create", path).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("svnadmin create: %w: %s", err, out)
	}
	out, err := exec.Command("svn", "-q", "mkdir", "--non-interactive", "-m", "layout",
		r.File+"/trunk", r.File+"/branches", r.File+"/tags").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("svn mkdir: %w: %s", err, out)
	}
	if err := r.allow(); err != nil {
		return nil, err
	}
	for range 5 { // somebody else may take the port first
		if err = r.serve(dir); err == nil {
			return r, nil
		}
	}
	return nil, err
}

// allow writes who may do what.
func (r *Repository) allow() error {
	files := map[string]string{
		"svnserve.conf": "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\nauthz-db = authz\nrealm = nodetest\n",
		"passwd":        "[users]\nrw = rw-pw\nro = ro-pw\n",
		"authz":         "[/]\nrw = rw\n* =\n[/trunk]\nrw = rw\nro = r\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.Path, "conf", name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) serve(dir string) error {
	port, err := FreePort()
	if err != nil {
		return err
	}
	cmd := exec.Command("svnserve", "-d", "--foreground", "-r", dir, "--listen-host", "127.0.0.1",
		"--listen-port", strconv.Itoa(port), "--log-file", filepath.Join(dir, "svnserve.log"))
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	r.cmd, r.ended = cmd, ended
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := awaitBanner(addr, "( success", ended); err != nil {
		r.Close()
		return fmt.Errorf("svnserve: %w", err)
	}
	r.URL = "svn://" + addr + "/repo"
	return nil
}

// Close ends svnserve: the server is away. Files stay.
func (r *Repository) Close() {
	sweep(filepath.Join(r.Path, "svnserve"), r.cmd.Process.Pid)
	<-r.ended
}
