package check

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/tlsprobe"
)

// listening starts a listener, and returns where it is and what came to it.
func listening(t testing.TB, o ListenOptions) (at string, arrivals <-chan Arrival) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	came := make(chan Arrival, 100)
	ended := make(chan error, 1)
	var one sync.Mutex
	go func() {
		ended <- Listen(ctx, l, o, func(a Arrival) {
			if !one.TryLock() {
				t.Error("two arrivals are told at once")
				return
			}
			defer one.Unlock()
			came <- a
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Listen = %v; want nil when its context ends", err)
			}
		case <-time.After(patience):
			t.Error("Listen does not end with its context")
		}
	})
	return l.Addr().String(), came
}

func arrived(t testing.TB, arrivals <-chan Arrival) Arrival {
	t.Helper()
	select {
	case a := <-arrivals:
		return a
	case <-time.After(patience):
		t.Fatal("nobody is told of")
	}
	return Arrival{}
}

// send connects, sends, and closes its side; it returns what came back.
func send(t testing.TB, at string, octets []byte) []byte {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	c.Write(octets)
	c.(*net.TCPConn).CloseWrite()
	b := make([]byte, 100)
	n, _ := c.Read(b)
	return b[:n]
}

func TestListen(t *testing.T) {
	at, came := listening(t, ListenOptions{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	profile := func(name, server string) func(*testing.T) {
		return func(t *testing.T) {
			p, _ := tlsprobe.LookupProfile(name)
			o := p.To(server)
			send(t, at, o.Marshal([32]byte{3}))
		}
	}
	tests := []struct {
		name    string
		client  func(t *testing.T)
		says    string // part of Says and of what it cannot
		profile string
		looks   string
		want    string // findings
	}{
		{".NET 4.5 without strong crypto", profile("dotnet45", host), "would answer with an alert, or reset it", "dotnet45", "", "tls-version proven"},
		{"Java 6", profile("java6", ""), "offers TLS 1.0 at most", "java6", "", "tls-version proven"},
		{"Windows Server 2016", profile("schannel2016", host), "It has no TLS 1.3", "schannel2016", "", ""},
		{"Windows Server 2022", profile("schannel2022", host), "It offers TLS 1.3", "schannel2022", "", ""},
		{"a browser", profile("browser", host), "needs more than one packet", "browser", "", ""},
		{"openssl with TLS 1.0", func(t *testing.T) { sClient(t, at, "-tls1", "-cipher", "DEFAULT@SECLEVEL=0") }, "It offers TLS 1.0 at most", "", "", "tls-version proven"},
		{"openssl with an old suite", func(t *testing.T) { sClient(t, at, "-tls1_2", "-cipher", "AES128-SHA") }, "no suite with forward secrecy", "", "", "tls-no-common-suite possible"},
		{"openssl", func(t *testing.T) { sClient(t, at) }, "OpenSSL 3", "openssl3", "", ""},
		{"curl", func(t *testing.T) { curl(t, host, at) }, "OpenSSL 3", "openssl3", "", ""},
		{"HTTP", func(t *testing.T) { send(t, at, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) }, "looks like HTTP", "", tlsprobe.LooksHTTP, ""},
		{"a text that would steer a terminal", func(t *testing.T) { send(t, at, []byte("\x1b[2J\x1b]0;owned\x07")) }, "looks like", "", tlsprobe.LooksUnknown, ""},
		{"RDP", func(t *testing.T) {
			send(t, at, []byte("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"))
		}, "Remote Desktop", "", tlsprobe.LooksRDP, ""},
		{"a load balancer before the client", func(t *testing.T) {
			p, _ := tlsprobe.LookupProfile("dotnet45")
			o := p.To(host)
			send(t, at, append([]byte("PROXY TCP4 192.0.2.9 192.0.2.1 40000 443\r\n"), o.Marshal([32]byte{3})...))
		}, "offers TLS 1.0 at most", "dotnet45", "", "tls-version proven"},
		{"nothing", func(t *testing.T) { send(t, at, nil) }, "without a word", "", "", ""},
		{"half a hello", func(t *testing.T) { send(t, at, []byte("\x16\x03\x01\x02\x00\x01\x00")) }, "ends in the middle of a message", "", "", ""},
		{"an alert", func(t *testing.T) { send(t, at, []byte("\x15\x03\x01\x00\x02\x02\x46")) }, "the alert protocol_version", "", "", ""},
		{"much of nothing", func(t *testing.T) { send(t, at, []byte(strings.Repeat("\x15\x03\x01\x00\x02\x01\x00", 20000))) }, "the alert close_notify", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.client(t)
			a := arrived(t, came)
			all, kind := a.Says, ""
			if a.Hello != nil {
				all += " " + strings.Join(a.Hello.Says, " ") + " " + strings.Join(a.Hello.Cannot, " ")
				kind = a.Hello.Profile
			}
			if !strings.Contains(all, tt.says) || a.Looks != tt.looks || ruled(a.Findings) != tt.want {
				t.Errorf("it says %q, looks like %q, found %q; want %q, %q, %q", all, a.Looks, ruled(a.Findings), tt.says, tt.looks, tt.want)
			}
			if tt.profile != "" && kind != tt.profile {
				t.Errorf("it is like %q; want %q", kind, tt.profile)
			}
			if !strings.HasPrefix(a.From, "127.0.0.1:") || a.Time.Unix() != 1_800_000_000 {
				t.Errorf("from %q at %v", a.From, a.Time)
			}
			for _, f := range a.Findings {
				if len(f.Evidence) != 1 || f.Evidence[0].File != a.From || f.Why == "" || f.Clients[0] != "127.0.0.1" {
					t.Errorf("finding: %+v", f)
				}
			}
		})
	}
}

// TestListenSaysGoodbye checks that a client learns by an alert that it was
// refused, in a version that it knows, and not by a reset.
func TestListenSaysGoodbye(t *testing.T) {
	at, came := listening(t, ListenOptions{})
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		_, err := tls.Dial("tcp", at, &tls.Config{ServerName: host, MinVersion: version, MaxVersion: version})
		if err == nil || !strings.Contains(err.Error(), "handshake failure") {
			t.Errorf("a client of version %#x gets %v; want the alert", version, err)
		}
		arrived(t, came)
	}
	p, _ := tlsprobe.LookupProfile("dotnet45")
	o := p.To(host)
	if got := send(t, at, o.Marshal([32]byte{})); string(got) != "\x15\x03\x01\x00\x02\x02\x28" {
		t.Errorf("the answer to TLS 1.0 is %x; want an alert of that version", got)
	}
}

// TestListenIsBounded checks that those who say nothing hold nobody up for long,
// and that all are gone when it ends.
func TestListenIsBounded(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	came, ended := make(chan Arrival, 10), make(chan error, 1)
	go func() {
		ended <- Listen(ctx, l, ListenOptions{Most: 2, Wait: 100 * time.Millisecond}, func(a Arrival) { came <- a })
	}()
	at := l.Addr().String()
	for range 4 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for range 4 {
		if a := arrived(t, came); a.Hello != nil || !strings.Contains(a.Says, "said nothing") {
			t.Errorf("a silent client: %+v", a)
		}
	}
	sClient(t, at)
	if a := arrived(t, came); a.Hello == nil {
		t.Errorf("a client after four silent ones: %+v", a)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Listen = %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Listen does not end")
	}
}

// TestListenerThatBreaks checks that Listen ends when its listener does.
func TestListenerThatBreaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Listen(t.Context(), l, ListenOptions{}, func(Arrival) {}); err == nil || !strings.Contains(err.Error(), "check: listen: ") {
		t.Errorf("Listen on a closed listener = %v; want why", err)
	}
}

// TestProfilesAreKnown checks that the hello of each profile is called like it.
func TestProfilesAreKnown(t *testing.T) {
	for _, p := range tlsprobe.Profiles() {
		got, ok := likeProfile(offered(t, p.Name, host))
		if !ok || got.Name != p.Name {
			t.Errorf("the hello of %s is like %q", p.Name, got.Name)
		}
	}
	if p, ok := likeProfile(&tlsprobe.ClientHello{Legacy: tlsprobe.TLS12, Suites: []uint16{1, 2, 3}}); ok {
		t.Errorf("three odd suites are like %s", p.Name)
	}
}
