package authtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

// A FactorCase is what TestFactor needs to know of a factor: how an owner of
// one authenticator behaves. All functions may be called concurrently.
type FactorCase struct {
	Factor  auth.Factor
	Binding auth.Binding // from which Bind makes an authenticator

	// Right returns the n-th evidence, counted from 0, that proves the
	// authenticator, and the time at which it does: the n-th code on a sheet,
	// the code of the n-th time step. The suite calls for 0, 1 and 2. It must
	// not be a text that an error message could hold by chance.
	Right func(b auth.Bound, n int) (auth.Evidence, time.Time)

	// Wrong returns evidence of the factor's own kind that proves nothing:
	// near misses are worth more than noise.
	Wrong func(b auth.Bound) []auth.Evidence

	// Foreign is evidence that the factor must leave to others, beside what
	// the suite tries itself: kinds other than that of Right.
	Foreign []auth.Evidence

	// OneTime says that every right evidence may be accepted once only.
	OneTime bool
}

// TestFactor checks that a factor keeps the contract of auth.Factor. Run it
// with the race detector.
func TestFactor(t *testing.T, c FactorCase) {
	if c.Factor == nil || c.Right == nil || c.Wrong == nil {
		t.Fatal("FactorCase: Factor, Right and Wrong are required")
	}
	t.Run("Info is complete and stable", c.testInfo)
	t.Run("Bind makes authenticators of their own", c.testBind)
	t.Run("right evidence matches", c.testRight)
	t.Run("wrong evidence is a mismatch with an outcome", c.testWrong)
	t.Run("foreign evidence is not mine", c.testForeign)
	t.Run("state that is not ours is an error", c.testGarbage)
	t.Run("the decoy never matches", c.testDecoy)
	t.Run("Verify changes none of its arguments", c.testArguments)
	t.Run("marks never go back", c.testMarks)
	t.Run("one-time evidence matches once", c.testOnce)
	t.Run("a context that has ended is an error", c.testContext)
	t.Run("what is secret prints as hidden", c.testHidden)
	t.Run("many at once", c.testRace)
}

// bind returns a new authenticator and what its owner was shown.
func (c FactorCase) bind(t *testing.T) (auth.Authenticator, auth.Bound) {
	t.Helper()
	b, err := c.Factor.Bind(t.Context(), c.Binding)
	if err != nil {
		t.Fatalf("Bind: %v", err)
	}
	return auth.Authenticator{
		ID: "authenticator-1", Account: "account-1", Factor: c.Factor.Info().Name, Label: "label",
		Serial: b.Serial, Created: Epoch, State: slices.Clone(b.State), Mark: b.Mark,
	}, b
}

// right returns the attempt that presents the n-th right evidence.
func (c FactorCase) right(b auth.Bound, n int) auth.Attempt {
	evidence, at := c.Right(b, n)
	return attempt(at, evidence)
}

// attempt returns an attempt that carries evidence.
func attempt(at time.Time, evidence ...auth.Evidence) auth.Attempt {
	return auth.Attempt{
		Door: "radius", Client: "nas", Claimant: "alice", Evidence: evidence, State: []byte("handle"),
		Source: netip.MustParseAddrPort("192.0.2.1:1645"), From: "00-00-5E-00-53-01", Time: at, Can: auth.Can{Ask: true},
	}
}

// verify is Verify where an error is a failure of the test.
func (c FactorCase) verify(t *testing.T, a auth.Authenticator, at auth.Attempt) auth.Finding {
	t.Helper()
	f, err := c.Factor.Verify(t.Context(), a, at)
	if err != nil {
		t.Fatalf("Verify: %v; an error means that we are broken, not that the claimant was wrong", err)
	}
	if f.Match() && f.Outcome() != 0 {
		t.Errorf("a match carries outcome %v; it has none, the engine names the accept", f.Outcome())
	}
	if !f.Match() && f.Next() != nil {
		t.Error("a mismatch carries a next state; only a match changes an authenticator")
	}
	return f
}

// apply does with a matching finding what the engine commits.
func apply(a auth.Authenticator, f auth.Finding) auth.Authenticator {
	a.Mark = f.Mark()
	if f.Next() != nil {
		a.State = f.Next()
	}
	return a
}

var factorName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (c FactorCase) testInfo(t *testing.T) {
	i := c.Factor.Info()
	if !factorName.MatchString(i.Name) {
		t.Errorf("Info().Name = %q; it is stored with every authenticator and typed in commands: lower-case words with dashes", i.Name)
	}
	if i.Title == "" || strings.TrimSpace(i.Title) != i.Title {
		t.Errorf("Info().Title = %q; people must be told what it is", i.Title)
	}
	if i.Category != auth.Know && i.Category != auth.Have {
		t.Errorf("Info().Category = %d; a factor of no category proves nothing to the policy", i.Category)
	}
	if m := i.Verified.Meaning(); m.Outcome != i.Verified || m.Verdict != auth.Accept {
		t.Errorf("Info().Verified = %d, whose verdict is %v; logins that this factor completes would be refused", i.Verified, m.Verdict)
	}
	if again := c.Factor.Info(); again != i {
		t.Errorf("Info() = %+v, then %+v; it must not change", i, again)
	}
}

func (c FactorCase) testBind(t *testing.T) {
	before := fmt.Sprintf("%x %x", c.Binding.Secret, tokenKey(c.Binding))
	a, _ := c.bind(t)
	if len(a.State) == 0 {
		t.Error("Bind returned no state; there is nothing to verify against")
	}
	if a.Mark < auth.NoMark {
		t.Errorf("Bind returned mark %d; the lowest is NoMark", a.Mark)
	}
	if after := fmt.Sprintf("%x %x", c.Binding.Secret, tokenKey(c.Binding)); after != before {
		t.Error("Bind changed the secret in its Binding")
	}
	if _, err := c.Factor.Bind(ended(), c.Binding); err != nil && strings.Contains(err.Error(), string(c.Binding.Secret)) && len(c.Binding.Secret) > 0 {
		t.Error("an error of Bind gives the secret away")
	}
}

func tokenKey(b auth.Binding) []byte {
	if b.Token == nil {
		return nil
	}
	return b.Token.Key
}

func (c FactorCase) testRight(t *testing.T) {
	for n := range 3 {
		a, b := c.bind(t)
		if f := c.verify(t, a, c.right(b, n)); !f.Match() {
			t.Errorf("right evidence %d on a new authenticator: no match, outcome %v", n, f.Outcome())
		}
	}
	a, b := c.bind(t)
	at := c.right(b, 0)
	at.Door, at.Client, at.Claimant, at.From, at.Can = "ldap", "other", "ALICE", "", auth.Can{}
	if _, bound := at.Evidence[0].(auth.Assertion); !bound { // an assertion has signed what follows from the State
		at.State = nil
	}
	if f := c.verify(t, a, at); !f.Match() {
		t.Errorf("right evidence through another door: no match, outcome %v; a factor judges evidence, the policy judges the rest", f.Outcome())
	}
}

func (c FactorCase) testWrong(t *testing.T) {
	a, b := c.bind(t)
	_, at := c.Right(b, 0)
	wrong := c.Wrong(b)
	if len(wrong) == 0 {
		t.Fatal("FactorCase.Wrong returns nothing to try")
	}
	for i, e := range wrong {
		f := c.verify(t, a, attempt(at, e))
		switch {
		case f.Match():
			t.Errorf("wrong evidence %d matches", i)
		case f.Outcome() == 0:
			t.Errorf("wrong evidence %d is a Finding without outcome: that means it is of another kind", i)
		case f.Outcome().Meaning().Outcome != f.Outcome() || f.Outcome().Meaning().Verdict != auth.Reject:
			t.Errorf("wrong evidence %d has outcome %d, which is no refusal in the catalogue", i, f.Outcome())
		}
	}
	if other, _ := c.bind(t); !bytes.Equal(other.State, a.State) && c.ownSecret() {
		if f := c.verify(t, other, c.right(b, 0)); f.Match() {
			t.Error("right evidence of one authenticator matches another (CVE-2025-64175)")
		}
	}
}

// ownSecret reports whether Bind makes the secret itself, so that two
// authenticators cannot have the same.
func (c FactorCase) ownSecret() bool {
	return len(c.Binding.Secret) == 0 && c.Binding.Token == nil
}

// foreign returns evidence that the factor must not judge.
func (c FactorCase) foreign(b auth.Bound) [][]auth.Evidence {
	right, _ := c.Right(b, 0)
	all := [][]auth.Evidence{nil, {}}
	switch e := right.(type) {
	case auth.Password:
		all = append(all, []auth.Evidence{auth.Code(e)}, []auth.Evidence{auth.Code("")}, []auth.Evidence{auth.Code("123456")})
	case auth.Code:
		all = append(all, []auth.Evidence{auth.Password(e)}, []auth.Evidence{auth.Password("")}, []auth.Evidence{auth.Password("password")})
	}
	for _, e := range c.Foreign {
		all = append(all, []auth.Evidence{e})
	}
	return all
}

func (c FactorCase) testForeign(t *testing.T) {
	a, b := c.bind(t)
	_, at := c.Right(b, 0)
	for i, evidence := range c.foreign(b) {
		for _, holder := range []auth.Authenticator{a, c.Factor.Decoy()} {
			f := c.verify(t, holder, attempt(at, evidence...))
			if f.Match() || f.Outcome() != 0 || f.Next() != nil {
				t.Errorf("foreign evidence %d on authenticator %q: match %t, outcome %v; want the zero Finding, so that others may judge it",
					i, holder.ID, f.Match(), f.Outcome())
			}
		}
	}
}

func (c FactorCase) testGarbage(t *testing.T) {
	a, b := c.bind(t)
	at := c.right(b, 0)
	garbage := map[string]auth.Secret{
		"nil":                    nil,
		"empty":                  {},
		"a zero octet":           {0},
		"text":                   auth.Secret("garbage"),
		"JSON null":              auth.Secret("null"),
		"an empty JSON object":   auth.Secret("{}"),
		"an empty JSON array":    auth.Secret("[]"),
		"ones of the same size":  bytes.Repeat([]byte{0xff}, len(a.State)),
		"zeros of the same size": make(auth.Secret, len(a.State)),
		"4 KiB of zeros":         make(auth.Secret, 4096),
	}
	for name, state := range garbage {
		bad := a
		bad.State = state
		f, err := c.Factor.Verify(t.Context(), bad, at)
		if f.Match() {
			t.Errorf("with %s for a state, right evidence matches", name)
		}
		if err == nil {
			t.Errorf("with %s for a state, Verify returns outcome %v and no error; a broken record must not look like a wrong code", name, f.Outcome())
		}
	}
	// Damaged states: an error is best, but where damage cannot be told from
	// another secret it must at least open nothing.
	step := max(1, len(a.State)/64)
	for n := 0; n < len(a.State); n += step {
		bad := a
		bad.State = slices.Clone(a.State[:n])
		if f, err := c.Factor.Verify(t.Context(), bad, at); err == nil && f.Match() {
			t.Errorf("right evidence matches with only the first %d of %d octets of the state", n, len(a.State))
		} else {
			c.wantSecretFree(t, err, a, at)
		}
	}
	bad := a
	bad.State = append(slices.Clone(a.State), '~')
	if f, err := c.Factor.Verify(t.Context(), bad, at); err == nil && f.Match() {
		t.Error("right evidence matches with a longer state than was bound")
	}
}

// wantSecretFree checks that an error carries neither state nor evidence.
func (c FactorCase) wantSecretFree(t *testing.T, err error, a auth.Authenticator, at auth.Attempt) {
	t.Helper()
	if err == nil {
		return
	}
	for _, e := range at.Evidence {
		var typed string
		switch e := e.(type) {
		case auth.Password:
			typed = string(e)
		case auth.Code:
			typed = string(e)
		}
		if len(typed) >= 6 && strings.Contains(err.Error(), typed) {
			t.Errorf("the error %q carries the evidence", err)
		}
	}
	if leak := leaked(err.Error(), a.State); leak != "" {
		t.Errorf("the error %q carries the state (%s)", err, leak)
	}
}

func (c FactorCase) testDecoy(t *testing.T) {
	_, b := c.bind(t)
	decoy := c.Factor.Decoy()
	if name := c.Factor.Info().Name; decoy.Factor != name {
		t.Errorf("Decoy().Factor = %q, want %q", decoy.Factor, name)
	}
	for n := range 3 {
		f := c.verify(t, decoy, c.right(b, n))
		if f.Match() {
			t.Errorf("right evidence %d matches the decoy: any account, or none, could be entered with it", n)
		} else if f.Outcome() == 0 {
			t.Errorf("right evidence %d is not the decoy's kind; then it costs nothing, and time tells who has no authenticator", n)
		}
	}
	_, at := c.Right(b, 0)
	for i, e := range c.Wrong(b) {
		if f := c.verify(t, decoy, attempt(at, e)); f.Match() {
			t.Errorf("wrong evidence %d matches the decoy", i)
		}
	}
	for i := range decoy.State {
		decoy.State[i] = 0
	}
	if f := c.verify(t, c.Factor.Decoy(), c.right(b, 0)); f.Match() {
		t.Error("after a decoy was overwritten, another one matches")
	}
}

func (c FactorCase) testArguments(t *testing.T) {
	a, b := c.bind(t)
	attempts := []auth.Attempt{c.right(b, 0)}
	_, when := c.Right(b, 0)
	for _, e := range c.Wrong(b) {
		attempts = append(attempts, attempt(when, e))
	}
	for i, at := range attempts {
		// Octets behind the slices' ends catch whoever appends in place.
		room := append(slices.Clone(a.State), "canary"...)
		given := a
		given.State = room[:len(a.State)]
		kept, keptAt := a, at
		kept.State = slices.Clone(a.State)
		keptAt.Evidence = slices.Clone(at.Evidence)
		keptAt.State = slices.Clone(at.State)

		f := c.verify(t, given, at)
		if !reflect.DeepEqual(given, kept) || !bytes.HasSuffix(room, []byte("canary")) {
			t.Errorf("attempt %d: Verify changed the authenticator that it was given; it may only return a Finding", i)
		}
		if !reflect.DeepEqual(at, keptAt) {
			t.Errorf("attempt %d: Verify changed the attempt that it was given", i)
		}
		next := slices.Clone(f.Next())
		for j := range room {
			room[j] ^= 0xff
		}
		if !bytes.Equal(f.Next(), next) {
			t.Errorf("attempt %d: the next state shares memory with the old one", i)
		}
	}
}

func (c FactorCase) testMarks(t *testing.T) {
	a, b := c.bind(t)
	for _, n := range []int{0, 2, 1, 0, 2} {
		f := c.verify(t, a, c.right(b, n))
		if !f.Match() {
			continue
		}
		if f.Mark() < a.Mark {
			t.Fatalf("right evidence %d moves the mark back, from %d to %d: what was spent would be good again", n, a.Mark, f.Mark())
		}
		a = apply(a, f)
	}
	// A mark at its end leaves nothing to accept for whoever moves it, and is
	// passed through by whoever does not.
	a.Mark = 1<<63 - 1
	if f := c.verify(t, a, c.right(b, 0)); f.Match() && f.Mark() != a.Mark {
		t.Errorf("with the mark at its end, right evidence moves it to %d", f.Mark())
	}
}

func (c FactorCase) testOnce(t *testing.T) {
	a, b := c.bind(t)
	for n := range 3 {
		at := c.right(b, n)
		f := c.verify(t, a, at)
		if !f.Match() {
			t.Fatalf("right evidence %d, after those before it: no match, outcome %v", n, f.Outcome())
		}
		moved := f.Mark() != a.Mark || f.Next() != nil
		if c.OneTime && !moved {
			t.Fatalf("right evidence %d matches without moving mark or state: nothing is spent", n)
		}
		// Verify itself spends nothing: until the engine has committed, the
		// same evidence is still good.
		if again := c.verify(t, a, at); !again.Match() {
			t.Errorf("right evidence %d is spent before its Finding is committed: Verify remembers", n)
		}
		a = apply(a, f)
		again := c.verify(t, a, at)
		switch {
		case c.OneTime && again.Match():
			t.Errorf("right evidence %d matches a second time", n)
		case c.OneTime && again.Outcome() == 0:
			t.Errorf("right evidence %d, used: not mine; want an outcome that says so", n)
		case !c.OneTime && !again.Match():
			t.Errorf("right evidence %d does not match a second time, outcome %v", n, again.Outcome())
		}
	}
	if !c.OneTime {
		return
	}
	for n := range 3 {
		if c.verify(t, a, c.right(b, n)).Match() {
			t.Errorf("right evidence %d matches again after later ones", n)
		}
	}
}

// ended returns a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (c FactorCase) testContext(t *testing.T) {
	a, b := c.bind(t)
	at := c.right(b, 0)
	f, err := c.Factor.Verify(ended(), a, at)
	if f.Match() || f.Outcome() != 0 {
		t.Errorf("Verify with a context that has ended: match %t, outcome %v; want the zero Finding", f.Match(), f.Outcome())
	}
	if err == nil {
		t.Error("Verify with a context that has ended returns no error; the engine would take it for a verdict")
	}
	c.wantSecretFree(t, err, a, at)
}

func (c FactorCase) testHidden(t *testing.T) {
	a, b := c.bind(t)
	at := c.right(b, 0)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("bound", "state", b.State, "authenticator", a, "evidence", at.Evidence[0], "secret", c.Binding.Secret)
	js, err := json.Marshal(a)
	if err != nil {
		t.Fatalf("an authenticator cannot be written as JSON: %v", err)
	}
	prints := map[string]string{
		"the log":            log.String(),
		"JSON":               string(js),
		"%v of the state":    fmt.Sprintf("%v %s %q %#v", b.State, b.State, b.State, b.State),
		"%+v of the account": fmt.Sprintf("%v %+v %#v", a, a, a),
		"the factor itself":  fmt.Sprintf("%v %+v %#v", c.Factor, c.Factor, c.Factor),
	}
	for where, text := range prints {
		if leak := leaked(text, a.State); leak != "" {
			t.Errorf("%s shows the state (%s)", where, leak)
		}
		if s := c.Binding.Secret; len(s) >= 6 && leaked(text, s) != "" {
			t.Errorf("%s shows the secret that was bound", where)
		}
		if key := tokenKey(c.Binding); len(key) >= 6 && leaked(text, key) != "" {
			t.Errorf("%s shows the token's key", where)
		}
	}
	for where, text := range map[string]string{
		"%v of the evidence": fmt.Sprintf("%v %+v %#v %s %q", at.Evidence[0], at.Evidence[0], at.Evidence[0], at.Evidence[0], at.Evidence[0]),
		"the log":            log.String(),
	} {
		right, _ := c.Right(b, 0)
		if typed := reflect.ValueOf(right).String(); len(typed) >= 6 && strings.Contains(text, typed) {
			t.Errorf("%s shows the evidence", where)
		}
	}
}

// leaked says in which form text contains secret, "" if it does not.
func leaked(text string, secret []byte) string {
	if len(secret) < 6 {
		return ""
	}
	decimal := strings.Trim(fmt.Sprint(secret[:6]), "[]")
	for form, want := range map[string]string{
		"as it is":   string(secret),
		"as hex":     hex.EncodeToString(secret),
		"as base64":  base64.RawStdEncoding.EncodeToString(secret),
		"as numbers": decimal,
		"as bytes":   strings.ReplaceAll(decimal, " ", ", "),
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
			return form
		}
	}
	return ""
}

// testRace lets 64 attempts bring the same evidence at once to a record that
// is changed only by compare-and-set on its version, which is what a store
// does with a settlement.
func (c FactorCase) testRace(t *testing.T) {
	a, b := c.bind(t)
	var record struct {
		sync.Mutex
		// The mutex guards the fields below.
		authenticator    auth.Authenticator
		version, accepts int
	}
	record.authenticator = a
	const attempts = 64
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range attempts {
		wg.Go(func() {
			at := c.right(b, 0)
			<-start
			for {
				record.Lock()
				seen, version := record.authenticator, record.version
				record.Unlock()
				f, err := c.Factor.Verify(t.Context(), seen, at)
				if err != nil {
					t.Errorf("Verify: %v; give the suite's factor lanes for %d at once", err, attempts)
					return
				}
				if !f.Match() {
					return
				}
				moved := f.Mark() != seen.Mark || f.Next() != nil
				record.Lock()
				committed := record.version == version || !moved
				if committed {
					record.accepts++
				}
				if committed && moved {
					record.version++
					record.authenticator = apply(seen, f)
				}
				record.Unlock()
				if committed {
					return
				}
			}
		})
		// What is read only may be read by all at once.
		wg.Go(func() {
			<-start
			_, _ = c.Factor.Info(), c.Factor.Decoy()
		})
	}
	close(start)
	wg.Wait()
	want := attempts
	if c.OneTime {
		want = 1
	}
	if record.accepts != want {
		t.Errorf("%d attempts with the same evidence at once led to %d accepts, want %d", attempts, record.accepts, want)
	}
}
