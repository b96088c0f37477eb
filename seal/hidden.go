package seal

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is embedded in every type that holds key material. However such a
// value is printed, logged or encoded, all that appears is this one word.
type hidden struct{}

const hiddenText = "hidden"

// A secret gives out a key. It is a function because package fmt asks no
// methods of the unexported fields of somebody's struct but walks their memory,
// through pointers too if the verb does not suit (%s). Of a function it prints
// the address.
type secret func() *[keySize]byte

func newSecret() secret {
	key := new([keySize]byte)
	return func() *[keySize]byte { return key }
}

func (hidden) String() string               { return hiddenText }
func (hidden) GoString() string             { return hiddenText }
func (hidden) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, hiddenText) }
func (hidden) LogValue() slog.Value         { return slog.StringValue(hiddenText) }
func (hidden) MarshalJSON() ([]byte, error) { return []byte(`"` + hiddenText + `"`), nil }
func (hidden) MarshalText() ([]byte, error) { return []byte(hiddenText), nil }
