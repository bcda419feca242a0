package wire_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	big := bytes.Repeat([]byte("x"), 3<<20)
	for _, p := range [][]byte{nil, []byte("a"), big} {
		if err := wire.Write(&b, wire.TypePack, p); err != nil {
			t.Fatal(err)
		}
	}
	r := bufio.NewReader(&b)
	for _, want := range [][]byte{nil, []byte("a"), big} {
		kind, p, err := wire.Read(r, wire.MaxFrame)
		if err != nil || kind != wire.TypePack || !bytes.Equal(p, want) {
			t.Fatalf("%v %q %d bytes", err, kind, len(p))
		}
	}
	if _, _, err := wire.Read(r, wire.MaxFrame); err == nil {
		t.Error("read past the end")
	}
	if _, _, err := wire.Read(bufio.NewReader(bytes.NewReader([]byte{'P', 255, 255, 255, 255})), wire.MaxFrame); err == nil {
		t.Error("a frame without limit was taken")
	}
}

func encodeRecord(t testing.TB, r *wire.Record) []byte {
	t.Helper()
	text, err := r.Encode(manifest.NewSpool(nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openRecord(b []byte) (*wire.Record, error) {
	return wire.OpenRecord(bytes.NewReader(b), int64(len(b)))
}

func encodeJournal(t testing.TB, j *wire.Journal) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := j.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openJournal(b []byte) (*wire.Journal, error) {
	return wire.OpenJournal(bytes.NewReader(b), int64(len(b)))
}

func needs(list []wire.Need) []byte {
	var w wire.Needs
	for _, n := range list {
		w.Add(n)
	}
	return w.Encode()
}

func TestNeed(t *testing.T) {
	var many []wire.Need
	for i := range 200_000 {
		many = append(many, wire.Need{Index: 3 * i, Offset: int64(i % 2)})
	}
	for _, list := range [][]wire.Need{nil, {{0, 0}}, {{0, 1}, {1, 0}, {2, 1 << 40}}, {{5, 0}, {100, 7}, {101, 0}}, many} {
		limit := 102
		if len(list) > 10 {
			limit = 600_000
		}
		got, err := wire.DecodeNeed(needs(list), limit)
		if err != nil || got.Count != len(list) || !slices.Equal(slices.Collect(got.All()), list) {
			t.Errorf("%v: %+v %v", list, got, err)
		}
	}
	if _, err := wire.DecodeNeed(needs([]wire.Need{{102, 0}}), 102); err == nil {
		t.Error("an index past the end was taken")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{'Q', 0, 0, 0, 1, 'x'})
	f.Add([]byte{'T', 255, 255, 255, 255})
	f.Fuzz(func(_ *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			if _, _, err := wire.Read(r, 1<<20); err != nil {
				return
			}
		}
	})
}

func FuzzDelta(f *testing.F) {
	encode := func(e manifest.Edit) []byte {
		packed, err := wire.EncodeDelta(e)
		if err != nil {
			f.Fatal(err)
		}
		b, err := wire.Unpack(packed)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	e := manifest.Entry{Path: "a", Kind: manifest.File, Mode: 0o644}
	f.Add(encode(manifest.Edit{Change: manifest.Slice{e}, Gone: manifest.Slice{{Path: "b"}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, n, err := wire.OpenDelta(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		gone, err := manifest.Collect(e.Gone)
		for i := range gone {
			if err != nil || !manifest.Clean(gone[i].Path) {
				t.Fatalf("%v: path %q", err, gone[i].Path)
			}
		}
		b = encode(e)
		again, m, err := wire.OpenDelta(bytes.NewReader(b), int64(len(b)))
		if err != nil || n != m {
			t.Fatalf("%v: %d and %d entries", err, n, m)
		}
		if same, err := e.Is(again); err != nil || !same {
			t.Fatalf("%v: does not come back", err)
		}
	})
}

func FuzzNeed(f *testing.F) {
	f.Add(needs([]wire.Need{{0, 0}, {3, 9}, {4, 0}}), 10)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		list, err := wire.DecodeNeed(b, limit)
		if err != nil {
			return
		}
		n, last := 0, -1
		for v := range list.All() {
			if v.Index <= last || v.Index >= limit || v.Offset < 0 {
				t.Fatalf("%+v of %d", v, limit)
			}
			n, last = n+1, v.Index
		}
		if n != list.Count {
			t.Fatalf("%d of %d", n, list.Count)
		}
	})
}

// A record comes back as it was, in whichever way it is written, and a marker can
// be read without the entries.
func TestRecord(t *testing.T) {
	r := wire.Record{Marker: wire.Marker{Roll: "r", Rev: "r45"}, Ours: manifest.Slice{{Path: "a", Kind: manifest.File}, {Path: "b", Kind: manifest.Dir}}}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.Write(f); err != nil {
		t.Fatal(err)
	}
	b := encodeRecord(t, &r)
	if there, _ := os.ReadFile(f.Name()); !bytes.Equal(there, b) {
		t.Errorf("%q\n%q", there, b)
	}
	got, err := wire.OpenRecord(f, int64(len(b)))
	if err != nil || got.Roll != "r" || got.Digest != r.Digest {
		t.Fatalf("%v %+v", err, got)
	}
	if list, err := manifest.Collect(got.Ours); err != nil || len(list) != 2 {
		t.Errorf("%v %+v", err, list)
	}
	b[len(b)-1] ^= 1
	if _, err := openRecord(b); err == nil {
		t.Error("a damaged record was taken")
	}
	if m, err := wire.ReadMarker(bytes.NewReader(b), int64(len(b))); err != nil || m.Rev != "r45" {
		t.Errorf("%v %+v", err, m)
	}
	if _, err := wire.ReadMarker(bytes.NewReader(b[:20]), 20); err == nil {
		t.Error("a marker that was cut was taken")
	}
}

// What may be among the entries is kept with them, so that they need not be
// decoded to be opened; a record that an earlier version wrote is decoded.
func TestRecordTraits(t *testing.T) {
	owner, err := manifest.ParseOwner("www-data:adm")
	if err != nil {
		t.Fatal(err)
	}
	ours := manifest.Slice{
		{Path: "a", Kind: manifest.File, Owner: owner},
		{Path: "b", Kind: manifest.File, Link: "a", Owner: owner},
	}
	r := wire.Record{Ours: ours}
	b := encodeRecord(t, &r)
	old := bytes.Replace(b, []byte(`,"Entries":{"HardLinks":true,"Owners":["www-data:adm"]}`), nil, 1)
	if len(old) == len(b) {
		t.Fatalf("%q", b)
	}
	n, k := binary.Uvarint(b)
	old = append(binary.AppendUvarint(nil, n-uint64(len(b)-len(old))), old[k:]...)
	for _, b := range [][]byte{b, old} {
		got, err := openRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if is := got.Ours.Traits(); !is.HardLinks || !slices.Equal(is.Owners, []manifest.Owner{owner}) {
			t.Errorf("%+v", is)
		}
		if list, err := manifest.Collect(got.Ours); err != nil || !slices.Equal(list, ours) {
			t.Errorf("%v %+v", err, list)
		}
	}
}

// A journal comes back as it was, its beginning can be read alone, and one that
// was cut or changed is refused or is another journal, never a crash.
func TestJournal(t *testing.T) {
	a, b := manifest.Entry{Path: "a", Kind: manifest.File}, manifest.Entry{Path: "b", Kind: manifest.Dir, Mode: 0o755}
	d := wire.NewDraft(nil)
	d.Put(&a, 3, false)
	d.Put(&b, -1, true)
	d.Stood(&b)
	was := manifest.Entry{Path: "a", Kind: manifest.Dir}
	j := &wire.Journal{Roll: "r", Seq: 7, Back: manifest.Edit{Change: manifest.Slice{was}, Gone: manifest.Slice{{Path: "b"}, {Path: "c"}}}}
	if err := d.Fill(j); err != nil {
		t.Fatal(err)
	}
	text := encodeJournal(t, j)
	got, err := openJournal(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []manifest.Pair{{Path: "a", To: &a, Source: 3}, {Path: "b", From: &b, To: &b, ToAt: 1, Source: -1, Touch: true}}
	for most := 1; most <= 3; most++ {
		var pairs []manifest.Pair
		err := got.Parts(most, func(part []manifest.Pair) error {
			if len(part) > most {
				t.Errorf("%d paths at once", len(part))
			}
			pairs = append(pairs, part...)
			return nil
		})
		if err != nil || !reflect.DeepEqual(pairs, want) {
			t.Fatalf("%v %+v", err, pairs)
		}
	}
	now := &wire.Record{Ours: manifest.Slice{a, b, {Path: "c", Kind: manifest.Dir}, {Path: "d", Kind: manifest.Dir}}}
	before, err := got.Before(now)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := manifest.Collect(before.Ours); err != nil || len(list) != 2 || list[0] != was || list[1].Path != "d" {
		t.Errorf("%v %+v", err, list)
	}
	if head, err := wire.ReadJournal(bytes.NewReader(text), int64(len(text))); err != nil || head.Seq != 7 || head.To != nil {
		t.Errorf("%v %+v", err, head)
	}
	for n := range text {
		if _, err := openJournal(text[:n]); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(text))
		}
	}
}

func FuzzJournal(f *testing.F) {
	j := &wire.Journal{Roll: "r"}
	d := wire.NewDraft(nil)
	d.Put(&manifest.Entry{Path: "a", Kind: manifest.File}, 0, false)
	if err := d.Fill(j); err != nil {
		f.Fatal(err)
	}
	b := encodeJournal(f, j)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := openJournal(b)
		if err != nil {
			return
		}
		for _, read := range []func() manifest.Pairs{j.Read, j.ReadBack} {
			if err := manifest.Burst(read, nil, func(*manifest.Step) error { return nil }); err != nil {
				t.Fatalf("what was taken cannot be read: %v", err)
			}
		}
		_, _ = j.Before(wire.NoRecord())
	})
}

func FuzzRecord(f *testing.F) {
	r := wire.Record{Ours: manifest.Slice{{Path: "a", Kind: manifest.File}}}
	b := encodeRecord(f, &r)
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = openRecord(b) })
}

// A roll is known by its whole id, and the oldest are forgotten.
func TestIdle(t *testing.T) {
	t.Parallel()
	text := ""
	for i := range 300 {
		text = wire.AddIdle(text, fmt.Sprintf("roll-%d", i))
	}
	for roll, want := range map[string]bool{"roll-299": true, "roll-150": true, "roll-0": false, "99": false, "roll-29": false, "": false} {
		if got := wire.HasIdle(text, roll); got != want {
			t.Errorf("%q: %v", roll, got)
		}
	}
}
