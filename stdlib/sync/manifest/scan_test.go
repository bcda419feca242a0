package manifest_test

import (
	"fmt"
	"os"
	"path/filepath"
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
