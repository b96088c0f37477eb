package check

import (
	"fmt"
	"math"
	"time"

	"sallyport/diagnose"
)

// Clock compares the server's clock with this machine's. Which of the two is
// wrong cannot be seen from here.
type Clock struct {
	// DifferenceMillis is the server's time minus this machine's.
	DifferenceMillis float64 `json:"difference_ms"`
	// PrecisionMillis is how far the true difference may be from it, to both sides.
	PrecisionMillis float64   `json:"precision_ms"`
	Server          time.Time `json:"server"` // as it told, in whole seconds
	Here            time.Time `json:"here"`   // at the same moment
	How             string    `json:"how"`    // "Date header of HTTP", "currentTime of LDAP"
}

// Where differences begin to matter. RFC 6238, Section 5.2 lets a code be one
// step of 30 s late; five minutes is the limit of Kerberos (RFC 4120, Section
// 1.6) and of most who check signed tokens.
const (
	codeDrift    = 30 * time.Second
	ticketDrift  = 5 * time.Minute
	longestRound = 20 * time.Second // a slower answer says too little
)

// compareClocks works out the difference from an answer that carried the
// server's time in units of unit, asked at asked and received at answered. The
// server looked at its clock somewhere between; its time is then anywhere in
// the unit that it named.
func compareClocks(server, asked, answered time.Time, unit time.Duration, how string) *Clock {
	round := answered.Sub(asked)
	if server.IsZero() || round < 0 || round > longestRound {
		return nil
	}
	middle := asked.Add(round / 2)
	difference := server.Add(unit / 2).Sub(middle)
	if difference == math.MaxInt64 || difference == math.MinInt64 {
		return nil // further than a Duration reaches: no clock says that
	}
	return &Clock{
		DifferenceMillis: millis(difference), PrecisionMillis: millis(unit/2 + round/2),
		Server: server.UTC(), Here: middle.UTC(), How: how,
	}
}

// reportClock makes the finding if the clocks differ for certain by more than a
// code allows.
func (x *examiner) reportClock() {
	c := x.Clock
	if c == nil {
		return
	}
	difference := time.Duration(c.DifferenceMillis * float64(time.Millisecond))
	precision := time.Duration(c.PrecisionMillis * float64(time.Millisecond))
	least := difference.Abs() - precision
	if least <= codeDrift {
		return
	}
	relation := "ahead of"
	if difference < 0 {
		relation = "behind"
	}
	breaks := "one-time codes of apps and tokens (30 s a step)"
	if least > ticketDrift {
		breaks += ", Kerberos and signed tokens (5 minutes)"
	}
	x.find("clock-skew", diagnose.Proven,
		"Both clocks were read within one exchange. Which of them is wrong is not seen by comparing two.",
		fmt.Sprintf("this machine and the server differ by %v (± %v): the server says %s when it is %s here, so it is %s this machine; that breaks %s (%s)",
			difference.Abs().Round(time.Second), precision.Round(100*time.Millisecond), c.Server.Format(time.RFC3339),
			c.Here.Format(time.RFC3339), relation, breaks, c.How))
}
