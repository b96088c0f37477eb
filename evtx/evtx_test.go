package evtx_test

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/evtx"
	"sallyport/evtx/evtxtest"
)

var start = time.Date(2025, 11, 3, 8, 0, 0, 123456700, time.UTC)

// logon is a failed logon as the Security log has it.
func logon(id uint64) evtxtest.Event {
	return evtxtest.Event{
		Record: id, Time: start.Add(time.Duration(id) * time.Second),
		Provider: "Microsoft-Windows-Security-Auditing", GUID: "{54849625-5478-4994-a5ba-3e3b0328c30d}",
		EventID: 4625, Task: 12544, Keywords: 0x8010000000000000,
		Channel: "Security", Computer: "dc1.example.org",
		Data: []evtxtest.Data{
			{Name: "SubjectUserSid", Value: evtxtest.SID("S-1-5-18")},
			{Name: "TargetUserName", Value: evtxtest.String(fmt.Sprintf("user%d", id))},
			{Name: "Status", Value: evtxtest.HexInt32(0xc000006d)},
			{Name: "FailureReason", Value: evtxtest.String("%%2313\r\n\tnext line")},
			{Name: "ProcessId", Value: evtxtest.Size64(0x3e4)},
			{Name: "IpAddress", Value: evtxtest.String("")},
			{Name: "Count", Value: evtxtest.Int32(-3)},
		},
	}
}

func logons(n int) []evtxtest.Record {
	records := make([]evtxtest.Record, n)
	for i := range records {
		records[i] = record(uint64(i+1), fmt.Sprintf("user%d", i+1))
	}
	return records
}

// record is an event with one value.
func record(id uint64, name string) evtxtest.Record {
	return evtxtest.Record{ID: id, Time: start, Nodes: []evtxtest.Node{evtxtest.Instance{
		Template: []evtxtest.Node{evtxtest.Element{Name: "Event", Content: []evtxtest.Node{
			evtxtest.Element{Name: "Data", Content: []evtxtest.Node{evtxtest.Slot{Type: evtxtest.TypeString}}},
		}}},
		Values: []evtxtest.Value{evtxtest.String(name)},
	}}}
}

type event struct {
	id  uint64
	xml string
}

// read reads a whole file and checks what holds for every event.
func read(t testing.TB, file []byte) ([]event, *evtx.Reader) {
	t.Helper()
	r, err := evtx.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var events []event
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return events, r
		}
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, rec.XML)
		events = append(events, event{rec.ID, string(rec.XML)})
	}
}

// wellFormed checks that b is one element in one line.
func wellFormed(t testing.TB, b []byte) {
	t.Helper()
	if bytes.ContainsAny(b, "\r\n") {
		t.Fatalf("more than a line: %q", b)
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	depth, roots := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v: %q", err, b)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			seen := make(map[xml.Name]bool)
			for _, a := range token.Attr {
				if seen[a.Name] {
					t.Fatalf("attribute %s twice: %q", a.Name.Local, b)
				}
				seen[a.Name] = true
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 {
				t.Fatalf("text outside of the element: %q", b)
			}
		case xml.Comment, xml.ProcInst, xml.Directive:
			t.Fatalf("%T in an event: %q", token, b)
		}
	}
	if roots != 1 {
		t.Fatalf("%d elements: %q", roots, b)
	}
}

func ids(events []event) []uint64 {
	var out []uint64
	for _, e := range events {
		out = append(out, e.id)
	}
	return out
}

func upTo(n uint64) []uint64 {
	var out []uint64
	for i := uint64(1); i <= n; i++ {
		out = append(out, i)
	}
	return out
}

func without(s []uint64, drop ...uint64) []uint64 {
	return slices.DeleteFunc(slices.Clone(s), func(n uint64) bool { return slices.Contains(drop, n) })
}

func TestEventIsOneLineOfXML(t *testing.T) {
	file := evtxtest.Log(logon(7))
	r, err := evtx.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	const want = `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>` +
		`<Provider Name='Microsoft-Windows-Security-Auditing' Guid='{54849625-5478-4994-a5ba-3e3b0328c30d}'/>` +
		`<EventID>4625</EventID><Version>0</Version><Level>0</Level><Task>12544</Task><Opcode>0</Opcode>` +
		`<Keywords>0x8010000000000000</Keywords><TimeCreated SystemTime='2025-11-03T08:00:07.1234567Z'/>` +
		`<EventRecordID>7</EventRecordID><Correlation/><Execution ProcessID='640' ThreadID='712'/>` +
		`<Channel>Security</Channel><Computer>dc1.example.org</Computer><Security/></System><EventData>` +
		`<Data Name='SubjectUserSid'>S-1-5-18</Data><Data Name='TargetUserName'>user7</Data>` +
		`<Data Name='Status'>0xc000006d</Data><Data Name='FailureReason'>%%2313&#xD;&#xA;` + "\t" + `next line</Data>` +
		`<Data Name='ProcessId'>0x3e4</Data><Data Name='IpAddress'></Data><Data Name='Count'>-3</Data>` +
		`</EventData></Event>`
	if got := string(rec.XML); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if rec.ID != 7 || !rec.Time.Equal(start.Add(7*time.Second)) || rec.Time.Location() != time.UTC {
		t.Errorf("ID %d, Time %v", rec.ID, rec.Time)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v, want io.EOF", err)
	}
	if r.Damaged() != 0 {
		t.Errorf("Damaged() = %d of a sound file", r.Damaged())
	}
}

// values are values of every type with their text, the items of an array between
// bars. oracle is what evtxexport writes where it departs from Windows, "-" where
// it cannot be asked: it writes control characters as they are, numbers below
// zero without their sign bit, and does not read what Windows never writes.
var values = []struct {
	name   string
	value  evtxtest.Value
	want   string
	oracle string
}{
	{"string", evtxtest.String("a<b>&'\"é€"), `a&lt;b&gt;&amp;'"é€`, ""},
	{"string beyond the first plane", evtxtest.String("😀"), "😀", "-"},
	{"string with its terminator", evtxtest.String("end\x00"), "end", ""},
	{"string with a control character", evtxtest.String("a\x1bb\x00c"), "a␛b␀c", "-"},
	{"string with line ends", evtxtest.String("a\r\nb\u2028c\u0085"), "a&#xD;&#xA;b&#x2028;c&#x85;", "-"},
	{"string with half a character", evtxtest.Value{Type: evtxtest.TypeString, Data: []byte{'a', 0, 0x3d, 0xd8, 'b', 0}}, "a\ufffdb", "-"},
	{"string of odd length", evtxtest.Value{Type: evtxtest.TypeString, Data: []byte{'a', 0, 'b'}}, "a", "-"},
	{"ANSI string", evtxtest.ANSI("caf\xe9 \x80\x00"), "café €", ""},
	{"int8", evtxtest.Int8(-128), "-128", "-"},
	{"int8 above zero", evtxtest.Int8(127), "127", ""},
	{"uint8", evtxtest.UInt8(255), "255", ""},
	{"int16", evtxtest.Int16(-2), "-2", "-"},
	{"int16 above zero", evtxtest.Int16(32767), "32767", ""},
	{"uint16", evtxtest.UInt16(65535), "65535", ""},
	{"int32", evtxtest.Int32(math.MinInt32), "-2147483648", "-"},
	{"int32 above zero", evtxtest.Int32(math.MaxInt32), "2147483647", ""},
	{"uint32", evtxtest.UInt32(math.MaxUint32), "4294967295", ""},
	{"int64", evtxtest.Int64(math.MinInt64), "-9223372036854775808", "-"},
	{"int64 above zero", evtxtest.Int64(math.MaxInt64), "9223372036854775807", ""},
	{"uint64", evtxtest.UInt64(math.MaxUint64), "18446744073709551615", ""},
	{"real32", evtxtest.Real32(0.5), "0.5", "5.000000e-001"},
	{"real64", evtxtest.Real64(-2.25), "-2.25", "-2.250000e+000"},
	{"real64 without end", evtxtest.Real64(math.Inf(-1)), "-INF", "-"},
	{"real32 without end", evtxtest.Real32(float32(math.Inf(1))), "INF", "-"},
	{"real64 that is no number", evtxtest.Real64(math.NaN()), "NaN", "-"},
	{"true", evtxtest.Bool(true), "true", ""},
	{"false", evtxtest.Bool(false), "false", ""},
	{"bool of one octet", evtxtest.Value{Type: evtxtest.TypeBool, Data: []byte{2}}, "true", "-"},
	{"binary", evtxtest.Binary([]byte{0, 0xab, 0xff}), "00ABFF", ""},
	{"GUID", evtxtest.GUID("{01234567-89ab-cdef-0123-456789abcdef}"), "{01234567-89ab-cdef-0123-456789abcdef}", ""},
	{"size of 32 bits", evtxtest.Size32(0x1f), "0x1f", "31"}, // a pointer, which Windows writes in hexadecimal
	{"size of 64 bits", evtxtest.Size64(0x7ffe12345678), "0x7ffe12345678", "140729203840632"},
	{"FILETIME", evtxtest.FileTime(start), "2025-11-03T08:00:00.1234567Z", ""},
	{"SYSTEMTIME", evtxtest.SysTime(start), "2025-11-03T08:00:00.123Z", ""},
	{"SYSTEMTIME that is none", evtxtest.Value{Type: evtxtest.TypeSysTime, Data: make([]byte, 16)}, strings.Repeat("0", 32), "-"},
	{"SID", evtxtest.SID("S-1-5-21-4294967295-1-0-500"), "S-1-5-21-4294967295-1-0-500", ""},
	{"SID of a large authority", evtxtest.SID("S-1-0x123456789abc-7"), "S-1-0x123456789abc-7", "-"},
	{"SID that is cut", evtxtest.Value{Type: evtxtest.TypeSID, Data: []byte{1, 2, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0}}, "010200000000000501000000", "-"},
	{"hex int32", evtxtest.HexInt32(0xc000006d), "0xc000006d", ""},
	{"hex int64", evtxtest.HexInt64(0x3e7), "0x3e7", ""},
	{"binary XML", evtxtest.BinXML(evtxtest.Element{Name: "In", Content: []evtxtest.Node{evtxtest.Text("side")}}), "<In>side</In>", "-"},
	{"XML as text", evtxtest.Value{Type: evtxtest.TypeXML, Data: evtxtest.String("<a/>").Data}, "&lt;a/&gt;", "-"},
	{"null", evtxtest.Null(), "", "-"},
	{"int32 of two octets", evtxtest.Value{Type: evtxtest.TypeInt32, Data: []byte{1, 2}}, "0102", "-"},
	{"size of three octets", evtxtest.Value{Type: evtxtest.TypeSizeT, Data: []byte{1, 2, 3}}, "010203", "-"},
	{"a type that does not exist", evtxtest.Value{Type: 0x7f, Data: []byte{0xca, 0xfe}}, "CAFE", "-"},

	{"strings", evtxtest.Array(evtxtest.String("a"), evtxtest.String(""), evtxtest.String("b&")), "a||b&amp;", "-"},
	{"strings without the last end", evtxtest.Value{Type: 0x81, Data: evtxtest.String("a\x00b").Data}, "a|b", ""},
	{"ANSI strings", evtxtest.Array(evtxtest.ANSI("a"), evtxtest.ANSI("\xe9")), "a|é", "-"},
	{"uint8 array", evtxtest.Array(evtxtest.UInt8(1), evtxtest.UInt8(255)), "1|255", ""},
	{"int16 array", evtxtest.Array(evtxtest.Int16(1), evtxtest.Int16(-7)), "1|-7", "-"},
	{"uint32 array", evtxtest.Array(evtxtest.UInt32(1), evtxtest.UInt32(70000)), "1|70000", ""},
	{"uint32 array with half an item", evtxtest.Value{Type: 0x88, Data: []byte{1, 0, 0, 0, 2, 0}}, "1|0200", "-"},
	{"uint64 array", evtxtest.Array(evtxtest.UInt64(1), evtxtest.UInt64(2)), "1|2", ""},
	{"real32 array", evtxtest.Array(evtxtest.Real32(1.5), evtxtest.Real32(2)), "1.5|2", "-"},
	{"bool array", evtxtest.Array(evtxtest.Bool(true), evtxtest.Bool(false)), "true|false", "-"},
	{"GUID array", evtxtest.Array(evtxtest.GUID("{00000001-0000-0000-0000-000000000000}")), "{00000001-0000-0000-0000-000000000000}", ""},
	{"size array", evtxtest.Array(evtxtest.Size64(16), evtxtest.Size64(17)), "0x10|0x11", "-"},
	{"size array of 32 bits", evtxtest.Array(evtxtest.Size32(16), evtxtest.Size32(17), evtxtest.Size32(18)), "0x10|0x11|0x12", "-"},
	{"FILETIME array", evtxtest.Array(evtxtest.FileTime(start)), "2025-11-03T08:00:00.1234567Z", ""},
	{"SYSTEMTIME array", evtxtest.Array(evtxtest.SysTime(start), evtxtest.SysTime(start)), "2025-11-03T08:00:00.123Z|2025-11-03T08:00:00.123Z", ""},
	{"SID array", evtxtest.Array(evtxtest.SID("S-1-5-18"), evtxtest.SID("S-1-5-32-544")), "S-1-5-18|S-1-5-32-544", "-"},
	{"hex array", evtxtest.Array(evtxtest.HexInt32(1), evtxtest.HexInt32(0xff)), "0x1|0xff", ""},
	{"hex int64 array", evtxtest.Array(evtxtest.HexInt64(1)), "0x1", ""},
	{"empty array", evtxtest.Value{Type: 0x88}, "", "-"},
}

// valueRecord holds one value in an element of its own: an array gives one
// element for each item.
func valueRecord(id uint64, v evtxtest.Value) evtxtest.Record {
	return evtxtest.Record{ID: id, Time: start, Nodes: []evtxtest.Node{evtxtest.Instance{
		Template: []evtxtest.Node{evtxtest.Element{
			Name: "Event", Content: []evtxtest.Node{
				evtxtest.Element{Name: "System", Content: []evtxtest.Node{
					evtxtest.Element{Name: "EventRecordID", Content: []evtxtest.Node{evtxtest.Slot{Type: evtxtest.TypeUInt64}}},
				}},
				evtxtest.Element{Name: "V", Content: []evtxtest.Node{evtxtest.Slot{Index: 1, Type: v.Type}}},
			},
		}},
		Values: []evtxtest.Value{evtxtest.UInt64(id), v},
	}}}
}

func TestValues(t *testing.T) {
	var f evtxtest.File
	for i, tt := range values {
		f.Records = append(f.Records, valueRecord(uint64(i+1), tt.value))
	}
	events, r := read(t, f.Encode())
	if len(events) != len(values) || r.Damaged() != 0 {
		t.Fatalf("%d of %d records read, %d damaged", len(events), len(values), r.Damaged())
	}
	for i, tt := range values {
		want := fmt.Sprintf("<Event><System><EventRecordID>%d</EventRecordID></System><V>%s</V></Event>",
			i+1, strings.ReplaceAll(tt.want, "|", "</V><V>"))
		if events[i].xml != want {
			t.Errorf("%s: got  %s\nwant %s", tt.name, events[i].xml, want)
		}
	}
}

func TestContent(t *testing.T) {
	type (
		El   = evtxtest.Element
		At   = evtxtest.Attr
		N    = []evtxtest.Node
		Slot = evtxtest.Slot
		In   = evtxtest.Instance
	)
	text := func(s string) N { return N{evtxtest.Text(s)} }
	tests := []struct {
		name  string
		nodes N
		want  string
	}{
		{"an element without a template", N{El{Name: "Event", Content: text("x")}}, "<Event>x</Event>"},
		{"an empty element", N{El{Name: "Event"}}, "<Event/>"},
		{"quotes in an attribute", N{El{Name: "Event", Attrs: []At{{Name: "a", Value: text("it's \"x\"\t<")}}}}, "<Event a='it&apos;s \"x\"&#x9;&lt;'/>"},
		{
			"text of several pieces",
			N{El{Name: "Event", Content: N{
				evtxtest.Text("a"), evtxtest.CDATA("<b>]]>"), evtxtest.CharRef(38), evtxtest.EntityRef("lt"), evtxtest.EntityRef("nbsp"), evtxtest.CharRef(10),
			}}},
			"<Event>a&lt;b&gt;]]&gt;&amp;&lt;&amp;nbsp;&#xA;</Event>",
		},
		{
			"attribute of several pieces",
			N{El{Name: "Event", Attrs: []At{{Name: "a", Value: N{evtxtest.Text("1"), evtxtest.EntityRef("amp"), evtxtest.CharRef('2')}}, {Name: "b", Value: text("")}}}},
			"<Event a='1&amp;2' b=''/>",
		},
		{"processing instructions are passed over", N{evtxtest.PI{Target: "xml", Data: "version=2"}, El{Name: "Event", Content: N{evtxtest.PI{Target: "x", Data: "?>"}}}}, "<Event></Event>"},
		{"an attribute twice", N{El{Name: "Event", Attrs: []At{{Name: "a", Value: text("1")}, {Name: "a", Value: text("2")}}}}, "<Event a='1'/>"},
		{"names that XML does not allow", N{El{Name: "9 <a", Attrs: []At{{Name: "a:b:c", Value: text("")}, {Name: ":", Value: text("")}}}}, "<_9__a a_b_c='' _=''/>"},
		{"a name with a prefix", N{El{Name: "auto-ns2:Event"}}, "<auto-ns2:Event/>"},
		{"a name beyond ASCII", N{El{Name: "Größe", Content: N{El{Name: "a😀"}}}}, "<Größe><a_/></Größe>"},
		{
			"optional values that are absent",
			N{In{Template: N{El{
				Name: "Event", Attrs: []At{{Name: "a", Value: N{Slot{Index: 0, Optional: true}}}, {Name: "b", Value: N{Slot{Index: 0}}}},
				Content: N{El{Name: "Gone", Content: N{Slot{Index: 0, Optional: true}}}, El{Name: "Empty", Content: N{Slot{Index: 0}}}},
			}}, Values: []evtxtest.Value{evtxtest.Null()}}},
			"<Event b=''><Empty></Empty></Event>",
		},
		{
			"a value that the record does not have",
			N{In{Template: N{El{Name: "Event", Content: N{evtxtest.Text("a"), Slot{Index: 9}}}}}},
			"<Event>a</Event>",
		},
		{
			"an array in the midst of text",
			N{In{Template: N{El{Name: "Event", Attrs: []At{{Name: "a", Value: N{Slot{}}}}, Content: N{evtxtest.Text("of "), Slot{}}}}, Values: []evtxtest.Value{evtxtest.Array(evtxtest.UInt8(1), evtxtest.UInt8(2))}}},
			"<Event a='1,2'>of 1,2</Event>",
		},
		{
			"a value with a template of its own",
			N{In{Template: N{El{Name: "Event", Content: N{Slot{Type: evtxtest.TypeBinXML}}}}, Values: []evtxtest.Value{
				evtxtest.BinXML(In{Template: N{El{Name: "D", Content: N{Slot{}}}}, Values: []evtxtest.Value{evtxtest.Int8(5)}}),
			}}},
			"<Event><D>5</D></Event>",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := evtxtest.File{Records: []evtxtest.Record{{ID: 1, Time: start, Nodes: tt.nodes}}}
			events, r := read(t, f.Encode())
			if len(events) != 1 || events[0].xml != tt.want || r.Damaged() != 0 {
				t.Errorf("got %v, %d damaged\nwant %s", events, r.Damaged(), tt.want)
			}
		})
	}
}

// TestNoEvent has records that say nothing or cannot be one element: those after
// them are still read.
func TestNoEvent(t *testing.T) {
	type N = []evtxtest.Node
	el := evtxtest.Element{Name: "Event"}
	deep := evtxtest.Node(el)
	for range 100 {
		deep = evtxtest.Element{Name: "a", Content: N{deep}}
	}
	tests := []struct {
		name    string
		nodes   N
		damaged int
	}{
		{"nothing", nil, 0},
		{"two elements", N{el, el}, 1},
		{"text alone", N{evtxtest.Text("x")}, 1},
		{"text behind", N{el, evtxtest.Text("x")}, 1},
		{"nothing but an absent value", N{evtxtest.Instance{Template: N{evtxtest.Element{Name: "Event", Content: N{evtxtest.Slot{Optional: true}}}}}}, 1},
		{"an array as the root", N{evtxtest.Instance{
			Template: N{evtxtest.Element{Name: "Event", Content: N{evtxtest.Slot{}}}},
			Values:   []evtxtest.Value{evtxtest.Array(evtxtest.UInt8(1), evtxtest.UInt8(2))},
		}}, 1},
		{"a token that does not exist", N{evtxtest.Raw{0x3f}}, 1},
		{"an end without a beginning", N{el, evtxtest.Raw{0x04}}, 1},
		{"an element without end", N{evtxtest.Raw{0x01, 0, 0, 0, 0, 0xff, 0xff, 0, 0}}, 1},
		{"a name outside of the chunk", N{evtxtest.Raw{0x01, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x03}}, 1},
		{"more values than the record is long", N{evtxtest.Raw{0x0c, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0}}, 1},
		{"elements in elements in elements", N{deep}, 1},
		{"binary XML in an attribute", N{evtxtest.Instance{
			Template: N{evtxtest.Element{Name: "Event", Attrs: []evtxtest.Attr{{Name: "a", Value: N{evtxtest.Slot{}}}}}},
			Values:   []evtxtest.Value{evtxtest.BinXML(el)},
		}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := evtxtest.File{Records: []evtxtest.Record{
				record(1, "before"), {ID: 2, Time: start, Nodes: tt.nodes}, record(3, "after"),
			}}
			events, r := read(t, f.Encode())
			if got := ids(events); !slices.Equal(got, []uint64{1, 3}) || r.Damaged() != tt.damaged {
				t.Errorf("read %v, %d damaged; want [1 3], %d damaged", events, r.Damaged(), tt.damaged)
			}
		})
	}
}

// Offsets of the fields of a chunk's header within the file, for the first one.
const (
	firstChunk = evtxtest.FileHeaderSize
	freeSpace  = firstChunk + 48
)

// find returns where the record with the given identifier begins.
func find(t *testing.T, file []byte, id uint64) int {
	t.Helper()
	for at := 0; ; at++ {
		n := bytes.Index(file[at:], []byte("**\x00\x00"))
		if n < 0 {
			t.Fatalf("no record %d", id)
		}
		at += n
		if binary.LittleEndian.Uint64(file[at+8:]) == id {
			return at
		}
	}
}

// TestDamage changes a log of 30 records in 3 chunks and says what is still
// read.
func TestDamage(t *testing.T) {
	sum := func(file []byte, chunk int) {
		at := firstChunk + chunk*evtxtest.ChunkSize
		evtxtest.Checksums(file[at : at+evtxtest.ChunkSize])
	}
	tests := []struct {
		name    string
		damage  func(t *testing.T, file []byte) []byte
		want    []uint64
		damaged int
	}{
		{"none", func(_ *testing.T, b []byte) []byte { return b }, upTo(30), 0},
		{"the file's header is wrong", func(_ *testing.T, b []byte) []byte {
			b[16]++
			return b
		}, upTo(30), 1},
		{"the file's header is lost", func(_ *testing.T, b []byte) []byte {
			clear(b[:4096])
			return b
		}, upTo(30), 1},
		{"the file ends in its header", func(_ *testing.T, b []byte) []byte { return b[:100] }, nil, 1},
		{"the file ends behind its header", func(_ *testing.T, b []byte) []byte { return b[:4096] }, nil, 0},
		{"the file ends in a record", func(t *testing.T, b []byte) []byte { return b[:find(t, b, 25)+30] }, upTo(24), 2},
		{"the file ends in a chunk's header", func(_ *testing.T, b []byte) []byte { return b[:firstChunk+evtxtest.ChunkSize+100] }, upTo(10), 1},
		{"a chunk's header is wrong", func(_ *testing.T, b []byte) []byte {
			b[firstChunk+200] ^= 1
			return b
		}, upTo(30), 1},
		{"a chunk's header is lost", func(_ *testing.T, b []byte) []byte {
			clear(b[firstChunk+evtxtest.ChunkSize : firstChunk+evtxtest.ChunkSize+512])
			return b
		}, upTo(30), 1},
		{"a chunk is lost", func(_ *testing.T, b []byte) []byte {
			clear(b[firstChunk+evtxtest.ChunkSize : firstChunk+2*evtxtest.ChunkSize])
			return b
		}, append(upTo(10), upTo(30)[20:]...), 1},
		{"a value is changed", func(_ *testing.T, b []byte) []byte {
			at := bytes.Index(b, evtxtest.String("user4").Data)
			b[at] = 'U'
			return b
		}, upTo(30), 1},
		{"a record's first size is wrong", func(t *testing.T, b []byte) []byte {
			b[find(t, b, 5)+4]++
			sum(b, 0)
			return b
		}, without(upTo(30), 5), 1},
		{"a record is huge", func(t *testing.T, b []byte) []byte {
			binary.LittleEndian.PutUint32(b[find(t, b, 5)+4:], 0xffffffff)
			sum(b, 0)
			return b
		}, without(upTo(30), 5), 1},
		{"two records are zeros", func(t *testing.T, b []byte) []byte {
			clear(b[find(t, b, 14):find(t, b, 16)])
			sum(b, 1)
			return b
		}, without(upTo(30), 14, 15), 1},
		{"the last record of a chunk is lost", func(t *testing.T, b []byte) []byte {
			b[find(t, b, 10)] = 0
			sum(b, 0)
			return b
		}, without(upTo(30), 10), 1},
		{"the records of a chunk are said to end before they begin", func(_ *testing.T, b []byte) []byte {
			binary.LittleEndian.PutUint32(b[freeSpace:], 100)
			sum(b, 0)
			return b
		}, upTo(30), 1},
		{"the records of a chunk are said to fill it", func(_ *testing.T, b []byte) []byte {
			binary.LittleEndian.PutUint32(b[freeSpace:], evtxtest.ChunkSize)
			sum(b, 0)
			return b
		}, upTo(30), 0},
		{"older records lie behind the end", func(t *testing.T, b []byte) []byte {
			free := binary.LittleEndian.Uint32(b[freeSpace:])
			copy(b[firstChunk+free:], b[find(t, b, 3):find(t, b, 6)])
			return b
		}, upTo(30), 0},
		{"newer records lie behind the end", func(t *testing.T, b []byte) []byte {
			binary.LittleEndian.PutUint32(b[freeSpace:], uint32(find(t, b, 8)-firstChunk))
			sum(b, 0)
			return b
		}, upTo(30), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.damage(t, evtxtest.File{Records: logons(30), PerChunk: 10}.Encode())
			events, r := read(t, file)
			if got := ids(events); !slices.Equal(got, tt.want) || r.Damaged() != tt.damaged {
				t.Errorf("read %v, %d damaged\nwant %v, %d damaged", got, r.Damaged(), tt.want, tt.damaged)
			}
			for _, e := range events {
				want := fmt.Sprintf("<Event><Data>user%d</Data></Event>", e.id)
				if !strings.EqualFold(e.xml, want) {
					t.Errorf("record %d is %s, want %s", e.id, e.xml, want)
				}
			}
		})
	}
}

func TestFileInUse(t *testing.T) {
	file := evtxtest.File{Records: logons(30), PerChunk: 10, Dirty: true}.Encode()
	// The newest chunk has a record that its header does not know of.
	last := firstChunk + 2*evtxtest.ChunkSize
	binary.LittleEndian.PutUint32(file[last+48:], uint32(find(t, file, 30)-last))
	events, r := read(t, file)
	if got := ids(events); !slices.Equal(got, upTo(30)) || r.Damaged() != 0 {
		t.Errorf("read %v, %d damaged; want all 30, 0 damaged", got, r.Damaged())
	}
}

func TestRing(t *testing.T) {
	events, r := read(t, evtxtest.File{Records: logons(50), PerChunk: 10, Rotate: 2}.Encode())
	if got := ids(events); !slices.Equal(got, upTo(50)) || r.Damaged() != 0 {
		t.Errorf("read %v, %d damaged; want them in order", got, r.Damaged())
	}
}

func TestWithoutChecksums(t *testing.T) {
	events, r := read(t, evtxtest.File{Records: logons(3), NoCRC32: true}.Encode())
	if len(events) != 3 || r.Damaged() != 0 {
		t.Errorf("read %d, %d damaged; want 3, 0", len(events), r.Damaged())
	}
}

func TestManyChunks(t *testing.T) {
	var all []evtxtest.Event
	for i := range 600 {
		all = append(all, logon(uint64(i+1)))
	}
	file := evtxtest.Log(all...)
	if len(file) < 4096+3*evtxtest.ChunkSize {
		t.Fatalf("the log has %d octets: too few chunks for this test", len(file))
	}
	events, r := read(t, file)
	if got := ids(events); !slices.Equal(got, upTo(600)) || r.Damaged() != 0 {
		t.Errorf("read %d of 600, %d damaged", len(got), r.Damaged())
	}
}

func TestNotAnEventLog(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("ElfFil"), []byte("<Event/>\n"), make([]byte, 8192), []byte("LfLe"), bytes.Repeat([]byte("ElfChnk\x00"), 2)} {
		if _, err := evtx.Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, evtx.ErrFormat) {
			t.Errorf("Open(%.20q) = %v, want ErrFormat", b, err)
		}
	}
}

var errDisk = errors.New("the disk is gone")

// failing fails to read at and behind an offset.
type failing struct {
	file []byte
	from int64
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.from {
		return 0, errDisk
	}
	return copy(b, f.file[off:]), nil
}

func TestDiskError(t *testing.T) {
	file := evtxtest.File{Records: logons(30), PerChunk: 10}.Encode()
	for _, from := range []int64{0, 5000, firstChunk + evtxtest.ChunkSize + 1000} {
		if _, err := evtx.Open(failing{file, from}, int64(len(file))); !errors.Is(err, errDisk) {
			t.Errorf("from %d: Open = %v, want %v", from, err, errDisk)
		}
	}
	// Headers can be read, records cannot.
	r, err := evtx.Open(failing{file, firstChunk + 2*evtxtest.ChunkSize + 600}, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := r.Next(); !errors.Is(err, errDisk) {
			t.Errorf("Next = %v, want %v, and again", err, errDisk)
		}
	}
}

func TestLines(t *testing.T) {
	file := evtxtest.File{Records: []evtxtest.Record{record(3, "a"), record(math.MaxUint64, "b")}}.Encode()
	next, err := evtx.Lines(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		line   string
		number int
	}{{"<Event><Data>a</Data></Event>", 3}, {"<Event><Data>b</Data></Event>", math.MaxInt}} {
		line, number, err := next()
		if string(line) != want.line || number != want.number || err != nil {
			t.Errorf("next() = %s, %d, %v; want %s, %d", line, number, err, want.line, want.number)
		}
	}
	for range 2 {
		if _, _, err := next(); !errors.Is(err, io.EOF) {
			t.Errorf("next() = %v, want io.EOF", err)
		}
	}
	if _, err := evtx.Lines(bytes.NewReader(nil), 0); !errors.Is(err, evtx.ErrFormat) {
		t.Errorf("Lines of nothing = %v, want ErrFormat", err)
	}
}

// TestCycles has offsets that lead back to where they stand.
func TestCycles(t *testing.T) {
	t.Run("a template that uses itself", func(t *testing.T) {
		// In the definition stands a use of the template at the offset that the
		// definition will have: behind the record's header, the fragment's header,
		// and 10 octets of the first use.
		at := uint32(evtxtest.ChunkHeaderSize + 24 + 4 + 10)
		use := binary.LittleEndian.AppendUint32([]byte{0x0c, 1, 0, 0, 0, 0}, at)
		use = append(use, 0, 0, 0, 0)
		f := evtxtest.File{Records: []evtxtest.Record{
			{ID: 1, Time: start, Nodes: []evtxtest.Node{evtxtest.Instance{Template: []evtxtest.Node{evtxtest.Raw(use)}}}},
			record(2, "after"),
		}}
		events, r := read(t, f.Encode())
		if got := ids(events); !slices.Equal(got, []uint64{2}) || r.Damaged() != 1 {
			t.Errorf("read %v, %d damaged; want [2], 1", got, r.Damaged())
		}
	})
	t.Run("a value that uses the template it is a value of", func(t *testing.T) {
		at := uint32(evtxtest.ChunkHeaderSize + 24 + 4 + 10)
		use := binary.LittleEndian.AppendUint32([]byte{0x0c, 1, 0, 0, 0, 0}, at)
		use = append(use, 0, 0, 0, 0)
		el := evtxtest.Element{Name: "Event", Content: []evtxtest.Node{evtxtest.Slot{}}}
		f := evtxtest.File{Records: []evtxtest.Record{{ID: 1, Time: start, Nodes: []evtxtest.Node{evtxtest.Instance{
			Template: []evtxtest.Node{el}, Values: []evtxtest.Value{evtxtest.BinXML(evtxtest.Raw(use))},
		}}}}}
		events, _ := read(t, f.Encode())
		if len(events) != 1 || events[0].xml != "<Event><Event></Event></Event>" {
			t.Errorf("read %v", events)
		}
	})
}

// TestBombs has small files that ask for enormous texts.
func TestBombs(t *testing.T) {
	type N = []evtxtest.Node
	var many N
	for range 3000 {
		many = append(many, evtxtest.Slot{Type: evtxtest.TypeBinXML})
	}
	wide := evtxtest.Element{Name: "a", Content: many}
	// Each level writes the next one 3000 times.
	level := evtxtest.BinXML(evtxtest.Text(strings.Repeat("x", 100)))
	for range 3 {
		level = evtxtest.BinXML(evtxtest.Instance{Template: N{wide}, Values: []evtxtest.Value{level}})
	}
	empty := evtxtest.BinXML()
	for range 3 {
		empty = evtxtest.BinXML(evtxtest.Instance{Template: N{wide}, Values: []evtxtest.Value{empty}})
	}
	long := evtxtest.Element{Name: strings.Repeat("n", 256), Content: N{evtxtest.Slot{}}}
	tests := []struct {
		name  string
		value evtxtest.Value
		in    evtxtest.Element
	}{
		{"values in values", level, wide},
		{"values in values without text", empty, wide},
		{"an element for each of many items", evtxtest.Value{Type: 0x84, Data: make([]byte, 60000)}, long},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bomb := evtxtest.Record{ID: 1, Time: start, Nodes: N{evtxtest.Instance{
				Template: N{evtxtest.Element{Name: "Event", Content: N{tt.in}}}, Values: []evtxtest.Value{tt.value},
			}}}
			f := evtxtest.File{Records: []evtxtest.Record{bomb, record(2, "lost"), record(3, "after")}, PerChunk: 2}
			file := f.Encode()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			events, r := read(t, file)
			runtime.ReadMemStats(&after)
			if got := ids(events); !slices.Equal(got, []uint64{3}) && !slices.Equal(got, []uint64{2, 3}) || r.Damaged() != 1 {
				t.Errorf("read %v, %d damaged; want the next chunk, 1 damaged", got, r.Damaged())
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
				t.Errorf("%d MB were used for a file of %d kB", used>>20, len(file)>>10)
			}
		})
	}
}

// TestTextsComeThrough writes arbitrary texts and reads them with an XML parser:
// what XML can hold comes through unchanged.
func TestTextsComeThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.Rune(), 0, 200, -1).Draw(t, "text")
		f := evtxtest.File{Records: []evtxtest.Record{{ID: 1, Time: start, Nodes: []evtxtest.Node{evtxtest.Instance{
			Template: []evtxtest.Node{evtxtest.Element{
				Name: "Event", Attrs: []evtxtest.Attr{{Name: "a", Value: []evtxtest.Node{evtxtest.Slot{}}}},
				Content: []evtxtest.Node{evtxtest.Slot{}},
			}},
			Values: []evtxtest.Value{evtxtest.String(text)},
		}}}}}
		file := f.Encode()
		next, err := evtx.Lines(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		line, _, err := next()
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			A    string `xml:"a,attr"`
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		want := strings.Map(func(r rune) rune {
			switch {
			case r == '\t' || r == '\n' || r == '\r':
				return r
			case r < ' ':
				return 0x2400 + r
			case r == 0xfffe || r == 0xffff:
				return 0xfffd
			}
			return r
		}, strings.TrimRight(text, "\x00"))
		if got.Text != want || got.A != want {
			t.Fatalf("%q came through as %q and, as an attribute, %q; want %q", text, got.Text, got.A, want)
		}
	})
}

// FuzzReader changes logs. Whatever it is given, the reader comes to an end, every
// event is one element in one line, and there is not more of them than the file
// has room for.
func FuzzReader(f *testing.F) {
	var all evtxtest.File
	for i, tt := range values {
		all.Records = append(all.Records, valueRecord(uint64(i+1), tt.value))
	}
	all.NoCRC32 = true
	// One chunk is enough, and small inputs are mutated better: zeros at the end
	// of a chunk need not be there.
	trim := func(b []byte) []byte { return bytes.TrimRight(b, "\x00") }
	f.Add(trim(all.Encode()))
	f.Add(trim(evtxtest.Log(logon(1), logon(2))))
	f.Add(trim(evtxtest.File{Records: logons(3), PerChunk: 2, Dirty: true}.Encode()))
	f.Add([]byte("ElfFile\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := evtx.Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			if !errors.Is(err, evtx.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		records, octets := 0, 0
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			wellFormed(t, rec.XML)
			records++
			octets += len(rec.XML)
		}
		chunks := len(file)/evtxtest.ChunkSize + 1
		if records > chunks*evtxtest.ChunkSize/28 || octets > chunks<<24 {
			t.Errorf("%d records with %d octets from %d octets", records, octets, len(file))
		}
	})
}
