// Command pack compresses a built agent for embedding: pack PROGRAM NAME SYNC
// writes NAME.gz, NAME.sums and NAME.from, the sum of the sources in the folder
// SYNC. The same program gives the same bytes.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"

	"github.com/rollsh/rollsh/stdlib/sync/agent/bin"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: pack PROGRAM NAME SYNC")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(program, name, sync string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err = z.Write(b); err != nil {
		return err
	}
	if err = z.Close(); err != nil {
		return err
	}
	from, err := bin.Sources(os.DirFS(sync))
	if err != nil {
		return err
	}
	if err = os.WriteFile(name+".from", []byte(from+"\n"), 0o644); err != nil {
		return err
	}
	if err = os.WriteFile(name+".gz", out.Bytes(), 0o644); err != nil {
		return err
	}
	sums := bin.SumsOf(b)
	return os.WriteFile(name+".sums", fmt.Appendln(nil, sums.SHA256, sums.BLAKE2b), 0o644)
}
