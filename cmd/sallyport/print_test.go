package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode/qr"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/httpd"
)

// newApp is an app without a terminal that reads input.
func newApp(input string) (a *app, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	return &app{
		in: strings.NewReader(input), out: out, err: err,
		environment: func(string) string { return "" },
		now:         func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) },
		zone:        time.UTC,
	}, out, err
}

// What came from elsewhere must not reach a terminal as anything but text.
func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "alice", "alice"},
		{"other scripts", "Jürgen 李 é", "Jürgen 李 é"},
		{"an escape sequence", "\x1b]0;owned\x07", `\x1b]0;owned\x07`},
		{"a second line", "a\nerror: b", `a\x0aerror: b`},
		{"a tab", "a\tb", `a\x09b`},
		{"C1 control", "a\u009bb", `a\u009bb`},
		{"right-to-left override", "a\u202eb", `a\u202eb`},
		{"zero width", "a\u200bb", `a\u200bb`},
		{"a space that is none", "a\u00a0b", `a\u00a0b`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"a replacement character", "a\ufffdb", "a\ufffdb"},
		{"a tag character", "a\U000e0041b", `a\U000e0041b`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.in); got != tt.want {
				t.Errorf("clean(%q) = %q; want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("alice\x1b[31m")
	f.Add("\u202e\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range clean(s) {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u202e' {
				t.Errorf("clean(%q) lets %U through", s, r)
			}
		}
		if clean(clean(s)) != clean(s) {
			t.Errorf("clean(%q) is not clean", s)
		}
	})
}

func TestTable(t *testing.T) {
	a, out, _ := newApp("")
	table := a.table("NAME", "STATE")
	for _, row := range [][]cell{text("李", "ok"), text("a long name", "x\x1b"), text("b", "")} {
		if err := table.row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	// What comes later keeps to the columns, and gets no second header.
	if err := table.row(text("late", "ok")...); err != nil {
		t.Fatal(err)
	}
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	want := "NAME         STATE\n" +
		"李            ok\n" +
		"a long name  x\\x1b\n" +
		"b\n" +
		"late         ok\n"
	if out.String() != want {
		t.Errorf("table:\n%swant\n%s", out, want)
	}
	if err := a.table("EMPTY").flush(); err != nil || out.String() != want {
		t.Errorf("an empty table printed something, %v", err)
	}
}

func TestColor(t *testing.T) {
	tests := []struct {
		name        string
		terminal    bool
		environment map[string]string
		want        string
	}{
		{"a terminal", true, nil, "\x1b[31mreject\x1b[0m"},
		{"a pipe", false, nil, "reject"},
		{"NO_COLOR", true, map[string]string{"NO_COLOR": "1"}, "reject"},
		{"NO_COLOR that is empty", true, map[string]string{"NO_COLOR": ""}, "\x1b[31mreject\x1b[0m"},
		{"a terminal without colours", true, map[string]string{"TERM": "dumb"}, "reject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, _, _ := newApp("")
			a.outTerminal = tt.terminal
			a.environment = func(name string) string { return tt.environment[name] }
			if got := a.paint(verdictStyle("reject"), "reject"); got != tt.want {
				t.Errorf("paint = %q; want %q", got, tt.want)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	got := strings.Join(wrap("one two  three\nfour averyveryverylongword x", 9), "|")
	if want := "one two|three|four|averyveryverylongword|x"; got != want {
		t.Errorf("wrap = %s; want %s", got, want)
	}
}

func TestWhatHappened(t *testing.T) {
	event := func(change func(*admin.EventView)) admin.WhyView {
		v := admin.EventView{Account: "alice", Application: "vpn", Client: "nas", Source: "192.0.2.1:5000", Verdict: "accept", Count: 1}
		change(&v)
		return admin.WhyView{EventView: v}
	}
	tests := []struct {
		name string
		why  admin.WhyView
		want string
	}{
		{"accept", event(func(*admin.EventView) {}), "alice was let in at vpn, through nas (192.0.2.1:5000)."},
		{"reject from somewhere", event(func(v *admin.EventView) { v.Verdict, v.From = "reject", "203.0.113.9" }), "alice was refused at vpn, through nas (192.0.2.1:5000), calling from 203.0.113.9."},
		{"challenge", event(func(v *admin.EventView) { v.Verdict = "challenge" }), "alice was asked for more at vpn, through nas (192.0.2.1:5000)."},
		{"our fault", event(func(v *admin.EventView) { v.Verdict = "unavailable" }), "alice got no answer, because of a fault here at vpn, through nas (192.0.2.1:5000)."},
		{"a name that nobody has", event(func(v *admin.EventView) { v.Account, v.Verdict = "?ab12", "reject" }), "A name that nobody has (?ab12) was refused at vpn, through nas (192.0.2.1:5000)."},
		{"nobody we know, many times", event(func(v *admin.EventView) {
			*v = admin.EventView{Verdict: "ignore", Source: "192.0.2.1:5000", Count: 12}
		}), "Somebody got no answer (192.0.2.1:5000); it stands for 12 like it."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, _, _ := newApp("")
			if got := a.whatHappened(tt.why); got != tt.want {
				t.Errorf("whatHappened = %q; want %q", got, tt.want)
			}
		})
	}
}

// Every verdict has its sentence.
func TestWhatHappenedKnowsEveryVerdict(t *testing.T) {
	a, _, _ := newApp("")
	for v := auth.Reject; v <= auth.Ignore; v++ {
		if got := a.whatHappened(admin.WhyView{EventView: admin.EventView{Account: "alice", Verdict: v.String()}}); got == "alice ." {
			t.Errorf("nothing is said for %s", v)
		}
	}
}

func TestPrintWhy(t *testing.T) {
	a, out, _ := newApp("")
	err := a.printWhy(admin.WhyView{
		EventView: admin.EventView{
			Time: a.now(), Account: "alice", Application: "vpn", Client: "nas", Verdict: "reject", Code: 138,
			Outcome: "oath-code-incorrect", Label: "OATH Code Incorrect", Factor: "oath", Failures: 2, TookMicros: 1500, Reference: "7F3K-92QD",
		},
		Stage: "answer", Person: "Sign-in failed.", Administrator: "The cause. " + strings.Repeat("word ", 20), HelpDesk: "Say this.", Remedy: "Do that.",
		Trace: []auth.Step{{Stage: "reach", OK: true, Took: 20 * time.Microsecond, Note: "PAP"}, {Stage: "answer", Took: 1400 * time.Microsecond, Note: "wrong\x1b[2J"}},
	})
	want := `alice was refused at vpn, through nas.

time          2026-03-04 05:06:07 UTC
verdict       reject
outcome       138 OATH Code Incorrect (oath-code-incorrect)
stage         answer
factor        oath
failures      2 in a row
took          1.5 ms
MFA at fault  no
reference     7F3K-92QD

What the person was told
  Sign-in failed.

Cause
  The cause. word word word word word word word word word word word word word
  word word word word word word word

For the help desk
  Say this.

What to do
  Do that.

Step by step
  STAGE       TOOK     NOTE
  reach   ok  0.02 ms  PAP
  answer  no  1.4 ms   wrong\x1b[2J
`
	if err != nil || out.String() != want {
		t.Errorf("printWhy, %v:\n%swant\n%s", err, out, want)
	}
}

func TestPrintImport(t *testing.T) {
	a, out, errOut := newApp("")
	err := a.printImport(httpd.ImportReport{Added: 1, Unassigned: 0, Bad: []httpd.BadRow{{Line: 7, Serial: "S", Reason: "no"}, {Line: 9, Reason: "none"}}})
	if want := "added       1\nunassigned  0\nbad         2\n"; out.String() != want {
		t.Errorf("stdout %q; want %q", out, want)
	}
	if want := "line 7 (S): no\nline 9: none\n"; errOut.String() != want {
		t.Errorf("stderr %q; want %q", errOut, want)
	}
	if err == nil || err.Error() != "2 rows could not be imported" {
		t.Errorf("error %v", err)
	}
}

// The picture is read back module by module: a reader sees what was meant, and
// the quiet zone around it.
func TestQRCode(t *testing.T) {
	uri := "otpauth://totp/Sallyport:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Sallyport&algorithm=SHA1&digits=6&period=30"
	want, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	size := want.Bounds().Dx()
	for _, color := range []bool{false, true} {
		picture, err := qrCode(uri, color)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(picture, "\x1b") != color {
			t.Errorf("colour %t: escape sequences are there or are missing", color)
		}
		picture = strings.NewReplacer("\x1b[38;5;231;48;5;16m", "", "\x1b[0m", "").Replace(picture)
		lines := strings.Split(strings.TrimSuffix(picture, "\n"), "\n")
		if n := (size + 2*quietZone + 1) / 2; len(lines) != n {
			t.Fatalf("%d lines; want %d", len(lines), n)
		}
		for i, line := range lines {
			runes := []rune(line)
			if len(runes) != size+2*quietZone {
				t.Fatalf("line %d has %d characters; want %d", i, len(runes), size+2*quietZone)
			}
			for j, r := range runes {
				x := j - quietZone
				for half, light := range []bool{r == '█' || r == '▀', r == '█' || r == '▄'} {
					y := 2*i + half - quietZone
					dark := x >= 0 && y >= 0 && x < size && y < size
					if dark {
						red, _, _, _ := want.At(x, y).RGBA()
						dark = red == 0
					}
					if light == dark {
						t.Fatalf("module %d, %d is drawn light %t; want %t", x, y, light, !dark)
					}
				}
			}
		}
		if size+2*quietZone > 79 {
			t.Errorf("%d columns do not fit a terminal", size+2*quietZone)
		}
	}
	if _, err := qrCode(strings.Repeat("x", 5000), true); err == nil {
		t.Error("more than a QR code can hold was drawn")
	}
}
