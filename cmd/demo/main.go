// Command demo shows the main job of Sallyport: it starts the program that it
// is given on embedded defaults in a temporary directory, enrols a person, and
// plays that person's VPN gateway: a login with the right code, a wrong one,
// the same code again, a retransmission, and a wrong shared secret. It prints
// each verdict with its explanation, and leaves nothing behind.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport/otp"
	"sallyport/radius"
)

const (
	password = "correct horse battery"
	gateway  = "a secret of the VPN gateway, 32+"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo PATH-OF-SALLYPORT")
		os.Exit(2)
	}
	signal.Ignore(syscall.SIGPIPE) // whoever stops reading must not stop the cleaning up
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string) (err error) {
	program, err = filepath.Abs(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sallyport-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{program: program, data: filepath.Join(dir, "data")}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()

	phone, err := s.enrol(ctx)
	if err != nil {
		return err
	}
	return s.play(ctx, phone)
}

// A stage is a running server and the person's gateway in front of it.
type stage struct {
	program string
	data    string
	server  *exec.Cmd
	log     bytes.Buffer
	radius  string // where the server answers
	shown   uint64 // newest event that was explained
	gateway []net.Conn
}

// start starts the server and waits until it says what it listens on.
func (s *stage) start(ctx context.Context) error {
	s.server = exec.CommandContext(ctx, s.program, "serve", "--data", s.data, "--radius", "127.0.0.1:0", "--telemetry", "127.0.0.1:0", "--local", "")
	s.server.Cancel = func() error { return s.server.Process.Signal(syscall.SIGTERM) }
	s.server.WaitDelay = 10 * time.Second
	s.server.Stderr = &s.log
	out, err := s.server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.server.Start(); err != nil {
		return err
	}
	fmt.Println("The server listens on:")
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Println("   ", lines.Text())
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == "RADIUS" {
			s.radius = fields[1]
		}
		if len(fields) > 0 && fields[0] == "admin" { // the last line
			return nil
		}
	}
	_ = s.server.Wait() // its own words say more than its exit code
	return fmt.Errorf("the server did not start:\n%s", s.log.String())
}

func (s *stage) end() error {
	for _, conn := range s.gateway {
		conn.Close()
	}
	if err := s.server.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	if err := s.server.Wait(); err != nil {
		return fmt.Errorf("the server did not stop cleanly: %w\n%s", err, s.log.String())
	}
	fmt.Println("\nThe server has stopped and its data is gone.")
	return nil
}

// command runs sallyport as an administrator would, and shows it.
func (s *stage) command(ctx context.Context, input string, show bool, args ...string) ([]byte, error) {
	if show {
		line := "sallyport " + strings.Join(args, " ")
		if input != "" {
			line += "   (a secret on standard input)"
		}
		fmt.Println("  $", line)
	}
	c := exec.CommandContext(ctx, s.program, append(args, "--data", s.data)...)
	c.Stdin = strings.NewReader(input)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("sallyport %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}

// enrol makes an application, a gateway and a person with an authenticator app.
func (s *stage) enrol(ctx context.Context) (otp.Enrolment, error) {
	fmt.Println("\nAn administrator sets up a VPN gateway and enrols alice:")
	steps := []struct {
		input string
		args  []string
	}{
		{"", []string{"application", "add", "office-vpn"}},
		{gateway + "\n", []string{"client", "add", "gateway", "--application", "office-vpn", "--source", "127.0.0.1/32", "--secret-stdin"}},
		{password + "\n", []string{"account", "add", "alice", "--password-stdin"}},
	}
	for _, step := range steps {
		if _, err := s.command(ctx, step.input, true, step.args...); err != nil {
			return otp.Enrolment{}, err
		}
	}
	out, err := s.command(ctx, "", true, "authenticator", "add", "alice", "--factor", "oath", "--json")
	if err != nil {
		return otp.Enrolment{}, err
	}
	var bound struct{ URI string }
	if err := json.Unmarshal(out, &bound); err != nil {
		return otp.Enrolment{}, err
	}
	return otp.ParseURI(bound.URI)
}

// play sends the five logins.
func (s *stage) play(ctx context.Context, phone otp.Enrolment) error {
	code := otp.TOTP(phone.Key, time.Now(), phone.Params)

	s.title("1. The right password, then the right code")
	state, err := s.ask(ctx, password)
	if err != nil {
		return err
	}
	if _, err := s.login(ctx, code, state); err != nil {
		return err
	}

	s.title("2. The right password, then a wrong code")
	if state, err = s.ask(ctx, password); err != nil {
		return err
	}
	if _, err := s.login(ctx, wrongCode(phone), state); err != nil {
		return err
	}

	s.title("3. The code of the first login once more")
	if state, err = s.ask(ctx, password); err != nil {
		return err
	}
	last, err := s.login(ctx, code, state)
	if err != nil {
		return err
	}

	s.title("4. The gateway did not hear that answer and sends its last packet again")
	events, err := s.events(ctx)
	if err != nil {
		return err
	}
	again, err := last.conn.send(last.octets)
	if err != nil {
		return err
	}
	now, err := s.events(ctx)
	if err != nil {
		return err
	}
	switch {
	case !bytes.Equal(again, last.reply):
		return errors.New("the retransmission got another reply than the request")
	case len(now) != len(events):
		return errors.New("the retransmission was judged a second time")
	}
	fmt.Printf("   the gateway hears the stored reply again, octet for octet (%d octets)\n", len(again))
	fmt.Printf("   events before and after: %d and %d; nothing was judged a second time\n", len(events), len(now))

	s.title("5. Another gateway setting: the shared secret is wrong")
	if _, err := s.send(ctx, "a secret that somebody mistyped !!", password, nil); err != nil {
		return err
	}
	return s.explain(ctx)
}

func (s *stage) title(text string) { fmt.Printf("\n%s\n", text) }

// ask sends the password and returns the State of the challenge.
func (s *stage) ask(ctx context.Context, password string) ([]byte, error) {
	sent, err := s.send(ctx, gateway, password, nil)
	if err != nil {
		return nil, err
	}
	state, ok := sent.packet.Get(radius.State)
	if !ok {
		return nil, fmt.Errorf("no challenge came, but %v", sent.packet.Code)
	}
	s.shown++ // the challenge's own event; the login's says it all
	return state, nil
}

// login answers a challenge and explains what came of it.
func (s *stage) login(ctx context.Context, code string, state []byte) (sent, error) {
	out, err := s.send(ctx, gateway, code, state)
	if err != nil {
		return sent{}, err
	}
	return out, s.explain(ctx)
}

// An exchange is a gateway's socket, kept open so that a packet can be sent
// again from the same port.
type exchange struct{ net.Conn }

// A sent is a request and what came back.
type sent struct {
	conn   exchange
	octets []byte
	reply  []byte
	packet *radius.Packet // the reply, nil for silence
}

// send sends one Access-Request as the gateway and says what came back.
func (s *stage) send(ctx context.Context, secret, field string, state []byte) (sent, error) {
	key, err := radius.NewSecret([]byte(secret))
	if err != nil {
		return sent{}, err
	}
	p := radius.NewRequest(radius.AccessRequest)
	p.Add(radius.UserName, []byte("alice"))
	if err := p.AddPassword(key, []byte(field)); err != nil {
		return sent{}, err
	}
	if state != nil {
		p.Add(radius.State, state)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", s.radius)
	if err != nil {
		return sent{}, err
	}
	s.gateway = append(s.gateway, conn)
	out := sent{conn: exchange{conn}}
	if out.octets, err = key.SignRequest(nil, p); err != nil {
		return sent{}, err
	}
	out.reply, err = out.conn.send(out.octets)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		fmt.Println("   the gateway hears nothing: whoever does not know the secret gets no answer")
		return out, nil
	} else if err != nil {
		return sent{}, err
	}
	if out.packet, err = radius.Parse(out.reply); err != nil {
		return sent{}, err
	}
	if !key.VerifyResponse(out.packet, p.Authenticator) {
		return sent{}, errors.New("the reply is not signed with the shared secret")
	}
	fmt.Printf("   the gateway hears %s%s\n", out.packet.Code, replyMessage(out.packet))
	return out, nil
}

// send sends octets and returns the next datagram that comes back.
func (c exchange) send(octets []byte) ([]byte, error) {
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.Write(octets); err != nil {
		return nil, err
	}
	b := make([]byte, radius.MaxPacketSize)
	n, err := c.Read(b)
	return b[:n], err
}

func replyMessage(p *radius.Packet) string {
	var text strings.Builder
	for _, a := range p.Attributes {
		if a.Type == radius.ReplyMessage {
			text.Write(a.Value)
		}
	}
	if text.Len() == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", text.String())
}

// explain shows the events since the last one that was explained.
func (s *stage) explain(ctx context.Context) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		events, err := s.events(ctx)
		if err != nil {
			return err
		}
		if n := uint64(len(events)); n > s.shown {
			newest := events[n-1]
			s.shown = n
			out, err := s.command(ctx, "", true, "why", newest.Reference)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(out)) {
				fmt.Print("    ", line)
			}
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the server recorded no event")
		}
	}
}

// An event is what `sallyport events --json` says of a login.
type event struct {
	Reference string
	Outcome   string
}

func (s *stage) events(ctx context.Context) ([]event, error) {
	out, err := s.command(ctx, "", false, "events", "--json")
	if err != nil {
		return nil, err
	}
	var events []event
	for line := range bytes.Lines(out) {
		var ev event
		if err := json.Unmarshal(line, &ev); err != nil {
			return nil, err
		}
		events = append(events, ev)
	}
	return events, nil
}

// wrongCode returns a code that the phone does not show around now.
func wrongCode(phone otp.Enrolment) string {
	step := phone.Params.Step(time.Now())
	for n := range 100 {
		code := fmt.Sprintf("%06d", n)
		if _, ok := otp.Locate(phone.Key, code, step-30, step+30, phone.Params); !ok {
			return code
		}
	}
	return "000000"
}
