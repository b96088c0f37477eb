package capture

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"sallyport/tlsprobe"
)

// patience is how long after a question the capture must go on before silence
// counts as no answer.
const patience = 3 * time.Second

// conversation is what the connection was, nil if it holds nothing of a
// handshake and should not. Its verdict is not spoken yet.
func (f *flow) conversation() *Conversation {
	for i := range f.dirs {
		f.dirs[i].finish()
	}
	d, s := f.roles()
	c := &Conversation{
		Client: d.addr, Server: s.addr, Begin: f.first, End: f.last, Packets: f.packets,
		Again: d.again + s.again, Asked: d.syns,
		Joined: d.syn.Packet == 0 && s.syn.Packet == 0,
		Hello:  d.hello, HelloAt: d.helloAt,
		Answer: s.answer, AnswerAt: s.answerAt,
		Certificates: s.chain, CertificatesAt: s.chainAt,
		ClientCertificate: s.asked, NoClientCertificate: s.asked && d.noChain,
		early: f.early,
		Gaps:  d.gap && !d.finished || s.gap && !s.finished, Cut: d.cut || s.cut,
	}
	c.OneWay = d.packets == 0 && s.packets > 0 || s.packets == 0 && d.packets > d.syns
	if r := d.request(); r != nil {
		r.Status, r.Code = s.status()
		c.Connect = r
	}
	for i, side := range []Side{Client, Server} {
		e := [...]*direction{d, s}[i]
		for _, a := range e.alerts {
			a.From = side
			c.Alerts = append(c.Alerts, a)
		}
		switch {
		case e.fin.Packet > 0 && (e.rst.Packet == 0 || e.fin.before(e.rst)):
			c.Endings = append(c.Endings, Ending{From: side, At: e.fin})
		case e.rst.Packet > 0:
			c.Endings = append(c.Endings, Ending{From: side, Reset: true, At: e.rst, Foreign: e.foreign})
		}
	}
	slices.SortStableFunc(c.Alerts, func(a, b Alert) int { return a.At.Packet - b.At.Packet })
	slices.SortStableFunc(c.Endings, func(a, b Ending) int { return a.At.Packet - b.At.Packet })
	c.Outcome = f.outcome(c, d, s)
	if c.Outcome == "" {
		return nil
	}
	return c
}

// roles says who the client is: who said hello, or answered none, or asked for
// the connection, or has the higher port.
func (f *flow) roles() (client, server *direction) {
	a, b := &f.dirs[0], &f.dirs[1]
	for _, is := range []func(client, server *direction) bool{
		func(c, s *direction) bool { return c.hello != nil },
		func(c, s *direction) bool { return s.answer != nil },
		func(c, s *direction) bool { return c.syn.Packet > 0 && !c.synAck },
		func(c, s *direction) bool { return s.syn.Packet > 0 && s.synAck },
		func(c, s *direction) bool { return c.addr.Port() > s.addr.Port() },
	} {
		switch {
		case is(a, b) && !is(b, a):
			return a, b
		case is(b, a) && !is(a, b):
			return b, a
		}
	}
	return a, b
}

// outcome says how the connection ended; empty if it is of no interest.
// Unfinished may still become Silent or Unanswered, when it is known how long
// the capture went on.
func (f *flow) outcome(c *Conversation, client, server *direction) Outcome {
	hello := c.Hello != nil || c.Answer != nil
	switch {
	case hello && f.completed(c, client, server):
		return Completed
	case hello:
		return handshakeOutcome(c, client, server)
	case c.Connect != nil:
		switch {
		case c.Connect.Code >= 300:
			return ProxyRefused
		case c.Connect.Code == 0 && c.Ended(Server) != nil:
			return ProxyRefused
		}
		return Unfinished
	case client.syn.Packet > 0 && client.end == client.base && server.syn.Packet == 0:
		if e := c.Ended(Server); e != nil && e.Reset {
			return NobodyListens
		}
		if server.packets == 0 && c.Ended(Client) == nil {
			return Unanswered
		}
		return ""
	case len(c.Alerts) > 0 && c.Gaps:
		return Unfinished // the hello is in the gap
	}
	return ""
}

// completed reports whether both sides went on to encrypted data. TLS 1.3
// encrypts the server's messages at once, and so the client's alert as well: it
// has finished if it said more than an alert holds.
func (f *flow) completed(c *Conversation, client, server *direction) bool {
	if !client.encrypted || !server.encrypted {
		return false
	}
	if c.Answer != nil && c.Answer.Version < tlsprobe.TLS13 {
		return true
	}
	c.Hidden = !client.finished && client.hiddenOctets() > 0
	return client.finished
}

func handshakeOutcome(c *Conversation, client, server *direction) Outcome {
	refusal, complaint := c.FatalAlert(Server), c.FatalAlert(Client)
	clientEnd, serverEnd := c.Ended(Client), c.Ended(Server)
	switch {
	case complaint != nil && (refusal == nil || c.Answer != nil && complaint.At.before(refusal.At)):
		return Left
	case refusal != nil:
		return Refused
	case c.Hidden:
		return Left
	case c.Answer == nil && client.looks == "" && server.looks != "" && !server.tlsBegun:
		c.Looks = server.looks
		return NotTLS
	case clientEnd == nil && serverEnd == nil:
		return Unfinished
	case c.Answer == nil && c.Gaps && server.end != server.base:
		return Unfinished // what the server said is not in the capture
	case serverEnd != nil && (clientEnd == nil || serverEnd.At.before(clientEnd.At)):
		if serverEnd.Reset {
			return Reset
		}
		return Closed
	case c.Answer != nil:
		return Left
	case server.packets == 0:
		return Unfinished
	}
	return Silent // the client gave up
}

// judge says the verdict; end is when the capture ends.
func (c *Conversation) judge(end time.Time) {
	if c.Outcome == Unfinished && c.Hello != nil && c.Answer == nil && !c.OneWay && !c.Gaps && !c.early && len(c.Alerts) == 0 && len(c.Endings) == 0 &&
		end.Sub(c.HelloAt.Time) >= patience {
		c.Outcome = Silent
	}
	if c.Outcome == Unanswered && (c.early || c.Asked < 2 && end.Sub(c.Begin.Time) < patience) {
		c.Outcome = Unfinished
	}
	c.Verdict = c.sentence()
	if c.Cut && c.Gaps {
		c.Verdict += " Packets were not captured whole; capture with the whole length (tcpdump -s 0)."
	}
}

func (c *Conversation) sentence() string {
	switch c.Outcome {
	case Completed:
		if c.Answer == nil {
			return "The handshake was completed; its parameters are not in the capture."
		}
		return fmt.Sprintf("The handshake was completed with %s and %s.", c.Answer.Version, tlsprobe.SuiteName(c.Answer.Suite))
	case Refused:
		a := c.FatalAlert(Server)
		return fmt.Sprintf("The server refused %s with the alert %s%s%s.", c.refused(a.At), a.Alert.Name(), waited(c.HelloAt, a.At), c.after(Server, a.At))
	case Reset, Closed:
		e := c.Ended(Server)
		s := "The server reset the connection"
		if c.Outcome == Closed {
			s = "The server closed the connection without an alert"
		}
		if c.Answer == nil {
			s += " right after the client's hello"
		} else {
			s += " after its own hello"
		}
		s += waited(c.HelloAt, e.At) + "."
		if e.Foreign {
			s += " The reset has another time to live than the server's other packets, so a device in between may have sent it."
		}
		return s
	case Left:
		return c.leftSentence()
	case Silent:
		s := "The server never answered the client's hello"
		if e := c.Ended(Client); e != nil {
			s += ", and the client gave up" + waited(c.HelloAt, e.At)
		}
		return s + "."
	case NotTLS:
		return "The server answered the hello in another protocol: it looks like " + c.Looks + "."
	case ProxyRefused:
		if c.Connect.Code == 0 {
			return "The proxy closed the connection instead of answering CONNECT."
		}
		s := "The proxy answered CONNECT with " + strconv.Itoa(c.Connect.Code)
		if c.Connect.Code == 407 {
			s += ": it wants the client to log in to it"
		}
		return s + "."
	case Unanswered:
		return fmt.Sprintf("Nobody answered: the client asked for the connection %s, and nothing came back.", counted(c.Asked, "time", "times"))
	case NobodyListens:
		return "The server refused the connection (RST): nobody listens at the port, or a firewall says so."
	case Unfinished:
		return c.unfinishedSentence()
	}
	return ""
}

func (c *Conversation) leftSentence() string {
	at, what := c.AnswerAt, "the server's hello"
	if c.Answer != nil {
		what += " (" + c.Answer.Version.String() + ")"
	}
	if c.CertificatesAt.Packet > 0 {
		at, what = c.CertificatesAt, "the server's certificate"
	}
	if a := c.FatalAlert(Client); a != nil {
		return fmt.Sprintf("The client refused %s with the alert %s%s%s.", what, a.Alert.Name(), waited(at, a.At), c.after(Client, a.At))
	}
	if c.Hidden {
		return "The client left after the server's hello (TLS 1.3); its last words are as long as an alert, but encrypted. Its own log says why."
	}
	e := c.Ended(Client)
	how := "closed"
	if e.Reset {
		how = "reset"
	}
	return fmt.Sprintf("The client %s the connection after %s, without an alert%s.", how, what, waited(at, e.At))
}

func (c *Conversation) unfinishedSentence() string {
	switch {
	case c.early:
		return "Too many connections were open at once to follow this one to its end."
	case c.OneWay:
		return "Only one side's packets are in the capture, so how it ended cannot be told."
	case c.Hello == nil && c.Answer == nil && c.Connect == nil:
		if c.Asked > 0 && len(c.Alerts) == 0 {
			return "The client asked for the connection, and the capture ends before an answer could come."
		}
		if a := c.FatalAlert(Server); a != nil {
			return "The server sent the alert " + a.Alert.Name() + "; the hello before it is not in the capture."
		}
		if a := c.FatalAlert(Client); a != nil {
			return "The client sent the alert " + a.Alert.Name() + "; what was before it is not in the capture."
		}
		return "The hello is not in the capture."
	case c.Gaps:
		return "Parts of the handshake are not in the capture, so how it ended cannot be told."
	}
	return "The capture ends before the handshake does."
}

// refused is what an alert of the server at that moment is about.
func (c *Conversation) refused(at Moment) string {
	switch {
	case c.Answer == nil || at.before(c.AnswerAt):
		return "the client's hello"
	case c.NoClientCertificate:
		return "the client, which showed no certificate when it was asked for one,"
	case c.ClientCertificate:
		return "the client after asking for its certificate"
	}
	return "to go on after its own hello"
}

// after says what came after an alert.
func (c *Conversation) after(s Side, alert Moment) string {
	other := Client
	if s == Client {
		other = Server
	}
	e, o := c.Ended(s), c.Ended(other)
	switch {
	case e != nil && e.Reset:
		return ", and reset the connection"
	case o != nil && o.Reset && alert.before(o.At):
		return ", and the " + string(other) + " reset the connection"
	case e != nil:
		return ", and closed the connection"
	}
	return ""
}

// waited says how long it took, if that is known and more than nothing.
func waited(from, to Moment) string {
	if from.Time.IsZero() || to.Time.IsZero() || !from.before(to) {
		return ""
	}
	d := to.Time.Sub(from.Time)
	switch {
	case d < time.Millisecond:
		return ""
	case d < time.Second:
		return fmt.Sprintf(" after %d ms", d.Milliseconds())
	}
	return fmt.Sprintf(" after %.1f s", d.Seconds())
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
