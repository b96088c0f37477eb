package oath

import (
	"context"
	"encoding/hex"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/otp"
)

// The keys of RFC 4226, Appendix D, and RFC 6238, Appendix B.
var keys = map[string]auth.Secret{
	"SHA1":   auth.Secret("12345678901234567890"),
	"SHA256": auth.Secret("12345678901234567890123456789012"),
	"SHA512": auth.Secret("1234567890123456789012345678901234567890123456789012345678901234"),
}

func TestConformance(t *testing.T) {
	tokens := map[string]auth.Token{
		"TOTP SHA-1, 6 digits":           {Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second},
		"TOTP SHA-256, 8 digits":         {Key: keys["SHA256"], Algorithm: "SHA256", Digits: 8, Period: 30 * time.Second},
		"TOTP SHA-512, 7 digits, minute": {Key: keys["SHA512"], Algorithm: "SHA512", Digits: 7, Period: time.Minute},
		"HOTP":                           {Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6},
		"HOTP from a counter":            {Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Counter: 1 << 40},
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			algorithm, err := otp.ParseAlgorithm(token.Algorithm)
			if err != nil {
				t.Fatal(err)
			}
			p := otp.Params{Algorithm: algorithm, Digits: token.Digits, Period: token.Period}
			right := func(_ auth.Bound, n int) (auth.Evidence, time.Time) {
				if p.Period == 0 {
					return auth.Code(otp.HOTP(token.Key, token.Counter+uint64(n), p)), authtest.Epoch
				}
				at := authtest.Epoch.Add(time.Duration(n) * p.Period)
				return auth.Code(otp.TOTP(token.Key, at, p)), at
			}
			authtest.TestFactor(t, authtest.FactorCase{
				Factor:  &Factor{Drift: 1},
				Binding: auth.Binding{Account: "alice", Token: &token},
				Right:   right,
				Wrong: func(b auth.Bound) []auth.Evidence {
					code, at := right(b, 0)
					digits := []byte(code.(auth.Code))
					digits[0] = '0' + (digits[0]-'0'+1)%10
					if p.Period > 0 {
						late := otp.TOTP(token.Key, at.Add(2*p.Period), p)
						return []auth.Evidence{auth.Code(digits), auth.Code(late)}
					}
					return []auth.Evidence{auth.Code(digits)}
				},
				Foreign: []auth.Evidence{auth.Code(""), auth.Code("12345"), auth.Code("123456789"), auth.Code("7F3K9-2QDTX"), auth.Code("12345a")},
				OneTime: true,
			})
		})
	}
	t.Run("an app", func(t *testing.T) {
		code := func(b auth.Bound, at time.Time) auth.Code {
			e, err := otp.ParseURI(b.URI)
			if err != nil {
				t.Fatal(err)
			}
			return auth.Code(otp.TOTP(e.Key, at, e.Params))
		}
		authtest.TestFactor(t, authtest.FactorCase{
			Factor:  &Factor{Drift: 1},
			Binding: auth.Binding{Account: "alice", Issuer: "Sallyport"},
			Right: func(b auth.Bound, n int) (auth.Evidence, time.Time) {
				at := authtest.Epoch.Add(time.Duration(n) * 30 * time.Second)
				return code(b, at), at
			},
			Wrong: func(b auth.Bound) []auth.Evidence {
				return []auth.Evidence{code(b, authtest.Epoch.Add(time.Minute)), code(b, authtest.Epoch.Add(-time.Hour))}
			},
			OneTime: true,
		})
	})
}

// bind makes an authenticator of a token.
func bind(t *testing.T, f *Factor, token auth.Token) auth.Authenticator {
	t.Helper()
	b, err := f.Bind(t.Context(), auth.Binding{Token: &token})
	if err != nil {
		t.Fatal(err)
	}
	return auth.Authenticator{ID: "a", Factor: "oath", State: b.State, Mark: b.Mark}
}

func verify(t *testing.T, f *Factor, a auth.Authenticator, code string, at time.Time) auth.Finding {
	t.Helper()
	finding, err := f.Verify(t.Context(), a, auth.Attempt{Time: at, Evidence: []auth.Evidence{auth.Code(code)}})
	if err != nil {
		t.Fatal(err)
	}
	return finding
}

// After the database has gone back in time, counters that were spent look
// unspent and never expire; time steps do.
func TestRewoundTokensOfCountersRefuse(t *testing.T) {
	f := &Factor{Drift: 1}
	hotp := otp.Params{Digits: 6}
	totp := otp.Params{Digits: 6, Period: 30 * time.Second}
	counter := bind(t, f, auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6})
	clock := bind(t, f, auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second})
	right, now := otp.HOTP(keys["SHA1"], 0, hotp), otp.TOTP(keys["SHA1"], authtest.Epoch, totp)
	for _, rewound := range []bool{false, true} {
		counter.Rewound, clock.Rewound = rewound, rewound
		if got := verify(t, f, counter, right, authtest.Epoch); got.Match() == rewound || rewound && got.Outcome() != auth.ResyncRequired {
			t.Errorf("rewound %t: the right code of an HOTP token is %v", rewound, got)
		}
		if got := verify(t, f, clock, now, authtest.Epoch); !got.Match() {
			t.Errorf("rewound %t: the right code of a TOTP token is %v", rewound, got)
		}
	}
	if got := verify(t, f, counter, "000000", authtest.Epoch); got.Outcome() != auth.ResyncRequired {
		t.Errorf("a wrong code of a rewound HOTP token is %v; a right one must not be told from it", got)
	}
	if got, err := f.Verify(t.Context(), counter, auth.Attempt{Time: authtest.Epoch, Evidence: []auth.Evidence{auth.Password(right)}}); err != nil || got.Match() || got.Outcome() != 0 {
		t.Errorf("a password at a rewound HOTP token is %v, %v; want not mine", got, err)
	}
	first, second := otp.HOTP(keys["SHA1"], 7, hotp), otp.HOTP(keys["SHA1"], 8, hotp)
	if got, err := f.Resync(t.Context(), counter, auth.Code(first), auth.Code(second), authtest.Epoch); err != nil || !got.Match() || got.Mark() != 8 {
		t.Errorf("resynchronizing a rewound token: %v at %d, %v; want a match at 8", got, got.Mark(), err)
	}
}

// What a code is worth depends on where its step lies from now and from the
// mark.
func TestCodesAreToldApart(t *testing.T) {
	p := otp.Params{Digits: 6, Period: 30 * time.Second}
	now := p.Step(authtest.Epoch)
	tests := []struct {
		name  string
		drift int
		mark  int64 // relative to now
		step  int64 // of the code, relative to now
		want  auth.Outcome
	}{
		{"now", 1, -100, 0, 0},
		{"one step late", 1, -100, -1, 0},
		{"one step early", 1, -100, 1, 0},
		{"two steps late", 1, -100, -2, auth.OATHCodeOutOfDate},
		{"two steps early", 1, -100, 2, auth.OATHCodeOutOfDate},
		{"twenty steps late", 1, -100, -20, auth.OATHCodeOutOfDate},
		{"twenty-one steps late", 1, -100, -21, auth.OATHCodeIncorrect},
		{"strict: now", 0, -100, 0, 0},
		{"strict: one step late", 0, -100, -1, auth.OATHCodeOutOfDate},
		{"strict: one step early", 0, -100, 1, auth.OATHCodeOutOfDate},
		{"the accepted one again", 1, 0, 0, auth.DuplicateOATHCode},
		{"the accepted one again, later", 1, -5, -5, auth.DuplicateOATHCode},
		{"older than an accepted one", 1, 0, -1, auth.OATHCodeOutOfDate},
		{"newer than an accepted one", 1, 0, 1, 0},
		{"the clock went back: nothing revives", 1, 50, 0, auth.OATHCodeOutOfDate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &Factor{Drift: tt.drift}
			a := bind(t, f, auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second})
			a.Mark = now + tt.mark
			got := verify(t, f, a, otp.HOTP(keys["SHA1"], uint64(now+tt.step), p), authtest.Epoch)
			if got.Match() != (tt.want == 0) || got.Outcome() != tt.want {
				t.Fatalf("found %v; want %v", got, tt.want)
			}
			if got.Match() && got.Mark() != now+tt.step {
				t.Errorf("spends step %d; want %d", got.Mark(), now+tt.step)
			}
		})
	}
}

func TestCountersAreToldApart(t *testing.T) {
	p := otp.Params{Digits: 6}
	tests := []struct {
		name    string
		mark    int64
		counter uint64
		want    auth.Outcome
	}{
		{"the first", auth.NoMark, 0, 0},
		{"the next", 9, 10, 0},
		{"five ahead in all", 9, 14, 0},
		{"six ahead", 9, 15, auth.OATHCodeIncorrect},
		{"the last one again", 9, 9, auth.DuplicateOATHCode},
		{"one before", 9, 8, auth.OATHCodeOutOfDate},
		{"twenty before", 29, 10, auth.OATHCodeOutOfDate},
		{"long ago", 30, 10, auth.OATHCodeIncorrect},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &Factor{}
			a := bind(t, f, auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6})
			a.Mark = tt.mark
			got := verify(t, f, a, otp.HOTP(keys["SHA1"], tt.counter, p), authtest.Epoch)
			if got.Match() != (tt.want == 0) || got.Outcome() != tt.want {
				t.Errorf("found %v; want %v", got, tt.want)
			}
		})
	}
}

// LinOTP CVE-2019-12887: a pair of codes that was used does not revive by
// resynchronization, and one code is not two.
func TestResync(t *testing.T) {
	hotp := otp.Params{Digits: 6}
	totp := otp.Params{Digits: 6, Period: 30 * time.Second}
	now := totp.Step(authtest.Epoch)
	tests := []struct {
		name          string
		period        time.Duration
		mark          int64
		first, second int64
		want          bool
	}{
		{"HOTP just ahead", 0, 9, 10, 11, true},
		{"HOTP 900 ahead", 0, 9, 909, 910, true},
		{"HOTP 1,100 ahead", 0, 9, 1109, 1110, false},
		{"HOTP used pair", 0, 11, 10, 11, false},
		{"HOTP half used pair", 0, 10, 10, 11, false},
		{"HOTP not consecutive", 0, 9, 20, 22, false},
		{"HOTP the same twice", 0, 9, 20, 20, false},
		{"HOTP in the wrong order", 0, 9, 21, 20, false},
		{"TOTP half an hour slow", 30 * time.Second, now - 500, now - 60, now - 59, true},
		{"TOTP half an hour fast", 30 * time.Second, now - 500, now + 60, now + 61, true},
		{"TOTP two hours fast", 30 * time.Second, now - 500, now + 240, now + 241, false},
		{"TOTP used pair", 30 * time.Second, now - 59, now - 60, now - 59, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &Factor{Drift: 1}
			a := bind(t, f, auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Period: tt.period})
			a.Mark = tt.mark
			code := func(c int64) auth.Code { return auth.Code(otp.HOTP(keys["SHA1"], uint64(c), hotp)) }
			got, err := f.Resync(t.Context(), a, code(tt.first), code(tt.second), authtest.Epoch)
			if err != nil || got.Match() != tt.want {
				t.Fatalf("found %v, %v; want a match: %t", got, err, tt.want)
			}
			if !tt.want {
				return
			}
			if got.Mark() != tt.second {
				t.Errorf("the mark moves to %d; want %d", got.Mark(), tt.second)
			}
			a.Mark = got.Mark()
			if next := got.Next(); next != nil {
				a.State = next
			}
			// From now on the token's own next code is accepted, and the pair is
			// spent.
			at := authtest.Epoch.Add(tt.period)
			if again := verify(t, f, a, string(code(tt.second)), authtest.Epoch); again.Match() {
				t.Error("the second code of the pair is accepted again")
			}
			if next := verify(t, f, a, string(code(tt.second+1)), at); !next.Match() {
				t.Errorf("the next code is %v", next)
			}
		})
	}
}

func TestBindRefuses(t *testing.T) {
	tests := []struct {
		name  string
		token auth.Token
	}{
		{"short key", auth.Token{Key: auth.Secret("123456789012345"), Algorithm: "SHA1", Digits: 6}},
		{"no key", auth.Token{Algorithm: "SHA1", Digits: 6}},
		{"unknown hash", auth.Token{Key: keys["SHA1"], Algorithm: "MD5", Digits: 6}},
		{"five digits", auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 5}},
		{"odd period", auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Period: 45 * time.Second}},
		{"counter beyond range", auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Counter: 1 << 63}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if b, err := new(Factor).Bind(t.Context(), auth.Binding{Token: &tt.token}); err == nil {
				t.Errorf("bound with mark %d", b.Mark)
			}
		})
	}
}

// FuzzState checks that no state but one that Bind could have made is judged,
// and that nothing of it shows in an error.
func FuzzState(f *testing.F) {
	for _, h := range []string{"", "01", "0100060014", "01000600140000000000000000" + hex.EncodeToString(keys["SHA1"]), "0101080000" + "0000000000000000" + hex.EncodeToString(keys["SHA256"])} {
		b, err := hex.DecodeString(h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "123456")
	}
	factor := &Factor{Drift: 1}
	f.Fuzz(func(t *testing.T, b []byte, code string) {
		a := auth.Authenticator{ID: "a", State: b, Mark: auth.NoMark}
		s, err := factor.decode(a)
		if err != nil {
			return
		}
		if again := s.encode(); string(again) != string(b) {
			t.Errorf("state %x is read as %x", b, []byte(again))
		}
		at := auth.Attempt{Time: authtest.Epoch, Evidence: []auth.Evidence{auth.Code(code)}}
		finding, err := factor.Verify(context.Background(), a, at)
		if err != nil {
			t.Fatal(err)
		}
		if digits, ok := otp.Normalize(code); finding.Match() && (!ok || len(digits) != s.params.Digits) {
			t.Errorf("%q matches a token of %d digits", code, s.params.Digits)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	f := &Factor{Drift: 1}
	p := otp.Params{Digits: 6, Period: 30 * time.Second}
	bound, err := f.Bind(b.Context(), auth.Binding{Token: &auth.Token{Key: keys["SHA1"], Algorithm: "SHA1", Digits: 6, Period: p.Period}})
	if err != nil {
		b.Fatal(err)
	}
	a := auth.Authenticator{ID: "a", State: bound.State, Mark: bound.Mark}
	for _, c := range []struct{ name, code string }{{"match", otp.TOTP(keys["SHA1"], authtest.Epoch, p)}, {"miss", "000000"}} {
		b.Run(c.name, func(b *testing.B) {
			at := auth.Attempt{Time: authtest.Epoch, Evidence: []auth.Evidence{auth.Code(c.code)}}
			b.ReportAllocs()
			for range b.N {
				if _, err := f.Verify(context.Background(), a, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
