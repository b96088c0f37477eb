package check

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/capture"
	"sallyport/diagnose"
	"sallyport/tlsprobe"
)

// RecordingSchema names the form of a Recording in JSON, as Schema does.
const RecordingSchema = "sallyport-capture/1"

// A Recording is what a packet capture shows of handshakes, and what is wrong
// with them. Times are in UTC. Text that came from the sides is without control
// characters and cut if it was long.
type Recording struct {
	Schema  string    `json:"schema"` // RecordingSchema
	File    string    `json:"file"`
	Format  string    `json:"format"` // pcap or pcapng
	Packets int       `json:"packets"`
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Conversations hold a handshake, or should. Others is how many connections
	// hold none.
	Conversations []Conversation `json:"conversations"`
	Others        int            `json:"other_connections"`
	// Findings have the number of the packet as the line of their evidence.
	Findings []diagnose.Finding `json:"findings"`
	// Error says why the file was not read to its end.
	Error    string   `json:"error,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// Faulty reports whether anything is wrong that stopped a client.
func (r *Recording) Faulty() bool {
	return slices.ContainsFunc(r.Findings, func(f diagnose.Finding) bool { return !f.Note })
}

// A Conversation is one connection, as it is reported.
type Conversation struct {
	Client  string    `json:"client"` // address and port
	Server  string    `json:"server"`
	Began   time.Time `json:"began,omitzero"`
	First   int       `json:"first_packet"`
	Last    int       `json:"last_packet"`
	Packets int       `json:"packets"`
	Again   int       `json:"retransmitted,omitempty"`
	Joined  bool      `json:"joined,omitempty"` // its beginning is not in the capture
	Gaps    bool      `json:"gaps,omitempty"`   // parts of the handshake are not
	OneWay  bool      `json:"one_way,omitempty"`

	Proxy  string `json:"proxy_request,omitempty"` // CONNECT ...
	Status string `json:"proxy_status,omitempty"`

	Hello        *Hello        `json:"hello,omitempty"`
	HelloPacket  int           `json:"hello_packet,omitempty"`
	Answer       *Answer       `json:"answer,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
	Alerts       []Alert       `json:"alerts,omitempty"`
	Endings      []Ending      `json:"endings,omitempty"`
	Looks        string        `json:"looks_like,omitempty"` // what the server speaks if it is not TLS

	// Outcome is one of package capture, stable: completed, refused, reset,
	// closed, left, silent, not-tls, proxy-refused, unanswered, nobody-listens or
	// unfinished. Verdict says it in a sentence.
	Outcome string `json:"outcome"`
	Verdict string `json:"verdict"`
	Cause   string `json:"cause,omitempty"` // of the finding that it is in
}

// An Answer is a ServerHello.
type Answer struct {
	Version string `json:"version"`
	Suite   string `json:"suite,omitempty"`
	Packet  int    `json:"packet"`
}

// An Alert is who said why it ended.
type Alert struct {
	From   string    `json:"from"` // client or server
	Name   string    `json:"name"`
	Number int       `json:"number"`
	Fatal  bool      `json:"fatal"`
	Means  string    `json:"means"`
	Packet int       `json:"packet"`
	Time   time.Time `json:"time,omitzero"`
}

// An Ending is a FIN or RST.
type Ending struct {
	From    string    `json:"from"`
	Reset   bool      `json:"reset"`
	Packet  int       `json:"packet"`
	Time    time.Time `json:"time,omitzero"`
	Foreign bool      `json:"foreign,omitempty"` // a device in between may have sent it
}

// ReadCapture reads a packet capture and judges it. name stands in the evidence.
// progress, which may be nil, is told how many octets were read. The error wraps
// [capture.ErrNotCapture] or is that of r.
func ReadCapture(r io.Reader, name string, progress func(octets int64)) (*Recording, error) {
	c, err := capture.Read(r, capture.Options{Progress: progress})
	if err != nil {
		return nil, fmt.Errorf("check: %s: %w", name, err)
	}
	j := judgeCapture(c, name, publicRoots())
	out := &Recording{
		Schema: RecordingSchema, File: name, Format: c.Format, Packets: c.Packets, Began: c.Begin, Ended: c.End,
		Conversations: []Conversation{}, Others: c.Others, Findings: j.findings(), Error: c.Broken, Warnings: c.Warnings,
	}
	for i, x := range c.Conversations {
		v := describeConversation(x)
		v.Cause = j.causes[i]
		out.Conversations = append(out.Conversations, v)
	}
	return out, nil
}

func describeConversation(c *capture.Conversation) Conversation {
	v := Conversation{
		Client: c.Client.String(), Server: c.Server.String(), Began: c.Begin.Time, First: c.Begin.Packet, Last: c.End.Packet,
		Packets: c.Packets, Again: c.Again, Joined: c.Joined, Gaps: c.Gaps, OneWay: c.OneWay,
		Looks: c.Looks, Outcome: string(c.Outcome), Verdict: c.Verdict,
	}
	if c.Connect != nil {
		v.Proxy, v.Status = printable(c.Connect.Line), printable(c.Connect.Status)
	}
	if c.Hello != nil {
		v.Hello, v.HelloPacket = describeHello(c.Hello), c.HelloAt.Packet
	}
	if a := c.Answer; a != nil {
		v.Answer = &Answer{Version: a.Version.String(), Packet: c.AnswerAt.Packet}
		if a.Version != tlsprobe.SSL20 {
			v.Answer.Suite = tlsprobe.SuiteName(a.Suite)
		}
	}
	for _, x := range c.Certificates {
		v.Certificates = append(v.Certificates, describe(x, ""))
	}
	for _, a := range c.Alerts {
		v.Alerts = append(v.Alerts, Alert{
			string(a.From), a.Alert.Name(), int(a.Alert.Description), a.Alert.Fatal(), a.Alert.Meaning(), a.At.Packet, a.At.Time,
		})
	}
	for _, e := range c.Endings {
		v.Endings = append(v.Endings, Ending{string(e.From), e.Reset, e.At.Packet, e.At.Time, e.Foreign})
	}
	return v
}

// Judge says what went wrong in the conversations of a capture. name stands in
// the evidence as the file, and the number of a packet as the line. Conversations
// with the same cause are one finding.
func Judge(c *capture.Capture, name string) []diagnose.Finding {
	return judgeCapture(c, name, publicRoots()).findings()
}

// captureJudge judges the conversations of one capture.
type captureJudge struct {
	name   string
	public *x509.CertPool
	// tls are the servers that were sent a hello, named those that accepted one
	// with a name, and made when connections were made that came to something.
	tls, named map[netip.AddrPort]bool
	made       map[route][]time.Time
	causes     []string // of each conversation, empty for none
	found      []*diagnose.Finding
}

// A ruling is the cause of one conversation. seen are packets, and what is in
// them.
type ruling struct {
	cause      string
	confidence diagnose.Confidence
	why        string
	seen       []sight
}

type sight struct {
	packet int
	text   string
}

func judgeCapture(c *capture.Capture, name string, public *x509.CertPool) *captureJudge {
	j := &captureJudge{name: name, public: public, tls: map[netip.AddrPort]bool{}, named: map[netip.AddrPort]bool{}, made: map[route][]time.Time{}}
	for _, x := range c.Conversations {
		if x.Hello != nil {
			j.tls[x.Server] = true
			if x.Answer != nil && x.Hello.ServerName != "" {
				j.named[x.Server] = true
			}
		}
		if x.Outcome == capture.Completed {
			for _, r := range []route{{x.Client.Addr(), x.Server.Port()}, {anyOf(x.Client.Addr().Is4()), x.Server.Port()}} {
				j.made[r] = append(j.made[r], x.Begin.Time)
			}
		}
	}
	for _, times := range j.made {
		slices.SortFunc(times, time.Time.Compare)
	}
	for _, x := range c.Conversations {
		r, ok := j.rule(x)
		j.causes = append(j.causes, r.cause)
		if ok {
			j.note(x, r)
		}
	}
	return j
}

// Bounds of a finding.
const (
	mostEvidence = 12
	mostHosts    = 20
)

var sure = map[diagnose.Confidence]int{diagnose.Proven: 2, diagnose.Likely: 1, diagnose.Possible: 0}

// note adds a conversation to the finding of its cause.
func (j *captureJudge) note(c *capture.Conversation, r ruling) {
	i := slices.IndexFunc(j.found, func(f *diagnose.Finding) bool { return f.Cause == r.cause })
	var f *diagnose.Finding
	if i < 0 {
		made := diagnose.Found(r.cause, r.confidence, r.why)
		f = &made
		f.First, f.Evidence = c.Begin.Time, []diagnose.Evidence{}
		j.found = append(j.found, f)
	} else {
		f = j.found[i]
		f.Count++
		if sure[r.confidence] > sure[f.Confidence] {
			f.Confidence, f.Why = r.confidence, r.why
		}
	}
	f.Last = c.Begin.Time
	slices.SortStableFunc(r.seen, func(a, b sight) int { return a.packet - b.packet })
	for _, s := range r.seen {
		if len(f.Evidence) < mostEvidence {
			f.Evidence = append(f.Evidence, diagnose.Evidence{File: j.name, Line: s.packet, Text: s.text})
		}
	}
	f.Hosts = withName(f.Hosts, serverOf(c))
	f.Clients = withName(f.Clients, c.Client.Addr().String())
}

func withName(list []string, name string) []string {
	if len(list) >= mostHosts || slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

// findings are all of them, the surest first.
func (j *captureJudge) findings() []diagnose.Finding {
	out := []diagnose.Finding{}
	for _, f := range j.found {
		out = append(out, *f)
	}
	slices.SortStableFunc(out, func(a, b diagnose.Finding) int {
		return cmp.Or(sure[b.Confidence]-sure[a.Confidence], b.Count-a.Count)
	})
	return out
}

// serverOf names the server of a conversation: by the name that the client asked
// for, if it did, and its address.
func serverOf(c *capture.Conversation) string {
	if c.Hello != nil && c.Hello.ServerName != "" {
		return shorten(printable(c.Hello.ServerName), 253) + " (" + c.Server.String() + ")"
	}
	return c.Server.String()
}

// helloSeen is what was seen of the client's hello.
func helloSeen(c *capture.Conversation) []sight {
	if c.Hello == nil {
		return nil
	}
	h := c.Hello
	what := "offers " + h.Max().String() + " at most"
	if len(h.Versions) > 1 {
		what = "offers TLS versions up to " + h.Max().String()
	}
	sni := "without a server name (SNI)"
	if h.ServerName != "" {
		sni = "for the server name " + strconv.Quote(shorten(h.ServerName, 253))
	}
	return []sight{{c.HelloAt.Packet, fmt.Sprintf("the client %s %s to %s, %s", c.Client, what, c.Server, sni)}}
}

func answerSeen(c *capture.Conversation) []sight {
	if c.Answer == nil {
		return nil
	}
	return []sight{{c.AnswerAt.Packet, fmt.Sprintf("the server %s chooses %s", c.Server, c.Answer.Version)}}
}

// endSeen is the verdict, in the packet that shows it best.
func endSeen(c *capture.Conversation) sight {
	packet := c.End.Packet
	for _, side := range []capture.Side{capture.Server, capture.Client} {
		if a := c.FatalAlert(side); a != nil {
			packet = a.At.Packet
			break
		}
		if e := c.Ended(side); e != nil {
			packet = min(packet, e.At.Packet)
		}
	}
	return sight{packet, c.Verdict}
}

func rest(c *capture.Conversation) []sight {
	return slices.Concat(helloSeen(c), answerSeen(c), []sight{endSeen(c)})
}

// rule finds the cause of one conversation; false if nothing is wrong, or the
// capture does not show what.
func (j *captureJudge) rule(c *capture.Conversation) (ruling, bool) {
	r := ruling{seen: rest(c)}
	switch c.Outcome {
	case capture.Completed, capture.Unfinished:
		return ruling{}, false
	case capture.Refused:
		j.refused(c, &r)
	case capture.Reset, capture.Closed:
		j.cutOff(c, &r)
	case capture.Left:
		j.left(c, &r)
	case capture.Silent:
		r.cause, r.confidence, r.why = "endpoint-tls-silent", diagnose.Likely, "The hello is in the capture, and nothing that answers it."
		if c.Hello.Size > 1400 && c.Again > 0 {
			r.cause, r.confidence, r.why = "endpoint-large-hello", diagnose.Possible,
				"The hello needs more than one packet, parts of it were sent again, and nothing answered it."
		}
	case capture.NotTLS:
		r.cause, r.confidence, r.why = "tls-not-tls", diagnose.Proven, "What answered the hello is another protocol."
	case capture.ProxyRefused:
		r.cause, r.confidence, r.why = "proxy", diagnose.Proven, "The proxy's answer to CONNECT is in the capture."
		if c.Connect.Code == 0 {
			r.confidence, r.why = diagnose.Likely, "What was asked for CONNECT closed the connection without an answer."
		}
		r.seen = []sight{{c.Connect.At.Packet, strings.TrimSpace(printable(c.Connect.Line) + ": " + printable(c.Connect.Status))}, endSeen(c)}
	case capture.Unanswered, capture.NobodyListens:
		if !j.matters(c) {
			return ruling{}, false
		}
		r.cause, r.confidence, r.why = "endpoint-unreachable", diagnose.Likely,
			"The client's SYN is in the capture and no answer. It was so where the capture was made."
		if c.Outcome == capture.NobodyListens {
			r.cause, r.confidence, r.why = "endpoint-refused", diagnose.Proven, "The SYN was answered by RST."
		}
		r.seen = []sight{{c.Begin.Packet, fmt.Sprintf("the client %s asks for a connection to %s: %s", c.Client, c.Server, c.Verdict)}}
	}
	return r, r.cause != ""
}

// tlsPorts are those at which a service with TLS is looked for, though nothing
// of TLS was seen.
var tlsPorts = []uint16{443, 465, 636, 853, 993, 995, 3269, 4433, 5061, 5671, 6514, 8443, 8883, 9443, 10443}

// A route is from whom to which port.
type route struct {
	from netip.Addr
	port uint16
}

// anyOf stands for all addresses of a family.
func anyOf(v4 bool) netip.Addr {
	if v4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// about is how near in time one address is tried after another.
const about = 30 * time.Second

// matters reports whether a connection that was not made would have been one
// with TLS, and was not made at another address either: clients try all
// addresses of a name, and those of IPv6 and IPv4.
func (j *captureJudge) matters(c *capture.Conversation) bool {
	if !j.tls[c.Server] && !slices.Contains(tlsPorts, c.Server.Port()) {
		return false
	}
	for _, from := range []netip.Addr{c.Client.Addr(), anyOf(!c.Client.Addr().Is4())} {
		times := j.made[route{from, c.Server.Port()}]
		i, _ := slices.BinarySearchFunc(times, c.Begin.Time.Add(-about), time.Time.Compare)
		if i < len(times) && times[i].Sub(c.Begin.Time) <= about {
			return false
		}
	}
	return true
}

// oldHello reports whether the client offers nothing that servers of today take.
func oldHello(c *capture.Conversation) bool {
	return c.Hello != nil && c.Hello.Max() < tlsprobe.TLS12
}

// likeDotNet adds to why what the hello looks like.
func likeDotNet(c *capture.Conversation, why string) string {
	if p, ok := likeProfile(c.Hello); ok {
		return why + " The hello is like that of: " + p.Title + "."
	}
	return why
}

// refused finds why the server sent a fatal alert.
func (j *captureJudge) refused(c *capture.Conversation, r *ruling) {
	a := c.FatalAlert(capture.Server).Alert
	r.cause, r.confidence = "tls-reset", diagnose.Possible
	r.why = "The server ended it with the alert " + a.Name() + ". " + a.Meaning()
	switch a.Description {
	case tlsprobe.AlertProtocolVersion:
		switch {
		case c.Answer != nil:
			r.cause, r.confidence = "tls-version", diagnose.Likely
			r.why = "The alert protocol_version says that a version is not accepted, though the server had chosen one before."
		case c.Hello == nil:
			r.cause, r.confidence = "tls-version", diagnose.Likely
			r.why = "The alert protocol_version says that the client's versions are not accepted; its hello is not in the capture."
		case oldHello(c):
			r.cause, r.confidence = "tls-version", diagnose.Proven
			r.why = likeDotNet(c, "The alert protocol_version says that the offered version is not accepted, and the hello offers "+c.Hello.Max().String()+" at most.")
		case c.Hello.Max() == tlsprobe.TLS12:
			r.cause, r.confidence = "tls-version", diagnose.Proven
			r.why = "The alert protocol_version says that the offered version is not accepted, and the hello offers TLS 1.2 at most: the server wants TLS 1.3, or refuses what it does not know."
		case slices.Contains(c.Hello.Versions, tlsprobe.TLS12):
			r.cause, r.confidence = "endpoint-only-old-versions", diagnose.Proven
			r.why = "The hello offers TLS 1.2 and 1.3, and the alert protocol_version says that the server takes neither."
		default:
			r.cause, r.confidence = "endpoint-only-old-versions", diagnose.Likely
			r.why = "The hello offers TLS 1.3 alone, and the alert protocol_version says that the server does not take it."
		}
	case tlsprobe.AlertHandshakeFailure, tlsprobe.AlertInsufficientSecurity:
		switch {
		case c.ClientCertificate:
			r.why = "The server asked the client for its certificate, and then sent the alert " + a.Name() + "."
			if c.NoClientCertificate {
				r.confidence = diagnose.Likely
				r.why = "The server asked the client for its certificate, the client had none to show, and the server sent the alert " + a.Name() + "."
			}
		case c.Hello == nil:
			r.cause, r.confidence, r.why = "tls-no-common-suite", diagnose.Likely, "The alert "+a.Name()+" says so; the hello is not in the capture."
		case oldHello(c):
			r.cause, r.confidence = "tls-version", diagnose.Likely
			r.why = likeDotNet(c, "The hello offers "+c.Hello.Max().String()+" at most; many servers refuse that with "+a.Name()+" instead of protocol_version.")
		case c.Hello.ServerName == "" && j.named[c.Server]:
			r.cause, r.confidence = "tls-sni", diagnose.Likely
			r.why = "The hello has no server name, and in the same capture one with a name was accepted by the same server."
		default:
			r.cause, r.confidence = "tls-no-common-suite", diagnose.Likely
			r.why = "The alert handshake_failure says that no parameters were acceptable; a server name or a certificate that is missing is a rarer reason."
			if a.Description == tlsprobe.AlertInsufficientSecurity {
				r.confidence, r.why = diagnose.Proven, "The alert insufficient_security says that the server demands stronger suites than the client offers."
			}
		}
	case tlsprobe.AlertUnrecognizedName:
		r.cause, r.confidence, r.why = "tls-sni", diagnose.Proven, "The alert unrecognized_name says that the server does not know the name, or needs one."
	case alertMissingExtension:
		if c.Hello != nil && c.Hello.ServerName == "" {
			r.cause, r.confidence, r.why = "tls-sni", diagnose.Likely, "The alert missing_extension says that the hello lacks something, and it has no server name."
		}
	case alertInappropriateFallback:
		r.cause, r.confidence = "tls-version", diagnose.Likely
		r.why = "The alert inappropriate_fallback says that the server speaks a newer version than this second try of the client offers: the first try was disturbed."
	}
}

// Alerts that package tlsprobe has no name for (RFC 8446, Section 6).
const (
	alertBadCertificate        uint8 = 42
	alertCertificateRevoked    uint8 = 44
	alertCertificateExpired    uint8 = 45
	alertCertificateUnknown    uint8 = 46
	alertUnknownCA             uint8 = 48
	alertInappropriateFallback uint8 = 86
	alertMissingExtension      uint8 = 109
	alertBadStatusResponse     uint8 = 113
)

// cutOff finds why the server ended the connection without an alert.
func (j *captureJudge) cutOff(c *capture.Conversation, r *ruling) {
	r.cause, r.confidence, r.why = "tls-reset", diagnose.Proven, "The packet that ended it is in the capture; it does not say why."
	switch {
	case c.Answer != nil || c.Hello == nil:
	case oldHello(c):
		r.cause, r.confidence = "tls-version", diagnose.Likely
		r.why = likeDotNet(c, "The hello offers "+c.Hello.Max().String()+" at most, and the server ended the connection when it had seen it, as many do without an alert. A firewall would look the same.")
	case c.Hello.ServerName == "" && j.named[c.Server]:
		r.cause, r.confidence = "tls-sni", diagnose.Likely
		r.why = "The hello has no server name, and in the same capture one with a name was accepted by the same server."
	case c.Hello.Size > 1400 && c.Again > 0:
		r.cause, r.confidence = "endpoint-large-hello", diagnose.Possible
		r.why = "The hello needs more than one packet, and parts of it were sent again before the connection ended."
	}
}

// left finds why the client ended it after the server's answer.
func (j *captureJudge) left(c *capture.Conversation, r *ruling) {
	r.cause, r.confidence, r.why = "tls-reset", diagnose.Possible, "The client ended it without a word; its own log says why."
	complaint := c.FatalAlert(capture.Client)
	if complaint == nil {
		switch {
		case c.Answer != nil && c.Answer.Version < tlsprobe.TLS12 && c.Hello != nil && !oldHello(c):
			r.cause, r.confidence = "endpoint-only-old-versions", diagnose.Likely
			r.why = "The client offers " + c.Hello.Max().String() + ", the server chooses " + c.Answer.Version.String() + ", and the client leaves."
		case c.Hidden:
			r.cause, r.confidence = "tls-chain-private-ca", diagnose.Possible
			r.why = "TLS 1.3 encrypts the certificate and what the client said to it. A certificate that is not accepted is the usual reason to leave at this point; the client's own log names it."
		case len(c.Certificates) > 0:
			j.certificate(c, r, diagnose.Likely, "the client left when it had seen the certificate, without an alert")
		}
		return
	}
	a := complaint.Alert
	r.why = "The client ended it with the alert " + a.Name() + ". " + a.Meaning()
	switch a.Description {
	case tlsprobe.AlertProtocolVersion:
		r.cause, r.confidence = "tls-version", diagnose.Likely
		r.why = "The client's alert protocol_version says that it does not accept what the server chose."
		if c.Answer != nil && c.Answer.Version < tlsprobe.TLS12 && !oldHello(c) {
			r.cause, r.confidence = "endpoint-only-old-versions", diagnose.Proven
			r.why = "A server chooses the newest version that it has; it chose " + c.Answer.Version.String() + ", and the client's alert protocol_version refuses that."
		}
	case alertCertificateExpired:
		r.cause, r.confidence, r.why = "tls-expired", diagnose.Proven, "The client's alert certificate_expired says so."
	case alertCertificateRevoked, alertBadStatusResponse:
		r.cause, r.confidence, r.why = "tls-revocation", diagnose.Proven, "The client's alert "+a.Name()+" says so."
	case alertUnknownCA:
		r.cause, r.confidence, r.why = "tls-chain-private-ca", diagnose.Proven, "The client's alert unknown_ca says that it does not know the CA; the certificate is not in the capture."
		if len(c.Certificates) > 0 {
			f := j.chainOf(c)
			j.trust(c, f, r, diagnose.Proven, "The client's alert unknown_ca says that it does not know the CA.")
		}
	case alertBadCertificate, alertCertificateUnknown:
		r.cause, r.confidence = "tls-chain-private-ca", diagnose.Possible
		if len(c.Certificates) > 0 {
			j.certificate(c, r, diagnose.Likely, "the client refused the certificate with the alert "+a.Name()+", which does not say why")
		}
	case tlsprobe.AlertHandshakeFailure, tlsprobe.AlertInsufficientSecurity:
		r.cause, r.confidence, r.why = "tls-no-common-suite", diagnose.Likely, "The client's alert "+a.Name()+" says that it does not accept what the server chose, such as a short Diffie-Hellman key."
	}
}

// chainOf examines the server's certificates at the time of the capture.
func (j *captureJudge) chainOf(c *capture.Conversation) *facts {
	at := c.CertificatesAt.Time
	if at.IsZero() {
		at = c.Certificates[0].NotBefore.Add(time.Second)
	}
	return examineChain(c.Certificates, nil, strings.ToLower(nameAsked(c)), at, roots{public: j.public})
}

func nameAsked(c *capture.Conversation) string {
	if c.Hello == nil {
		return ""
	}
	return c.Hello.ServerName
}

// certificate looks for what is wrong with a certificate that the client did not
// accept, and did not say why.
func (j *captureJudge) certificate(c *capture.Conversation, r *ruling, confidence diagnose.Confidence, how string) {
	f := j.chainOf(c)
	switch {
	case len(f.expired) > 0 && !c.CertificatesAt.Time.IsZero():
		r.cause, r.confidence = "tls-expired", confidence
		r.why = fmt.Sprintf("The certificate of %s had expired on %s when it was captured, and %s.", nameOf(f.expired[0].Subject.String()), f.expired[0].NotAfter.UTC().Format(time.DateOnly), how)
	case len(f.future) > 0 && !c.CertificatesAt.Time.IsZero():
		r.cause, r.confidence = "tls-expired", confidence
		r.why = fmt.Sprintf("The certificate of %s is valid from %s only, and %s.", nameOf(f.future[0].Subject.String()), f.future[0].NotBefore.UTC().Format(time.DateOnly), how)
	case nameAsked(c) != "" && !f.named:
		r.cause, r.confidence = "tls-name", confidence
		r.why = "The certificate is not for the name that the client asked for, and " + how + "."
	case f.trust == Public && len(f.broken()) > 0:
		r.cause, r.confidence = "endpoint-certificate-rules", diagnose.Possible
		r.why = capital(how) + "; " + strings.Join(f.broken(), ", ") + "."
	case f.trust == Public && r.cause == "tls-reset":
		r.why = "The certificate is in order by the rules of the public CAs, and " + how + ". A client that pins another one does so."
	default:
		j.trust(c, f, r, confidence, capital(how)+".")
	}
	r.see(certificateSeen(c, f))
}

// see adds what was seen, once.
func (r *ruling) see(s sight) {
	if !slices.Contains(r.seen, s) {
		r.seen = append(r.seen, s)
	}
}

func certificateSeen(c *capture.Conversation, f *facts) sight {
	return sight{c.CertificatesAt.Packet, fmt.Sprintf("the certificate is of %s, issued by %s, valid from %s to %s", nameOf(f.leaf.Subject.String()), nameOf(f.leaf.Issuer.String()),
		f.leaf.NotBefore.UTC().Format(time.DateOnly), f.leaf.NotAfter.UTC().Format(time.DateOnly))}
}

// trust finds why a client does not know the CA. how is a sentence.
func (j *captureJudge) trust(c *capture.Conversation, f *facts, r *ruling, confidence diagnose.Confidence, how string) {
	r.cause, r.confidence = "tls-chain-private-ca", confidence
	service := serviceOf(f.host)
	name, in := f.inspector()
	foreign := service != nil && f.trust != Public && (f.trust == Private || !looksPublic(f.leaf))
	switch {
	case foreign:
		r.cause = "tls-inspection"
		r.why = how + " " + service.name + " uses certificates of public CAs, and no root that is built in leads to this one."
		if name != "" {
			r.why += " The CA is named as those of " + name + " are: " + in + "."
		}
	case name != "":
		r.cause, r.confidence = "tls-inspection", diagnose.Likely
		r.why = how + " The CA is named as those of " + name + " are: " + in + "."
	case f.trust == Public:
		r.why = how + " The chain leads to a public root, so the client's own store lacks it or pins another."
	case f.trust == Unknown && looksPublic(f.leaf):
		r.cause, r.confidence = "tls-chain-missing-intermediate", diagnose.Likely
		r.why = how + " The certificate has the marks of a public CA, and what was sent does not lead to its root."
	case f.trust == Unknown:
		r.why = how + " The chain breaks off at " + f.authority() + "; that an intermediate is missing is possible too."
	default:
		r.why = how + " The chain leads to a root that is not among the public ones."
	}
	r.see(certificateSeen(c, f))
}
