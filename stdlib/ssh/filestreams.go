package ssh

import (
	"io"
	"io/fs"

	"github.com/pkg/sftp"

	"github.com/rollsh/rollsh/nodes"
)

// Open opens a file for reading.
func (f *files) Open(name nodes.RemotePath) (io.ReadCloser, error) {
	r, err := f.client.Open(string(name))
	if err != nil {
		return nil, f.done("read", name, err)
	}
	return &fileReader{r, f, name}, nil
}

// fileReader reads ahead when it is copied whole.
type fileReader struct {
	file  *sftp.File
	files *files
	name  nodes.RemotePath
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	if err == io.EOF { //nolint:errorlint // that of a request that could not be sent is wrapped, and no end of the file
		return n, io.EOF
	}
	return n, r.files.done("read", r.name, err)
}

// WriteTo copies the rest of the file with many requests under way. An error of
// w is told from one of the node.
func (r *fileReader) WriteTo(w io.Writer) (int64, error) {
	sink := &watchedWriter{Writer: w}
	n, err := r.file.WriteTo(sink)
	if sink.err != nil {
		return n, sink.err
	}
	return n, r.files.done("read", r.name, err)
}

func (r *fileReader) Close() error {
	r.file.Close()
	return nil
}

// watchedWriter remembers how writing failed.
type watchedWriter struct {
	io.Writer
	err error
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// Create makes a new file. SFTP makes it with the node's umask; its permissions
// are set before anything is written to it.
func (f *files) Create(name nodes.RemotePath, perm fs.FileMode) (nodes.FileWriter, error) {
	w, err := f.client.OpenFile(string(name), createNew)
	if err == nil {
		if err = w.Chmod(perm.Perm()); err != nil {
			w.Close()
			_ = f.client.Remove(string(name))
		}
	}
	if err != nil {
		return nil, f.done("create", name, err)
	}
	return &fileWriter{w, f, name}, nil
}

type fileWriter struct {
	file  *sftp.File
	files *files
	name  nodes.RemotePath
}

func (w *fileWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	return n, w.files.done("write", w.name, err)
}

// ReadFrom writes all of r with many requests under way. An error of r is told
// from one of the node.
func (w *fileWriter) ReadFrom(r io.Reader) (int64, error) {
	source := &watched{Reader: r}
	n, err := w.file.ReadFromWithConcurrency(source, 64)
	if source.err != nil {
		return n, source.err
	}
	return n, w.files.done("write", w.name, err)
}

// Sync flushes the file where the node offers fsync@openssh.com.
func (w *fileWriter) Sync() error {
	if v, ok := w.files.client.HasExtension("fsync@openssh.com"); !ok || v != "1" {
		return nil
	}
	return w.files.done("write", w.name, w.file.Sync())
}

func (w *fileWriter) Close() error { return w.files.done("write", w.name, w.file.Close()) }
