package http_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/http"
)

func session(t *testing.T) *nodes.Session {
	t.Helper()
	return &nodes.Session{Project: t.TempDir(), Events: nodes.Discard{}, Service: nodes.NewService(), Person: &nodetest.Person{}}
}

func serve(t *testing.T, f nethttp.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

func TestDo(t *testing.T) {
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		w.WriteHeader(500)
		_, _ = io.WriteString(w, strings.Join([]string{r.Method, r.Host, r.Header.Get("X-Asked"), user, password, string(body)}, "|"))
	})
	a, err := http.Do(t.Context(), session(t), http.Request{
		Method: "PUT", URL: url + "/x", Body: "data", Host: "www.example.org",
		Headers: map[string]string{"x-asked": "1"}, User: "u", Password: nodes.NewSecret("p"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if a.Status != 500 || string(a.Body) != "PUT|www.example.org|1|u|p|data" || a.Headers["x-two"] != "a, b" || a.Elapsed <= 0 || a.Truncated {
		t.Errorf("got %+v %s", a, a.Body)
	}
}

// TestHostStaysOnTheMachine: redirects to the name that was asked for come back
// to the machine that was asked, in relative and absolute form, and TLS is
// checked for the name.
func TestHostStaysOnTheMachine(t *testing.T) {
	var plain string
	secure := httptest.NewTLSServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.WriteString(w, "tls "+r.Host+" "+r.TLS.ServerName)
	}))
	t.Cleanup(secure.Close)
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	plain = serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/" {
			nethttp.Redirect(w, r, "/two", nethttp.StatusFound)
			return
		}
		if r.Host != "example.com" {
			t.Errorf("a relative redirect lost the name: %s", r.Host)
		}
		nethttp.Redirect(w, r, "https://example.com:"+port+"/three", nethttp.StatusFound)
	})
	s := session(t)
	ca := filepath.Join(s.Project, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := http.Do(t.Context(), s, http.Request{URL: plain, Host: "example.com", CA: "ca.pem"}) // httptest's certificate is for example.com
	if err != nil || string(a.Body) != "tls example.com:"+port+" example.com" {
		t.Errorf("%v: %s", err, a.Body)
	}
	_, err = http.Do(t.Context(), s, http.Request{URL: secure.URL, Host: "other.example.org", CA: ca})
	if e := nodes.AsError(err, ""); e == nil || e.Kind != nodes.Protocol || e.Code != "certificate" || e.Hint == "" {
		t.Errorf("a certificate for another name: %v", err)
	}
}

func TestBodyIsBounded(t *testing.T) {
	var piece bytes.Buffer // a MiB in a few KiB
	z := gzip.NewWriter(&piece)
	_, _ = z.Write(bytes.Repeat([]byte("x"), 1<<20))
	_ = z.Close()
	url := serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		for range 65 {
			_, _ = w.Write(piece.Bytes())
		}
	})
	a, err := http.Do(t.Context(), session(t), http.Request{URL: url})
	if err != nil || len(a.Body) != 64<<20 || !a.Truncated {
		t.Errorf("%v: %d bytes, truncated %v", err, len(a.Body), a.Truncated)
	}
}

func TestNoAnswer(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	release := make(chan struct{})
	untrusted := httptest.NewUnstartedServer(nethttp.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	hang := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/body" {
			w.WriteHeader(200)
			_ = nethttp.NewResponseController(w).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	t.Cleanup(func() { close(release) })
	for name, c := range map[string]struct {
		url  string
		kind nodes.Kind
		code string
	}{
		"nobody listens":    {"http://" + closed.Addr().String(), nodes.Unreachable, ""},
		"unknown name":      {"http://no-such-name.invalid/", nodes.Unreachable, ""},
		"silent":            {serve(t, hang), nodes.Timeout, ""},
		"silent in body":    {serve(t, hang) + "/body", nodes.Timeout, ""},
		"untrusted":         {untrusted.URL, nodes.Protocol, "certificate"},
		"circle":            {serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { nethttp.Redirect(w, r, "/", 302) }), nodes.Protocol, "redirects"},
		"cut":               {serve(t, cut("")), nodes.Lost, ""},
		"cut in body":       {serve(t, cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")), nodes.Lost, ""},
		"not http":          {serve(t, cut("SSH-2.0-x\r\n\r\n")), nodes.Protocol, "http"},
		"not tls":           {strings.Replace(serve(t, cut("")), "http:", "https:", 1), nodes.Protocol, ""},
		"no scheme":         {"example.org/x", nodes.Usage, ""},
		"no host":           {"http:///x", nodes.Usage, ""},
		"scheme of a file":  {"file:///etc/passwd", nodes.Usage, ""},
		"escape in address": {"http://\x1b[31m/", nodes.Usage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			q := http.Request{URL: c.url, Timeout: time.Second}
			_, err := http.Do(t.Context(), session(t), q)
			e := nodes.AsError(err, nodes.Internal)
			if e == nil || e.Kind != c.kind || c.code != "" && e.Code != c.code || strings.Contains(e.Error(), "\x1b") {
				t.Fatalf("got %v, want %s %s", err, c.kind, c.code)
			}
			ok, why, err := http.OK(t.Context(), session(t), q)
			if c.kind != nodes.Usage && (ok || why == "" || err != nil) {
				t.Errorf("ok: %v %q %v", ok, why, err)
			}
		})
	}
}

func TestRedirectIntoNothingNamesWhoDoesNotAnswer(t *testing.T) {
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { nethttp.Redirect(w, r, "http://127.0.0.1:1/", 302) })
	if _, err := http.Do(t.Context(), session(t), http.Request{URL: url}); err == nil || !strings.Contains(err.Error(), "connect to 127.0.0.1:1:") {
		t.Error(err)
	}
}

// cut answers with raw bytes and closes.
func cut(raw string) nethttp.HandlerFunc {
	return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		conn, out, err := nethttp.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = out.WriteString(raw)
		_ = out.Flush()
		_ = conn.Close()
	}
}

func TestCancel(t *testing.T) {
	url := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if _, _, err := http.OK(ctx, session(t), http.Request{URL: url}); nodes.KindOf(err) != nodes.Cancelled || time.Since(start) > time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestOK(t *testing.T) {
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/moved":
			nethttp.Redirect(w, r, "/empty", 301)
		case "/login":
			nethttp.Redirect(w, r, "/denied", 302)
		case "/empty":
			w.WriteHeader(204)
		default:
			w.WriteHeader(403)
		}
	})
	for path, want := range map[string]bool{"/moved": true, "/empty": true, "/login": false, "/denied": false} {
		ok, why, err := http.OK(t.Context(), session(t), http.Request{URL: url + path})
		if err != nil || ok != want || !ok && !strings.Contains(why, "403") {
			t.Errorf("%s: %v %q %v", path, ok, why, err)
		}
	}
}

func TestLua(t *testing.T) {
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/moved" {
			nethttp.Redirect(w, r, "/", 302)
			return
		}
		w.Header().Set("X-Name", r.Host)
		w.WriteHeader(418)
		_, _ = io.Copy(w, r.Body)
	})
	s := session(t)
	h := lua.New(s, []lua.Module{http.Module(s)})
	for src, want := range map[string]string{
		`return http.get("URL", {host="www.example.org"}).headers["x-name"]`: `"www.example.org"`,
		`return http.request{ method="POST", url="URL", body="tea" }.body`:   `"tea"`,
		`return http.get("URL/moved", {follow=false}).status`:                "302",
		`return (http.get("URL").seconds < 10)`:                              "true",
		`return (http.ok("URL"))`:                                            "false",
		`return select(2, http.ok("URL"))`:                                   `"http 418 from URL"`,
		`return pcall(http.get, "http://127.0.0.1:1/", {timeout=5})`:         "false",
	} {
		values, err := h.Eval(t.Context(), strings.ReplaceAll(src, "URL", url))
		if err != nil || len(values) == 0 || h.Inspect(values[0]) != strings.ReplaceAll(want, "URL", url) {
			t.Errorf("%s: %v %v", src, values, err)
		}
	}
}
