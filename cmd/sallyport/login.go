package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/radius"
)

// A loginView is what came of a test login.
type loginView struct {
	Server     string   `json:"server"`
	Verdict    string   `json:"verdict"` // accept, reject, challenge (left unanswered) or none
	Message    string   `json:"message,omitempty"`
	Attributes []string `json:"attributes"`
	Challenges int      `json:"challenges"` // how many were answered
	TookMS     float64  `json:"took_ms"`    // waiting for the server, without waiting for the person
	// Again says what came back when the last request was sent once more:
	// "same" octets or "different".
	Again string `json:"again,omitempty"`
}

// A login is a test login under way.
type login struct {
	server  netip.AddrPort
	secret  radius.Secret
	user    string
	extra   []radius.Attribute
	timeout time.Duration
	lax     bool
	again   bool
}

func (a *app) loginCommand() *cobra.Command {
	var l login
	var server string
	var secret bool
	var attributes []string
	c := &cobra.Command{
		Use:   "login --server HOST:PORT --secret-stdin USER",
		Short: "Log in over RADIUS, to try a server out",
		Long: `Log in over RADIUS as a VPN gateway would, to try a server out: this one or any
other. Shared secret, password and the answers to challenges are asked for on
the terminal; if standard input is no terminal each is a line of it, in this
order.

The request is sent again as RFC 5080 says until an answer comes. Exit codes: 0
accepted, 1 rejected, 3 no answer.`,
		Example: `  sallyport login --server 192.0.2.1:1812 --secret-stdin alice
  printf '%s\n' "$SECRET" "$PASSWORD" "$CODE" | sallyport login --server vpn-mfa:1812 --secret-stdin alice`,
		Args: takes("USER"),
	}
	c.Flags().StringVar(&server, "server", "", "`HOST:PORT` of the RADIUS server; port 1812 if left out")
	c.Flags().BoolVar(&secret, "secret-stdin", false, "read the shared secret from the first line of standard input")
	c.Flags().DurationVar(&l.timeout, "timeout", 10*time.Second, "how long to wait for an answer")
	c.Flags().StringArrayVar(&attributes, "attribute", nil, "attribute to send, `NAME=VALUE`; may be repeated")
	c.Flags().BoolVar(&l.lax, "allow-unsigned", false, "take answers without Message-Authenticator, which can be forged (CVE-2024-3596)")
	c.Flags().BoolVar(&l.again, "again", false, "send each request once more after its answer, as a device does that lost it, and compare the answers")
	required(c, "server")
	c.RunE = func(c *cobra.Command, args []string) error {
		l.user = args[0]
		if l.timeout <= 0 {
			return misused("", "--timeout must be above 0")
		}
		for _, text := range attributes {
			at, err := radius.ParseAttribute(text)
			if err != nil {
				return misused("", "--attribute %q: %w", text, err)
			}
			l.extra = append(l.extra, at)
		}
		var err error
		if l.server, err = resolve(c.Context(), server); err != nil {
			return err
		}
		if !secret && !a.inTerminal {
			return misused("", "give the shared secret on standard input with --secret-stdin, or run the command on a terminal")
		}
		text, err := a.ask("Shared secret:", "shared secret", false)
		if err != nil {
			return err
		}
		if l.secret, err = radius.NewSecret([]byte(text)); err != nil {
			return refused("", "%w", err)
		}
		return a.login(c.Context(), l)
	}
	return a.printsRecords(c)
}

// resolve reads HOST:PORT.
func resolve(ctx context.Context, server string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddrPort(server); err == nil {
		return addr, nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = strings.Trim(server, "[]"), "1812"
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil || number <= 0 || number > 65535 {
		return netip.AddrPort{}, misused("", "--server %q: %q is no port", server, port)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		return netip.AddrPort{}, &failure{err: fmt.Errorf("find the address of %q: %w", host, err), exit: exitUnreachable}
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), uint16(number)), nil
}

// maxChallenges is how often a server may ask before we think it will not stop.
const maxChallenges = 16

// prompt is the attribute that says whether an answer may be shown while it is
// typed (RFC 2869, Section 5.10).
const prompt radius.Type = 76

func (a *app) login(ctx context.Context, l login) error {
	password, err := a.ask("Password of "+l.user+":", "password", false)
	if err != nil {
		return err
	}
	v := loginView{Server: l.server.String(), Verdict: "none", Attributes: []string{}}
	var state []byte
	for {
		reply, took, again, err := l.send(ctx, password, state)
		v.TookMS += float64(took.Microseconds()) / 1000
		if err != nil {
			return a.noLogin(v, l, err)
		}
		v.read(reply, again)
		if reply.Code != radius.AccessChallenge {
			break
		}
		if v.Challenges == maxChallenges {
			return refused("", "the server has asked %d times and does not stop", maxChallenges)
		}
		state, _ = reply.Get(radius.State)
		mode, _ := reply.Get(prompt)
		if !a.inTerminal {
			a.notef("%s", v.Message)
		}
		password, err = a.ask(clean(v.Message), "answer to the challenge", !bytes.Equal(mode, []byte{0, 0, 0, 0}))
		if err != nil {
			if printed := a.printLogin(v); printed != nil {
				return printed
			}
			return err
		}
		v.Challenges++
	}
	if err := a.printLogin(v); err != nil {
		return err
	}
	if v.Verdict == "reject" {
		return &failure{err: errors.New("rejected"), exit: exitRefused, quiet: true}
	}
	return nil
}

// read takes in a reply.
func (v *loginView) read(reply *radius.Packet, again string) {
	v.Verdict = map[radius.Code]string{radius.AccessAccept: "accept", radius.AccessReject: "reject", radius.AccessChallenge: "challenge"}[reply.Code]
	v.Again = again
	v.Attributes = v.Attributes[:0]
	v.Message = ""
	for _, at := range reply.Attributes {
		switch at.Type {
		case radius.ReplyMessage:
			v.Message += string(at.Value) // long ones come in parts
		case radius.MessageAuthenticator, radius.State, radius.ProxyState:
		default:
			v.Attributes = append(v.Attributes, at.String())
		}
	}
}

func (a *app) printLogin(v loginView) error {
	if a.json {
		return a.printJSON(v)
	}
	fmt.Fprintf(a.out, "verdict   %s\n", a.paint(verdictStyle(v.Verdict), v.Verdict))
	if v.Message != "" {
		fmt.Fprintf(a.out, "message   %s\n", clean(v.Message))
	}
	for _, at := range v.Attributes {
		fmt.Fprintf(a.out, "attribute %s\n", clean(at))
	}
	if v.Again != "" {
		fmt.Fprintf(a.out, "again     %s answer to the request sent once more\n", v.Again)
	}
	fmt.Fprintf(a.out, "took      %s\n", took(time.Duration(v.TookMS*float64(time.Millisecond))))
	return nil
}

// noLogin says why no answer came.
func (a *app) noLogin(v loginView, l login, err error) error {
	var none *radius.NoReplyError
	if !errors.As(err, &none) {
		return refused("", "%w", err)
	}
	if errors.Is(err, context.Canceled) {
		return refused("", "interrupted")
	}
	if a.json {
		if err := a.printJSON(v); err != nil {
			return err
		}
	}
	f := &failure{err: err, exit: exitUnreachable}
	switch {
	case none.Forged > 0:
		f.err = fmt.Errorf("%v answers, but its answers are signed with another shared secret", l.server)
		f.hint = "give both sides the same secret"
	case none.Unsigned > 0:
		f.err = fmt.Errorf("%v answers without Message-Authenticator, so that anybody on the path could have made the answer", l.server)
		f.hint = "update the server, or take the risk with --allow-unsigned"
	case none.Unreachable:
		f.err = fmt.Errorf("nobody listens on %v", l.server)
		f.hint = "is the server running, and is this its RADIUS port?"
	default:
		f.err = fmt.Errorf("no answer from %v in %v, asked %d times", l.server, none.Waited.Round(100*time.Millisecond), none.Sendings)
		f.hint = "a server is silent if the shared secret differs or if it does not know this host as a client; sallyport events --since 5m on the server shows which"
	}
	return f
}

// send sends one Access-Request and returns the reply to it and how long it
// took to come.
func (l *login) send(ctx context.Context, password string, state []byte) (reply *radius.Packet, took time.Duration, again string, err error) {
	request := radius.NewRequest(radius.AccessRequest)
	request.Add(radius.UserName, []byte(l.user))
	if err := request.AddPassword(l.secret, []byte(password)); err != nil {
		return nil, 0, "", err
	}
	// RFC 2865, Section 4.1: it says who asks.
	request.Add(radius.NASIdentifier, []byte("sallyport-login"))
	if state != nil {
		request.Add(radius.State, state)
	}
	request.Attributes = append(request.Attributes, l.extra...)
	if l.again {
		return l.sendAgain(ctx, request)
	}
	asker := radius.Asker{Retransmission: radius.Retransmission{Total: l.timeout}, AllowUnsigned: l.lax}
	started := time.Now()
	reply, err = asker.Exchange(ctx, l.server, l.secret, request)
	return reply, time.Since(started), "", err
}

// sendAgain sends a request, and once it has been answered the same octets
// from the same port, as a device does that did not get the answer (RFC 5080,
// Section 2.2.2). The second answer must be the first, octet for octet.
func (l *login) sendAgain(ctx context.Context, request *radius.Packet) (reply *radius.Packet, took time.Duration, again string, err error) {
	octets, err := l.secret.SignRequest(nil, request)
	if err != nil {
		return nil, 0, "", err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(l.server))
	if err != nil {
		return nil, 0, "", fmt.Errorf("send to %v: %w", l.server, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	started := time.Now()
	first, reply, err := l.exchange(ctx, conn, octets, request.Authenticator)
	if err != nil {
		return nil, 0, "", err
	}
	took = time.Since(started)
	second, _, err := l.exchange(ctx, conn, octets, request.Authenticator)
	if err != nil {
		return nil, 0, "", err
	}
	if bytes.Equal(first, second) {
		return reply, took, "same", nil
	}
	return reply, took, "different", nil
}

// exchange sends octets once and waits for a reply that is signed.
func (l *login) exchange(ctx context.Context, conn *net.UDPConn, octets []byte, authenticator [16]byte) ([]byte, *radius.Packet, error) {
	seen := &radius.NoReplyError{Server: l.server, Sendings: 1, Waited: l.timeout}
	if err := conn.SetReadDeadline(time.Now().Add(l.timeout)); err != nil {
		return nil, nil, err
	}
	if _, err := conn.Write(octets); err != nil {
		return nil, nil, fmt.Errorf("send to %v: %w", l.server, err)
	}
	buffer := make([]byte, radius.MaxPacketSize+1)
	for ctx.Err() == nil {
		n, err := conn.Read(buffer)
		if err != nil {
			var timeout net.Error
			seen.Unreachable = !errors.As(err, &timeout) || !timeout.Timeout()
			break
		}
		got := bytes.Clone(buffer[:n])
		p, err := radius.Parse(got)
		switch {
		case err != nil || p.Identifier != octets[1]:
			seen.Other++
		case !l.secret.VerifyResponse(p, authenticator):
			seen.Forged++
		case !p.HasMessageAuthenticator() && !l.lax:
			seen.Unsigned++
		default:
			return got, p, nil
		}
	}
	seen.Cause = ctx.Err()
	return nil, nil, seen
}
