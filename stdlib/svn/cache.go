package svn

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
)

// ofRevisions are the kinds of things in the cache that never change while the
// repository is the one that it was.
var ofRevisions = []string{"changes", "texts", "trees"}

// checksum is of what is kept and of the form that it is kept in, which has a number
// that changes with it.
func checksum(text []byte) uint32 { return crc32.Update(2, crc32.IEEETable, text) }

// recall reads something from the disk cache. What is not whole there, or not as it
// was written, is not known.
func (m *metadataCache) recall(kind, key string, into any) bool {
	if m.dir == "" {
		return false
	}
	text, err := os.ReadFile(filepath.Join(m.dir, kind, key))
	if err != nil || len(text) < crc32.Size {
		return false
	}
	sum, text := binary.BigEndian.Uint32(text), text[crc32.Size:]
	if sum != checksum(text) {
		return false
	}
	if plain, ok := into.(*[]byte); ok {
		*plain = text
		return true
	}
	return gob.NewDecoder(bytes.NewReader(text)).Decode(into) == nil
}

// keep writes something into the disk cache; a cache that cannot be written is no
// failure.
func (m *metadataCache) keep(kind, key string, v any) {
	b := bytes.NewBuffer(make([]byte, crc32.Size))
	dir := filepath.Join(m.dir, kind)
	var err error
	if plain, ok := v.([]byte); ok {
		b.Write(plain)
	} else {
		err = gob.NewEncoder(b).Encode(v)
	}
	if m.dir == "" || err != nil || os.MkdirAll(dir, 0o700) != nil {
		return
	}
	text := b.Bytes()
	binary.BigEndian.PutUint32(text, checksum(text[crc32.Size:]))
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return
	}
	_, err = f.Write(text)
	if errors.Join(err, f.Close()) != nil || os.Rename(f.Name(), filepath.Join(dir, key)) != nil {
		_ = os.Remove(f.Name())
	}
}

// forget drops what is known of revisions, as the repository is not the one that it
// was: another one under the same UUID, restored from a backup.
func (m *metadataCache) forget() {
	for _, kind := range ofRevisions {
		if m.dir != "" {
			_ = os.RemoveAll(filepath.Join(m.dir, kind))
		}
	}
}
