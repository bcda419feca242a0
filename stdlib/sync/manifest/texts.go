package manifest

import "strings"

// texts makes short strings many at a time.
type texts struct{ b *strings.Builder }

// textRoom is how much is asked for at once.
const textRoom = 4 << 10

// join gives a and b as one string.
func (t *texts) join(a string, b []byte) string {
	n := len(a) + len(b)
	if t.b == nil || t.b.Cap()-t.b.Len() < n {
		t.b = &strings.Builder{}
		t.b.Grow(max(n, textRoom))
	}
	at := t.b.Len()
	t.b.WriteString(a)
	t.b.Write(b)
	return t.b.String()[at:]
}
