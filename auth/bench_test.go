package auth_test

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/factor/oath"
	"sallyport/otp"
)

// A still store has the same facts for everybody and keeps nothing.
type still struct{ facts auth.Facts }

func (s *still) Settings() *auth.Settings { return s.facts.Settings }

func (s *still) Snapshot(context.Context, auth.Query, bool) (auth.Facts, error) { return s.facts, nil }

func (s *still) Commit(context.Context, auth.Settlement) (uint64, error) { return 1, nil }

func (s *still) Watch(string) (<-chan struct{}, func()) { return nil, func() {} }

// BenchmarkDecide measures the engine alone: a code-only login with a store
// that costs nothing.
func BenchmarkDecide(b *testing.B) {
	factor := &oath.Factor{Drift: 1}
	key := otp.NewKey(otp.SHA1)
	bound, err := factor.Bind(context.Background(), auth.Binding{Token: &auth.Token{
		Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second, Key: key,
	}})
	if err != nil {
		b.Fatal(err)
	}
	account := &auth.Account{ID: "a1", Name: "alice", Enabled: true}
	e := auth.NewEngine(auth.Parts{
		Store: &still{auth.Facts{
			Subject: account.ID, Account: account,
			Settings: (&auth.Settings{
				Applications: []auth.Application{{Name: "vpn"}},
				Clients:      []auth.Client{{Name: "nas", Application: "vpn", Password: auth.PasswordNone, Mode: auth.ModeAppend}},
			}).Index(),
			Authenticators: []auth.Authenticator{{ID: "t1", Account: account.ID, Factor: "oath", State: bound.State, Mark: bound.Mark}},
		}},
		Factors:    []auth.Factor{factor},
		Limits:     auth.DefaultLimits,
		References: auth.NewReferences([]byte("benchmark")),
		Pseudonym:  func(string) string { return "?" },
		Stopwatch:  time.Now,
		Log:        slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	at := auth.Attempt{
		Door: "radius", Client: "nas", Claimant: "alice", Source: netip.MustParseAddrPort("192.0.2.1:1645"),
		Time: time.Now(), Seen: "benchmark",
	}
	at.Evidence = []auth.Evidence{auth.Code(otp.TOTP(key, at.Time, otp.Params{Digits: 6, Period: 30 * time.Second}))}
	b.ReportAllocs()
	for b.Loop() {
		if d := e.Decide(context.Background(), at); d.Verdict != auth.Accept {
			b.Fatalf("the verdict is %v, %v", d.Verdict, d.Outcome)
		}
	}
}
