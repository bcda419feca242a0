package manifest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/rollsh/rollsh/stdlib/sync/manifest"
)

// Folders that come and go while a tree is scanned are passed over.
func TestScanOfFoldersThatGo(t *testing.T) {
	root := t.TempDir()
	fd, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	rules, err := manifest.Compile(manifest.Patterns{})
	if err != nil {
		t.Fatal(err)
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for k := range 3 {
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				for i := range 40 {
					p := filepath.Join(root, fmt.Sprintf("%d-%d", k, i))
					if os.Mkdir(p, 0o755) != nil || os.Remove(p) != nil {
						t.Error(p)
					}
				}
			}
		})
	}
	for n := range 400 {
		s := manifest.Scan(int(fd.Fd()), rules, 4, nil)
		for s.Next() != nil {
		}
		s.Close()
		if s.Err() != nil {
			t.Errorf("scan %d: %v", n, s.Err())
			break
		}
	}
	close(quit)
	wg.Wait()
}

// Of what was listed and read nothing much is held, however large the folders are.
func TestScanHoldsLittle(t *testing.T) {
	const folders, files = 60, 20_000
	list := func(dir string) (out []manifest.Entry, err error) {
		for i := range folders {
			out = append(out, manifest.Entry{Path: fmt.Sprintf("folder%02d", i), Kind: manifest.Dir})
		}
		if dir != "" {
			out = make([]manifest.Entry, files)
			for i := range out {
				out[i] = manifest.Entry{Path: fmt.Sprintf("%s/file%05d", dir, i), Kind: manifest.File}
			}
		}
		return out, nil
	}
	rules, err := manifest.Compile(manifest.Patterns{})
	if err != nil {
		t.Fatal(err)
	}
	s := manifest.ScanBy(list, rules, 4)
	defer s.Close()
	n := 0
	for s.Next() != nil {
		n++
	}
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	if mb := mem.HeapAlloc >> 20; n != folders+folders*files || s.Err() != nil || mb > 32 {
		t.Errorf("%d entries, %v: %d MB are held", n, s.Err(), mb)
	}
}
