//go:build linux

package e2e

import (
	"fmt"
	"math"
	"testing"
)

// Time does not tell them apart the first time that a name is tried either,
// when the account is in memory because its owner logs in and the name is not
// (CVE-2023-3462 and its like).
func TestFirstTryTakesTheSameTime(t *testing.T) {
	n := rounds(1000, 300)
	s := start(t, setup{Dir: ramDirectory(t), Config: patientLimits, Release: true})
	c := s.client("passing", "--password", "none", "--rate", "100000")
	wrong, unknown := &class{name: "account in use"}, &class{name: "unknown name tried for the first time"}
	var names []string
	for i := range 2 * n { // as many again for a second measurement
		names = append(names, fmt.Sprintf("person-%03d", i))
		unknown.logins = append(unknown.logins, login{fmt.Sprintf("nobody-%03d", i), "493021"})
	}
	for _, p := range s.tokensOf(appToken, names...) {
		c.ask(p.name, p.code(), nil).want(t, "accept")
		wrong.logins = append(wrong.logins, login{p.name, p.wrong()})
	}
	limit := 0.55 + 3*math.Sqrt(float64(2*n+1)/float64(12*n*n))
	for round := range 2 {
		first := func(c *class) *class { return &class{name: c.name, logins: c.logins[round*n : (round+1)*n]} }
		a, b := first(wrong), first(unknown)
		measure(t, c, []*class{a, b}, n)
		v := auc(a.took, b.took)
		t.Logf("AUC of %q against %q: %.3f (limit %.3f, %d samples each); medians %.3f and %.3f ms",
			a.name, b.name, v, limit, n, 1000*median(a.took), 1000*median(b.took))
		if v <= limit {
			return
		}
	}
	t.Error("the time of a first try tells whether there is an account")
}
