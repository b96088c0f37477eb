package store

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
)

func tempDir(t *rapid.T) (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		t.Fatal(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// TestBodyRoundTrip checks that an event is read back as it was written, for
// any event that can be, and that its body is JSON.
func TestBodyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		number := rapid.Int64()
		e := auth.Event{
			Seq:  uint64(rapid.Int64Range(1, 1<<62).Draw(t, "seq")),
			Time: time.UnixMicro(rapid.Int64Range(1, 1<<52).Draw(t, "time")).UTC(), Took: time.Duration(number.Draw(t, "took")),
			Door: text.Draw(t, "door"), Client: text.Draw(t, "client"), Application: text.Draw(t, "application"), From: text.Draw(t, "from"),
			Subject: text.Draw(t, "subject"), Account: text.Draw(t, "account"),
			Verdict: auth.Verdict(rapid.IntRange(0, 4).Draw(t, "verdict")), Outcome: auth.Outcome(rapid.IntRange(-200, 3000).Draw(t, "outcome")),
			Factor: text.Draw(t, "factor"), Authenticator: text.Draw(t, "authenticator"), Mark: number.Draw(t, "mark"),
			Failures: int(number.Draw(t, "failures")), Count: int(number.Draw(t, "count")),
			Rule: text.Draw(t, "rule"), Node: text.Draw(t, "node"), Request: text.Draw(t, "request"),
			Joined: uint64(rapid.Int64Range(0, 1<<62).Draw(t, "joined")),
		}
		if octets := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"); rapid.Bool().Draw(t, "has source") {
			a := netip.AddrFrom16([16]byte(octets))
			if rapid.Bool().Draw(t, "IPv4") {
				a = netip.AddrFrom4([4]byte(octets[:4]))
			}
			e.Source = netip.AddrPortFrom(a, rapid.Uint16().Draw(t, "port"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			e.Trace = append(e.Trace, auth.Step{
				Stage: auth.Stage(text.Draw(t, "stage")), OK: rapid.Bool().Draw(t, "ok"),
				Took: time.Duration(number.Draw(t, "step took")), Note: text.Draw(t, "note"),
			})
		}
		spent := rapid.SampledFrom([]int64{auth.NoMark, e.Mark}).Draw(t, "spent")
		line := appendBody(nil, &e, spent)
		if !json.Valid(line) {
			t.Fatalf("body %s is not JSON", line)
		}
		// Among others in a row it is found by its number.
		body := linesOpen + "{}" + linesNext + string(line) + linesNext + "{}" + linesClose
		if !json.Valid([]byte(body)) {
			t.Fatalf("row %s is not JSON", body)
		}
		lines, err := eventLines(int64(e.Seq)-1, int64(e.Seq)+1, body)
		if err != nil || lines[1] != string(line) {
			t.Fatalf("lines of %s = %q, %v", body, lines, err)
		}
		got, err := decodeEvent(int64(e.Seq), lines[1])
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Fatalf("read back\n%+v, %v\nwant\n%+v\nfrom %s", got, err, e, line)
		}
		var head eventHead
		if err := json.Unmarshal(line, &head); err != nil {
			t.Fatal(err)
		}
		if head.When != micros(e.Time) || head.Subject != e.Subject || head.Authenticator != e.Authenticator ||
			head.Outcome != int64(e.Outcome) || head.spent() != spent {
			t.Fatalf("head = %+v of %s", head, line)
		}
	})
}

// FuzzQuoted checks that any octets become one JSON string that reads back as
// the same text, octets that are not UTF-8 as U+FFFD.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x1f\x7f", "\u2028", "é漢𝄞", "\xff\xfe", "a\xc3", "\xed\xa0\x80", "\xef\xbf\xbd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendQuoted(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q became %s: %v", s, b, err)
		}
		var want strings.Builder
		for _, r := range s { // one U+FFFD for each octet that is not UTF-8
			want.WriteRune(r)
		}
		if got != want.String() {
			t.Errorf("%q became %s, which reads %q, want %q", s, b, got, want.String())
		}
	})
}

func TestBodyOddSources(t *testing.T) {
	for _, tt := range []struct {
		name         string
		source, want netip.AddrPort
	}{
		{"none", netip.AddrPort{}, netip.AddrPort{}},
		{"a port without address", netip.AddrPortFrom(netip.Addr{}, 7), netip.AddrPort{}},
		{"a zone", netip.MustParseAddrPort("[fe80::1%eth0]:5"), netip.MustParseAddrPort("[fe80::1%eth0]:5")},
		{
			"a zone that cannot be read back", netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone("a]\"\xff"), 5),
			netip.MustParseAddrPort("[fe80::1]:5"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeEvent(1, string(appendBody(nil, &auth.Event{Source: tt.source}, 0)))
			if err != nil || got.Source != tt.want {
				t.Errorf("source %v came back as %v, %v; want %v", tt.source, got.Source, err, tt.want)
			}
		})
	}
}

// TestPack checks that packed facts are unpacked as they were.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		list := func(name string) []string {
			l := rapid.SliceOfN(text, 0, 3).Draw(t, name)
			if len(l) == 0 {
				return nil
			}
			return l
		}
		at := func(name string) time.Time { return timeOf(rapid.Int64Range(-1<<50, 1<<50).Draw(t, name)) }
		a := auth.Account{
			ID: text.Draw(t, "id"), Name: text.Draw(t, "name"), Aliases: list("aliases"), Groups: list("groups"),
			Enabled: rapid.Bool().Draw(t, "enabled"), Blocked: rapid.Bool().Draw(t, "blocked"),
			BlockReason: text.Draw(t, "reason"), BlockedUntil: at("until"), Role: text.Draw(t, "role"), Created: at("created"),
		}
		var held []sealedAuthenticator
		for i := range rapid.IntRange(0, 4).Draw(t, "authenticators") {
			held = append(held, sealedAuthenticator{
				Authenticator: auth.Authenticator{
					ID: fmt.Sprint("x", i), Factor: text.Draw(t, "factor"), Label: text.Draw(t, "label"),
					Serial: text.Draw(t, "serial"), Created: at("bound"), Rewound: rapid.Bool().Draw(t, "rewound"),
				},
				sealed: rapid.SliceOf(rapid.Byte()).Draw(t, "sealed"),
			})
		}
		e := &entry{packed: pack(&a, held)}
		u := unpacker(e.packed)
		if got := u.account(); !reflect.DeepEqual(*got, a) {
			t.Fatalf("account = %+v, want %+v", *got, a)
		}
		if n := int(u.uvarint()); n != len(held) {
			t.Fatalf("%d authenticators, want %d", n, len(held))
		}
		for i := range held {
			var x auth.Authenticator
			if sealed := u.authenticator(&x); sealed != string(held[i].sealed) || !reflect.DeepEqual(x, held[i].Authenticator) {
				t.Fatalf("authenticator = %+v, want %+v", x, held[i].Authenticator)
			}
			if p := e.place(held[i].ID); p != i {
				t.Fatalf("place(%s) = %d, want %d", held[i].ID, p, i)
			}
		}
		if u != "" || e.place("none") != -1 {
			t.Fatalf("%d octets are left over", len(u))
		}
	})
}
