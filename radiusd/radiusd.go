// Package radiusd is the RADIUS door (RFC 2865): it turns Access-Requests into
// attempts and decisions into replies. Package radius has checked form,
// signature, novelty and rate before; package auth decides. Nothing here
// verifies, counts or words anything.
package radiusd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/auth"
	"sallyport/patience"
	"sallyport/radius"
)

// DoorName is what events call this door.
const DoorName = "radius"

// A Decider is the engine as this door sees it.
type Decider interface {
	Decide(context.Context, auth.Attempt) auth.Decision
	Settings() *auth.Settings
}

// A Door is the handler of a radius.Server. Its exported fields are read-only
// once it is in use; all methods may be called concurrently.
type Door struct {
	Decider Decider
	// Ready reports whether a login could be decided now; it answers
	// Status-Server. It must not block.
	Ready func() bool
	Log   *slog.Logger
	// Keyed is a hash under a key that all nodes of the installation share and
	// nobody else knows. It names requests, so that one that is sent again, to
	// this node or another, is recognized; nil recognizes none.
	Keyed func(message []byte) [32]byte
	// Patience learns how long clients wait, and says it; nil knows nothing.
	// It needs Now, the clock.
	Patience *patience.Meter
	Now      func() time.Time
	// MaxWaiting is how many requests at once may be offered to wait for the
	// answer of another login, 0 for 256: a quarter of what radius.Server hands
	// over at once, so that waiting logins never keep the workers from others.
	MaxWaiting int

	waiting    atomic.Int64
	asked      asked
	clients    atomic.Pointer[clientTable]
	rebuild    sync.Mutex
	attributes sync.Map // "Name=Value" to radius.Attribute
}

var _ radius.Handler = (*Door)(nil)

// CheckAttribute reports whether a can be sent in a reply, for whoever
// configures it.
func CheckAttribute(a auth.ReplyAttribute) error {
	_, err := radius.ParseReplyAttribute(a.Name + "=" + a.Value)
	return err
}

// Healthy implements radius.Handler.
func (d *Door) Healthy() bool { return d.Ready() }

// A clientTable finds clients by source address: the most specific network
// wins.
type clientTable struct {
	settings *auth.Settings
	lengths  [2][]int // prefix lengths in use, longest first; IPv4, IPv6
	networks map[netip.Prefix]*radius.Client
}

// Client implements radius.Handler.
func (d *Door) Client(source netip.AddrPort) (*radius.Client, bool) {
	t := d.table()
	addr := source.Addr().Unmap()
	family := 0
	if addr.Is6() {
		family = 1
	}
	for _, bits := range t.lengths[family] {
		p, err := addr.WithZone("").Prefix(bits)
		if err != nil {
			continue
		}
		if c, ok := t.networks[p]; ok {
			return c, true
		}
	}
	return nil, false
}

// table returns the table of the current settings.
func (d *Door) table() *clientTable {
	now := d.Decider.Settings()
	if t := d.clients.Load(); t != nil && t.settings == now {
		return t
	}
	d.rebuild.Lock()
	defer d.rebuild.Unlock()
	old := d.clients.Load()
	if old != nil && old.settings == now {
		return old
	}
	t := newClientTable(now, old, d.Log)
	d.clients.Store(t)
	return t
}

// newClientTable builds the table of s. A client whose settings stand keeps
// its *radius.Client, which holds its counts.
func newClientTable(s *auth.Settings, old *clientTable, log *slog.Logger) *clientTable {
	t := &clientTable{settings: s, networks: make(map[netip.Prefix]*radius.Client, len(s.Clients))}
	inUse := [2][129]bool{}
	for i := range s.Clients {
		c := &s.Clients[i]
		if c.Door != DoorName {
			continue // another door's
		}
		p, err := netip.ParsePrefix(c.Source)
		if err != nil || len(c.Secrets) == 0 {
			log.Error("RADIUS client left out", "client", c.Name, "source", c.Source, "err", err)
			continue
		}
		rc, err := newClient(c)
		if err != nil {
			log.Error("RADIUS client left out", "client", c.Name, "err", err)
			continue
		}
		if old != nil {
			if before, ok := old.networks[p]; ok && sameClient(before, rc) {
				before.Value.(*clientValue).settings.Store(c)
				rc = before
			}
		}
		t.networks[p] = rc
		family := 0
		if p.Addr().Is6() {
			family = 1
		}
		inUse[family][p.Bits()] = true
	}
	for family := range inUse {
		for bits := 128; bits >= 0; bits-- {
			if inUse[family][bits] {
				t.lengths[family] = append(t.lengths[family], bits)
			}
		}
	}
	return t
}

// clientValue is what a radius.Client carries for us.
type clientValue struct {
	settings atomic.Pointer[auth.Client]
	waiting  atomic.Int64 // of Door.waiting, those of this client
}

func newClient(c *auth.Client) (*radius.Client, error) {
	value := new(clientValue)
	value.settings.Store(c)
	rc := &radius.Client{Name: c.Name, Value: value, Rate: float64(c.RatePerSecond)}
	if c.LaxMessageAuthenticator {
		rc.MessageAuthenticator = radius.Optional
	}
	var err error
	if rc.Secret, err = radius.NewSecret(c.Secrets[0]); err != nil {
		return nil, err
	}
	if len(c.Secrets) > 1 {
		rc.Previous, err = radius.NewSecret(c.Secrets[1])
	}
	return rc, err
}

func sameClient(a, b *radius.Client) bool {
	same := a.Name == b.Name && a.Rate == b.Rate && a.MessageAuthenticator == b.MessageAuthenticator && a.Secret.Equal(b.Secret)
	if a.Previous.IsZero() || b.Previous.IsZero() {
		return same && a.Previous.IsZero() == b.Previous.IsZero()
	}
	return same && a.Previous.Equal(b.Previous)
}

// Serve implements radius.Handler.
func (d *Door) Serve(ctx context.Context, req *radius.Request) radius.Reply {
	value := req.Client.Value.(*clientValue)
	client := value.settings.Load()
	at := d.attempt(client, req)
	if d.admitWaiting(value) {
		at.Can.Wait = d.wait(client.Name)
		defer d.endWaiting(value)
	}
	decision := d.Decider.Decide(ctx, at)
	req.Note = string(decision.Reference)
	switch decision.Verdict {
	case auth.Accept:
		attributes, err := d.replyAttributes(decision.Attributes)
		if err != nil {
			// Without its attributes the person would get other rights than
			// were meant, so there is no answer at all.
			d.Log.Error("accepted login not answered", "client", client.Name, "reference", decision.Reference, "err", err)
			return radius.Reply{}
		}
		return radius.Reply{Code: radius.AccessAccept, Attributes: attributes}
	case auth.Challenge:
		d.noteAsked(decision.State)
		return radius.Reply{Code: radius.AccessChallenge, State: decision.State, Message: decision.Message}
	case auth.Reject:
		return radius.Reply{Code: radius.AccessReject, Message: decision.Message}
	case auth.Unavailable, auth.Ignore:
		return radius.Reply{}
	}
	return radius.Reply{}
}

// attempt translates a request, and names it by what does not change when it is
// sent again.
func (d *Door) attempt(client *auth.Client, req *radius.Request) auth.Attempt {
	at := auth.Attempt{
		Door:   DoorName,
		Client: client.Name,
		Source: req.Source,
		Time:   req.Received,
		Can:    auth.Can{Ask: client.Mode == auth.ModeChallenge},
		Seen:   seen[req.Signed],
	}
	if name, ok := req.Packet.Get(radius.UserName); ok {
		at.Claimant = string(name)
	}
	from, ok := req.Packet.Get(radius.CallingStationID)
	if ok {
		at.From = printable(from)
	}
	at.Origin = origin(client, req)
	at.Session = session(req.Packet)
	if state, ok := req.Packet.Get(radius.State); ok {
		at.State = append([]byte(nil), state...)
		d.noteAnswered(client.Name, state, at.Time)
	}
	if d.Keyed != nil {
		req.Mark = d.login(client, at.Claimant, from, at.State, at.Session)
	}

	// PAP alone, or nothing at all from a client that has checked the password
	// and wants us to ask. A request that says who is there in two ways means
	// different things to different readers (CVE-2023-39930).
	switch credentials := req.Packet.Credentials(); credentials {
	case radius.PAP, 0:
	default:
		at.Reach, at.Seen = auth.ProtocolNotSupported, seenOther
		return at
	}
	field, err := req.Password()
	if d.Keyed != nil && (err == nil || errors.Is(err, radius.ErrNoPassword)) {
		at.Request = d.request(client, req.Packet, at.Claimant, field, from, at.State)
	}
	switch {
	case errors.Is(err, radius.ErrNoPassword):
		return at
	case err != nil:
		at.Reach, at.Seen = auth.PacketMalformed, err.Error()
		return at
	}
	if req.Signed == radius.NotSigned && !isText(field) {
		at.Reach, at.Seen = auth.SharedSecretMismatch, "an unsigned request whose password is not text after decryption"
		return at
	}
	at.Evidence = evidence(client, string(field), len(at.State) > 0)
	return at
}

// seen says what arrived, by how it was signed.
var seen = [...]string{
	radius.NotSigned:          "Access-Request with PAP, not signed",
	radius.SignedWithSecret:   "Access-Request with PAP, signed",
	radius.SignedWithPrevious: "Access-Request with PAP, signed with the client's previous secret",
}

const seenOther = "Access-Request with CHAP, MS-CHAP, EAP or several of them; this door takes PAP"

// evidence says what the password field holds, by the client's settings: in an
// answer to a challenge, and where the client has checked the password itself,
// a code; where it appends, password and code with a comma between them, the
// last one if the password has commas too; a password otherwise.
func evidence(client *auth.Client, field string, answer bool) []auth.Evidence {
	switch {
	case answer || client.Password == auth.PasswordNone:
		return []auth.Evidence{auth.Code(field)}
	case client.Mode == auth.ModeAppend:
		if i := strings.LastIndexByte(field, ','); i >= 0 {
			return []auth.Evidence{auth.Password(field[:i]), auth.Code(field[i+1:])}
		}
	}
	return []auth.Evidence{auth.Password(field)}
}

// replyAttributes translates what an administrator set.
func (d *Door) replyAttributes(set []auth.ReplyAttribute) ([]radius.Attribute, error) {
	if len(set) == 0 {
		return nil, nil
	}
	attributes := make([]radius.Attribute, len(set))
	for i, s := range set {
		text := s.Name + "=" + s.Value
		if known, ok := d.attributes.Load(text); ok {
			attributes[i] = known.(radius.Attribute)
			continue
		}
		a, err := radius.ParseReplyAttribute(text)
		if err != nil {
			return nil, fmt.Errorf("radiusd: reply attribute %s: %w", s.Name, err)
		}
		d.attributes.Store(text, a)
		attributes[i] = a
	}
	return attributes, nil
}

// incidents says which incidents of the socket loop are recorded, and as what.
// The rest are ordinary life and only counted.
var incidents = map[radius.IncidentKind]auth.Outcome{
	radius.UnknownClient:               auth.ClientUnknown,
	radius.Malformed:                   auth.PacketMalformed,
	radius.BadMessageAuthenticator:     auth.SharedSecretMismatch,
	radius.MissingMessageAuthenticator: auth.MessageAuthenticatorMissing,
	radius.UnsupportedCode:             auth.RequestNotSupported,
	radius.RateLimited:                 auth.ClientRateLimited,
	radius.Overloaded:                  auth.ServerOverloaded,
}

// Incident is the radius.Server's Incident function: it hands what never
// became a request to the engine, which records it at a bounded rate.
func (d *Door) Incident(ctx context.Context, i radius.Incident) {
	outcome, ok := incidents[i.Kind]
	if !ok {
		if i.Err != nil {
			d.Log.Error("RADIUS server", "incident", i.Kind.String(), "source", i.Source, "err", i.Err)
		}
		return
	}
	at := auth.Attempt{Door: DoorName, Source: i.Source, Time: i.Time, Reach: outcome, Seen: i.Kind.String()}
	if i.Client != nil {
		at.Client = i.Client.Name
	}
	if i.Err != nil {
		at.Seen += ": " + i.Err.Error()
	}
	d.Decider.Decide(ctx, at)
}

// isText reports whether b could be typed.
func isText(b []byte) bool {
	return utf8.Valid(b) && !strings.ContainsFunc(string(b), unicode.IsControl)
}

// printable makes a claim of the packet fit for events: its first 64 octets,
// without anything that a terminal or log would obey.
func printable(b []byte) string {
	if len(b) > 64 {
		b = b[:64]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, string(b))
}
