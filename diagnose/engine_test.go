package diagnose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/intake"
)

// What is found does not depend on how many goroutines search, nor on where the
// input happens to be cut into chunks.
func TestWorkersAgree(t *testing.T) {
	blocks := sampleBlocks(t)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for range rapid.IntRange(1, 8).Draw(t, "samples") {
			text.WriteString(strings.TrimRight(rapid.SampledFrom(blocks).Draw(t, "sample").text, "\n") + "\n")
			for range rapid.IntRange(0, 3).Draw(t, "filling") {
				text.WriteString(strings.Repeat("Nov 22 13:01:02 web7 kernel: nothing of note\n", rapid.IntRange(0, 8000).Draw(t, "lines")))
			}
		}
		read := func(workers int) string {
			d := New(Options{Now: sampleTime, Workers: workers})
			if err := d.Read(context.Background(), intake.Text("merged.log", text.String())); err != nil {
				t.Fatal(err)
			}
			out, err := json.Marshal(d.Report())
			if err != nil {
				t.Fatal(err)
			}
			return string(out)
		}
		if one, four := read(1), read(4); one != four {
			t.Errorf("one worker and four disagree:\n%s\n%s", one, four)
		}
	})
}

// The NPS extension says why, and the Security log only that an extension
// refused: two logs of one login, and one finding. A refusal by an extension
// that nothing explains stays a finding of its own.
func TestOneLogExplainsAnother(t *testing.T) {
	const (
		extension = "2026-11-22T09:00:05Z nps1 AzureMfa: NPS Extension for Azure MFA: CID: 430ef057-7941-44ff-a0b1-240e7d74cedc : Access Rejected for user alice@corp.example with Azure MFA response: UserNotFound and message: unknown\n"
		security  = `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>6273</EventID><TimeCreated SystemTime='2026-11-22T%sZ'/><Computer>nps1</Computer></System><EventData><Data Name='SubjectUserName'>%s</Data><Data Name='ReasonCode'>21</Data></EventData></Event>` + "\n"
	)
	tests := []struct {
		name, at, user string
		want           []string
	}{
		{"the same person, seconds apart", "09:00:06", `CORP\alice`, []string{"nps-ext-user-not-found"}},
		{"the same person, an hour apart", "10:07:06", `CORP\alice`, []string{"nps-ext-user-not-found", "nps-extension-rejected"}},
		{"another person", "09:00:06", `CORP\bob`, []string{"nps-ext-user-not-found", "nps-extension-rejected"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := New(Options{Now: sampleTime})
			for _, f := range []*intake.File{
				intake.Text("authz.log", extension),
				intake.Text("security.xml", fmt.Sprintf(security, tt.at, tt.user)),
			} {
				if err := d.Read(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			if got := causesOf(d.Report()); !slices.Equal(got, tt.want) {
				t.Errorf("found %q; want %q", got, tt.want)
			}
		})
	}
}

// However many attempts there are, what is kept of them is bounded, all are
// counted, and the report says that not all are listed.
func TestMoreAttemptsThanMemory(t *testing.T) {
	const n = 200_000
	d := New(Options{Now: sampleTime, Workers: 2})
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "Nov 21 10:%02d:%02d gate sshd[%d]: Failed password for invalid user u%dx from 10.0.%d.%d port 22 ssh2\n", i/60%60, i%60, i%30000, i, i>>8&255, i&255)
	}
	if err := d.Read(t.Context(), intake.Text("auth.log", text.String())); err != nil {
		t.Fatal(err)
	}
	length := text.Len()
	text.Reset()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 3*maxKept {
		t.Errorf("%d MiB are held for a log of %d MiB; want %d at most", m.HeapAlloc>>20, length>>20, 3*maxKept>>20)
	}
	r := d.Report()
	if r.Totals.Attempts != n || r.Totals.Refused != n {
		t.Errorf("counted %+v; want %d refused", r.Totals, n)
	}
	if len(r.Attempts) == n || len(r.Warnings) == 0 {
		t.Errorf("%d attempts listed, warnings %q; want fewer, and a word of it", len(r.Attempts), r.Warnings)
	}
	total := 0
	for _, f := range r.Findings {
		total += f.Count
		if f.UserCount > maxDistinct || len(f.Users) > maxNamed || len(f.Evidence) > maxEvidence {
			t.Errorf("%s names %d of %d people and %d lines", f.Cause, len(f.Users), f.UserCount, len(f.Evidence))
		}
	}
	if total < n {
		t.Errorf("findings count %d occurrences; want every refusal among them", total)
	}
	runtime.KeepAlive(d)
}

// A long line is kept as what is around its sign, cut between characters.
func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		filling := rapid.StringOfN(rapid.SampledFrom([]rune("aé漢 ")), 0, 3000, -1)
		before, after := filling.Draw(t, "before"), filling.Draw(t, "after")
		s := &sign{Sign: &Sign{Text: "could not create ssl/tls"}}
		l := &Line{Text: before + "Could not create SSL/TLS" + after, signs: []*sign{s}}
		whole := l.Text
		l.shorten()
		if !strings.Contains(l.Text, "Could not create SSL/TLS") || len(l.Text) > maxText+20 || len(whole) <= maxText && l.Text != whole {
			t.Errorf("of %d octets %d are left: %q", len(whole), len(l.Text), l.Text)
		}
		if strings.ContainsRune(l.Text, '\ufffd') {
			t.Errorf("a character was cut: %q", l.Text)
		}
	})
}

// An interrupted reading ends at once and leaves no goroutine behind.
func TestReadIsInterrupted(t *testing.T) {
	for _, workers := range []int{1, 4} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := 0
		d := New(Options{Now: sampleTime, Workers: workers, Attempt: func(Tried) {
			if seen++; seen == 100 {
				cancel()
			}
		}})
		text := strings.Repeat("2026-11-21 10:00:00,000 [ERR] The encryption algorithm 'HS256' requires a key size of at least '128' bits.\n", 200_000)
		if err := d.Read(ctx, intake.Text("auth.log", text)); !errors.Is(err, context.Canceled) {
			t.Errorf("with %d workers: %v; want that it was cancelled", workers, err)
		}
		cancel()
		if seen == 200_000 {
			t.Errorf("with %d workers it read on to the end", workers)
		}
	}
}

func TestTogether(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		apart   time.Duration
		assumed bool
		want    bool
	}{
		{"seconds", 5 * time.Second, false, true},
		{"four minutes", 4 * time.Minute, false, false},
		{"an hour, both zones known", time.Hour, false, false},
		{"an hour, one zone assumed", time.Hour + 20*time.Second, true, true},
		{"five and a half hours, one zone assumed", 5*time.Hour + 30*time.Minute - time.Minute, true, true},
		{"an hour and seven minutes, one zone assumed", 67 * time.Minute, true, false},
		{"a day, one zone assumed", 24 * time.Hour, true, false},
	}
	for _, tt := range tests {
		a, b := &Attempt{Time: at}, &Attempt{Time: at.Add(tt.apart), ZoneAssumed: tt.assumed}
		if got := together(a, b); got != tt.want || together(b, a) != tt.want {
			t.Errorf("%s: together = %t; want %t", tt.name, got, tt.want)
		}
	}
}

// What an administrator must mend comes before what a person mistyped, however
// often; notes come last.
func TestPressing(t *testing.T) {
	secret := "2026-11-22T09:00:00Z radius1 freeradius[7]: Error: Received packet from 10.0.0.1 with invalid Message-Authenticator!  (Shared secret is incorrect.)\n"
	wrong := ""
	for i := range 5 {
		wrong += fmt.Sprintf("2026-11-22T09:00:0%dZ gate sshd[%d]: Failed password for alice from 10.0.0.1 port 22 ssh2\n", i, 100+i)
	}
	_, r := diagnosed(t, "syslog", wrong+secret)
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Cause)
	}
	if want := []string{"radius-shared-secret", "unix-wrong-password"}; !slices.Equal(got, want) {
		t.Errorf("found %q; want %q in this order", got, want)
	}
}

// A line that a reader keeps and forgets still shows what it shows, once.
func TestForgottenLinesAreNotLost(t *testing.T) {
	const line = "exception thrown is = System.Net.WebException: The request was aborted: Could not create SSL/TLS secure channel.\n"
	for _, tt := range []struct {
		name   string
		reader Reader
	}{
		{"kept for ever", &forgetful{}},
		{"handed over at the end", &forgetful{hands: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := New(Options{Now: sampleTime})
			s := d.Stream(&intake.File{Name: "x.log"})
			for i := range s.reading.readers {
				s.reading.readers[i] = tt.reader
			}
			s.Take(intake.Chunk{First: 1, Text: []byte(strings.Repeat(line, 3))})
			s.Close(nil)
			r := d.Report()
			if got := causesOf(r); !slices.Equal(got, []string{"tls-version"}) {
				t.Fatalf("found %q; want tls-version", got)
			}
			if n := r.Findings[0].Count; n != 3 {
				t.Errorf("counted %d times; want 3", n)
			}
		})
	}
}

// A forgetful reader keeps every line, and hands them over at the end or never.
type forgetful struct {
	hands bool
	lines []*Line
}

func (f *forgetful) Read(l *Line, _ *Sink) Reading {
	f.lines = append(f.lines, l)
	return Kept
}

func (f *forgetful) Close(out *Sink) {
	for _, l := range f.lines {
		if f.hands {
			out.Attempt(&Attempt{Product: "x", Verdict: Faulty, Lines: []*Line{l}})
		}
	}
	f.lines = nil
}

// What proves a finding is in its evidence, also of an event that is longer than
// evidence is.
func TestEvidenceShowsTheReason(t *testing.T) {
	event := `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing' Guid='{54849625-5478-4994-A5BA-3E3B0328C30D}'/><EventID>6273</EventID><Version>2</Version><TimeCreated SystemTime='2026-11-20T13:01:16.000000000Z'/><Computer>nps1</Computer></System><EventData><Data Name='SubjectUserName'>alice</Data>` +
		strings.Repeat("<Data Name='FullyQualifiedSubjectMachineName'>-</Data>", 40) +
		"<Data Name='ReasonCode'>16</Data><Data Name='Reason'>Authentication failed due to a user credentials mismatch.</Data><Data Name='LoggingResult'>Accounting information was written.</Data></EventData></Event>\n"
	_, r := diagnosed(t, "security.xml", event)
	if len(r.Findings) != 1 || r.Findings[0].Cause != "nps-wrong-credentials" {
		t.Fatalf("found %q", causesOf(r))
	}
	if text := r.Findings[0].Evidence[0].Text; !strings.Contains(text, "'ReasonCode'>16<") {
		t.Errorf("the evidence does not show the reason: %s", text)
	}
}

func TestLastWord(t *testing.T) {
	for _, tt := range []struct {
		s, word string
		want    int
	}{
		{">16<", "16", 1},
		{"2016-16-16 x", "16", 8},
		{"116 161", "16", -1},
		{"16", "16", 0},
		{"", "16", -1},
		{"x", "", -1},
		{"aaaa", "aa", -1},
	} {
		if got := lastWord(tt.s, tt.word); got != tt.want {
			t.Errorf("lastWord(%q, %q) = %d; want %d", tt.s, tt.word, got, tt.want)
		}
	}
}
