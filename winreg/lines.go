package winreg

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// maxLine bounds a line, in octets of UTF-8. Regedit writes binary data in lines
// of 80 characters, but texts in one.
const maxLine = 2 << 20

// A line of a text file.
type line struct {
	number int
	text   string // in UTF-8, without its end
	end    string
	cut    bool // longer than maxLine; text is only its beginning
}

// lines reads the lines of a file in any of the encodings that exports are
// found in: UTF-16 as regedit writes, UTF-8 as editors save, and windows-1252,
// which is what regedit's older format has in most countries. A line that is not
// UTF-8 is taken for the last.
type lines struct {
	r      *bufio.Reader
	number int
	back   []line // to be read again, the first last
}

func newLines(head []byte, r io.Reader) *lines {
	order, utf16 := unicode.LittleEndian, false
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), len(head) > 1 && head[0] != 0 && head[1] == 0:
		utf16 = true
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}), len(head) > 1 && head[0] == 0 && head[1] != 0:
		order, utf16 = unicode.BigEndian, true
	}
	if utf16 {
		r = unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder().Reader(r)
	}
	return &lines{r: bufio.NewReader(r)}
}

// next returns the next line, io.EOF after the last.
func (l *lines) next() (line, error) {
	if n := len(l.back); n > 0 {
		next := l.back[n-1]
		l.back = l.back[:n-1]
		return next, nil
	}
	var b []byte
	next := line{number: l.number + 1}
	for {
		part, err := l.r.ReadSlice('\n')
		if room := maxLine - len(b); len(part) > room && part[len(part)-1] != '\n' || len(part) > room+2 {
			part = part[:max(0, room)]
			next.cut = true
		}
		b = append(b, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(b) > 0 {
			break
		}
		if err != nil {
			return line{}, err
		}
		break
	}
	l.number++
	if l.number == 1 {
		b = bytes.TrimPrefix(b, []byte("\ufeff"))
	}
	if !utf8.Valid(b) {
		// The decoder cannot fail: it has a character for every octet.
		b, _ = charmap.Windows1252.NewDecoder().Bytes(b)
	}
	next.text = string(b)
	for _, end := range []string{"\r\n", "\n"} {
		if text, ok := strings.CutSuffix(next.text, end); ok {
			next.text, next.end = text, end
			break
		}
	}
	return next, nil
}

// unread has next return lines once more.
func (l *lines) unread(again []line) {
	for i := len(again) - 1; i >= 0; i-- {
		l.back = append(l.back, again[i])
	}
}
