package delta_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/delta"
)

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.New(rand.NewSource(7)).Read(b)
	return b
}

// turn tells now in terms of old and puts it together again.
func turn(t *testing.T, old, now []byte) (size int, reused int64) {
	t.Helper()
	made, err := delta.Of(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		t.Fatal(err)
	}
	o, err := delta.Decode(made.Encode())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := o.Write(&b, bytes.NewReader(now)); err != nil {
		t.Fatal(err)
	}
	size = b.Len()
	b.WriteString("what comes after it")
	in := bufio.NewReader(&b)
	r := made.NewReader(in, bytes.NewReader(old))
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, now) {
		t.Fatalf("%v, %d bytes of %d", err, len(got), len(now))
	}
	if rest, _ := io.ReadAll(in); string(rest) != "what comes after it" {
		t.Fatalf("it read on: %q is left", rest)
	}
	return size, r.Reused
}

func TestDelta(t *testing.T) {
	old := noise(8 << 20)
	insert := append(append(append([]byte(nil), old[:1<<20]...), "in between"...), old[1<<20:]...)
	spots := append([]byte(nil), old...)
	for i := range 20 {
		copy(spots[i*400_000:], "changed here")
	}
	moved := append(append([]byte(nil), old[4<<20:]...), old[:4<<20]...)
	zeros := make([]byte, 4<<20)
	for _, c := range []struct {
		name     string
		old, now []byte
		most     int // bytes of the delta
	}{
		{"the same", old, old, 10},
		{"an insertion", old, insert, 200 << 10},
		{"spots", old, spots, 1 << 20},
		{"moved", old, moved, 300 << 10},
		{"cut off", old, old[:3<<20], 100 << 10},
		{"emptied", old, nil, 1},
		{"nothing before", nil, old[:1<<20], 1<<20 + 1000},
		{"another file", noise(9 << 20)[8<<20:], old, 8<<20 + 10_000},
		{"zeros", zeros, append(zeros, zeros...), 100 << 10},
	} {
		size, reused := turn(t, c.old, c.now)
		t.Logf("%s: %d bytes, %d reused", c.name, size, reused)
		if size > c.most || int64(size)+reused < int64(len(c.now)) {
			t.Errorf("%s: %d bytes of %d, %d reused", c.name, size, len(c.now), reused)
		}
	}
}

func TestOutlineIsSmall(t *testing.T) {
	for _, size := range []int64{0, 1 << 20, 1 << 30, 1 << 40} {
		if bits := delta.BitsFor(size); bits < 14 || size>>bits > 1<<16 {
			t.Errorf("%d bytes: %d bits", size, bits)
		}
	}
}

// Whatever comes in, nothing is made of it that does not end.
func FuzzReader(f *testing.F) {
	old := noise(100_000)
	o, err := delta.Of(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	_ = o.Write(&b, bytes.NewReader(old[50_000:]))
	f.Add(b.Bytes())
	f.Add([]byte{2, 0, 4, 1, 7, 'a', 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := o.NewReader(bufio.NewReader(bytes.NewReader(in)), bytes.NewReader(old))
		_, err := io.Copy(io.Discard, io.LimitReader(r, 1<<24))
		if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	o, _ := delta.Of(bytes.NewReader(noise(100_000)), 100_000)
	f.Add(o.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := delta.Decode(b)
		if err != nil {
			return
		}
		again, err := delta.Decode(o.Encode())
		if err != nil || len(again.Chunks) != len(o.Chunks) {
			t.Fatalf("does not come back: %v", err)
		}
	})
}
