package recovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/kdf"
)

// small keeps tests fast; nothing in the code depends on the size.
var small = kdf.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}

func newFactor() *Factor { return &Factor{Params: small, Lanes: kdf.NewLanes(2, time.Minute)} }

func bind(t *testing.T, f *Factor, id string) (auth.Authenticator, auth.Bound) {
	t.Helper()
	b, err := f.Bind(t.Context(), auth.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	return auth.Authenticator{ID: id, Factor: name, State: b.State, Mark: b.Mark}, b
}

func verify(t *testing.T, f *Factor, a auth.Authenticator, typed string) auth.Finding {
	t.Helper()
	found, err := f.Verify(t.Context(), a, auth.Attempt{Evidence: []auth.Evidence{auth.Code(typed)}})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestConformance(t *testing.T) {
	authtest.TestFactor(t, authtest.FactorCase{
		Factor: newFactor(),
		Right: func(b auth.Bound, n int) (auth.Evidence, time.Time) {
			return auth.Code(b.Codes[n]), authtest.Epoch
		},
		Wrong: func(b auth.Bound) []auth.Evidence {
			first, second := b.Codes[0], b.Codes[1]
			return []auth.Evidence{
				auth.Code("00000-00000"),
				auth.Code("zzzzzzzzzz"),
				auth.Code(first[6:] + "-" + first[:5]),
				auth.Code(first[:5] + "-" + second[6:]),
			}
		},
		Foreign: []auth.Evidence{
			auth.Code("123456"), auth.Code("12345678"), auth.Code("123456789"), auth.Code("12345678901"),
			auth.Code(""), auth.Code("UUUUU-UUUUU"), auth.Code(strings.Repeat("0", 1<<16)),
			auth.Code("\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19"), auth.Code("0123456789\x00"),
		},
		OneTime: true,
	})
}

// After the database has gone back in time nobody knows which codes were used
// since: a right, a used and a wrong one are refused alike.
func TestRewoundSheetsRefuse(t *testing.T) {
	f := newFactor()
	a, b := bind(t, f, "a")
	used := verify(t, f, a, b.Codes[1])
	if !used.Match() {
		t.Fatalf("a right code is %v", used)
	}
	a.State = used.Next()
	for _, typed := range []string{b.Codes[0], b.Codes[1], "00000-00000"} {
		a.Rewound = false
		if got := verify(t, f, a, typed); got.Match() != (typed == b.Codes[0]) {
			t.Errorf("before: %v", got)
		}
		a.Rewound = true
		if got := verify(t, f, a, typed); got.Match() || got.Outcome() != auth.ResyncRequired || got.Next() != nil {
			t.Errorf("after: %v; want %v", got, auth.ResyncRequired)
		}
	}
	if got := verify(t, f, a, "123456"); got.Match() || got.Outcome() != 0 {
		t.Errorf("the code of an app is %v at a rewound sheet; want not mine", got)
	}
}

func TestCodesAreTenOfFiftyBits(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$`)
	f := newFactor()
	seen := map[string]bool{}
	counts := map[rune]int{}
	for range 100 {
		_, b := bind(t, f, "a")
		if len(b.Codes) != 10 {
			t.Fatalf("%d codes, want 10", len(b.Codes))
		}
		for _, c := range b.Codes {
			if !shape.MatchString(c) {
				t.Errorf("code %q has not the form XXXXX-XXXXX", c)
			}
			if seen[c] {
				t.Errorf("code %q was given out twice", c)
			}
			seen[c] = true
			for _, r := range strings.ReplaceAll(c, "-", "") {
				counts[r]++
			}
		}
	}
	// 10,000 characters over 32: 312.5 each with a deviation of 17.4. Eight
	// deviations away, chance is ruled out.
	for r, n := range counts {
		if n < 173 || n > 452 {
			t.Errorf("%c appears %d times of 10,000, want about 312: not all characters are equally likely", r, n)
		}
	}
	if len(counts) != 32 {
		t.Errorf("%d different characters appear, want 32", len(counts))
	}
}

func TestEachCodeWorksOnce(t *testing.T) {
	f := newFactor()
	a, b := bind(t, f, "a")
	order := rand.Perm(len(b.Codes))
	for used, i := range order {
		found := verify(t, f, a, b.Codes[i])
		if !found.Match() {
			t.Fatalf("code %d, after %d others: no match, outcome %v", i, used, found.Outcome())
		}
		if found.Mark() != a.Mark {
			t.Errorf("the mark moved from %d to %d", a.Mark, found.Mark())
		}
		a.State = found.Next()
		if left, err := f.Left(a); err != nil || left != len(b.Codes)-used-1 {
			t.Errorf("with %d used, %d are left, %v", used+1, left, err)
		}
		for j, code := range b.Codes {
			found := verify(t, f, a, code)
			isUsed := slices.Contains(order[:used+1], j)
			if found.Match() == isUsed || isUsed && found.Outcome() != auth.RecoveryCodeUsed {
				t.Errorf("with %d used, code %d (used: %t): match %t, outcome %v", used+1, j, isUsed, found.Match(), found.Outcome())
			}
		}
	}
	if found := verify(t, f, a, "00000-00000"); found.Outcome() != auth.RecoveryCodeWrong {
		t.Errorf("a wrong code on a used-up set: outcome %v, want %v", found.Outcome(), auth.RecoveryCodeWrong)
	}
}

// Gogs CVE-2025-64175: one account's recovery codes opened another's. All pairs
// of a sample are tried, with all codes.
func TestCodesOpenNoOtherAccount(t *testing.T) {
	const accounts = 24
	f := newFactor()
	var holders [accounts]auth.Authenticator
	var sheets [accounts]auth.Bound
	for i := range accounts {
		holders[i], sheets[i] = bind(t, f, fmt.Sprint(i))
	}
	for i, a := range holders {
		for j, b := range sheets {
			for k, code := range b.Codes {
				if got := verify(t, f, a, code).Match(); got != (i == j) {
					t.Fatalf("code %d of account %d on account %d: match %t", k, j, i, got)
				}
			}
		}
	}
}

// The mark of use sits on the code and not on how it was spelled (CVE-2025-6014).
func TestSpellings(t *testing.T) {
	f := newFactor()
	a, b := bind(t, f, "a")
	code := b.Codes[0]
	plain := strings.ReplaceAll(code, "-", "")
	similar := strings.NewReplacer("0", "o", "1", "l").Replace(strings.ToLower(plain))
	spellings := []string{
		code, plain, strings.ToLower(code), similar, strings.ToUpper(strings.ReplaceAll(similar, "l", "I")),
		" " + code + " ", "\t" + code + "\r\n", strings.Join(strings.Split(plain, ""), " "), strings.Join(strings.Split(plain, ""), "-"),
		plain[:5] + "\u2013" + plain[5:], plain[:5] + "\u2011" + plain[5:], plain[:5] + "\u00a0" + plain[5:], "--" + plain + "--",
	}
	for _, s := range spellings {
		if found := verify(t, f, a, s); !found.Match() {
			t.Errorf("the spelling %q does not match: outcome %v", s, found.Outcome())
		}
	}
	a.State = verify(t, f, a, code).Next()
	for _, s := range spellings {
		if found := verify(t, f, a, s); found.Match() || found.Outcome() != auth.RecoveryCodeUsed {
			t.Errorf("the spelling %q of a used code: match %t, outcome %v", s, found.Match(), found.Outcome())
		}
	}
	for _, s := range []string{
		plain + "\x00", "\x00" + plain, plain + "+", plain[:9], plain + "0", "", plain[:5] + "." + plain[5:],
		plain[:9] + "\xff", plain[:9] + "U", plain[:9] + "\u0130", plain[:9] + "\u212a", strings.Repeat(" ", 64) + plain,
	} {
		if found := verify(t, f, a, s); found.Match() || found.Outcome() != 0 {
			t.Errorf("%q: match %t, outcome %v; want not mine", s, found.Match(), found.Outcome())
		}
	}
}

// Time must not tell an account with codes from one without, nor a right code
// from a used or wrong one. What takes time is hashes; they are counted.
func TestEveryAnswerCostsTheSame(t *testing.T) {
	f := newFactor()
	a, b := bind(t, f, "a")
	a.State = verify(t, f, a, b.Codes[0]).Next()
	tests := []struct {
		name   string
		holder auth.Authenticator
		typed  string
		hashes uint64
	}{
		{"a right code", a, b.Codes[1], 1},
		{"the last code", a, b.Codes[9], 1},
		{"a used code", a, b.Codes[0], 1},
		{"a wrong code", a, "00000-00000", 1},
		{"a right code on the decoy", f.Decoy(), b.Codes[1], 1},
		{"a code of an app", a, "123456", 0},
		{"a code of an app on the decoy", f.Decoy(), "123456", 0},
	}
	for _, tt := range tests {
		before := f.Lanes.Hashes()
		verify(t, f, tt.holder, tt.typed)
		if got := f.Lanes.Hashes() - before; got != tt.hashes {
			t.Errorf("%s costs %d hashes, want %d", tt.name, got, tt.hashes)
		}
	}
	real, err := decode(a.State)
	if err != nil {
		t.Fatal(err)
	}
	decoy, err := decode(f.Decoy().State)
	if err != nil {
		t.Fatal(err)
	}
	if real.Params != decoy.Params || len(real.Keys) != len(decoy.Keys) {
		t.Errorf("a real set costs %+v times %d, the decoy %+v times %d", real.Params, len(real.Keys), decoy.Params, len(decoy.Keys))
	}
}

// The story at the engine: a code opens once, its twin in another spelling is a
// replay, and neighbours stay good.
func TestCodeOpensOnceAtAnyClient(t *testing.T) {
	w := authtest.NewWorld(t, newFactor())
	alice, bob := w.AddAccount("alice"), w.AddAccount("bob")
	sheet := w.Bind(alice, name, auth.Binding{})
	w.Bind(bob, name, auth.Binding{})

	w.Want(w.Try("gateway", "bob", auth.Code(sheet.Codes[0])), auth.Reject, auth.RecoveryCodeWrong)
	w.Want(w.Try("gateway", "nobody", auth.Code(sheet.Codes[0])), auth.Reject, auth.UserNotFound)
	w.Want(w.Try("gateway", "alice", auth.Code(sheet.Codes[0])), auth.Accept, auth.RecoveryCodeVerified)
	w.Want(w.Try("gateway", "alice", auth.Code(sheet.Codes[0])), auth.Reject, auth.RecoveryCodeUsed)
	w.Want(w.Try("gateway", "alice", auth.Code(strings.ToLower(sheet.Codes[0])+" ")), auth.Reject, auth.RecoveryCodeUsed)
	asked := w.Try("asking-gateway", "alice")
	w.Want(asked, auth.Challenge, auth.OATHCodePending)
	w.Want(w.Answer(asked, "asking-gateway", "alice", auth.Code(sheet.Codes[1])), auth.Accept, auth.RecoveryCodeVerified)
}

func TestStateKeepsNoCode(t *testing.T) {
	_, b := bind(t, newFactor(), "a")
	for _, code := range b.Codes {
		plain := strings.ReplaceAll(code, "-", "")
		for _, form := range []string{code, plain, strings.ToLower(plain)} {
			if bytes.Contains(b.State, []byte(form)) {
				t.Error("the state holds a code in clear")
			}
		}
	}
	s, err := decode(b.State)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Salt) != 16 {
		t.Errorf("the salt has %d octets, want 16", len(s.Salt))
	}
	for i, key := range s.Keys {
		if slices.ContainsFunc(s.Keys[:i], func(k []byte) bool { return bytes.Equal(k, key) }) {
			t.Errorf("key %d stands twice in the set", i)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	f := newFactor()
	_, b := bind(t, f, "a")
	text := string(b.State)
	change := func(old, new string) string {
		changed := strings.Replace(text, old, new, 1)
		if changed == text {
			t.Fatalf("the state has no %q to change", old)
		}
		return changed
	}
	tests := []struct{ name, state string }{
		{"costs that take all memory", change(`"MemoryKiB":64`, `"MemoryKiB":999999999`)},
		{"no costs", change(`"MemoryKiB":64`, `"MemoryKiB":0`)},
		{"nine uses for ten keys", change(`"used":[false,`, `"used":[`)},
		{"an unknown field", change(`{`, `{"x":1,`)},
		{"white space", text + " "},
		{"a second value", text + text},
		{"a short salt", change(`"salt":"`, `"salt":"AAAA","was":"`)},
		{"no used field", change(`"used"`, `"usedd"`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := decode(auth.Secret(tt.state)); err == nil {
				t.Error("decode accepts it")
			}
		})
	}
}

func TestBusyLanesAreOurFault(t *testing.T) {
	f := newFactor()
	a, b := bind(t, f, "a")
	f.Lanes = nil // has no lane, ever
	found, err := f.Verify(t.Context(), a, auth.Attempt{Evidence: []auth.Evidence{auth.Code(b.Codes[0])}})
	if !errors.Is(err, auth.ErrBusy) || found.Match() {
		t.Errorf("Verify without a lane: match %t, %v; want auth.ErrBusy", found.Match(), err)
	}
	if _, err := f.Bind(t.Context(), auth.Binding{}); !errors.Is(err, auth.ErrBusy) {
		t.Errorf("Bind without a lane: %v; want auth.ErrBusy", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newFactor().Verify(ctx, a, auth.Attempt{Evidence: []auth.Evidence{auth.Code(b.Codes[0])}})
	if !errors.Is(err, context.Canceled) || errors.Is(err, auth.ErrBusy) {
		t.Errorf("Verify with a cancelled context: %v; want context.Canceled alone", err)
	}
}

// At the costs that are shipped.
func TestDefaultCosts(t *testing.T) {
	f := &Factor{Params: kdf.Default, Lanes: kdf.NewLanes(1, time.Minute)}
	a, b := bind(t, f, "a")
	if found := verify(t, f, a, b.Codes[4]); !found.Match() {
		t.Errorf("a right code does not match: outcome %v", found.Outcome())
	}
}

// However a code is cut up and dressed, it is read as the same code.
func TestNormalizeReadsAnyDress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := code(rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 10, 10, -1).Draw(t, "code"))
		var typed strings.Builder
		for _, r := range want {
			typed.WriteString(rapid.SampledFrom([]string{"", "", " ", "-", "\t", "\u2010"}).Draw(t, "between"))
			same := map[rune][]string{'0': {"0", "o", "O"}, '1': {"1", "i", "I", "l", "L"}}[r]
			if same == nil {
				same = []string{string(r), strings.ToLower(string(r))}
			}
			typed.WriteString(rapid.SampledFrom(same).Draw(t, "letter"))
		}
		if got, ok := normalize(typed.String()); got != want || !ok {
			t.Fatalf("normalize(%q) = %q, %t; want %q", typed.String(), string(got), ok, string(want))
		}
	})
}

// FuzzRecoveryNormalize checks that what is read as a code is one in its
// normal form, and that reading it again, plain or as it is shown, changes
// nothing.
func FuzzRecoveryNormalize(f *testing.F) {
	for _, s := range []string{
		"ABCDE-01234", "abcde 01234", "oIl00-00000", " 0123456789 ", "123456", "UUUUU-UUUUU", "0123456789\x00", "\uff10123456789",
		"ABCDE\u201301234", "\u0131\u0130\u017f\u212a012345", "", "-", strings.Repeat("-", 60) + "0123456789",
	} {
		f.Add(s)
	}
	shape := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{10}$`)
	f.Fuzz(func(t *testing.T, typed string) {
		c, ok := normalize(typed)
		if !ok {
			return
		}
		if !shape.MatchString(string(c)) {
			t.Fatalf("normalize(%q) = %q, which is no code", typed, string(c))
		}
		for _, again := range []string{string(c), c.written(), strings.ToLower(c.written())} {
			if got, ok := normalize(again); got != c || !ok {
				t.Errorf("normalize(%q) = %q, but normalize(%q) = %q, %t", typed, string(c), again, string(got), ok)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, p := range []kdf.Params{small, kdf.Default} {
		f := &Factor{Params: p, Lanes: kdf.NewLanes(1, time.Minute)}
		bound, err := f.Bind(b.Context(), auth.Binding{})
		if err != nil {
			b.Fatal(err)
		}
		a := auth.Authenticator{Factor: name, State: bound.State, Mark: bound.Mark}
		for what, typed := range map[string]string{"a recovery code": bound.Codes[9], "a code of an app": "123456"} {
			b.Run(fmt.Sprintf("m=%d/%s", p.MemoryKiB, what), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := f.Verify(b.Context(), a, auth.Attempt{Evidence: []auth.Evidence{auth.Code(typed)}}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
