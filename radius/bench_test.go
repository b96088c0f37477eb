//go:build unix

package radius

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// benchRequest is the 88-octet request of the project's measurements: a name,
// a password of one block, a Message-Authenticator and what a NAS adds.
func benchRequest(tb testing.TB, secret Secret, id uint8) []byte {
	tb.Helper()
	p := NewRequest(AccessRequest)
	p.Identifier = id
	p.Attributes = append(p.Attributes, Text(UserName, "user0001"))
	if err := p.AddPassword(secret, []byte("hunter2123456")); err != nil {
		tb.Fatal(err)
	}
	p.Add(NASIPAddress, []byte{192, 0, 2, 1})
	p.Attributes = append(p.Attributes, Integer(NASPort, 7))
	b, err := secret.SignRequest(nil, p)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func BenchmarkParse(b *testing.B) {
	datagram := benchRequest(b, mustSecret("0123456789abcdef0123456789abcdef"), 1)
	var p Packet
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Parse(datagram); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyRequest(b *testing.B) {
	secret := mustSecret("0123456789abcdef0123456789abcdef")
	p, err := Parse(benchRequest(b, secret, 1))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !secret.VerifyRequest(p) {
			b.Fatal("a good signature was refused")
		}
	}
}

func BenchmarkRevealPassword(b *testing.B) {
	secret := mustSecret("0123456789abcdef0123456789abcdef")
	var auth [16]byte
	hidden, _ := secret.HidePassword(nil, []byte("hunter2123456"), auth)
	dst := make([]byte, 0, maxPassword)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secret.RevealPassword(dst, hidden, auth); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignResponse(b *testing.B) {
	secret := mustSecret("0123456789abcdef0123456789abcdef")
	reply := &Packet{Code: AccessAccept, Identifier: 1, Attributes: []Attribute{Text(ReplyMessage, "Welcome.")}}
	var auth [16]byte
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secret.SignResponse(dst, reply, auth); err != nil {
			b.Fatal(err)
		}
	}
}

// benchHandler does the least a handler can: it reads the password and says
// yes or no.
type benchHandler struct{ client *Client }

func (h *benchHandler) Client(netip.AddrPort) (*Client, bool) { return h.client, true }
func (h *benchHandler) Healthy() bool                         { return true }
func (h *benchHandler) Serve(_ context.Context, r *Request) Reply {
	if password, err := r.Password(); err != nil || string(password) != "hunter2123456" {
		return Reply{Code: AccessReject}
	}
	return Reply{Code: AccessAccept}
}

// discard is a sender that sends nowhere.
type discard struct{}

func (discard) send([]byte, netip.AddrPort, []byte) error { return nil }

// BenchmarkServePath is everything between the two system calls, on one
// goroutine and thus without the hand-over to a worker.
func BenchmarkServePath(b *testing.B) { benchServePath(b, nil) }

func benchServePath(b *testing.B, observe func(*Exchange)) {
	secret := mustSecret("0123456789abcdef0123456789abcdef")
	s := &Server{Handler: &benchHandler{&Client{Secret: secret, Rate: 1e9, Burst: 1e9}}, Observe: observe}
	r, err := s.start(context.Background(), nil)
	if err != nil {
		b.Fatal(err)
	}
	// All requests have one key, so that each takes the place of the last.
	var datagrams [256][]byte
	for i := range datagrams {
		datagrams[i] = benchRequest(b, secret, 1)
	}
	r.queue.maxWorkers = 0 // the benchmark is the worker
	x := s.acquire()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := copy(x.buffer[:], datagrams[i%len(datagrams)])
		x.datagram, x.via = x.buffer[:n], discard{}
		x.request.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 4000)
		if !s.receive(r, x) {
			b.Fatal("a good request was refused")
		}
		r.queue.shift()
		s.serve(r, x)
		x = s.acquire()
	}
}

// driveLoopback keeps inFlight requests on their way to address over two
// sockets until n are answered, and reports the processor time of the process
// for each.
func driveLoopback(b *testing.B, address netip.AddrPort, requests [][]byte) {
	const sockets = 4
	const window = 64
	b.ReportAllocs()
	var before, after syscall.Rusage
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	n := b.N
	for k := range sockets {
		ready.Add(1)
		done.Go(func() {
			conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(address))
			if err != nil {
				b.Error(err)
				ready.Done()
				return
			}
			defer conn.Close()
			conn.SetReadBuffer(receiveBuffer)
			share := n / sockets
			if k == 0 {
				share += n % sockets
			}
			buffer := make([]byte, 4096)
			ready.Done()
			<-begin
			sent, got := 0, 0
			var waiting [256]bool // by identifier, which is free once answered
			for got < share {
				for sent < share && sent-got < window {
					request := requests[(sent+k*window)%len(requests)]
					if waiting[request[1]] {
						break
					}
					waiting[request[1]] = true
					conn.Write(request)
					sent++
				}
				conn.SetReadDeadline(time.Now().Add(2 * time.Second))
				if _, err := conn.Read(buffer); err != nil {
					b.Errorf("after %d of %d replies: %v", got, share, err)
					return
				}
				waiting[buffer[1]] = false
				got++
			}
		})
	}
	ready.Wait()
	b.ResetTimer()
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	close(begin)
	done.Wait()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.StopTimer()
	cpu := func(r syscall.Rusage) float64 { return float64(r.Utime.Nano() + r.Stime.Nano()) }
	b.ReportMetric((cpu(after)-cpu(before))/float64(n)/1000, "cpu-us/op")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "req/s")
}

func benchRequests(b *testing.B, secret Secret) [][]byte {
	requests := make([][]byte, 1<<14)
	for i := range requests {
		requests[i] = benchRequest(b, secret, uint8(i))
	}
	return requests
}

// BenchmarkLoopbackEcho is the yardstick: the same traffic to a loop that only
// sends back what it reads. The client's cost is in both figures.
func BenchmarkLoopbackEcho(b *testing.B) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadBuffer(receiveBuffer)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			conn.WriteToUDPAddrPort(buffer[:n], from)
		}
	}()
	driveLoopback(b, conn.LocalAddr().(*net.UDPAddr).AddrPort(), benchRequests(b, mustSecret("0123456789abcdef0123456789abcdef")))
}

func BenchmarkLoopbackServer(b *testing.B) {
	for _, sockets := range []int{1, 2} {
		b.Run(map[int]string{1: "one socket", 2: "two sockets"}[sockets], func(b *testing.B) {
			secret := mustSecret("0123456789abcdef0123456789abcdef")
			l, err := Listen("127.0.0.1:0", sockets)
			if err != nil {
				b.Fatal(err)
			}
			s := &Server{Handler: &benchHandler{&Client{Secret: secret, Rate: 1e9, Burst: 1e9, MaxInFlight: 4096}}}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- s.Serve(ctx, l) }()
			driveLoopback(b, l.Addr(), benchRequests(b, secret))
			stop()
			if err := <-ended; err != nil {
				b.Error(err)
			}
			if st := s.Stats(); st.Accepts != st.Received {
				b.Errorf("not every request was accepted: %+v", st)
			}
		})
	}
}

// BenchmarkServePathObserved is BenchmarkServePath with an observer that does
// the least it can.
func BenchmarkServePathObserved(b *testing.B) {
	var seen int
	benchServePath(b, func(*Exchange) { seen++ })
	if seen == 0 {
		b.Error("the observer was told nothing")
	}
}
