// Package wire is the protocol between rollsh and its agent on a node: frames
// on the agent's standard input and output, and the requests and replies in
// them.
//
// A frame is a type byte, a length of four bytes, most significant first, and
// that many bytes. The controller asks; the agent answers with any number of
// Beat frames and then what the operation gives. Paths are bytes and never
// pass through a JSON string. Both ends treat the other as hostile: lengths
// are limited, and memory is taken only as bytes arrive.
//
//	stage:  Request, Delta..., Pack... End  ->  Report
//	                                     ->  Resend; Manifest... -> Need; Pack... End -> Report
//	        Request, Manifest...         ->  Resend, Need; Pack... End -> Report
//	                                     ->  Outline... Need; Pack... End -> Report
//	                                     ->  Ways, Need; Pack, Way... Pack... End -> Report
//	others: Request                      ->  Report
//	always: Failure in the place of any answer
package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Magic is the line that an agent begins with; what a login shell printed
// before it is passed over.
const Magic = "\x00ROLLSH-AGENT-1\n"

// Type says what a frame holds.
type Type byte

// The types of frames.
const (
	TypeRequest  Type = 'Q' // JSON Request
	TypeDelta    Type = 'T' // a piece of a packed delta; one shorter than PieceSize ends it
	TypePack     Type = 'P' // a piece of a zstd stream of contents
	TypeEnd      Type = 'E' // the stream of contents is complete
	TypeAbort    Type = 'A' // the stream ends here and is not complete; text says why
	TypeManifest Type = 'M' // a piece of a zstd stream of the manifest of what is wanted; an empty one ends it
	TypeResend   Type = 'R' // the guess was wrong: send the manifest
	TypeOutline  Type = 'O' // index of a wanted entry, and the packed outline of what is there; before Need
	TypeNeed     Type = 'N' // indexes into the wanted entries whose contents must be sent
	TypeWays     Type = 'W' // JSON Ways: where more streams may come in; before Need
	TypeWay      Type = 'J' // a byte, the index of a Way: from the next piece on, it takes its turn
	TypeBeat     Type = 'k' // JSON Beat
	TypeReport   Type = 'D' // packed JSON Report: the operation is done
	TypeFailure  Type = 'X' // JSON Failure: the operation failed, the agent goes on
)

// MaxFrame limits the payload of one frame.
const MaxFrame = 256 << 20

// PieceSize is how much of a stream goes into one frame.
const PieceSize = 128 << 10

// Header gives the five bytes before a payload of n bytes.
func Header(t Type, n int) [5]byte {
	var h [5]byte
	h[0] = byte(t)
	binary.BigEndian.PutUint32(h[1:], uint32(n))
	return h
}

// Write sends one frame.
func Write(w io.Writer, t Type, payload []byte) error {
	h := Header(t, len(payload))
	_, err := w.Write(append(h[:], payload...))
	return err
}

// Read receives one frame of at most limit bytes.
func Read(r *bufio.Reader, limit int) (Type, []byte, error) {
	var h [5]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(h[1:])
	if int64(n) > int64(limit) {
		return 0, nil, fmt.Errorf("frame %q of %d bytes is too long", h[0], n)
	}
	if n <= 1<<20 {
		p := make([]byte, n)
		_, err := io.ReadFull(r, p)
		return Type(h[0]), p, err
	}
	var b bytes.Buffer // grows with what really comes
	_, err := io.CopyN(&b, r, int64(n))
	return Type(h[0]), b.Bytes(), err
}

// Pack compresses a payload.
func Pack(b []byte) []byte {
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	return enc.EncodeAll(b, nil)
}

// Unpack is the reverse of Pack, for results of at most MaxFrame bytes.
func Unpack(b []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrame))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(b, nil)
}

// WriteJSON sends v as JSON.
func WriteJSON(w io.Writer, t Type, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return Write(w, t, b)
}

// WritePacked sends v as compressed JSON.
func WritePacked(w io.Writer, t Type, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return Write(w, t, Pack(b))
}

// ReadPacked reads compressed JSON into v.
func ReadPacked(payload []byte, v any) error {
	b, err := Unpack(payload)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
