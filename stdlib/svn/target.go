package svn

import (
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// local is a path of the working copy as an argument: it can neither be taken
// for an option nor for a path with a peg revision.
func local(p string) string {
	if p == "" || p == "." {
		return "."
	}
	if strings.HasPrefix(p, "-") {
		p = "./" + p
	}
	return p + "@"
}

// at is a URL with its peg revision.
func at(u string, rev int) string {
	if rev < 0 {
		return u + "@"
	}
	return u + "@" + strconv.Itoa(rev)
}

// join appends a plain path to an encoded URL.
func join(u, rel string) string {
	rel = strings.Trim(rel, "/")
	if rel == "" || rel == "." {
		return u
	}
	parts := strings.Split(rel, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.TrimRight(u, "/") + "/" + strings.Join(parts, "/")
}

// below gives p's path relative to root, both plain; ok is false outside.
func below(root, p string) (rel string, ok bool) {
	root, p = strings.TrimRight(root, "/"), strings.TrimRight(p, "/")
	if p == root {
		return "", true
	}
	if len(p) <= len(root) || p[len(root)] != '/' || !strings.HasPrefix(p, root) {
		return "", false
	}
	return p[len(root)+1:], true
}

// pathInRepository is the plain path, with a leading slash, of an encoded URL.
func pathInRepository(root, u string) string {
	rel := strings.TrimPrefix(u, root)
	plain, err := url.PathUnescape(rel)
	if err != nil {
		plain = rel
	}
	return "/" + strings.Trim(plain, "/")
}

// checkURL refuses what no repository URL can be.
func checkURL(u string) error {
	if strings.HasPrefix(u, "^/") {
		return nil
	}
	parsed, err := url.Parse(u)
	if err != nil || parsed.Scheme == "" || strings.HasPrefix(u, "-") || strings.ContainsAny(u, "\x00\n\r") {
		return &nodes.Error{Kind: nodes.Usage, Message: "'" + oneLine(u) + "' is not the URL of a repository", Hint: "such as https://svn.example.org/www/trunk"}
	}
	if _, has := parsed.User.Password(); has {
		return &nodes.Error{Kind: nodes.Usage, Message: "the URL holds a password, which everybody on this machine could read", Hint: `password=secret "svn"`}
	}
	return nil
}

// messageFile writes a log message for -F; the caller removes it.
func messageFile(message string) (string, error) {
	return tempFile("rollsh-message-*", strings.ReplaceAll(message, "\r\n", "\n"))
}

func targetsFile(targets []string) (string, error) {
	return tempFile("rollsh-targets-*", strings.Join(targets, "\n")+"\n")
}

func tempFile(pattern, text string) (string, error) {
	f, err := os.CreateTemp("", pattern)
	if err != nil {
		return "", diskError(err)
	}
	_, err = f.WriteString(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", diskError(err)
	}
	return f.Name(), nil
}

// relative makes what a person names a path below root, slash-separated.
func relative(root, p string) (string, error) {
	clean := path.Clean(strings.TrimPrefix(p, root+"/"))
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(p, "\x00\n\r") {
		return "", &nodes.Error{Kind: nodes.Usage, Message: "'" + oneLine(p) + "' is not in the checkout " + root}
	}
	return clean, nil
}
