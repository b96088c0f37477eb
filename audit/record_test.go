package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/auth"
)

// A record is one line of ASCII, is JSON, and says all that the event says.
func TestEventRecord(t *testing.T) {
	tr := newTrail(t, newModel(), &clock{t: noon}, quick)
	ev := event(7, noon)
	r, err := tr.eventRecord(&ev, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.line {
		if c < ' ' || c > '~' {
			t.Errorf("the octet %#x is in %s", c, r.line)
		}
	}
	want := `{"kind":"event","seq":7,"time":"2026-11-22T12:00:00Z","reference":"` + string(tr.o.Reference(7)) + `","node":"node-a",` +
		`"door":"radius","client":"fw1","application":"vpn","source":"192.0.2.1:1645","from":"\"198.51.100.7]\\\n",` +
		`"subject":"id-1","account":"\u00e4lice","verdict":"reject","code":138,"outcome":"oath-code-incorrect","label":"OATH Code Incorrect",` +
		`"rule":"everyone","factor":"oath","authenticator":"a1","failures":1,"count":1,"took_us":1500,` +
		`"trace":[{"stage":"answer","ok":false,"took_ns":0,"note":"the code did not match"}]`
	if got := string(r.line[:len(r.line)-signatureLen]); got != want {
		t.Errorf("record (-want +got):\n%s", cmp.Diff(want, got))
	}
	var back eventLine
	if err := json.Unmarshal(r.line, &back); err != nil || back.Account != "älice" || back.From != ev.From {
		t.Errorf("read back %+v, %v", back, err)
	}
	again, err := tr.eventRecord(&ev, true)
	if err != nil || !bytes.Equal(again.line, r.line) {
		t.Errorf("the same event gave another record: %s", again.line)
	}
	short, err := tr.eventRecord(&ev, false)
	if err != nil || bytes.Contains(short.line, []byte("trace")) || !Authentic(short.line, mac) {
		t.Errorf("brief record %s, %v", short.line, err)
	}
}

// Every field of an event that can be told is in the record: a new one must be
// decided on here. Request and Mark name secrets' use and are of no use
// outside.
func TestRecordHoldsNoMoreThanTheEvent(t *testing.T) {
	tr := newTrail(t, newModel(), &clock{t: noon}, quick)
	ev := event(1, noon)
	ev.Request, ev.Mark, ev.Account, ev.Subject = "canary-request", 55667788, "?0123456789abcdef", "?0123456789abcdef"
	r, err := tr.eventRecord(&ev, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, canary := range []string{"canary-request", "55667788"} {
		if strings.Contains(string(r.line), canary) {
			t.Errorf("%s is in the record %s", canary, r.line)
		}
	}
	if !strings.Contains(string(r.line), `"account":"?0123456789abcdef"`) {
		t.Errorf("the pseudonym of an unknown name is not in the record %s", r.line)
	}
}

func TestAuthentic(t *testing.T) {
	tr := newTrail(t, newModel(), &clock{t: noon}, quick)
	ev := event(7, noon)
	r, err := tr.eventRecord(&ev, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "\n", "\r\n"} {
		if !Authentic(append(bytes.Clone(r.line), end...), mac) {
			t.Errorf("with the line end %q it is not authentic", end)
		}
	}
	for i := range r.line {
		for bit := range 8 {
			changed := bytes.Clone(r.line)
			changed[i] ^= 1 << bit
			if Authentic(changed, mac) {
				t.Fatalf("authentic with bit %d of octet %d changed", bit, i)
			}
		}
	}
	for i := range r.line {
		if Authentic(r.line[:i], mac) || i > 0 && Authentic(r.line[i:], mac) {
			t.Fatalf("authentic when cut at %d", i)
		}
	}
	other := func(m []byte) [32]byte { return mac(append([]byte("x"), m...)) }
	if Authentic(r.line, other) {
		t.Error("authentic under another key")
	}
}

// FuzzLine checks that whatever a receiver may have made of a record, what we
// take for a record of ours is one: it is in the text as it was signed.
func FuzzLine(f *testing.F) {
	tr := Trail{o: Options{MAC: mac, Reference: func(uint64) auth.Reference { return "" }}}
	ev := event(7, noon)
	r, err := tr.eventRecord(&ev, true)
	if err != nil {
		f.Fatal(err)
	}
	a := Anchor{Time: noon, Seq: 7, Hash: make([]byte, 32), Node: "a"}
	anchor, err := a.line(mac)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range [][]byte{
		r.line, anchor, append([]byte("<86>1 2026-11-22T12:00:00Z h sallyport - event - "), r.line...),
		bytes.TrimSuffix(r.line, []byte("}")), []byte(`{"kind":"event","seq":1e400}`), []byte(`{"kind":"other"}`), nil,
		[]byte(`{"kind":"event","kind":"anchor"}`), []byte(`{"kind":"anchor","hash":"00"}`),
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		h, record, err := parseLine(line)
		if err != nil {
			if Record(line) != nil {
				t.Errorf("Record of %q is not nil", line)
			}
			return
		}
		if !bytes.Contains(line, record) || h.Kind != kindEvent && h.Kind != kindAnchor {
			t.Errorf("parseLine(%q) = %+v, %q", line, h, record)
		}
		if Authentic(record, mac) && !bytes.Equal(record, r.line) && !bytes.Equal(record, anchor) {
			t.Errorf("a forgery: %q", record)
		}
		var c ExportCheck
		c.Line(1, line, Authentic(record, mac))
		if report := c.End(Anchor{}); report.Whole() != Authentic(record, mac) && h.Kind == kindEvent {
			t.Errorf("whole %t for %q", report.Whole(), line)
		}
	})
}
