package shell

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

const (
	historyLimit = 5000
	historyLine  = 1 << 20 // longer lines of the file are not read
)

// secretWords are what makes a line stay out of the history.
var secretWords = nodes.Pattern(`(?i)pass(word|wd|phrase)?|secret|token|api_?key|bearer|credential`)

// remembered reports whether a chunk may go into the history: nothing that
// begins with a space, nothing that seems to hold a secret.
func remembered(chunk string) bool {
	return strings.TrimSpace(chunk) != "" && chunk[0] != ' ' && !secretWords().MatchString(chunk)
}

// history is the file of what was typed: one chunk a line, line breaks and
// backslashes escaped, readable by its owner only. readline's own history file
// is readable by others.
type history struct{ path string }

// load reads the last chunks, the oldest first.
func (h history) load() ([]string, error) {
	f, err := os.Open(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var chunks []string
	in := bufio.NewScanner(f)
	in.Buffer(nil, historyLine)
	for in.Scan() {
		chunks = append(chunks, unescapeLine(in.Text()))
		if len(chunks) > 2*historyLimit {
			chunks = append([]string(nil), chunks[len(chunks)-historyLimit:]...)
		}
	}
	return chunks[max(0, len(chunks)-historyLimit):], in.Err()
}

// add appends a chunk.
func (h history) add(chunk string) error {
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(h.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(escapeLine(chunk) + "\n")
	return errors.Join(err, f.Chmod(0o600), f.Close())
}

func escapeLine(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", "").Replace(s)
}

func unescapeLine(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(s)
}
