//go:build linux

package agent_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/agent"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Whatever comes in on a root that may be written, nothing outside is touched
// and the agent ends without a crash.
func FuzzServe(f *testing.F) {
	frame := func(t wire.Type, p []byte) []byte {
		var b bytes.Buffer
		_ = wire.Write(&b, t, p)
		return b.Bytes()
	}
	e := manifest.Entry{Path: "a", Kind: manifest.File, Mode: 0o644, Size: 1}
	encode := func(list []manifest.Entry) []byte {
		var b bytes.Buffer
		_, _ = manifest.Write(&b, manifest.Slice(list))
		return b.Bytes()
	}
	list := encode([]manifest.Entry{e})
	f.Add(string(wire.OpStage), string(manifest.DigestOf(list)), bytes.Join([][]byte{
		frame(wire.TypeManifest, wire.Pack(list)), frame(wire.TypeManifest, nil),
		frame(wire.TypePack, wire.Pack([]byte("x"))), frame(wire.TypeEnd, nil),
	}, nil))
	large := encode([]manifest.Entry{{Path: "a", Kind: manifest.File, Mode: 0o644, Size: 17 << 20}})
	f.Add(string(wire.OpStage), string(manifest.DigestOf(large)), bytes.Join([][]byte{
		frame(wire.TypeManifest, wire.Pack(large)), frame(wire.TypeManifest, nil), frame(wire.TypePack, []byte("x")),
		frame(wire.TypeWay, []byte{0}), frame(wire.TypeWay, []byte{0}), frame(wire.TypePack, []byte("y")),
	}, nil))
	delta, err := wire.EncodeDelta(manifest.Edit{Change: manifest.Slice{e}, Gone: manifest.Slice(nil)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(wire.OpLook), "", frame(wire.TypeDelta, delta))
	f.Add(string(wire.OpUndo), "", []byte("rubbish"))
	f.Fuzz(func(t *testing.T, op, digest string, rest []byte) {
		dir := t.TempDir()
		outside := filepath.Join(dir, "outside")
		if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		req, err := json.Marshal(wire.Request{
			Op: wire.Op(op), Root: []byte(filepath.Join(dir, "node", "www")), Roll: "r-1", Ways: 2,
			Want: manifest.Digest(digest), Policy: manifest.Policy{Delete: "ours", Drift: "refuse"},
		})
		if err != nil {
			t.Skip()
		}
		var out bytes.Buffer
		_ = agent.Serve(bytes.NewReader(append(frame(wire.TypeRequest, req), rest...)), &out)
		if b, _ := os.ReadFile(outside); string(b) != "precious" {
			t.Fatal("written outside the tree")
		}
		if list, _ := os.ReadDir(dir); len(list) > 2 {
			t.Fatalf("made outside the tree: %v", list)
		}
	})
}
