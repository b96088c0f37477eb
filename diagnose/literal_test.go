package diagnose

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The search finds in each line what strings.Contains finds, and no other line.
func TestScanFindsWhatContainsFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.SampledFrom([]rune("abAB .é")), 1, 5, -1)
		texts := rapid.SliceOfNDistinct(rapid.Map(word, strings.ToLower), 1, 8, rapid.ID[string]).Draw(t, "texts")
		line := rapid.StringOfN(rapid.SampledFrom([]rune("abAB .éx")), 0, 20, -1)
		lines := rapid.SliceOfN(line, 0, 12).Draw(t, "lines")
		input := strings.Join(lines, "\n")
		var want []string
		for i, l := range lines {
			var ids []int
			for id, x := range texts {
				if strings.Contains(lowerASCII(l), lowerASCII(x)) {
					ids = append(ids, id)
				}
			}
			if len(ids) > 0 {
				want = append(want, fmt.Sprint(i, l, ids))
			}
		}
		var got []string
		var m search
		for _, h := range newLiterals(lowered(texts)).scan([]byte(input), &m) {
			var ids []int
			for _, id := range h.texts {
				ids = append(ids, int(id))
			}
			slices.Sort(ids)
			got = append(got, fmt.Sprint(h.before, input[h.start:h.end], ids))
		}
		if !slices.Equal(got, want) {
			t.Errorf("scan(%q) for %q:\n got %q\nwant %q", input, texts, got, want)
		}
	})
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = fold(b[i])
	}
	return string(b)
}

func lowered(texts []string) []string {
	out := make([]string, len(texts))
	for i := range texts {
		out[i] = lowerASCII(texts[i])
	}
	return out
}

func TestContainsFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aAbB-é")), 0, 12, -1)
		s, part := text.Draw(t, "s"), text.Draw(t, "part")
		if got, want := containsFold(s, part), strings.Contains(lowerASCII(s), lowerASCII(part)); got != want {
			t.Errorf("containsFold(%q, %q) = %t; want %t", s, part, got, want)
		}
	})
}

// BenchmarkScan searches text in which nothing is found, for everything that is
// known: what the long rest of a log costs.
func BenchmarkScan(b *testing.B) {
	line := "Nov 22 13:01:02 web7 kernel: [12345.678901] IPv4: martian source 192.0.2.7 from 198.51.100.9, on dev eth0\n"
	text := bytes.Repeat([]byte(line), 1<<20/len(line))
	a := know().literals
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var m search
	for b.Loop() {
		a.scan(text, &m)
	}
	b.ReportMetric(float64(len(a.table))*4/1e6, "MB-table")
}
