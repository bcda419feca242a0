package svn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// apache serves the bench's repository over http and https, for rw and ro.
type apache struct {
	http, https string // URLs of the repository
	stop        func()
}

func (b *bench) apache() *apache {
	b.t.Helper()
	nodetest.Need(b.t, "apache2")
	if _, err := os.Stat(apacheModules + "/mod_dav_svn.so"); err != nil {
		nodetest.Need(b.t, "libapache2-mod-svn")
	}
	dir := b.t.TempDir()
	certificate(b.t, dir)
	var ports [2]int
	for i := range ports {
		port, err := nodetest.FreePort()
		if err != nil {
			b.t.Fatal(err)
		}
		ports[i] = port
	}
	b.apacheConfig(dir, ports)
	a := &apache{http: fmt.Sprintf("http://127.0.0.1:%d/repo", ports[0]), https: fmt.Sprintf("https://127.0.0.1:%d/repo", ports[1])}
	cmd := exec.Command(nodetest.Program("apache2"), "-f", dir+"/conf", "-DFOREGROUND")
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	stopped := false
	a.stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
	}
	b.t.Cleanup(a.stop)
	answersAt(b.t, ports[0], dir+"/error.log")
	return a
}

const apacheModules = "/usr/lib/apache2/modules"

// apacheConfig writes dir/conf, with users, and lets Apache get at the repository;
// ports are those of http and https.
func (b *bench) apacheConfig(dir string, ports [2]int) {
	b.t.Helper()
	var conf strings.Builder
	for _, m := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dav", "dav_svn", "authz_svn", "ssl"} {
		fmt.Fprintf(&conf, "LoadModule %s_module %s/mod_%s.so\n", m, apacheModules, m)
	}
	sum := sha1.Sum([]byte("rw-pw"))
	roSum := sha1.Sum([]byte("ro-pw"))
	writeFile(b.t, dir+"/passwd", "rw:{SHA}"+base64.StdEncoding.EncodeToString(sum[:])+"\nro:{SHA}"+base64.StdEncoding.EncodeToString(roSum[:])+"\n")
	fmt.Fprintf(&conf, `ServerRoot %[1]s
ServerName localhost
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
User www-data
Group www-data
Listen 127.0.0.1:%[2]d
Listen 127.0.0.1:%[3]d
<Location /repo>
  DAV svn
  SVNPath %[4]s
  AuthzSVNAccessFile %[4]s/conf/authz
  AuthType Basic
  AuthName "the repository"
  AuthUserFile %[1]s/passwd
  Require valid-user
</Location>
<VirtualHost 127.0.0.1:%[3]d>
  SSLEngine on
  SSLCertificateFile %[1]s/cert.pem
  SSLCertificateKeyFile %[1]s/key.pem
</VirtualHost>
`, dir, ports[0], ports[1], b.repo.Path)
	writeFile(b.t, dir+"/conf", conf.String())
	writeFile(b.t, b.repo.Path+"/conf/authz", "[/]\nrw = rw\n* =\n[/trunk]\nro = r\n")
	b.run("", "chmod", "-R", "a+rwX", b.repo.Path)
	for _, p := range []string{dir, b.repo.Path} { // apache leaves root, and must get there
		for ; p != filepath.Clean(os.TempDir()) && p != "/"; p = filepath.Dir(p) {
			b.run("", "chmod", "a+x", p)
		}
	}
	if os.Getuid() == 0 {
		b.run("", "chown", "-R", "www-data", b.repo.Path)
	}
}

func answersAt(t *testing.T, port int, log string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = c.Close()
			return
		}
	}
	text, _ := os.ReadFile(log)
	t.Fatalf("apache does not answer: %s", text)
}

// certificate makes one that nobody trusts.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nobody knows me"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func TestOverHTTP(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	a := b.apache()
	ctx := b.ctx()
	open := func(url, user, password string) (*svn.Checkout, error) {
		return b.svn.Checkout(ctx, filepath.Join(t.TempDir(), "co"), svn.CheckoutOptions{URL: url, User: user, Password: nodes.NewSecret(password), Create: true})
	}
	_, err := open(a.http+"/branches/production", "rw", "wrong")
	fails(t, err, nodes.Auth, "user=")
	_, err = open(a.http+"/branches/production", "", "")
	fails(t, err, nodes.Auth)
	_, err = open(a.http+"/branches/production", "ro", "ro-pw")
	if k := nodes.KindOf(err); k != nodes.Permission && k != nodes.Auth {
		t.Errorf("forbidden is %s: %v", k, err)
	}
	_, err = open(a.https+"/branches/production", "rw", "rw-pw")
	fails(t, err, nodes.Protocol, "certificate", "not trusted", "run `svn info "+a.https+"/branches/production`")
	_, err = open(a.http+"/nowhere", "rw", "rw-pw")
	fails(t, err, nodes.NotFound)
	co, err := open(a.http+"/branches/production", "rw", "rw-pw")
	if err != nil {
		t.Fatal(err)
	}
	m := must[*svn.Merge](t)(b.svn.Merge(ctx, "^/trunk", co))
	if got := b.available(m); got != "r4-8" {
		t.Errorf("available %s", got)
	}
	if p := must[svn.Preview](t)(m.Preview(ctx, revs(t, "6"))); p.Clean || p.Needs.Revs() != "r4" {
		t.Errorf("preview %+v", p)
	}
	must[svn.Taken](t)(m.Take(ctx, revs(t, "4,6,7"), false))
	must[int](t)(m.Commit(ctx, "", true))
	shadow, done, err := co.At(ctx, "3")
	if err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(shadow.Root(), "a.php")); got != lines() {
		t.Errorf("a.php was %q", got)
	}
	done()
	a.stop()
	_, err = co.Update(ctx, "")
	fails(t, err, nodes.Unreachable)
}
