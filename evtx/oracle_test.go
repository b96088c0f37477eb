package evtx_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/evtx/evtxtest"
)

// evtxexport reads a log with the tool of the libyal project (Debian's package
// libevtx-utils), which knows nothing of our encoder.
func evtxexport(t *testing.T, file []byte) []string {
	t.Helper()
	tool, err := exec.LookPath("evtxexport")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("evtxexport is missing: install libevtx-utils: %v", err)
		}
		t.Skip("evtxexport is not installed")
	}
	name := filepath.Join(t.TempDir(), "log.evtx")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, "-f", "xml", name)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("evtxexport: %v\n%s%s", err, out.Bytes(), errs.Bytes())
	}
	return regexp.MustCompile(`(?ms)^<Event\b.*?^</Event>`).FindAllString(out.String(), -1)
}

var (
	digits = regexp.MustCompile(`(\.\d*?)0+Z$`)
	zeros  = regexp.MustCompile(`^0x0+([0-9a-f])`)
)

// flatten writes an event without what is only form: one element a line, its
// attributes and its text. Both readers' spellings of times, GUIDs and numbers
// become one.
func flatten(t *testing.T, event string) string {
	t.Helper()
	norm := func(s string) string {
		s = strings.TrimSpace(strings.ReplaceAll(s, "\r", ""))
		if strings.HasPrefix(s, "{") {
			s = strings.ToLower(s)
		}
		return zeros.ReplaceAllString(digits.ReplaceAllString(s, "${1}Z"), "0x$1")
	}
	var lines []string
	var open []int
	var texts []string
	d := xml.NewDecoder(strings.NewReader(event))
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return strings.Join(lines, "\n")
		}
		if err != nil {
			t.Fatalf("%v: %s", err, event)
		}
		switch token := token.(type) {
		case xml.StartElement:
			line := token.Name.Local
			for _, a := range token.Attr {
				line += " " + a.Name.Local + "=" + norm(a.Value)
			}
			lines = append(lines, line)
			open, texts = append(open, len(lines)-1), append(texts, "")
		case xml.CharData:
			if len(texts) > 0 {
				texts[len(texts)-1] += string(token)
			}
		case xml.EndElement:
			last := len(open) - 1
			lines[open[last]] += ": " + norm(texts[last])
			open, texts = open[:last], texts[:last]
		}
	}
}

// TestOracleValues proves the encoder, and with it what the other tests say: an
// independent reader reads the same values.
func TestOracleValues(t *testing.T) {
	for _, tt := range values {
		if tt.oracle == "-" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			file := evtxtest.File{Records: []evtxtest.Record{valueRecord(1, tt.value)}}.Encode()
			events := evtxexport(t, file)
			if len(events) != 1 {
				t.Fatalf("evtxexport read %d events", len(events))
			}
			want := tt.want
			if tt.oracle != "" {
				want = tt.oracle
			}
			want = "<Event><System><EventRecordID>1</EventRecordID></System><V>" + strings.ReplaceAll(want, "|", "</V><V>") + "</V></Event>"
			if got, want := flatten(t, events[0]), flatten(t, want); got != want {
				t.Errorf("evtxexport read\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestOracleLog has a log of several chunks read by both.
func TestOracleLog(t *testing.T) {
	var all []evtxtest.Event
	for i := range 600 {
		e := logon(uint64(i + 1))
		e.Data = e.Data[:4] // the values after it are those that evtxexport writes otherwise
		if i%3 == 0 {
			e.User = "S-1-5-21-1-2-3-1001"
			e.EventID, e.Data = 4624, evtxtest.Fields("TargetUserName", "<o'neil> & \"co\"", "TargetDomainName", "ÜNIT")
		}
		all = append(all, e)
	}
	file := evtxtest.Log(all...)
	ours, r := read(t, file)
	theirs := evtxexport(t, file)
	if len(ours) != 600 || len(theirs) != 600 || r.Damaged() != 0 {
		t.Fatalf("we read %d, %d damaged, evtxexport %d; want 600", len(ours), r.Damaged(), len(theirs))
	}
	for i := range ours {
		if got, want := flatten(t, ours[i].xml), flatten(t, theirs[i]); got != want {
			t.Fatalf("event %d: we read\n%s\nevtxexport\n%s", i+1, got, want)
		}
	}
}
