package diagnose

import (
	"iter"
	"slices"
	"strings"
	"time"
)

const (
	sourceTwice    = "https://msexchangeguru.com/?p=10215"
	sourceFailover = "https://github.com/opnsense/core/issues/10270"
)

const (
	// twice is how soon after another a login of the same person is taken for a
	// second one of the same sign-on, and surelyTwice how soon that is likely.
	twice       = 2 * time.Minute
	surelyTwice = time.Minute
	// slow is how long a login takes that many clients do not wait for, and
	// atOnce how soon after its end a client that gave up has begun anew.
	slow   = 30 * time.Second
	atOnce = 15 * time.Second
	// failoverTime is how long after the first server the second is asked, if the
	// first is not known to have decided.
	failoverTime = time.Minute
)

// promptCauses tell apart why a person is asked twice.
var promptCauses = []Cause{
	{
		ID:    "double-prompt-retransmission",
		Title: "The client sends the same request again while the person is still being asked",
		Means: "RADIUS runs over UDP, and a client that hears nothing repeats its request after a few seconds. A server that does not know it for the same asks the person again; " +
			"a good one drops the copies. Either way the client's time-out is shorter than the people are slow, and when its tries are used up the login fails although it was approved.",
		Who: "administrator of the RADIUS client (VPN, gateway, access point)",
		Remedy: []Step{
			{Text: "Set the client's RADIUS time-out to 60 seconds or more, and its number of tries to one."},
			{Text: "If the copies come within a second or two and nobody is asked, make the server faster: look at directories, scripts and home servers."},
		},
		Verify: []Step{{Text: "One login makes one request on the wire.", Commands: []string{"tcpdump -n -i any udp port 1812"}}},
		Source: []string{"RFC 5080, Section 2.2.1", sourceNPSMFA},
		Signs: []Sign{
			{
				Code: frDuplicated, Verdicts: []Verdict{Accepted, Refused, Faulty, Challenged, Abandoned}, Confidence: Proven,
				Why: "The server says that the same packet came again before it was answered.",
			},
			{
				Code: duoDuplicate, Verdicts: []Verdict{Accepted, Refused, Faulty, Challenged, Abandoned}, Confidence: Proven,
				Why: "The server says that the same packet came again before it was answered.",
			},
		},
		Find:  findRetransmissions,
		Hides: []string{"nps-request-discarded"},
	},
	{
		ID:    "double-login",
		Title: "One sign-on makes two logins, and the person is asked twice",
		Means: "The client really logs in twice, seconds apart: the Remote Desktop client of a Mac does, a gateway and the host behind it, or a VPN that renegotiates. " +
			"The server sees two logins that are both right, and cannot know that they are one to the person.",
		Who: "administrator of the MFA product", Note: true,
		Remedy: []Step{
			{Text: "Let the second login be spared for a short while: a cache of successful logins that is bound to person, application and address, of one or two minutes.", Commands: []string{"sallyport cache add --help"}},
			{Text: "Or update the client: newer ones log in once."},
			{Text: "If the person really logged in twice, for two sessions, there is nothing to mend."},
		},
		Verify: []Step{{Text: "One sign-on brings one prompt; the second login in the log is answered from the cache."}},
		Source: []string{sourceTwice},
		Find:   findDoubleLogins,
	},
	{
		ID:    "request-while-open",
		Title: "A second request came while the first was still waiting for the person",
		Means: "The server was waiting for the person's answer when another request for the same person arrived, and refused that one so that nobody is asked twice at once. " +
			"The client repeats too soon or asks several servers, or the person clicked again.",
		Who: "administrator of the RADIUS client (VPN, gateway, access point)",
		Remedy: []Step{
			{Text: "Set the client's time-out to 60 seconds or more and its tries to one."},
			{Text: "Let the second request ride on the first: a cache rule in Azure MFA Server; Sallyport does so by itself if the client sends Calling-Station-Id.", Commands: []string{"sallyport client patience CLIENT"}},
			{Text: "Tell people to answer the first request, and not to begin again."},
		},
		Verify: []Step{{Text: "The finding is gone in the log of the next day."}},
		Source: []string{azureReport, "https://github.com/MicrosoftDocs/azure-docs/issues/57289"},
		Signs: []Sign{
			{Code: "azure-mfa:101", Confidence: Proven, Why: "The server says that a login of this person was open."},
			{Code: "sallyport:101", Confidence: Proven, Why: "The server says that a login of this person was open."},
			{Text: "authentication is already in progress", Confidence: Proven, Why: "The server says that a login of this person was open."},
		},
		Hides: []string{"azure-mfa-auth-already-in-progress"},
	},
	{
		ID:    "failover",
		Title: "The client went on to a second server before the first had its answer from the person",
		Means: "Two servers were asked for the same login: the client's time-out ran out while the person was still being asked by the first, and the second asked them again. " +
			"The servers do not know of each other's request.",
		Who: "administrator of the RADIUS client (VPN, gateway, access point)",
		Remedy: []Step{
			{Text: "Set the client's time-out to 60 seconds or more before it goes on to the next server."},
			{Text: "Let a load balancer send one person always to the same server, or use servers that share what is open."},
		},
		Verify: []Step{{Text: "One login shows at one server only.", Commands: []string{"sallyport diagnose SERVER1.log SERVER2.log"}}},
		Source: []string{sourceFailover, "RFC 5080, Section 2.2.1"},
		Find:   findFailovers,
	},
	{
		ID:    "slow-human",
		Title: "The person answered, but the client had given up by then",
		Means: "The login was approved after half a minute or more, and the same client at once began anew for the same person: nobody was listening for the answer any more. " +
			"The person approves again and again, and never gets in.",
		Who: "administrator of the RADIUS client (VPN, gateway, access point)",
		Remedy: []Step{
			{Text: "Set the client's time-out to 60 seconds or more; 90 to 120 where people must find their phone."},
			{Text: "For RD Gateway: the time-outs of the connection request policy's remote RADIUS server group, both of them.", Commands: []string{"netsh nps show remoteserver"}},
		},
		Verify: []Step{{Text: "An approval after 40 seconds lets the person in."}},
		Source: []string{sourceNPSMFA, "https://github.com/MicrosoftDocs/azure-docs/issues/57289", "https://github.com/FreeRADIUS/pam_radius/issues/71"},
		Find:   findSlowHumans,
		Hides:  []string{"double-login"},
	},
}

// prompting are the formats whose accepted logins had a second factor, so that
// two of them are two prompts.
var prompting = []string{
	"azure-mfa-radius", "azure-mfa-server", "nps-extension", "duo-authproxy", "duo-authevents", "duo-unix", "duo-admin-api", "multiotp", "privacyidea", "sallyport",
}

// servers are the formats of authentication servers, several of which stand for
// one another.
var servers = []string{
	"azure-mfa-radius", "azure-mfa-server", "nps-event", "nps-log", "nps-extension", "freeradius", "duo-authproxy", "duo-authevents", "multiotp", "privacyidea", "sallyport",
}

// cached are the codes of logins that were answered from a cache.
var cached = []string{
	"azure-mfa:6", "azure-mfa:8", "azure-mfa:9", "sallyport:6", "sallyport:8", "sallyport:9",
}

// A loginKey is what two logins of one sign-on have in common.
type loginKey struct{ product, user, client, where string }

// keyOf is the key of an attempt, false if it cannot be compared.
func keyOf(a *Attempt) (loginKey, bool) {
	if a.User == "" || a.Time.IsZero() || !slices.Contains(prompting, a.Product) {
		return loginKey{}, false
	}
	where := a.Host
	if where == "" {
		where = a.Lines[0].File
	}
	return loginKey{a.Product, strings.ToLower(a.User), a.Client, where}, true
}

// elsewhere reports whether two logins are known to be from different places.
func elsewhere(a, b *Attempt) bool { return a.From != "" && b.From != "" && a.From != b.From }

// successive calls f with each accepted login and the one of the same key before
// it, in one pass.
func successive(attempts []*Attempt, f func(first, second *Attempt)) {
	last := map[loginKey]*Attempt{}
	for _, a := range attempts {
		if a.Verdict != Accepted {
			continue
		}
		key, ok := keyOf(a)
		if !ok {
			continue
		}
		if first := last[key]; first != nil && a.Time.After(first.Time) && a.Time.Sub(first.Time) <= 2*twice && !elsewhere(first, a) {
			f(first, a)
		}
		last[key] = a
	}
}

// gaveUp reports whether the second of two logins began because the client no
// longer waited for the first.
func gaveUp(first, second *Attempt) bool {
	return !first.End.IsZero() && first.End.Sub(first.Time) >= slow && second.Time.Sub(first.End) <= atOnce
}

func findDoubleLogins(attempts []*Attempt) []Match {
	var found []Match
	successive(attempts, func(first, second *Attempt) {
		apart := second.Time.Sub(first.Time)
		if apart > twice || gaveUp(first, second) {
			return
		}
		m := Match{Attempts: []*Attempt{second, first}, Confidence: Likely, Why: "The same person was let in twice through the same application within a minute, decided separately."}
		if slices.ContainsFunc(second.Codes, func(c string) bool { return slices.Contains(cached, c) }) {
			m.Why = "The same person was let in twice through the same application within two minutes; the second time a cache answered, so that nobody was asked again."
		} else if apart > surelyTwice {
			m.Confidence = Possible
			m.Why = "The same person was let in twice through the same application within two minutes; they may have logged in twice themselves."
		}
		found = append(found, m)
	})
	return found
}

func findSlowHumans(attempts []*Attempt) []Match {
	var found []Match
	successive(attempts, func(first, second *Attempt) {
		if gaveUp(first, second) {
			found = append(found, Match{
				Attempts: []*Attempt{first, second}, Confidence: Likely,
				Why: "The first login took longer than clients usually wait, and the same client began anew as soon as it was approved.",
			})
		}
	})
	return found
}

// findRetransmissions finds requests that NPS discarded because another of the
// same person was open or had just been answered. The event of the request that
// was decided is written at its end, and so can come before or after those of the
// copies.
func findRetransmissions(attempts []*Attempt) []Match {
	const discarded = "nps-event:6274"
	type who struct{ user, client string }
	// NPS with the extension goes on discarding for ten seconds after a success.
	const near = 90 * time.Second
	var found []Match
	seen := map[*Attempt]bool{}
	pass := func(all iter.Seq2[int, *Attempt], why string) {
		decided := map[who]*Attempt{}
		for _, a := range all {
			if a.Product != "nps-event" || a.User == "" || a.Time.IsZero() {
				continue
			}
			key := who{strings.ToLower(a.User), a.Client}
			if !slices.Contains(a.Codes, discarded) {
				decided[key] = a
			} else if other := decided[key]; other != nil && !seen[a] && a.Time.Sub(other.Time).Abs() <= near {
				seen[a] = true
				found = append(found, Match{Attempts: []*Attempt{a, other}, Confidence: Likely, Why: why})
			}
		}
	}
	pass(slices.All(attempts), "NPS discarded a request of the same person from the same client soon after it had decided another; it does so with copies.")
	pass(slices.Backward(attempts), "NPS discarded a request of the same person from the same client shortly before it had decided another; it does so with copies.")
	return found
}

func findFailovers(attempts []*Attempt) []Match {
	type who struct{ product, user string }
	type asked struct{ last, other *Attempt } // the newest, and the newest of another server than that
	seen := map[who]*asked{}
	var found []Match
	for _, a := range attempts {
		if a.User == "" || a.Host == "" || a.Time.IsZero() || !slices.Contains(servers, a.Product) {
			continue
		}
		key := who{a.Product, strings.ToLower(a.User)}
		s := seen[key]
		if s == nil {
			seen[key] = &asked{last: a}
			continue
		}
		first := s.last
		if strings.EqualFold(first.Host, a.Host) {
			first = s.other
		} else {
			s.other = s.last
		}
		s.last = a
		if first == nil || !a.Time.After(first.Time) || elsewhere(first, a) || first.Client != "" && a.Client != "" && first.Client != a.Client {
			continue
		}
		undecided := first.Verdict == Abandoned && a.Time.Sub(first.Time) <= failoverTime
		if undecided || a.Time.Before(first.End) {
			found = append(found, Match{
				Attempts: []*Attempt{a, first}, Confidence: Likely,
				Why: "A second server was asked for the same person while the first had not decided.",
			})
		}
	}
	return found
}
