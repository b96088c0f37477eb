package intake

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// repeated is n octets of lines, which pack well.
func repeated(n int) []byte { return bytes.Repeat([]byte("a line\n"), n/7) }

// bomb walks a bomb and then a good file, and returns what came of the bomb; the
// good file must have been read.
func bomb(t *testing.T, content []byte, o Options) []got {
	t.Helper()
	good := write(t, "good.log", []byte("good\n"))
	all := walk(t, []string{write(t, "bomb", content), good}, nil, o)
	last := all[len(all)-1]
	if last.Name != good || last.Text != "good\n" || last.Err != "" {
		t.Errorf("after the bomb came %.200v, want the good file", last)
	}
	return all[:len(all)-1]
}

// A bomb of 64 MiB takes its time under the race detector; these are like it,
// but smaller.
const smaller = 1 << 20

func TestRatioOfMember(t *testing.T) {
	// The member is several times what may be, the archive is not.
	noise := make([]byte, smaller/8)
	seed := uint64(1)
	for i := range noise {
		seed = seed*6364136223846793005 + 1442695040888963407
		noise[i] = "0123456789abcdef ghijklmnopqrstuvwxyz\n"[(seed>>33)%38]
	}
	o := Options{free: smaller}
	all := bomb(t, zipped(zip.Deflate, member{"a.log", repeated(smaller * 3 / 2)}, member{"b.log", noise}), o)
	if len(all) != 2 || !strings.HasPrefix(all[0].Err, "unpacks to more than 200 times its size (10") || len(all[0].Text) < smaller*9/10 {
		t.Errorf("of the bomb: %.200v", all)
	}
	if all[1].Err != "" || strings.TrimSuffix(all[1].Text, "\n") != strings.TrimSuffix(string(noise), "\n") {
		t.Errorf("of the member after it: %.200v", all[1])
	}
	// What is small is no bomb, however well it packs; and it may be permitted.
	if all := bomb(t, zipped(zip.Deflate, member{"a.log", repeated(smaller * 9 / 10)}), o); all[0].Err != "" {
		t.Errorf("of less: %s", all[0].Err)
	}
	if all := bomb(t, zipped(zip.Deflate, member{"a.log", repeated(smaller * 3 / 2)}), Options{}); all[0].Err != "" {
		t.Errorf("of less than 64 MiB: %s", all[0].Err)
	}
	o.MaxRatio = 2000
	if all := bomb(t, zipped(zip.Deflate, member{"a.log", repeated(smaller * 3 / 2)}), o); all[0].Err != "" {
		t.Errorf("with MaxRatio 2000: %s", all[0].Err)
	}
	// At its full size, unread.
	var full bytes.Buffer
	w, _ := gzip.NewWriterLevel(&full, gzip.BestSpeed)
	io.Copy(w, &endless{block: make([]byte, 1<<20), left: 80 << 20})
	w.Close()
	err := Walk(t.Context(), []string{write(t, "full.gz", full.Bytes())}, nil, Options{}, func(f *File) error {
		if _, err := f.Next(); err == nil || !strings.HasPrefix(err.Error(), "unpacks to more than 200 times its size (64 MiB out of ") {
			t.Errorf("of 80 MiB of NULs: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRatioOfArchive(t *testing.T) {
	var members []member
	for i := range 6 {
		members = append(members, member{fmt.Sprint(i), repeated(smaller * 3 / 10)})
	}
	o := Options{free: smaller}
	all := bomb(t, zipped(zip.Deflate, members...), o)
	if len(all) != 5 || all[2].Err != "" || !strings.HasPrefix(all[3].Err, "unpacks to more than 200 times") ||
		!strings.HasSuffix(all[4].Err, "; 2 of its members are not read") {
		t.Errorf("of a zip: %.200v", all)
	}
	// In gzip and tar what is not wanted counts too.
	large := repeated(smaller * 3 / 2)
	for name, content := range map[string][]byte{
		"gzip": gz(large), "tar.gz": gz(tarred(members...)), "gzip in gzip": gz(gz(large)),
		"zip in zip": zipped(zip.Deflate, member{"in.zip", zipped(zip.Deflate, member{"a", large})}),
	} {
		all := bomb(t, content, o)
		last := all[len(all)-1]
		if !strings.HasPrefix(last.Err, "unpacks to more than 200 times") {
			t.Errorf("of %s: %.200v", name, all)
		}
		if name != "tar.gz" {
			continue
		}
		seen := ""
		err := Walk(t.Context(), []string{write(t, "bomb", content)}, nil, o, func(f *File) error {
			if _, err := f.Next(); err != nil {
				seen = err.Error()
			}
			return nil
		})
		if err != nil || seen != last.Err {
			t.Errorf("of %s, read in part: %v, and last %q, want %q", name, err, seen, last.Err)
		}
	}
}

// A file of holes only, as GNU tar writes it ("Old GNU Format").
func TestSparseTar(t *testing.T) {
	h := make([]byte, 512)
	copy(h, "sparse.log")
	copy(h[100:], "0000600\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "00000000000\x0000000000000\x00")
	copy(h[483:], "70000000000\x00") // 7 GiB
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	all := bomb(t, append(h, make([]byte, 1024)...), Options{free: smaller})
	if len(all) != 2 || !strings.HasPrefix(all[0].Err, "unpacks to more than 200 times") || all[0].Name != all[1].Name+"!sparse.log" {
		t.Errorf("of a sparse file: %.200v", all)
	}
}

// overlapped is a zip archive as of David Fifield, "A better zip bomb" (WOOT
// 2019): the data of each member quote the local header of the next, and all end
// in the same kernel.
func overlapped(n int) []byte {
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression)
	kernel := bytes.Repeat([]byte("a"), 1<<20)
	w.Write(kernel)
	w.Close()
	le := binary.LittleEndian
	type file struct {
		header, whole []byte
		crc, size     uint32
	}
	local := func(name string, crc, packed, size uint32) []byte {
		b := []byte("PK\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00\x00\x00")
		b = le.AppendUint32(b, crc)
		b = le.AppendUint32(b, packed)
		b = le.AppendUint32(b, size)
		b = le.AppendUint16(b, uint16(len(name)))
		b = le.AppendUint16(b, 0)
		return append(b, name...)
	}
	data, content := packed.Bytes(), kernel
	files := make([]file, n)
	for i := n - 1; i >= 0; i-- {
		if i < n-1 {
			next := files[i+1].header
			quote := append(le.AppendUint16(le.AppendUint16([]byte{0}, uint16(len(next))), ^uint16(len(next))), next...)
			data = append(quote, data...)
			content = append(bytes.Clone(next), content...)
		}
		f := file{crc: crc32.ChecksumIEEE(content), size: uint32(len(content))}
		f.header = local(fmt.Sprintf("%04d", i), f.crc, uint32(len(data)), f.size)
		f.whole = bytes.Clone(data)
		files[i] = f
	}
	out := append(bytes.Clone(files[0].header), files[0].whole...)
	body := len(out)
	for _, f := range files {
		at := body - len(f.whole) - len(f.header)
		out = append(out, "PK\x01\x02\x14\x00"...)
		out = append(out, f.header[4:28]...)
		out = append(out, make([]byte, 2+2+2+2+4+2)...)
		out = le.AppendUint32(out[:len(out)-2], uint32(at))
		out = append(out, f.header[30:]...)
	}
	size := len(out) - body
	out = append(out, "PK\x05\x06\x00\x00\x00\x00"...)
	out = le.AppendUint16(out, uint16(n))
	out = le.AppendUint16(out, uint16(n))
	out = le.AppendUint32(out, uint32(size))
	out = le.AppendUint32(out, uint32(body))
	return append(out, 0, 0)
}

func TestOverlappingZip(t *testing.T) {
	content := overlapped(250)
	// It is what it is meant to be: a quarter of a gigabyte that unpacks.
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 100, 249} {
		r, err := z.File[i].Open()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n < 1<<20 {
			t.Fatalf("member %d unpacks to %d octets, %v", i, n, err)
		}
	}
	all := bomb(t, content, Options{})
	if len(all) != 1 || !strings.HasPrefix(all[0].Err, "has 250 members that share their data") {
		t.Errorf("of the bomb: %.300v", all)
	}
}

// As 42.zip is: archives in archives, each of several.
func TestNestedZip(t *testing.T) {
	content := []byte("at the bottom\n")
	for i := range 5 {
		var members []member
		for j := range 3 {
			members = append(members, member{fmt.Sprintf("%d-%d", i, j), content})
		}
		content = zipped(zip.Deflate, members...)
	}
	all := bomb(t, content, Options{})
	if len(all) != 81 {
		t.Errorf("of five levels came %d files, want 3^4 that are not opened", len(all))
	}
	for _, g := range all {
		if !strings.HasPrefix(g.Err, "is an archive that lies in 4 others, and no more than 3 are opened") {
			t.Fatalf("at the fifth level: %v", g)
		}
	}
	if all := bomb(t, content, Options{MaxDepth: 4}); len(all) != 243 || all[242].Text != "at the bottom\n" {
		t.Errorf("with MaxDepth 4 came %d files", len(all))
	}
	// Packed into itself without end, as a quine is, or nearly.
	deep := []byte("at the bottom\n")
	for range 100 {
		deep = gz(deep)
	}
	if all := bomb(t, deep, Options{}); len(all) != 1 || !strings.HasPrefix(all[0].Err, "is an archive that lies in 4 others") {
		t.Errorf("of a hundred gzips: %v", all)
	}
}

func TestMaxFiles(t *testing.T) {
	var members []member
	for i := range 30 {
		members = append(members, member{fmt.Sprintf("%02d", i), []byte("x\n")})
	}
	folder := t.TempDir()
	for _, m := range members {
		if err := os.WriteFile(filepath.Join(folder, m.name), m.content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{write(t, "a.zip", zipped(zip.Deflate, members...)), write(t, "a.tar", tarred(members...)), folder} {
		all := walk(t, []string{path, path}, nil, Options{MaxFiles: 10})
		if len(all) != 11 || all[9].Text != "x\n" || !strings.HasPrefix(all[10].Err, "is one file more than the 10 that are read at once") {
			t.Errorf("%s: %v", path, all)
		}
	}
	// As many as may be are no error.
	if all := walk(t, []string{folder}, nil, Options{MaxFiles: 30}); len(all) != 30 || all[29].Err != "" {
		t.Errorf("of as many as may be came %d", len(all))
	}
}

// A directory takes several times its size in memory, and one in an archive in
// an archive may be made to take much.
func TestLargeDirectory(t *testing.T) {
	header := make([]byte, 46)
	copy(header, "PK\x01\x02")
	const n = 400_000
	le := binary.LittleEndian
	content := append([]byte("PK\x03\x04"), bytes.Repeat(header, n)...)
	end := append([]byte("PK\x05\x06\x00\x00\x00\x00"), 0x80, 0x1A, 0x80, 0x1A) // n mod 2^16
	end = le.AppendUint32(end, 46*n)
	end = le.AppendUint32(end, 4)
	content = append(append(content, end...), 0, 0)
	for _, c := range [][]byte{content, zipped(zip.Deflate, member{"in.zip", content})} {
		all := bomb(t, c, Options{})
		if len(all) != 1 || !strings.HasPrefix(all[0].Err, "is a zip archive of too many members") {
			t.Errorf("of %d members: %.200v", n, all)
		}
	}
}

func TestTooLargeToHold(t *testing.T) {
	large := zipped(zip.Store, member{"a.log", repeated(70 << 20)})
	all := bomb(t, zipped(zip.Store, member{"in.zip", large}), Options{})
	if len(all) != 1 || !strings.HasPrefix(all[0].Err, "is larger than the 64 MiB that are held in memory") {
		t.Errorf("of a zip of 70 MiB in a zip: %.200v", all)
	}
	if all := bomb(t, large, Options{}); len(all) != 1 || all[0].Err != "" {
		t.Errorf("of a zip of 70 MiB: %.200v", all)
	}
}

// endless repeats a block.
type endless struct {
	block []byte
	at    int
	left  int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), e.left)], e.block[e.at:])
	e.at = (e.at + n) % len(e.block)
	e.left -= int64(n)
	return n, nil
}

// However long the input is, reading it takes little memory. 128 MiB of text
// come out of each, fewer under the race detector; with SALLYPORT_CAMPAIGN=full it
// is 10 GiB.
func TestCampaignMemory(t *testing.T) {
	size := int64(128 << 20)
	if underRace {
		size = 16 << 20
	}
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		size = 10 << 30
	}
	var lines bytes.Buffer
	for i := range 20_000 {
		fmt.Fprintf(&lines, "2026-11-22 12:00:00 user%d from %x\n", i, crc32.ChecksumIEEE([]byte{byte(i), byte(i >> 8)}))
	}
	text := lines.Bytes()
	one := gz(text) // streams may follow each other (RFC 1952, Section 2.2)
	packed := size / int64(len(text)) * int64(len(one))
	wide := utf16of(string(text), false)
	tests := []struct {
		name string
		in   *endless
		want int64
	}{
		{"gzip", &endless{block: one, left: packed}, size / int64(len(text)) * int64(len(text))},
		{"plain", &endless{block: text, left: size / int64(len(text)) * int64(len(text))}, size / int64(len(text)) * int64(len(text))},
		{"UTF-16", &endless{block: wide, left: size / int64(len(text)) * int64(len(wide))}, size / int64(len(text)) * int64(len(text))},
		{"one line", &endless{block: bytes.Repeat([]byte("a"), 1<<16), left: size}, 64<<10 + 1},
		{"one line of windows-1252", &endless{block: bytes.Repeat([]byte("\xE9"), 1<<16), left: size}, 64<<10 + 1},
		{"line ends only", &endless{block: bytes.Repeat([]byte("\n"), 1<<16), left: size / 4}, size / 4},
		{"NULs only", &endless{block: make([]byte, 1<<16), left: size}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runtime.GC()
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			var peak uint64
			var all int64
			err := Walk(t.Context(), []string{"-"}, tt.in, Options{}, func(f *File) error {
				for i := 0; ; i++ {
					c, err := f.Next()
					if err == io.EOF {
						return nil
					}
					if err != nil {
						t.Fatal(err)
					}
					all += int64(len(c.Text))
					if i%2 == 0 { // a chunk that is not given back is no leak either
						c.Release()
					}
					if i%16 == 0 {
						runtime.ReadMemStats(&now)
						peak = max(peak, now.HeapAlloc)
					}
				}
			})
			if err != nil || all != tt.want {
				t.Errorf("Walk = %v after %d octets, want %d", err, all, tt.want)
			}
			if grown := int64(peak) - int64(before.HeapAlloc); grown > 64<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}
