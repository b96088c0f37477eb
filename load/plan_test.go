package load

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport/otp"
	"sallyport/radius"
)

const testSecretText = "a secret of the load tests"

func testSecret(t testing.TB) radius.Secret {
	t.Helper()
	s, err := radius.NewSecret([]byte(testSecretText))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testCredentials(n int) []Credential {
	all := make([]Credential, n)
	for i := range all {
		all[i] = Credential{
			Name:     fmt.Sprintf("user%05d", i),
			Password: fmt.Sprintf("password-%d", i),
			Token: otp.Enrolment{
				Key:    []byte(fmt.Sprintf("key-of-account-%05d", i)),
				Params: otp.Params{Digits: 6, Period: 30 * time.Second},
			},
		}
	}
	return all
}

// TestPlanOfCodes checks every packet of a plan: its identifier follows from
// its place, its signature holds, its code is that of its pass's step, and
// the pass's time is the one in which a server with that drift takes it.
func TestPlanOfCodes(t *testing.T) {
	const accounts = 300
	secret := testSecret(t)
	all := testCredentials(accounts)
	byName := map[string]Credential{}
	for _, c := range all {
		byName[c.Name] = c
	}
	noon := time.Date(2026, 1, 1, 12, 0, 1, 0, time.UTC) // one second into a step
	o := Options{
		Server: netip.MustParseAddrPort("127.0.0.1:1"), Secret: secret, Credentials: all, Mode: Append, Separator: ",",
		InFlight: 10, Duration: 2 * time.Second, Drift: 1,
	}
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(&o, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	if len(p.passes) != 3 || p.cycle {
		t.Fatalf("%d passes, cycle %t; want the steps before, now and after, once", len(p.passes), p.cycle)
	}
	step := noon.Unix() / 30
	for i, pass := range p.passes {
		want := step - 1 + int64(i)
		if from := time.Unix((want-1)*30, 0); pass.from.Before(from) || pass.from.Sub(from) > time.Second {
			t.Errorf("pass %d may be sent from %v; its codes are valid from %v", i, pass.from, from)
		}
		if until := time.Unix((want+2)*30, 0); pass.until.After(until) || until.Sub(pass.until) > time.Second {
			t.Errorf("pass %d may be sent until %v; its codes are valid until %v", i, pass.until, until)
		}
		seen := map[string]bool{}
		for j, r := range pass.requests {
			packet, err := radius.Parse(r.first)
			if err != nil || packet.Identifier != uint8(j) || !secret.VerifyRequest(packet) {
				t.Fatalf("pass %d request %d: %v, identifier %d; want a signed packet with identifier %d", i, j, err, packet.Identifier, uint8(j))
			}
			name, _ := packet.Get(radius.UserName)
			hidden, _ := packet.Get(radius.UserPassword)
			field, err := secret.RevealPassword(nil, hidden, packet.Authenticator)
			c := byName[string(name)]
			if wantField := c.Password + "," + codeAt(c.Token, want); err != nil || string(field) != wantField {
				t.Fatalf("pass %d request %d for %s: field %q, %v; want %q", i, j, name, field, err, wantField)
			}
			seen[string(name)] = true
		}
		if len(seen) != accounts {
			t.Errorf("pass %d has %d accounts; want each of %d once", i, len(seen), accounts)
		}
	}
}

func TestStartOf(t *testing.T) {
	step := time.Unix(3000, 0)
	tests := []struct {
		name   string
		ready  time.Duration // after the beginning of a step
		length time.Duration
		want   time.Duration
	}{
		{"fits at once", 10 * time.Second, 5 * time.Second, 10 * time.Second},
		{"would cross the end of the step", 27 * time.Second, 5 * time.Second, 30*time.Second + margin},
		{"would come too close to the end", 25 * time.Second, 5*time.Second - margin/2, 30*time.Second + margin},
		{"longer than a step begins with one", 10 * time.Second, time.Minute, 30*time.Second + margin},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := startOf(step.Add(tt.ready), tt.length, 30*time.Second).Sub(step)
			if got != tt.want {
				t.Errorf("startOf(%v, %v) = %v into the step; want %v", tt.ready, tt.length, got, tt.want)
			}
		})
	}
}

// TestFeedSkipsWhatIsOutOfDate walks through time and expects each request
// only while it is valid, and each once.
func TestFeedSkipsWhatIsOutOfDate(t *testing.T) {
	begin := time.Unix(3000, 0)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	requests := func(n int) []request {
		all := make([]request, n)
		for i := range all {
			all[i].first = []byte{1}
		}
		return all
	}
	one := pass{requests(3), at(0), at(10)}
	two := pass{requests(3), at(5), at(20)}
	two.requests[1].first = nil // left out
	f := feed{plan: &plan{passes: []pass{one, two}}}
	want := func(seconds int, r *request) {
		t.Helper()
		got, _, ok := f.ready(at(seconds))
		if got != r || ok != (r != nil) {
			t.Fatalf("at %d s: another request than expected, %t", seconds, ok)
		}
		f.spend()
	}
	want(0, &one.requests[0])
	want(1, &one.requests[1])
	want(11, &two.requests[0]) // the third of the first pass is out of date
	want(12, &two.requests[2])
	if _, _, ok := f.ready(at(13)); ok {
		t.Error("a request after the last")
	}
	f = feed{plan: &plan{passes: []pass{{requests(1), at(0), at(10)}, two}}}
	f.ready(at(1))
	f.spend()
	if _, _, ok := f.ready(at(2)); ok {
		t.Error("a request before its time")
	}
}

// A code that the token shows again two steps later would spend that step: it
// is left out, and all others of a plan are there.
func TestCodesThatComeAgainAreLeftOut(t *testing.T) {
	token := testCredentials(1)[0].Token
	step, found := int64(0), false
	for !found && step < 3_000_000 {
		step++
		found = codeAt(token, step) == codeAt(token, step+2)
	}
	if !found {
		t.Fatal("no such code among three million steps; take another key")
	}
	if !comesAgain(token, step, codeAt(token, step), 1) || comesAgain(token, step, codeAt(token, step), 0) {
		t.Errorf("the code of steps %d and %d does not count as coming again with a drift of 1, or does with 0", step, step+2)
	}
	o := Options{
		Server: netip.MustParseAddrPort("127.0.0.1:1"), Secret: testSecret(t), Mode: Code, InFlight: 1, Duration: time.Second, Drift: 1,
		Credentials: []Credential{{Name: "x", Token: token}},
	}
	b, err := newBuilder(&o)
	if err != nil {
		t.Fatal(err)
	}
	for at := step - 1; at <= step+2; at++ {
		requests, err := b.build(1, at)
		if err != nil || (requests[0].first == nil) != (at == step) {
			t.Errorf("step %d: left out %t, %v; want only step %d left out", at, requests[0].first == nil, err, step)
		}
	}
}

func TestWrongCodeMatchesNoStepNearby(t *testing.T) {
	for _, c := range testCredentials(500) {
		const step = 59_000_000
		wrong := wrongCode(c.Token, step, codeAt(c.Token, step))
		at := time.Unix(step*30, 0)
		p := c.Token.Params
		p.Drift = otp.MaxDrift
		for drift := -2; drift <= 2; drift++ {
			if _, ok := otp.MatchTOTP(c.Token.Key, wrong, at.Add(time.Duration(drift)*30*time.Second), p); ok || len(wrong) != 6 {
				t.Fatalf("the wrong code %q of %s is right %d steps on", wrong, c.Name, drift)
			}
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	good := Options{
		Server: netip.MustParseAddrPort("127.0.0.1:1812"), Secret: testSecret(t), Credentials: testCredentials(100),
		Mode: Code, InFlight: 10, Duration: time.Second, Drift: 1,
	}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	remote := good
	remote.AllowRemote, remote.Server = true, netip.MustParseAddrPort("192.0.2.1:1812")
	if err := remote.check(); err != nil {
		t.Errorf("a remote server that is allowed: %v", err)
	}
	tests := []struct {
		name string
		bad  func(*Options)
	}{
		{"a server elsewhere", func(o *Options) { o.Server = netip.MustParseAddrPort("192.0.2.1:1812") }},
		{"a server elsewhere, IPv6", func(o *Options) { o.Server = netip.MustParseAddrPort("[2001:db8::1]:1812") }},
		{"no server", func(o *Options) { o.Server = netip.AddrPort{} }},
		{"no time", func(o *Options) { o.Duration = 0 }},
		{"nothing in flight", func(o *Options) { o.InFlight = 0 }},
		{"no secret", func(o *Options) { o.Secret = radius.Secret{} }},
		{"no credentials", func(o *Options) { o.Credentials = nil }},
		{"too few accounts", func(o *Options) { o.InFlight = 51 }},
		{"no such mode", func(o *Options) { o.Mode = "chap" }},
		{"shares over one", func(o *Options) { o.WrongCodes, o.UnknownUsers = 0.6, 0.6 }},
		{"accounts without tokens", func(o *Options) { o.Credentials = []Credential{{Name: "x"}} }},
		{"wrong codes without codes", func(o *Options) { o.Mode, o.WrongCodes = Password, 0.1 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.bad(&o)
			if err := o.check(); err == nil {
				t.Error("check accepts it")
			}
		})
	}
}
