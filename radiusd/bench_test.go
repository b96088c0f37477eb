package radiusd

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/patience"
	"sallyport/radius"
)

// BenchmarkAttempt is what the door does with a request beside deciding: it
// reads it, and names it, its login and its connection.
func BenchmarkAttempt(b *testing.B) {
	client := &settings().Clients[0]
	p := &radius.Packet{Code: radius.AccessRequest, Attributes: []radius.Attribute{
		radius.Text(radius.UserName, "user0001"),
		{Type: radius.UserPassword, Value: make([]byte, 16)},
		{Type: radius.NASIPAddress, Value: []byte{192, 0, 2, 1}},
		radius.Integer(radius.NASPort, 7), radius.Text(radius.CallingStationID, "198.51.100.7"),
	}}
	d := &Door{Keyed: keyed}
	password := []byte("hunter2123456")
	b.ReportAllocs()
	for b.Loop() {
		s := session(p)
		if d.request(client, p, "user0001", password, nil, nil) == "" || d.login(client, "user0001", nil, nil, s) == 0 {
			b.Fatal("a request has no name")
		}
	}
}

// BenchmarkObserve is what learning costs a request that comes once.
func BenchmarkObserve(b *testing.B) {
	d := &Door{Patience: new(patience.Meter)}
	x := &radius.Exchange{Client: &radius.Client{Name: "nas"}, First: time.Now(), Answered: time.Millisecond, Code: radius.AccessAccept}
	b.ReportAllocs()
	for b.Loop() {
		x.Digest++
		x.Mark++
		d.Observe(x)
	}
}

// BenchmarkServe is the door around an engine that does nothing.
func BenchmarkServe(b *testing.B) {
	d := &Door{
		Decider:  &desk{settings().Index(), func(context.Context, auth.Attempt) auth.Decision { return auth.Decision{Verdict: auth.Reject} }},
		Patience: new(patience.Meter), Now: time.Now,
	}
	c, _ := d.Client(netip.AddrPortFrom(addresses["asking"], 1))
	req := &radius.Request{Client: c, Packet: &radius.Packet{Code: radius.AccessRequest, Attributes: []radius.Attribute{radius.Text(radius.UserName, "user0001")}}}
	b.ReportAllocs()
	for b.Loop() {
		d.Serve(context.Background(), req)
	}
}
