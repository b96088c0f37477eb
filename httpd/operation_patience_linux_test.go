package httpd

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/patience"
)

// What was found and learned, over the socket.
func TestFindingsAndPatience(t *testing.T) {
	h := newHouse(t)
	h.o.Admin.Factors = []auth.Factor{second{note{"oath"}}}
	h.store.settings.Applications = []auth.Application{{Name: "vpn"}}
	h.store.settings.Clients = []auth.Client{{Name: "nas", Application: "vpn"}}
	for i := range 2 {
		h.store.log("alice", auth.OATHCodeVerified)
		ev := &h.store.events[i]
		ev.Application, ev.Client, ev.Factor, ev.From = "vpn", "nas", "oath", "198.51.100.7"
		ev.Time = start.Add(time.Duration(37*i-60) * time.Second)
	}
	m := new(patience.Meter)
	for i := range uint64(3) {
		m.Exchange("nas", patience.Exchange{Packet: i + 1, First: start, Again: []time.Duration{10 * time.Second}, Superseded: time.Minute})
	}
	body, err := m.Changed(start)["nas"].Encode()
	if err != nil {
		t.Fatal(err)
	}
	learned.Store(h.store, []admin.Reading{{Client: "nas", Node: "one", Time: start, Body: body}})
	t.Cleanup(func() { learned.Delete(h.store) })

	status, list, trailer := h.post("finding.list", `{}`)
	if status != 200 || trailer.Get(TrailerComplete) != "yes" || strings.Count(list, "\n") != 1 || fields(t, list, "id", "count") != "double-prompt/vpn 1" {
		t.Errorf("finding.list: %d %s", status, list)
	}
	if status, list, _ := h.post("finding.list", `{"since":"`+start.Add(-time.Second).Format(time.RFC3339)+`"}`); status != 200 || list != "" {
		t.Errorf("finding.list since a second ago: %d %s", status, list)
	}
	if status, body, _ := h.post("finding.apply", `{"id":"double-prompt/mail"}`); status != 404 {
		t.Errorf("finding.apply of what was not found: %d %s", status, body)
	}
	status, done, _ := h.post("finding.apply", `{"id":"double-prompt/vpn"}`)
	if status != 200 || fields(t, done, "done") != "cache rule user+application+ip for 60 s" {
		t.Errorf("finding.apply: %d %s", status, done)
	}
	if got := h.store.acts[len(h.store.acts)-1]; got.Action != "cache.add" || !strings.Contains(got.Actor, "uid") {
		t.Errorf("recorded as %+v", got)
	}
	status, view, _ := h.post("client.patience", `{"name":"nas"}`)
	if status != 200 || fields(t, view, "client", "gives_up_ms", "sendings", "nodes") != "nas 20000 2 [one]" {
		t.Errorf("client.patience: %d %s", status, view)
	}
	if status, body, _ := h.post("client.patience", `{"name":"nobody"}`); status != 404 {
		t.Errorf("client.patience of nobody: %d %s", status, body)
	}
}

// learned holds the readings that are in a memory.
var learned sync.Map

func (m *memory) Readings(context.Context) ([]admin.Reading, error) {
	if list, ok := learned.Load(m); ok {
		return list.([]admin.Reading), nil
	}
	return nil, m.fail
}

// A second is a note that is something to have.
type second struct{ note }

func (s second) Info() auth.Info {
	info := s.note.Info()
	info.Category = auth.Have
	return info
}
