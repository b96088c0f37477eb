package evtxtest

import (
	"strconv"
	"strings"
	"time"
)

// An Event is an event as a provider of Windows writes it: one template for what
// the system says, in it one for what the provider says.
type Event struct {
	Record   uint64 // identifier, also written as EventRecordID
	Time     time.Time
	Provider string
	GUID     string // of the provider, "{...}"; absent if empty
	EventID  uint16
	Level    byte // 2 error, 3 warning, 4 information; 0 in the Security log
	Task     uint16
	Keywords uint64 // audit failure is 1<<52, audit success 1<<53
	Channel  string
	Computer string
	User     string // SID; absent if empty
	Data     []Data
}

// Data is one element of EventData. Classic providers give no names.
type Data struct {
	Name  string
	Value Value
}

// Log returns a log of the events, in chunks as they come.
func Log(events ...Event) []byte {
	var f File
	for _, e := range events {
		f.Records = append(f.Records, e.record())
	}
	return f.Encode()
}

func (e Event) record() Record {
	var values []Value
	slot := func(v Value) Slot {
		values = append(values, v)
		return Slot{Index: len(values) - 1, Optional: true, Type: v.Type}
	}
	optional := func(v Value, present bool) Slot {
		s := slot(v)
		if !present {
			values[s.Index] = Null()
		}
		return s
	}
	leaf := func(name string, v Value) Element { return Element{Name: name, Content: []Node{slot(v)}} }

	guid, user := Value{Type: TypeGUID}, Value{Type: TypeSID}
	if e.GUID != "" {
		guid = GUID(e.GUID)
	}
	if e.User != "" {
		user = SID(e.User)
	}
	provider := Element{Name: "Provider", Attrs: []Attr{
		{Name: "Name", Value: []Node{Text(e.Provider)}},
		{Name: "Guid", Value: []Node{optional(guid, e.GUID != "")}},
	}}
	system := Element{Name: "System", Content: []Node{
		provider,
		leaf("EventID", UInt16(e.EventID)),
		leaf("Version", UInt8(0)),
		leaf("Level", UInt8(e.Level)),
		leaf("Task", UInt16(e.Task)),
		leaf("Opcode", UInt8(0)),
		leaf("Keywords", HexInt64(e.Keywords)),
		Element{Name: "TimeCreated", Attrs: []Attr{{Name: "SystemTime", Value: []Node{slot(FileTime(e.Time))}}}},
		leaf("EventRecordID", UInt64(e.Record)),
		Element{Name: "Correlation", Attrs: []Attr{{Name: "ActivityID", Value: []Node{optional(Value{Type: TypeGUID}, false)}}}},
		Element{Name: "Execution", Attrs: []Attr{
			{Name: "ProcessID", Value: []Node{slot(UInt32(640))}},
			{Name: "ThreadID", Value: []Node{slot(UInt32(712))}},
		}},
		Element{Name: "Channel", Content: []Node{Text(e.Channel)}},
		leaf("Computer", String(e.Computer)),
		Element{Name: "Security", Attrs: []Attr{{Name: "UserID", Value: []Node{optional(user, e.User != "")}}}},
	}}

	data := Element{Name: "EventData"}
	var fields []Value
	for i, d := range e.Data {
		el := Element{Name: "Data", Content: []Node{Slot{Index: i, Type: d.Value.Type}}}
		if d.Name != "" {
			el.Attrs = []Attr{{Name: "Name", Value: []Node{Text(d.Name)}}}
		}
		data.Content = append(data.Content, el)
		fields = append(fields, d.Value)
	}
	root := Element{
		Name:  "Event",
		Attrs: []Attr{{Name: "xmlns", Value: []Node{Text("http://schemas.microsoft.com/win/2004/08/events/event")}}},
		Content: []Node{
			system,
			slot(BinXML(Instance{Template: []Node{data}, Values: fields})),
		},
	}
	return Record{ID: e.Record, Time: e.Time, Nodes: []Node{Instance{Template: []Node{root}, Values: values}}}
}

// Fields returns the Data of names and strings that take turns, as most events
// of the Security log have them. A text that is a number or a SID stays a
// string.
func Fields(namesAndValues ...string) []Data {
	var data []Data
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		data = append(data, Data{Name: namesAndValues[i], Value: String(namesAndValues[i+1])})
	}
	return data
}

// sid takes a SID's string form apart.
func sid(s string) (revision byte, authority uint64, sub []uint32) {
	parts := strings.Split(s, "-")
	if len(parts) < 3 || parts[0] != "S" {
		panic("evtxtest: no SID: " + s)
	}
	number := func(s string, bits int) uint64 {
		n, err := strconv.ParseUint(s, 0, bits)
		if err != nil {
			panic("evtxtest: SID: " + err.Error())
		}
		return n
	}
	for _, p := range parts[3:] {
		sub = append(sub, uint32(number(p, 32)))
	}
	return byte(number(parts[1], 8)), number(parts[2], 48), sub
}
