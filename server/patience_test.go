package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/otp"
	"sallyport/patience"
	"sallyport/radius"
	"sallyport/radiusd"
)

// serveFor is start for a server that the test stops itself.
func serveFor(t *testing.T, dir string) (s *Server, stop func()) {
	t.Helper()
	s, err := Start(t.Context(), testConfig(dir), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		s.Close()
	})
	t.Cleanup(stop)
	return s, stop
}

// octetsOf sends octets from a port of its own and returns the answer's.
func octetsOf(t *testing.T, server netip.AddrPort, octets []byte) string {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, radius.MaxPacketSize)
	for range 5 { // a server that has just started may not read yet
		conn.Write(octets)
		conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		if n, err := conn.Read(b); err == nil {
			return string(b[:n])
		}
	}
	t.Fatal("no answer")
	return ""
}

// RFC 5080, Section 2.2.2 across nodes and restarts: a NAS that sends its
// request again to another node, or after the node came back, gets the same
// octets. Nothing is judged or spent a second time: the code would be a replay.
func TestSameRequestGetsTheSameOctetsFromAnotherNodeAndAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s, stop := serveFor(t, dir)
	person := populate(t, s, 1, admin.NewClient{Mode: "append", Attributes: []auth.ReplyAttribute{{Name: "Filter-Id", Value: "staff"}}})[0]
	if err := s.Admin.SetPassword(t.Context(), admin.Operator("test"), person.Account, secret, ""); err != nil {
		t.Fatal(err)
	}
	key, err := radius.NewSecret([]byte(gateway))
	if err != nil {
		t.Fatal(err)
	}
	request := func(field string) []byte {
		p := radius.NewRequest(radius.AccessRequest)
		p.Add(radius.UserName, []byte(person.Account))
		if err := p.AddPassword(key, []byte(field)); err != nil {
			t.Fatal(err)
		}
		p.Add(radius.ProxyState, []byte("by way of a proxy"))
		octets, err := key.SignRequest(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		return octets
	}
	code := otp.TOTP(person.Key, time.Now(), person.Params)
	right, wrong := request(secret+","+code), request(secret+"x,"+code)
	refused, accepted := octetsOf(t, s.RADIUS()[0], wrong), octetsOf(t, s.RADIUS()[0], right)
	if radius.Code(refused[0]) != radius.AccessReject || radius.Code(accepted[0]) != radius.AccessAccept {
		t.Fatalf("answered with %v and %v", radius.Code(refused[0]), radius.Code(accepted[0]))
	}

	// Another node: an engine, a door and a duplicate table of its own.
	l, err := radius.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	door := &radiusd.Door{
		Decider: auth.NewEngine(s.Engine.Parts), Ready: func() bool { return true }, Log: s.log,
		Keyed: s.Store.MAC("requests"), Patience: new(patience.Meter), Now: time.Now,
	}
	other, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := (&radius.Server{Handler: door, Observe: door.Observe}).Serve(other, l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	if octetsOf(t, l.Addr(), right) != accepted || octetsOf(t, l.Addr(), wrong) != refused {
		t.Error("the other node answered with other octets")
	}
	cancel()
	wg.Wait()

	stop()
	s, _ = serveFor(t, dir)
	if octetsOf(t, s.RADIUS()[0], right) != accepted || octetsOf(t, s.RADIUS()[0], wrong) != refused {
		t.Error("after a restart the node answered with other octets")
	}
	events, err := s.Admin.Events(t.Context(), admin.Search{})
	if err != nil || len(events) != 2 {
		t.Errorf("%d events, %v; want 2 for two requests, however often they came", len(events), err)
	}
	// The same code in a request of its own is a replay.
	if again := octetsOf(t, s.RADIUS()[0], request(secret+","+code)); radius.Code(again[0]) != radius.AccessReject {
		t.Errorf("a code that was spent was answered with %v", radius.Code(again[0]))
	}
}

// What nodes learn goes through the store to the other nodes and to the next
// start.
func TestReadingsAreKeptAndCompared(t *testing.T) {
	s := start(t, testConfig(t.TempDir()))
	first := time.Now().Add(-10 * time.Minute)
	one := &patienceKeeper{server: s, node: "one", meter: new(patience.Meter)}
	two := &patienceKeeper{server: s, node: "two", meter: new(patience.Meter)}
	for i := range uint64(3) {
		at := first.Add(time.Duration(i) * time.Minute)
		one.meter.Exchange("nas", patience.Exchange{Packet: i + 1, Login: 100 + i, First: at, Again: []time.Duration{10 * time.Second}}) // never answered
		two.meter.Exchange("nas", patience.Exchange{Packet: i + 9, Login: 100 + i, First: at.Add(20 * time.Second), Answered: time.Millisecond})
	}
	now := time.Now()
	one.keep(t.Context(), now)
	if err := s.Store.SaveReading(t.Context(), admin.Reading{Client: "nas", Node: "three", Time: now, Body: []byte("{of a later version")}); err != nil {
		t.Fatal(err)
	}
	two.compare(t.Context())
	two.keep(t.Context(), now)
	if got := two.meter.GivesUp("nas"); got != 20*time.Second {
		t.Errorf("node two believes that the client gives up after %v; node one knows 20 s", got)
	}
	v, err := s.Admin.Patience(t.Context(), "nas")
	if err != nil || v.GivesUpMillis != 20_000 || len(v.Turns) != 1 || v.Turns[0] != (admin.TurnView{From: "one", To: "two", Count: 3, AfterMillis: 20_000}) || len(v.Warnings) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	again := &patienceKeeper{server: s, node: "one", meter: new(patience.Meter)}
	again.load(t.Context())
	if got := again.meter.GivesUp("nas"); got != 20*time.Second {
		t.Errorf("after a start node one believes that the client gives up after %v", got)
	}
	if len(again.meter.Changed(now)) != 0 {
		t.Error("what was loaded is kept again although nothing was learned")
	}

	// A store that does not answer costs nothing but a warning, and what was
	// learned is kept the next time.
	again.meter.Answer("nas", time.Second, now)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	again.keep(gone, now)
	again.keep(t.Context(), now)
	if v, err := s.Admin.Patience(t.Context(), "nas"); err != nil || v.Answers != 1 {
		t.Errorf("%d answers were kept, %v; want 1", v.Answers, err)
	}
}
