//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/diagnose"
	"sallyport/tlsprobe"
)

// A spoken is one segment of a capture.
type spoken struct {
	client bool
	flags  byte // FIN 1, SYN 2, RST 4, ACK 16
	octets []byte
}

// pcapOf writes segments as a capture of raw IP, a second apart.
func pcapOf(all []spoken) []byte {
	little := binary.LittleEndian
	file := little.AppendUint32(nil, 0xa1b2c3d4)
	file = little.AppendUint32(file, 2|4<<16)
	file = append(file, make([]byte, 8)...)
	file = little.AppendUint32(file, 1<<18)
	file = little.AppendUint32(file, 101)
	var next [2]uint32
	for i, s := range all {
		side := 0
		source, destination := []byte{192, 0, 2, 1, 10, 1, 2, 3}, []byte{1, 187, 192, 0} // port 443 to 49152
		if s.client {
			side = 1
			source, destination = []byte{10, 1, 2, 3, 192, 0, 2, 1}, []byte{192, 0, 1, 187}
		}
		packet := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0}
		packet = append(append(packet, source...), destination...)
		packet = binary.BigEndian.AppendUint32(packet, next[side])
		packet = binary.BigEndian.AppendUint32(packet, next[1-side])
		packet = append(packet, 0x50, s.flags, 0xff, 0xff, 0, 0, 0, 0)
		packet = append(packet, s.octets...)
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
		next[side] += uint32(len(s.octets)) + uint32(s.flags&2)/2
		file = little.AppendUint32(file, uint32(1_795_000_000+i))
		file = append(file, 0, 0, 0, 0)
		file = little.AppendUint32(file, uint32(len(packet)))
		file = little.AppendUint32(file, uint32(len(packet)))
		file = append(file, packet...)
	}
	return file
}

func oldHello(t *testing.T, name string) []byte {
	t.Helper()
	p, ok := tlsprobe.LookupProfile("dotnet45")
	if !ok {
		t.Fatal("there is no profile dotnet45")
	}
	o := p.To(name)
	return o.Marshal([32]byte{5})
}

// TestCheckCapture is what an administrator sees of a capture: the reported case,
// a .NET service that offers TLS 1.0, is answered with an alert, and reset.
func TestCheckCapture(t *testing.T) {
	s := newScript(t)
	film := pcapOf([]spoken{
		{true, 2, nil},
		{false, 2 | 16, nil},
		{true, 16, nil},
		{true, 16, oldHello(t, "corp.okta.com\x1b[2J")},
		{false, 16, []byte{21, 3, 1, 0, 2, 2, 70}},
		{false, 4, nil},
	})
	for name, b := range map[string][]byte{"old.pcap": film, "cut.pcap": film[:len(film)-10], "empty.pcap": film[:24], "damaged.pcap": film[:40], "log.txt": []byte("no capture at all")} {
		if err := os.WriteFile(filepath.Join(s.vars["WORK"], name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.run(`
! sallyport check --pcap old.pcap
exit 1
stdout '^Why: The two sides have no TLS version in common: the client offers only old'
stdout '^Do:  '
stdout '10.1.2.3:49152 to corp.okta.com'
stdout '✗ The server refused the client.s hello with the alert protocol_version$'
stdout '^      after 1.0 s, and reset the connection.$'
stdout 'It offers TLS 1.0 at most'
stdout '.NET 4.5 service'
stdout '^ +tls-version · proven · MFA is not at fault'
stdout '^   old.pcap:4$'
! stdout '\x1b'
! stderr .

# One object, with the same in it.
! sallyport check --pcap old.pcap --json
exit 1
stdout '^\{"schema":"sallyport-capture/1","file":"old.pcap","format":"pcap","packets":6,.*\}\n$'
stdout '"outcome":"refused"'
stdout '"findings":\[\{"cause":"tls-version",.*"confidence":"proven",.*"mfa_at_fault":false,.*"evidence":\[\{"file":"old.pcap","line":4,"text":'
! stdout '\x1b|\\u001b'

# A file that ends too early is judged as far as it goes.
! sallyport check --pcap cut.pcap
exit 1
stdout 'tls-version · proven'
stderr 'warning: cut.pcap: the file ends in the middle of a packet; what comes before it was judged'

# Nothing wrong, nothing readable.
sallyport check --pcap empty.pcap
stdout '^There is no TLS handshake in this capture.$'
! sallyport check --pcap damaged.pcap
exit 2
stderr 'error: not everything could be read, and nothing was found in the rest'
! sallyport check --pcap log.txt
exit 2
stderr 'error: --pcap: check: log.txt: .*this is no capture in the form pcap or pcapng'
stderr 'hint: captures are made with: tcpdump'
! sallyport check --pcap nowhere.pcap
exit 2
stderr 'no such file'
! sallyport check --pcap old.pcap example.com
exit 2
! sallyport check --pcap old.pcap --listen :8443
exit 2
! sallyport check --listen 8443
exit 2
stderr 'hint: write it as :8443'
`)
	// The same from standard input.
	s.stdin = string(film)
	s.sallyport([]string{"check", "--pcap", "-", "--json"})
	var r check.Recording
	if err := json.Unmarshal([]byte(s.stdout), &r); err != nil || s.exit != 1 {
		t.Fatalf("exit %d, %v: %s", s.exit, err, s.stdout)
	}
	if len(r.Conversations) != 1 || r.Conversations[0].Cause != "tls-version" || len(r.Findings) != 1 || r.Findings[0].Confidence != diagnose.Proven {
		t.Errorf("standard input shows %+v", r)
	}
}

// listener runs the program with --listen, and returns where it listens and how
// to end it: with its exit code, and what it said.
func listener(t *testing.T, args ...string) (at string, end func() (code int, stdout, stderr string)) {
	t.Helper()
	c := exec.Command(program, append([]string{"check", "--listen", "127.0.0.1:0"}, args...)...)
	c.Env = append(os.Environ(), "TZ=UTC")
	var out, said bytes.Buffer
	c.Stdout = &out
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	lines := bufio.NewReader(pipe)
	line, err := lines.ReadString('\n')
	m := regexp.MustCompile(`listening on (\S+);`).FindStringSubmatch(line)
	if err != nil || m == nil {
		t.Fatalf("it said %q: %v", line, err)
	}
	done := make(chan struct{})
	go func() {
		io.Copy(&said, lines)
		close(done)
	}()
	return m[1], func() (int, string, string) {
		c.Process.Signal(syscall.SIGINT)
		kill := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
		defer kill.Stop()
		<-done
		c.Wait() // its exit code is what counts
		return c.ProcessState.ExitCode(), out.String(), said.String()
	}
}

func TestCheckListen(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	say := func(at string, octets []byte) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write(octets)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
	}
	at, end := listener(t)
	say(at, oldHello(t, "corp.okta.com\x1b[2J"))
	say(at, oldHello(t, "corp.okta.com"))
	say(at, []byte("GET / HTTP/1.0\r\n\r\n"))
	code, out, said := end()
	for _, want := range []string{
		"✗ It offers TLS 1.0 at most, like .NET 4.5 service", "TLS_RSA_WITH_AES_128_CBC_SHA", "tls-version · proven",
		"? It does not begin with TLS; it looks like HTTP.", "would answer with an alert, or reset it",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%q is not in the answer:\n%s", want, out)
		}
	}
	if code != exitFound || strings.Count(out, "tls-version · proven") != 1 || strings.Contains(out, "\x1b") || !strings.Contains(said, "3 clients came") {
		t.Errorf("exit %d (want 1), findings told %d times (want once), said %q", code, strings.Count(out, "tls-version · proven"), said)
	}

	at, end = listener(t, "--json")
	if _, err := tls.Dial("tcp", at, &tls.Config{ServerName: "corp.okta.com"}); err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Errorf("a client of today gets %v; want an alert", err)
	}
	code, out, _ = end()
	var a check.Arrival
	if err := json.Unmarshal([]byte(out), &a); err != nil || code != 0 || a.Hello == nil || a.Hello.ServerName != "corp.okta.com" || a.Hello.Version != "TLS 1.3" {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
}
