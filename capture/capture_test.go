package capture

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"sallyport/tlsprobe"
)

const name = "mfa.example.com"

// ordinary is a handshake of TLS 1.2 that succeeds.
func ordinary(t testing.TB) []said {
	t.Helper()
	c, pool := certificate(t, name)
	return handshake(t,
		&tls.Config{ServerName: name, RootCAs: pool, MaxVersion: tls.VersionTLS12, Time: now},
		&tls.Config{Certificates: []tls.Certificate{c}, Time: now})
}

func now() time.Time { return began }

func record(kind byte, version tlsprobe.Version, body []byte) []byte {
	return append([]byte{kind, 3, byte(version), byte(len(body) >> 8), byte(len(body))}, body...)
}

// old is the hello of a .NET service without strong crypto, in its record.
func old() []byte {
	p, _ := tlsprobe.LookupProfile("dotnet45")
	o := p.To(name)
	return o.Marshal([32]byte{1})
}

// serverHello is one of that version, in its record.
func serverHello(v tlsprobe.Version) []byte {
	body := append([]byte{3, byte(v)}, bytes.Repeat([]byte{7}, 32)...)
	body = append(body, 0, 0xc0, 0x14, 0)
	return record(22, v, append([]byte{2, 0, 0, byte(len(body))}, body...))
}

func alert(v tlsprobe.Version, number byte) []byte { return record(21, v, []byte{2, number}) }

func TestEveryFormAndWire(t *testing.T) {
	var f film
	f.open()
	f.talk(ordinary(t), 1460)
	f.end(true, flagFIN)
	f.end(false, flagFIN)
	want := seen(t, f.frames)
	if want.Outcome != Completed || want.Hello == nil || want.Hello.ServerName != name || want.Answer.Version != tlsprobe.TLS12 || len(want.Certificates) != 1 {
		t.Fatalf("conversation: %+v", want)
	}
	if want.Verdict != "The handshake was completed with TLS 1.2 and "+tlsprobe.SuiteName(want.Answer.Suite)+"." {
		t.Errorf("verdict: %q", want.Verdict)
	}
	if want.HelloAt != (Moment{4, began.Add(30 * time.Millisecond)}) || want.Begin.Packet != 1 || want.Packets != len(f.frames) {
		t.Errorf("the hello is at %+v, the first of %d packets %+v", want.HelloAt, want.Packets, want.Begin)
	}
	for _, fm := range forms {
		for _, w := range wires {
			t.Run(fm.name+", "+w.name, func(t *testing.T) {
				got := shown(t, file(fm, w, 1<<18, f.frames))
				expect := *want
				if w.v6 {
					expect.Client, expect.Server = client6, server6
				}
				if d := cmp.Diff(&expect, got, alike); d != "" {
					t.Errorf("differs from pcap on Ethernet (-want +got):\n%s", d)
				}
			})
		}
	}
}

// alike compares all but addresses' insides and what the verdict is made of.
var alike = cmp.Options{
	cmpopts.IgnoreUnexported(Conversation{}),
	cmpopts.EquateComparable(clientAddr),
}

// same is alike, without what depends on how the octets were cut.
var same = cmp.Options{
	alike,
	cmpopts.IgnoreTypes(Moment{}),
	cmpopts.IgnoreFields(Conversation{}, "Packets", "Again"),
}

// TestAnySegmentation is the property that a reassembly is for: however a
// handshake is cut, repeated and shuffled on its way, it is the same.
func TestAnySegmentation(t *testing.T) {
	c, pool := certificate(t, name)
	stories := [][]said{
		ordinary(t),
		handshake(t, &tls.Config{ServerName: name, RootCAs: pool, Time: now}, &tls.Config{Certificates: []tls.Certificate{c}, Time: now}),
		handshake(t, &tls.Config{ServerName: name, MaxVersion: tls.VersionTLS12, Time: now}, &tls.Config{Certificates: []tls.Certificate{c}, Time: now}),
		handshake(t, &tls.Config{ServerName: name, RootCAs: pool, Time: now}, &tls.Config{
			Certificates: []tls.Certificate{c}, Time: now, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12,
		}),
		{{true, old()}, {false, alert(tlsprobe.TLS12, 70)}},
		{
			{true, []byte("CONNECT mfa.example.com:443 HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n")},
			{false, []byte("HTTP/1.1 200 Connection established\r\n\r\n")},
			{true, old()},
			{false, serverHello(tlsprobe.TLS10)},
			{true, alert(tlsprobe.TLS10, 70)},
		},
	}
	wants := []Outcome{Completed, Completed, Left, Refused, Refused, Left}
	for i, story := range stories {
		var plain film
		plain.open()
		plain.talk(story, 1<<14)
		plain.end(true, flagFIN)
		plain.end(false, flagRST)
		want := seen(t, plain.frames)
		if want.Outcome != wants[i] {
			t.Fatalf("story %d: outcome %q (%s); want %q", i, want.Outcome, want.Verdict, wants[i])
		}
		rapid.Check(t, func(t *rapid.T) {
			var f film
			f.open()
			// One long stream of each side, cut anywhere.
			for _, s := range story {
				rest := s.octets
				for len(rest) > 0 {
					n := min(rapid.SampledFrom([]int{1, 2, 5, 40, 536, 1460, 9000}).Draw(t, "length"), len(rest))
					f.add(s.client, flagACK, rest[:n])
					rest = rest[n:]
				}
			}
			middle := slices.Clone(f.frames[3:])
			for range rapid.IntRange(0, 5).Draw(t, "repeated") {
				again := rapid.SampledFrom(middle).Draw(t, "again")
				// Sent once more, it may hold what comes next as well.
				if j := slices.IndexFunc(middle, func(fr frame) bool { return fr.client == again.client && fr.seq == again.seq+uint32(len(again.octets)) }); j >= 0 && rapid.Bool().Draw(t, "longer") {
					again.octets = slices.Concat(again.octets, middle[j].octets)
				}
				middle = append(middle, again)
			}
			// No more than the bound of what is held comes out of order.
			for at := 0; at < len(middle); at += 200 {
				part := middle[at:min(at+200, len(middle))]
				copy(part, rapid.Permutation(part).Draw(t, "order"))
			}
			f.frames = append(f.frames[:3:3], middle...)
			f.end(true, flagFIN)
			f.end(false, flagRST)
			got := seen(t, f.frames)
			got.Verdict = withoutTimes(got.Verdict)
			expect := *want
			expect.Verdict = withoutTimes(expect.Verdict)
			if d := cmp.Diff(&expect, got, same); d != "" {
				t.Fatalf("story %d differs (-want +got):\n%s", i, d)
			}
		})
	}
}

// withoutTimes takes out of a verdict how long it took.
func withoutTimes(s string) string {
	words := strings.Fields(s)
	for i := 0; i+2 < len(words); i++ {
		if words[i] == "after" && (strings.HasPrefix(words[i+2], "ms") || strings.HasPrefix(words[i+2], "s,") || strings.HasPrefix(words[i+2], "s.") || words[i+2] == "s") {
			words = slices.Delete(words, i, i+3)
		}
	}
	return strings.NewReplacer(" ,", ",", ",", "", ".", "").Replace(strings.Join(words, " "))
}

func TestOutcomes(t *testing.T) {
	c, pool := certificate(t, name)
	trusted := &tls.Config{ServerName: name, RootCAs: pool, Time: now}
	suspicious := &tls.Config{ServerName: name, MaxVersion: tls.VersionTLS12, Time: now}
	server := &tls.Config{Certificates: []tls.Certificate{c}, Time: now}
	connect := []byte("CONNECT mfa.example.com:443 HTTP/1.1\r\nHost: mfa.example.com\r\n\r\n")
	tests := []struct {
		name    string
		film    func(f *film)
		want    Outcome
		verdict string
	}{
		{"completed with TLS 1.3", func(f *film) {
			f.open()
			f.talk(handshake(t, trusted, server), 1460)
		}, Completed, "The handshake was completed with TLS 1.3 and TLS_AES_128_GCM_SHA256."},
		{"old hello, alert and reset: as Okta does", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}, {false, alert(tlsprobe.TLS12, 70)}}, 1460)
			f.end(false, flagRST)
		}, Refused, "The server refused the client's hello with the alert protocol_version after 10 ms, and reset the connection."},
		{"alert, and the client resets", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}, {false, alert(tlsprobe.TLS12, 40)}}, 1460)
			f.end(true, flagRST)
		}, Refused, "The server refused the client's hello with the alert handshake_failure after 10 ms, and the client reset the connection."},
		{"the server chooses TLS 1.0, the client answers with an alert and resets", func(f *film) {
			f.open()
			f.talk([]said{{true, handshake(t, suspicious, server)[0].octets}, {false, serverHello(tlsprobe.TLS10)}, {true, alert(tlsprobe.TLS10, 70)}}, 1460)
			f.end(true, flagRST)
		}, Left, "The client refused the server's hello (TLS 1.0) with the alert protocol_version after 10 ms, and reset the connection."},
		{"reset right after the hello", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}}, 1460)
			f.end(false, flagRST)
		}, Reset, "The server reset the connection right after the client's hello after 10 ms."},
		{"reset by a device in between", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}}, 1460)
			f.end(false, flagRST)
			f.frames[len(f.frames)-1].ttl = 128
		}, Reset, "The server reset the connection right after the client's hello after 10 ms. The reset has another time to live than the server's other packets, so a device in between may have sent it."},
		{"closed right after the hello", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}}, 1460)
			f.end(false, flagFIN)
			f.end(true, flagFIN)
		}, Closed, "The server closed the connection without an alert right after the client's hello after 10 ms."},
		{"the client does not know the CA", func(f *film) {
			f.open()
			f.talk([]said{
				{true, old()},
				{false, handshake(t, suspicious, server)[1].octets},
				{true, alert(tlsprobe.TLS12, 48)},
			}, 1460)
			f.end(true, flagFIN)
		}, Left, "The client refused the server's certificate with the alert unknown_ca after 10 ms, and closed the connection."},
		{"the client resets after the certificate without a word", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}, {false, handshake(t, suspicious, server)[1].octets}}, 1460)
			f.end(true, flagRST)
		}, Left, "The client reset the connection after the server's certificate, without an alert after 10 ms."},
		{"the client does not believe a server of TLS 1.3", func(f *film) {
			f.open()
			f.talk(handshake(t, &tls.Config{ServerName: name, Time: now}, server), 1460)
			f.end(true, flagFIN)
		}, Left, "The client left after the server's hello (TLS 1.3); its last words are as long as an alert, but encrypted. Its own log says why."},
		{"nobody answers the hello, and the client gives up", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}}, 1460)
			f.add(false, flagACK, nil)
			f.end(true, flagFIN)
			f.frames[len(f.frames)-1].at = 20 * time.Second
		}, Silent, "The server never answered the client's hello, and the client gave up after 20.0 s."},
		{"nobody answers the hello until the end of the capture", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}}, 1460)
			f.add(false, flagACK, nil)
			f.frames[len(f.frames)-1].at = 10 * time.Second
		}, Silent, "The server never answered the client's hello."},
		{"the capture ends at once", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}}, 1460)
			f.add(false, flagACK, nil)
		}, Unfinished, "The capture ends before the handshake does."},
		{"answered by HTTP", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}, {false, []byte("HTTP/1.1 400 Bad Request\r\n\r\n")}}, 1460)
			f.end(false, flagFIN)
		}, NotTLS, "The server answered the hello in another protocol: it looks like HTTP."},
		{"nobody answers the connection", func(f *film) {
			for i := range 3 {
				f.add(true, flagSYN, nil)
				f.seq[1]--
				f.frames[i].at = time.Duration(i) * time.Second
			}
		}, Unanswered, "Nobody answered: the client asked for the connection 3 times, and nothing came back."},
		{"nobody listens", func(f *film) {
			f.add(true, flagSYN, nil)
			f.add(false, flagRST|flagACK, nil)
		}, NobodyListens, "The server refused the connection (RST): nobody listens at the port, or a firewall says so."},
		{"a proxy wants a login", func(f *film) {
			f.open()
			f.talk([]said{{true, connect}, {false, []byte("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\n\r\n")}}, 1460)
			f.end(false, flagFIN)
		}, ProxyRefused, "The proxy answered CONNECT with 407: it wants the client to log in to it."},
		{"a proxy closes", func(f *film) {
			f.open()
			f.talk([]said{{true, connect}}, 1460)
			f.end(false, flagFIN)
		}, ProxyRefused, "The proxy closed the connection instead of answering CONNECT."},
		{"through a proxy, at the second try", func(f *film) {
			f.open()
			f.talk([]said{
				{true, connect},
				{false, []byte("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno")},
				{true, connect},
				{false, []byte("HTTP/1.1 200 OK\r\n\r\n")},
			}, 1460)
			f.talk(handshake(t, trusted, server), 1460)
		}, Completed, "The handshake was completed with TLS 1.3 and TLS_AES_128_GCM_SHA256."},
		{"RDP changes to TLS", func(f *film) {
			f.open()
			f.talk([]said{
				{true, []byte("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00")},
				{false, []byte("\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00")},
			}, 1460)
			f.talk(handshake(t, trusted, server), 1460)
		}, Completed, "The handshake was completed with TLS 1.3 and TLS_AES_128_GCM_SHA256."},
		{"the server wants a certificate of the client", func(f *film) {
			f.open()
			f.talk(handshake(t, &tls.Config{ServerName: name, RootCAs: pool, Time: now, MaxVersion: tls.VersionTLS12}, &tls.Config{
				Certificates: []tls.Certificate{c}, Time: now, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12,
			}), 1460)
		}, Refused, "The server refused the client, which showed no certificate when it was asked for one, with the alert handshake_failure after 30 ms."},
		{"only the client was captured", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}}, 1460)
			f.end(true, flagFIN)
			f.frames = slices.DeleteFunc(f.frames, func(fr frame) bool { return !fr.client })
		}, Unfinished, "Only one side's packets are in the capture, so how it ended cannot be told."},
		{"the capture begins after the connection was made", func(f *film) {
			f.open()
			f.talk(handshake(t, trusted, server), 1460)
			f.frames = f.frames[3:]
		}, Completed, "The handshake was completed with TLS 1.3 and TLS_AES_128_GCM_SHA256."},
		{"a segment of the certificate was not captured, the client's alert was", func(f *film) {
			f.open()
			f.talk([]said{
				{true, old()},
				{false, handshake(t, suspicious, server)[1].octets},
				{true, alert(tlsprobe.TLS12, 48)},
			}, 300)
			lost := slices.IndexFunc(f.frames, func(fr frame) bool { return !fr.client && len(fr.octets) > 0 })
			f.frames = slices.Delete(f.frames, lost+1, lost+2)
			f.end(true, flagFIN)
		}, Left, "The client refused the server's hello (TLS 1.2) with the alert unknown_ca after 20 ms, and closed the connection."},
		{"half of the hello was not captured, the server's alert was", func(f *film) {
			f.open()
			f.talk([]said{{true, old()}, {false, alert(tlsprobe.TLS12, 40)}}, 60)
			f.frames = slices.Delete(f.frames, 4, 5)
			f.end(false, flagFIN)
		}, Unfinished, "The server sent the alert handshake_failure; the hello before it is not in the capture."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f film
			tt.film(&f)
			got := seen(t, f.frames)
			if got.Outcome != tt.want || got.Verdict != tt.verdict {
				t.Errorf("it ended %q: %s\nwant %q: %s", got.Outcome, got.Verdict, tt.want, tt.verdict)
			}
			if got.Client != clientAddr || got.Server != serverAddr {
				t.Errorf("client %s, server %s; want %s, %s", got.Client, got.Server, clientAddr, serverAddr)
			}
		})
	}
}

// TestNothingOfASecret checks that what a client says to a proxy is not kept
// beyond its first line.
func TestNothingOfASecret(t *testing.T) {
	var f film
	f.open()
	f.talk([]said{
		{true, []byte("CONNECT a:443 HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n")},
		{false, []byte("HTTP/1.1 403 Forbidden\r\n\r\n")},
	}, 20)
	got := seen(t, f.frames)
	want := &Connect{At: Moment{4, began.Add(30 * time.Millisecond)}, Line: "CONNECT a:443 HTTP/1.1", Status: "HTTP/1.1 403 Forbidden", Code: 403}
	if d := cmp.Diff(want, got.Connect); d != "" {
		t.Errorf("Connect (-want +got):\n%s", d)
	}
}

// TestSnapLength checks what is said of packets that were not captured whole.
func TestSnapLength(t *testing.T) {
	var f film
	f.open()
	f.talk(ordinary(t), 1460)
	f.end(true, flagFIN)
	f.end(false, flagFIN)
	for _, fm := range forms {
		c, err := Read(bytes.NewReader(file(fm, wires[0], 96, f.frames)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Packets != len(f.frames) || len(c.Conversations) > 1 || c.Broken != "" {
			t.Errorf("%s: %d packets, %d conversations, broken %q", fm.name, c.Packets, len(c.Conversations), c.Broken)
		}
	}
	// Enough for the hellos, not for the certificate.
	f = film{}
	f.open()
	f.talk([]said{{true, old()}, {false, ordinary(t)[1].octets}}, 1460)
	f.end(true, flagFIN)
	got := shown(t, file(forms[0], wires[0], len(wires[0].wrap(f.frames[3])), f.frames))
	if got.Hello == nil || got.Answer == nil || len(got.Certificates) != 0 || !got.Cut || !got.Gaps {
		t.Errorf("hello %v, answer %v, %d certificates, cut %t, gaps %t; want the hellos alone", got.Hello != nil, got.Answer != nil, len(got.Certificates), got.Cut, got.Gaps)
	}
	if !strings.Contains(got.Verdict, "tcpdump -s 0") {
		t.Errorf("verdict: %q; want it to say how to capture", got.Verdict)
	}
}

// TestPortsAreUsedAgain checks that another connection between the same ends is
// another conversation.
func TestPortsAreUsedAgain(t *testing.T) {
	var f film
	f.open()
	f.talk([]said{{true, old()}, {false, alert(tlsprobe.TLS12, 70)}}, 1460)
	f.end(false, flagRST)
	second := film{frames: f.frames, seq: [2]uint32{5_000_000, 9_000_000}}
	second.add(true, flagSYN, nil)
	second.add(false, flagSYN|flagACK, nil)
	second.talk(ordinary(t), 1460)
	c, err := Read(bytes.NewReader(file(forms[0], wires[0], 1<<18, second.frames)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []Outcome
	for _, x := range c.Conversations {
		got = append(got, x.Outcome)
	}
	if !slices.Equal(got, []Outcome{Refused, Completed}) {
		t.Errorf("outcomes: %q; want refused and completed", got)
	}
}

// TestMemory checks that connections without end, and conversations without
// number, do not take more than they may.
func TestMemory(t *testing.T) {
	var frames []frame
	for i := range 3000 {
		var f film
		f.open()
		f.add(true, flagACK, old())
		for j := range f.frames {
			f.frames[j].seq += uint32(i) << 8
		}
		frames = append(frames, f.frames...)
	}
	var packets [][]byte
	times := make([]time.Duration, len(frames))
	for i, fr := range frames {
		b := wires[0].wrap(fr)
		at := 14 + 20 // the client's port, and part of its address
		if !fr.client {
			at += 2
		}
		b[at], b[at+1] = byte(i/4>>8), byte(i/4)
		packets = append(packets, b)
	}
	b := forms[0].write(linkEthernet, 1<<18, packets, times)
	const limit = 1 << 20
	c, err := Read(bytes.NewReader(b), Options{memory: limit})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Conversations); n < 50 || n > limit/2/conversationCost {
		t.Errorf("%d conversations were kept; want some, and no more than fit into %d octets", n, limit/2)
	}
	if all := strings.Join(c.Warnings, "\n"); !strings.Contains(all, "were judged before their end") || !strings.Contains(all, "are left out") {
		t.Errorf("warnings: %q", c.Warnings)
	}
	for _, x := range c.Conversations {
		if x.Outcome != Unfinished {
			t.Fatalf("a conversation that was cut short is called %q", x.Outcome)
		}
	}
}

func TestNoCapture(t *testing.T) {
	whole := file(forms[0], wires[0], 1<<18, []frame{{client: true, flags: flagSYN}})
	tests := []struct{ name, file, says string }{
		{"empty", "", "the file is empty"},
		{"too short", "\xd4", "the file is too short"},
		{"a log", "2026-11-22 hello", "pktmon etl2pcap"},
		{"gzip", "\x1f\x8b\x08\x00", "gunzip"},
		{"zip", "PK\x03\x04", "zip archive"},
		{"Network Monitor", "GMBU\x02\x00", "editcap"},
		{"snoop", "snoop\x00\x00\x00", "editcap"},
		{"half a header", string(whole[:20]), "within its header"},
		{"pcap of another version", string(whole[:4]) + "\x09\x00" + string(whole[6:]), "version 9"},
		{"pcapng without an order", "\n\r\r\n\x1c\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00", "order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Read(strings.NewReader(tt.file), Options{})
			if c != nil || !errors.Is(err, ErrNotCapture) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Read = %v, %v; want ErrNotCapture that says %q", c, err, tt.says)
			}
		})
	}
}

// TestCutFile checks that what comes before damage holds.
func TestCutFile(t *testing.T) {
	var f film
	f.open()
	f.talk([]said{{true, old()}, {false, alert(tlsprobe.TLS12, 70)}}, 1460)
	f.end(false, flagRST)
	f.end(true, flagFIN)
	for _, fm := range forms {
		b := file(fm, wires[0], 1<<18, f.frames)
		c, err := Read(bytes.NewReader(b[:len(b)-3]), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Broken != string(endsEarly) || len(c.Conversations) != 1 || c.Conversations[0].Outcome != Refused {
			t.Errorf("%s: broken %q, conversations %+v", fm.name, c.Broken, c.Conversations)
		}
	}
}

// brokenReader fails after its octets.
type brokenReader struct{ *bytes.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		err = errBroken
	}
	return n, err
}

var errBroken = errors.New("the disk is broken")

func TestReaderThatFails(t *testing.T) {
	for _, fm := range forms {
		b := file(fm, wires[0], 1<<18, []frame{{client: true, flags: flagSYN}, {client: true, flags: flagSYN}})
		for n := range len(b) {
			if c, err := Read(brokenReader{bytes.NewReader(b[:n])}, Options{}); !errors.Is(err, errBroken) {
				t.Fatalf("%s: Read of %d octets and an error = %v, %v; want the error", fm.name, n, c, err)
			}
		}
	}
}

// FuzzRead checks that a file ends in an error or in a capture whose parts agree
// with one another, that the same file gives the same, and that a file that is
// cut holds no more.
func FuzzRead(f *testing.F) {
	var ok film
	ok.open()
	ok.talk(ordinary(f), 500)
	ok.end(true, flagFIN)
	for i, fm := range forms {
		f.Add(file(fm, wires[i], 1<<18, ok.frames))
		f.Add(file(fm, wires[i+5], 90, ok.frames))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Read(bytes.NewReader(b), Options{memory: 256 << 10})
		if err != nil {
			if c != nil || !errors.Is(err, ErrNotCapture) {
				t.Fatalf("Read = %v, %v", c, err)
			}
			return
		}
		if c.Octets > int64(len(b)) || c.Broken == "" && c.Octets != int64(len(b)) {
			t.Errorf("it says that %d of %d octets were read, broken %q", c.Octets, len(b), c.Broken)
		}
		last := 0
		for _, x := range c.Conversations {
			if x.Begin.Packet < last || x.End.Packet < x.Begin.Packet || x.End.Packet > c.Packets || x.Packets > c.Packets {
				t.Errorf("packets %d to %d (%d) after %d, of %d", x.Begin.Packet, x.End.Packet, x.Packets, last, c.Packets)
			}
			last = x.Begin.Packet
			if x.Outcome == "" || x.Verdict == "" {
				t.Errorf("no outcome or no verdict: %+v", x)
			}
			moments := []Moment{x.HelloAt, x.AnswerAt, x.CertificatesAt}
			for _, a := range x.Alerts {
				moments = append(moments, a.At)
			}
			for _, e := range x.Endings {
				moments = append(moments, e.At)
			}
			for _, m := range moments {
				if m.Packet != 0 && (m.Packet < x.Begin.Packet || m.Packet > x.End.Packet) {
					t.Errorf("something is in packet %d, the conversation in %d to %d", m.Packet, x.Begin.Packet, x.End.Packet)
				}
			}
			if (x.Hello != nil) != (x.HelloAt.Packet > 0) || (x.Answer != nil) != (x.AnswerAt.Packet > 0) {
				t.Errorf("a hello without a packet, or the other way round: %+v", x)
			}
		}
		again, err := Read(bytes.NewReader(b), Options{memory: 256 << 10})
		if err != nil || cmp.Diff(c, again, alike) != "" {
			t.Errorf("the same file gives something else: %v", err)
		}
		if half, err := Read(bytes.NewReader(b[:len(b)/2]), Options{}); err == nil && half.Packets > c.Packets {
			t.Errorf("half of the file holds %d packets, all of it %d", half.Packets, c.Packets)
		}
	})
}
