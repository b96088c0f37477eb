package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/diagnose"
	"sallyport/radius"
)

// RadiusServer is what a Status-Server (RFC 5997) to a RADIUS server met. It is
// a question about the server's health and logs nobody in.
type RadiusServer struct {
	Address netip.AddrPort `json:"address"`
	// SecretGiven is whether there was a shared secret to sign the question
	// with. Without one, servers do not answer (RFC 5997, Section 3).
	SecretGiven bool `json:"secret_given"`
	// Answer is the code of the answer, such as "Access-Accept", empty if there
	// was none that could be believed.
	Answer     string  `json:"answer,omitempty"`
	Message    string  `json:"message,omitempty"` // Reply-Message
	TookMillis float64 `json:"took_ms"`
	Sent       int     `json:"sent,omitempty"` // how often the question was sent in vain
	// Unsigned is set if the answer is made with the right secret but has no
	// Message-Authenticator.
	Unsigned bool `json:"unsigned,omitempty"`
	// WrongSignature and Other count answers that could not be believed.
	WrongSignature int    `json:"wrong_signature,omitempty"`
	Other          int    `json:"other,omitempty"`
	Means          string `json:"means"`
	Error          string `json:"error,omitempty"`
}

// radius asks a RADIUS server how it is. It goes to the first IPv4 address, or
// the first of any kind; over UDP, for which the injected dialler has no part.
func (x *examiner) radius(ctx context.Context) {
	x.step("asking the RADIUS server how it is")
	all := x.DNS.all()
	to := all[len(all)-1]
	if len(x.DNS.V4) > 0 {
		to = x.DNS.V4[0]
	}
	r := &RadiusServer{Address: netip.AddrPortFrom(to, uint16(x.target.Port)), SecretGiven: !x.Options.Secret.IsZero()}
	x.Radius = r
	secret := x.Options.Secret
	if secret.IsZero() {
		// Any will do: what can be seen is whether anybody is there at all.
		var b [32]byte
		rand.Read(b[:]) // never fails
		secret, _ = radius.NewSecret(b[:])
	}
	// Three sendings within the time of a step. Old servers that do not sign as
	// they should are told apart afterwards.
	asker := radius.Asker{
		AllowUnsigned:  true,
		Retransmission: radius.Retransmission{Initial: x.timeout / 5, Longest: x.timeout, Sendings: 3, Total: x.timeout},
	}
	began := x.now()
	reply, err := asker.Exchange(ctx, r.Address, secret, radius.NewRequest(radius.StatusServer))
	r.TookMillis = millis(x.now().Sub(began))
	if err != nil {
		x.unanswered(r, err)
		return
	}
	r.Answer = reply.Code.String()
	if m, ok := reply.Get(radius.ReplyMessage); ok {
		r.Message = shorten(string(m), 253)
	}
	r.Means = "The server is there, knows this machine as a client, shares the secret with it and says that it is ready."
	if r.Unsigned = !reply.HasMessageAuthenticator(); r.Unsigned {
		r.Means += " Its answer has no Message-Authenticator, so somebody on the way could have changed it."
		x.find("endpoint-radius-unsigned", diagnose.Proven, "The answer's Response Authenticator is right and there is no Message-Authenticator.",
			fmt.Sprintf("Status-Server to %v: %s without Message-Authenticator", r.Address, r.Answer))
	}
}

// unanswered says what it means that no valid answer came.
func (x *examiner) unanswered(r *RadiusServer, err error) {
	r.Error = shorten(err.Error(), 300)
	var none *radius.NoReplyError
	if !errors.As(err, &none) {
		r.Means = "The question could not be sent."
		x.find("endpoint-unreachable", diagnose.Proven, "The operating system refused to send to this address.", r.Error)
		return
	}
	r.Sent, r.WrongSignature, r.Other = none.Sendings, none.Forged, none.Other
	seen := fmt.Sprintf("Status-Server to %v, sent %d times in %v", r.Address, r.Sent, none.Waited.Round(time.Millisecond))
	switch {
	case none.Forged > 0 && r.SecretGiven:
		r.Means = "The server answered, and signed with another secret."
		x.find("radius-shared-secret", diagnose.Proven, "The answer belongs to the question and its signature is made with another secret.",
			fmt.Sprintf("%s: %d answers with a wrong signature", seen, none.Forged))
	case none.Forged > 0:
		r.Means = "Something answered. Without the shared secret it cannot be told whether it is the server; give the secret to know more."
		x.warn("%s", r.Means)
	case none.Unreachable:
		r.Means = "Nobody listens at this port: the host said so."
		x.find("endpoint-refused", diagnose.Proven, "The host answered that the port is unreachable (ICMP).", seen+": port unreachable")
	case !r.SecretGiven:
		r.Means = "Nothing came back. Without the shared secret this says nothing: a server is silent to a question that is signed with none that it knows. Give the secret, and run this on a machine that the server has as a client."
		x.warn("%s", r.Means)
	default:
		r.Means = "Nothing came back. A server is silent if it does not know this machine's address as a client, if the secret differs, if it takes no Status-Server (NPS takes none), or if a firewall drops the packets."
		x.find("radius-no-response", diagnose.Likely,
			"The question came back unanswered each time. A server that takes no Status-Server, such as NPS, is silent to it and may answer logins all the same; only its log tells why it was silent.", seen+": no answer")
	}
}
