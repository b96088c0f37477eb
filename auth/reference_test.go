package auth

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReferencesAreAPermutation(t *testing.T) {
	r := NewReferences([]byte("key"))
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := make(map[Reference]uint64)
	for seq := range uint64(50_000) {
		ref := r.Of(seq)
		if !form.MatchString(string(ref)) {
			t.Fatalf("Of(%d) = %q", seq, ref)
		}
		if first, twice := seen[ref]; twice {
			t.Fatalf("events %d and %d share %s", first, seq, ref)
		}
		seen[ref] = seq
	}
}

func TestReferencesLeadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewReferences(rapid.SliceOf(rapid.Byte()).Draw(t, "key"))
		seq := rapid.Uint64Range(0, 1<<40-1).Draw(t, "seq")
		ref := string(r.Of(seq))
		typed := []string{ref, strings.ToLower(ref), strings.ReplaceAll(ref, "-", ""), strings.ReplaceAll(strings.ReplaceAll(ref, "0", "O"), "1", "l"), " " + ref}
		for _, s := range typed {
			if got, err := r.Seq(s); err != nil || got != seq {
				t.Errorf("Seq(%q) = %d, %v; want %d", s, got, err, seq)
			}
		}
	})
}

func TestWhatIsNoReference(t *testing.T) {
	r := NewReferences([]byte("key"))
	for _, s := range []string{"", "7F3K", "7F3K-92Q", "7F3K-92QDX", "7F3K-92QU", "7F3K_92QD", "７F3K-92QD"} {
		if seq, err := r.Seq(s); err == nil {
			t.Errorf("Seq(%q) = %d", s, seq)
		}
	}
	if got := r.Of(1 << 40); got != "" {
		t.Errorf("Of(2^40) = %q", got)
	}
	if got := (References{}).Of(1); got != "" {
		t.Errorf("the zero References give %q", got)
	}
}

func BenchmarkReference(b *testing.B) {
	r := NewReferences([]byte("key"))
	b.ReportAllocs()
	for i := range b.N {
		r.Of(uint64(i))
	}
}
