//go:build linux

package e2e

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/otp"
	"sallyport/radius"
)

// appToken is what authenticator apps make.
var appToken = otp.Params{Digits: 6, Period: 30 * time.Second}

// patientLimits let an account fail as often as can be set, so that few
// accounts give many samples.
const patientLimits = `
throttle:
  password: {free: 100, stop: 100}
  second_factor: {free: 100, stop: 100}
`

// A login is what somebody tries: a name and what stands in the password field.
type login struct{ name, field string }

// form is all of a reply that its reader can tell apart from another: code,
// length, the order and lengths of attributes, and their values. What depends
// on the request or on chance is masked: identifier, signatures, State, and the
// reference, which is different for every login.
func form(a answer) string {
	if a.Packet == nil {
		return "silence"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d octets", a.Code, len(a.octets))
	for _, at := range a.Attributes {
		value := hex.EncodeToString(at.Value)
		switch at.Type {
		case radius.MessageAuthenticator, radius.State:
			value = "masked"
		case radius.ReplyMessage:
			value = referenceText.ReplaceAllString(string(at.Value), "XXXX-XXXX")
		}
		fmt.Fprintf(&b, "; %v (%d) %s", at.Type, len(at.Value), value)
	}
	return b.String()
}

var referenceText = regexp.MustCompile(`[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}`)

// Whoever guesses is told the same, octet for octet, whatever was wrong, and
// whether or not there is such an account: in append mode, in code-only mode,
// and where a question is asked.
func TestRefusalsLookAlike(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	add := s.client("appending", "--mode", "append")
	ask := s.client("asking")
	pass := s.client("passing", "--password", "none")

	alice := s.enrol("alice")
	disabled, blocked, bare := s.enrol("disabled"), s.enrol("blocked"), s.account("bare")
	s.do("", "account", "disable", disabled.name)
	s.do("", "account", "block", blocked.name)
	spent := s.enrol("spent")
	used := spent.code()
	pass.ask(spent.name, used, nil).want(t, "accept")

	tests := []struct {
		name   string
		nas    *nas
		logins map[string]login
	}{
		{"password and code in one field", add, map[string]login{
			"wrong password":               {alice.name, "wrong," + alice.wrong()},
			"wrong password, right code":   {alice.name, "wrong," + alice.code()},
			"wrong code":                   {alice.name, alice.password + "," + alice.wrong()},
			"no code":                      {alice.name, alice.password},
			"empty password":               {alice.name, "," + alice.wrong()},
			"nothing":                      {alice.name, ""},
			"used code":                    {spent.name, spent.password + "," + used},
			"old code":                     {alice.name, alice.password + "," + alice.old()},
			"word for a code":              {alice.name, alice.password + ",push"},
			"wrong recovery code":          {alice.name, alice.password + ",00000-00000"},
			"unknown account":              {"nobody", "wrong," + alice.wrong()},
			"unknown account, no code":     {"nobody", "wrong"},
			"impossible name":              {"al\x01ce", "wrong," + alice.wrong()},
			"disabled account, all right":  {disabled.name, disabled.password + "," + disabled.code()},
			"blocked account, all right":   {blocked.name, blocked.password + "," + blocked.code()},
			"account without factor":       {bare.name, bare.password + ",123456"},
			"account without factor, none": {bare.name, bare.password},
		}},
		{"code alone", pass, map[string]login{
			"wrong code":             {alice.name, alice.wrong()},
			"used code":              {spent.name, used},
			"old code":               {alice.name, alice.old()},
			"word for a code":        {alice.name, "push"},
			"wrong recovery code":    {alice.name, "00000-00000"},
			"unknown account":        {"nobody", alice.wrong()},
			"disabled account":       {disabled.name, disabled.code()},
			"blocked account":        {blocked.name, blocked.code()},
			"account without factor": {bare.name, "123456"},
			"impossible name":        {"al\x01ce", "123456"},
		}},
		{"password first", ask, map[string]login{
			"wrong password":                {alice.name, "wrong"},
			"empty password":                {alice.name, ""},
			"unknown account":               {"nobody", "wrong"},
			"disabled account, right":       {disabled.name, disabled.password},
			"account without factor, right": {bare.name, bare.password},
			"account without factor, wrong": {bare.name, "wrong"},
		}},
		{"asked for a code without any password", pass, map[string]login{
			"account":                {alice.name, ""},
			"unknown account":        {"somebody", ""},
			"disabled account":       {disabled.name, ""},
			"account without factor": {bare.name, ""},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := tt.nas.in(t)
			forms := make(map[string][]string)
			for name, l := range tt.logins {
				f := form(n.ask(l.name, l.field, nil))
				forms[f] = append(forms[f], name)
			}
			if len(forms) != 1 {
				for f, names := range forms {
					t.Errorf("%v: %s", names, f)
				}
			}
		})
	}
}

// A class is a kind of login whose answers are timed.
type class struct {
	name   string
	logins []login // taken in turn
	took   []float64
}

// measure times n answers of each class, one at a time and in random order, so
// that whatever else the machine does meets all classes alike.
func measure(t *testing.T, nas *nas, classes []*class, n int) {
	t.Helper()
	var order []*class
	for _, c := range classes {
		c.took = c.took[:0]
		for range n {
			order = append(order, c)
		}
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	turn := make(map[*class]int)
	k := nas.dial()
	defer k.close()
	for _, c := range order {
		l := c.logins[turn[c]%len(c.logins)]
		turn[c]++
		q := nas.request(l.name, l.field, nil)
		started := time.Now()
		k.send(q.octets)
		b := k.receive(20 * time.Second)
		took := time.Since(started)
		if b == nil {
			t.Fatalf("%s: no answer", c.name)
		}
		nas.read(b, q).want(t, "reject")
		c.took = append(c.took, took.Seconds())
	}
}

// auc is the chance that a classifier tells a sample of a from one of b by the
// better of the two sides of any threshold (Mann-Whitney U): 0.5 is guessing, 1
// is certainty.
func auc(a, b []float64) float64 {
	b = slices.Sorted(slices.Values(b))
	u := 0.0
	for _, x := range a {
		below, _ := slices.BinarySearch(b, x)
		above, _ := slices.BinarySearch(b, math.Nextafter(x, math.Inf(1)))
		u += float64(below) + float64(above-below)/2
	}
	p := u / float64(len(a)*len(b))
	return max(p, 1-p)
}

// sameTime checks that no two classes can be told apart by time: an AUC of at
// most 0.55, and what chance adds to it. Under the hypothesis that two classes
// are alike, the AUC of n samples each is normal about 0.5 with a standard
// deviation of sqrt((2n+1)/(12n²)), and it is hardly wider at 0.55; three of
// these deviations are passed by chance in 0.3 % of cases. That is 0.03 for
// 2,000 samples, 0.05 for 600 and 0.10 for 150. One bad measurement is taken for the
// machine's, which others share; two are ours.
func sameTime(t *testing.T, nas *nas, n int, classes ...*class) {
	t.Helper()
	limit := 0.55 + 3*math.Sqrt(float64(2*n+1)/float64(12*n*n))
	for round := 1; ; round++ {
		measure(t, nas, classes, n)
		worst := 0.0
		for i, a := range classes {
			for _, b := range classes[:i] {
				v := auc(a.took, b.took)
				worst = max(worst, v)
				t.Logf("AUC of %q against %q: %.3f (limit %.3f, %d samples each); medians %.3f and %.3f ms",
					b.name, a.name, v, limit, n, 1000*median(b.took), 1000*median(a.took))
			}
		}
		if worst <= limit {
			return
		}
		if round == 2 {
			t.Errorf("time tells what was wrong: AUC %.3f, more than %.3f, twice in a row", worst, limit)
			return
		}
		t.Logf("measured again, because the machine may have been busy")
	}
}

func median(s []float64) float64 {
	s = slices.Sorted(slices.Values(s))
	return s[len(s)/2]
}

// ramDirectory is a data directory whose fsync costs nothing where the system
// has one: the noise of a disk would hide differences.
func ramDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sallyport-e2e-")
	if err != nil {
		return filepath.Join(t.TempDir(), "data")
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "data")
}

// Time does not tell a wrong password from a wrong code or from an account that
// does not exist, with the release binary and the costs of Argon2id that are
// installed. It runs alone: parallel tests wait until it is over.
func TestPasswordRefusalsTakeTheSameTime(t *testing.T) {
	n := rounds(1000, 150)
	s := start(t, setup{Dir: ramDirectory(t), Config: patientLimits, Release: true})
	c := s.client("appending", "--mode", "append", "--rate", "100000")
	wrongPassword, wrongCode, unknown := &class{name: "wrong password"}, &class{name: "wrong code"}, &class{name: "unknown account"}
	for range 2*n/90 + 1 { // two measurements, and fewer than 100 failures an account
		p, q := s.enrol(""), s.enrol("")
		wrongPassword.logins = append(wrongPassword.logins, login{p.name, "pass of nobody," + p.wrong()})
		wrongCode.logins = append(wrongCode.logins, login{q.name, q.password + "," + q.wrong()})
		unknown.logins = append(unknown.logins, login{"person-" + strings.ToLower(rand8()), "pass of nobody," + p.wrong()})
	}
	sameTime(t, c, n, wrongPassword, wrongCode, unknown)
}

// Where the client has checked the password, time does not tell a wrong code,
// of whatever kind of token, from an account that does not exist or is
// disabled.
func TestCodeRefusalsTakeTheSameTime(t *testing.T) {
	n := rounds(2000, 600)
	s := start(t, setup{Dir: ramDirectory(t), Config: patientLimits, Release: true})
	c := s.client("passing", "--password", "none", "--rate", "100000")
	app, counter := &class{name: "wrong code of an app"}, &class{name: "wrong code of a counter-based token"}
	unknown, disabled := &class{name: "unknown account"}, &class{name: "disabled account"}
	// Two measurements, and fewer than 100 failures an account.
	each := 2*n/90 + 1
	names := func(kind string) (all []string) {
		for i := range each {
			all = append(all, fmt.Sprintf("%s-%03d", kind, i))
		}
		return all
	}
	for _, p := range s.tokensOf(appToken, names("app")...) {
		app.logins = append(app.logins, login{p.name, p.wrong()})
	}
	for _, p := range s.tokens(names("counter")...) {
		counter.logins = append(counter.logins, login{p.name, p.wrong()})
	}
	for _, p := range s.tokensOf(appToken, names("disabled")...) {
		s.do("", "account", "disable", p.name)
		disabled.logins = append(disabled.logins, login{p.name, p.wrong()})
	}
	for _, name := range names("nobody") {
		unknown.logins = append(unknown.logins, login{name, "493021"})
	}
	sameTime(t, c, n, app, counter, unknown, disabled)
}

// The statistic itself is right.
func TestAUC(t *testing.T) {
	tests := []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 1},
		{[]float64{4, 5, 6}, []float64{1, 2, 3}, 1},
		{[]float64{1, 2}, []float64{1, 2}, 0.5},
		{[]float64{1, 3}, []float64{2, 4}, 0.75},
	}
	for _, tt := range tests {
		if got := auc(tt.a, tt.b); got != tt.want {
			t.Errorf("auc(%v, %v) = %v; want %v", tt.a, tt.b, got, tt.want)
		}
	}
}
