// Package load generates RADIUS load and measures what comes back.
//
// It hides how one core keeps hundreds of requests in flight without becoming
// the bottleneck or the liar: every packet is built and signed before the
// clock starts, one loop sends and receives in batches, every answer is
// verified, and at a fixed rate latency counts from the moment a request was
// due, so that a stalled server cannot slow the questions down and look good.
// Every one-time code is used once, in the time in which it is valid.
//
// It speaks to any RADIUS server (RFC 2865) that takes PAP, and to a plain UDP
// echo, against which everything else on the same machine is measured.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/radius"
)

// A Mode says what a login consists of.
type Mode string

const (
	Code      Mode = "code"      // the password field holds a code
	Password  Mode = "password"  // the password field holds the password
	Append    Mode = "append"    // password, separator and code in one field
	Challenge Mode = "challenge" // the password, then a code in answer to an Access-Challenge
	EchoMode  Mode = "echo"      // any packet; the same octets come back
)

// Modes lists all modes.
func Modes() []Mode { return []Mode{Code, Password, Append, Challenge, EchoMode} }

// Options say what load to make. Server, Mode, Duration and one of InFlight and
// Rate are required; all but EchoMode also need Secret and Credentials.
type Options struct {
	Server netip.AddrPort
	// AllowRemote permits a Server that is not on this machine. Load on
	// somebody else's server is an attack.
	AllowRemote bool
	Source      netip.Addr // to send from, the kernel's choice if zero
	Secret      radius.Secret
	Credentials []Credential
	Mode        Mode
	Separator   string // between password and code in Append

	// InFlight is how many logins are kept under way (closed loop). With Rate
	// it is not used: logins then begin at random moments, Rate a second in
	// the mean (Poisson arrivals, open loop), whether or not answers come.
	InFlight int
	Rate     float64

	// WarmAccounts begins with one login of every account, 256 at a time, so
	// that the server has met each of them since it started.
	WarmAccounts bool

	WarmUp   time.Duration // before anything is measured
	Duration time.Duration // of the measurement
	Timeout  time.Duration // after which a request is lost, 0 for 3 s
	Sockets  int           // source ports, 0 for as many as InFlight or Rate wants

	// Drift is how many time steps the server lets codes be early or late. The
	// more, the more fresh codes each account has. ReuseCodes is for servers
	// that forget which codes were used: only the current step's codes are
	// sent, again and again if need be.
	Drift      int
	ReuseCodes bool

	// WrongCodes and UnknownUsers are shares, 0 to 1, of logins that must be
	// rejected: with a code that is wrong, and with a name that nobody has.
	WrongCodes, UnknownUsers float64
	// RetransmitAfter, if set, sends every answered request once more, that
	// long after its answer, and wants the same octets back.
	RetransmitAfter time.Duration
	// AllowUnsigned takes replies without Message-Authenticator, as servers
	// send that know nothing of CVE-2024-3596.
	AllowUnsigned bool

	Seed      uint64 // of the order of accounts and the arrival times
	ServerPID int    // the server's process, to measure it and its children; 0 for none
}

// A Result is what one run showed. Counts are of the whole run, warm-up
// included, unless said otherwise.
type Result struct {
	Server   string  `json:"server"`
	Mode     Mode    `json:"mode"`
	Loop     string  `json:"loop"` // "closed" or "open"
	InFlight int     `json:"in_flight,omitempty"`
	Rate     float64 `json:"rate,omitempty"` // logins a second that were asked for
	Accounts int     `json:"accounts"`

	// Seconds, Logins, PerSecond and Latency are of the measured part. A login
	// counts when its last answer is the right one. At a fixed rate those
	// count that were due in the measured part.
	Seconds   float64 `json:"seconds"`
	Logins    uint64  `json:"logins"`
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency_us"`

	Sent       uint64 `json:"sent"` // packets
	Accepts    uint64 `json:"accepts"`
	Rejects    uint64 `json:"rejects"`
	Challenges uint64 `json:"challenges"`
	Wrong      uint64 `json:"wrong"`      // signed replies with another verdict than the right one
	Bad        uint64 `json:"bad"`        // malformed or wrongly signed replies
	Late       uint64 `json:"late"`       // replies to requests given up, or answered before
	Lost       uint64 `json:"lost"`       // requests without an answer in time
	NoSlot     uint64 `json:"no_slot"`    // logins that were due while every identifier was in use
	Refused    uint64 `json:"refused"`    // times the host said that nobody listens
	Resent     uint64 `json:"resent"`     // retransmissions that got the same octets
	ResentBad  uint64 `json:"resent_bad"` // retransmissions that got others
	// Exhausted is set if the run ended early because there was no fresh code
	// left to send.
	Exhausted bool `json:"exhausted"`

	// Of the measured part; zero where the platform does not tell. Noise is
	// how many cores anybody else used.
	ServerCPU   float64 `json:"server_cpu_us_per_login"`
	ServerCores float64 `json:"server_cores"`
	OwnCores    float64 `json:"own_cores"`
	Noise       float64 `json:"noise_cores"`
	Steal       float64 `json:"steal_cores"`
	ServerRSS   uint64  `json:"server_rss_bytes"` // at the end
}

// Latency is in microseconds, each value at most 1.6 % too high.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Clean reports whether every request got its right answer in time.
func (r *Result) Clean() bool {
	return r.Wrong == 0 && r.Bad == 0 && r.Late == 0 && r.Lost == 0 && r.NoSlot == 0 && r.ResentBad == 0
}

// warmInFlight is how many logins are under way while accounts are warmed.
const warmInFlight = 256

const (
	defaultTimeout = 3 * time.Second
	maxInFlight    = 32 << 10
	maxSockets     = 255
)

// check completes o, or says what is wrong with it.
func (o *Options) check() error {
	switch {
	case !o.Server.IsValid() || o.Server.Port() == 0:
		return errors.New("load: there is no server to send to")
	case !o.AllowRemote && !o.Server.Addr().Unmap().IsLoopback():
		return fmt.Errorf("load: %s is not on this machine; load on a server that is not yours is an attack, so it has to be allowed explicitly", o.Server)
	case o.Duration <= 0 || o.WarmUp < 0 || o.Timeout < 0 || o.RetransmitAfter < 0:
		return errors.New("load: times must be positive")
	case o.Rate < 0 || o.Rate > 10e6:
		return fmt.Errorf("load: a rate of %g logins a second is not possible", o.Rate)
	case o.Rate == 0 && (o.InFlight < 1 || o.InFlight > maxInFlight):
		return fmt.Errorf("load: %d logins in flight; 1 to %d are possible", o.InFlight, maxInFlight)
	case o.WrongCodes < 0 || o.UnknownUsers < 0 || o.WrongCodes+o.UnknownUsers > 1:
		return errors.New("load: the shares of wrong codes and unknown users must be from 0 to 1 together")
	case o.Drift < 0 || o.Drift > 2:
		return fmt.Errorf("load: a drift of %d steps; 0 to 2 are possible", o.Drift)
	case o.Sockets < 0 || o.Sockets > maxSockets:
		return fmt.Errorf("load: %d sockets; 1 to %d are possible", o.Sockets, maxSockets)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Sockets == 0 {
		// Four times the slots that are in use, so that an identifier rests
		// before it is used again. At a fixed rate, room for a stall of 250 ms.
		want := float64(4 * o.InFlight)
		if o.WarmAccounts {
			want = max(want, 4*warmInFlight)
		}
		if o.Rate > 0 {
			want = o.Rate / 4
		}
		o.Sockets = min(max(int(want/256)+1, 4), maxSockets)
	}
	switch o.Mode {
	case EchoMode:
		return nil
	case Code, Password, Append, Challenge:
	default:
		return fmt.Errorf("load: there is no mode %q", o.Mode)
	}
	if o.Secret.IsZero() {
		return errors.New("load: there is no shared secret")
	}
	if len(o.Credentials) == 0 {
		return errors.New("load: there are no credentials")
	}
	for i, c := range o.Credentials {
		if o.Mode != Password && c.Token.Key == nil {
			return fmt.Errorf("load: account %d of the credentials has no token, and mode %s needs one", i+1, o.Mode)
		}
		if o.Mode != Password && c.Token.Params.Period != o.Credentials[0].Token.Params.Period {
			return errors.New("load: the tokens of the credentials have different periods")
		}
	}
	if o.Mode == Password && o.WrongCodes > 0 {
		return errors.New("load: mode password has no codes that could be wrong")
	}
	if o.Mode != Password && !o.ReuseCodes && o.InFlight > 1 && o.Rate == 0 && len(o.Credentials) < 2*o.InFlight {
		return fmt.Errorf("load: %d accounts are too few for %d logins in flight: one account's codes could overtake each other; have %d at least", len(o.Credentials), o.InFlight, 2*o.InFlight)
	}
	return nil
}
