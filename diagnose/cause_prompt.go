package diagnose

import (
	"iter"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
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
			"The server sees two logins that are both right, and cannot know that they are one to the person. " +
			"That somebody comes back within a minute or two happens by chance, too; so this is told only where it is the rule with a person, or common with an application.",
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

// unasked are the codes of logins for which nobody was asked, so that they are
// no half of a double prompt: one-time bypass, skipped call, trusted address, and
// what a service lets through when it is not reached.
var unasked = []string{
	"azure-mfa:7", "azure-mfa:-100", "azure-mfa:-104", "sallyport:7", "sallyport:-100", "sallyport:-104", "duo:fail-open",
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

// hasCode reports whether an attempt has one of the codes.
func hasCode(a *Attempt, codes []string) bool {
	return slices.ContainsFunc(a.Codes, func(c string) bool { return slices.Contains(codes, c) })
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

// asked reports whether the person was asked for the second factor, or was
// spared it by a cache.
func (a *Attempt) asked() bool {
	return hasCode(a, cached) || a.Stage != auth.StagePolicy && !hasCode(a, unasked)
}

// An errand is a row of logins of one person through one application, each soon
// after the other.
type errand struct {
	last   *Attempt
	failed bool // the person was refused after the last one
	length int
	pairs  []Match
	close  int // of the pairs: within a minute, or answered by a cache
	quick  int // of the pairs: within seconds of the decision
}

// A habit is how one person, or all of one application, log in.
type habit struct {
	logins, errands int
	doubled         int // errands of two or three logins
	close, quick    int // errands with such a pair
	pairs           []Match
}

func (h *habit) add(e *errand) {
	h.logins += e.length
	h.errands++
	if e.length > longestErrand || len(e.pairs) == 0 {
		return // too long: a program, or many people with one name
	}
	h.doubled++
	h.close += min(e.close, 1)
	h.quick += min(e.quick, 1)
	h.pairs = append(h.pairs, e.pairs...)
}

const (
	// longestErrand is how many logins one sign-on makes at most.
	longestErrand = 3
	// aHabit is how many double logins of one person are no chance, and
	// aQuickHabit how many if the second begins within seconds of the first one's
	// end.
	aHabit      = 3
	aQuickHabit = 2
	// wellKnown is how many errands tell what is usual with a person.
	wellKnown = 6
)

// usual reports whether at least half of a person's errands are double, or a
// fifth are so within seconds. Of logins at random, however often, not more than
// two in five and one in fourteen are.
func (h *habit) usual() bool { return 2*h.doubled >= h.errands || 5*h.quick >= h.errands }

// systematic reports whether the double logins of one person are more than
// chance: several, and usual.
func (h *habit) systematic() bool {
	return (h.doubled >= aHabit && 2*h.doubled >= h.errands) || (h.quick >= aQuickHabit && 5*h.quick >= h.errands)
}

// join adds a person's habit to that of their application.
func (h *habit) join(person *habit) {
	h.logins += person.logins
	if person.errands >= wellKnown && !person.usual() {
		return
	}
	h.doubled += person.doubled
	h.close += person.close
}

// common reports whether double logins are common with an application: one for
// each five logins, and one of them within a minute. People come back within
// minutes once in some dozens of times.
func (h *habit) common() bool {
	return (h.close > 0 || h.doubled >= aHabit) && 5*h.doubled >= h.logins
}

// findDoubleLogins finds pairs of logins that one sign-on made. That a person
// logs in twice within two minutes happens by chance as well; so it tells only
// what one person or one application does as a rule.
func findDoubleLogins(attempts []*Attempt) []Match {
	type application struct{ product, client, where string }
	persons, applications := map[loginKey]*habit{}, map[application]*habit{}
	open := map[loginKey]*errand{}
	var order []loginKey // as met, so that equal logs give equal reports
	for _, a := range attempts {
		key, ok := keyOf(a)
		if !ok {
			continue
		}
		e := open[key]
		if a.Verdict != Accepted {
			if e != nil && (a.Verdict == Refused || a.Verdict == Faulty) && !elsewhere(e.last, a) {
				e.failed = true
			}
			continue
		}
		if persons[key] == nil {
			persons[key] = &habit{}
			order = append(order, key)
		}
		if e == nil || a.Time.Sub(e.last.Time) > twice {
			if e != nil {
				persons[key].add(e)
			}
			open[key] = &errand{last: a, length: 1}
			continue
		}
		if !a.Time.After(e.last.Time) {
			continue // the same login from another file
		}
		if e.length++; e.length <= longestErrand {
			e.pair(a)
		}
		e.last, e.failed = a, false
	}
	for _, key := range order {
		persons[key].add(open[key])
		of := application{key.product, key.client, folder(key.where)}
		if applications[of] == nil {
			applications[of] = &habit{}
		}
		applications[of].join(persons[key])
	}
	var found []Match
	for _, key := range order {
		h, all := persons[key], applications[application{key.product, key.client, folder(key.where)}]
		if h.systematic() || all.common() && (h.errands < wellKnown || h.usual()) {
			found = append(found, h.pairs...)
		}
	}
	return found
}

// pair looks whether the next login of an errand is a second one of the same
// sign-on: from the same place, begun after the last was decided and let in, and
// neither a new try nor because the client had given up.
func (e *errand) pair(second *Attempt) {
	first := e.last
	if e.failed || elsewhere(first, second) || second.Time.Before(first.End) || gaveUp(first, second) || !first.asked() || !second.asked() {
		return
	}
	m := Match{Attempts: []*Attempt{second, first}, Confidence: Likely, Why: "The same person was let in twice through the same application within a minute, decided separately, and not by chance: so it goes with a good part of the logins."}
	switch apart := second.Time.Sub(first.Time); {
	case hasCode(second, cached):
		e.close++
		m.Why = "The same person was let in twice through the same application within two minutes; the second time a cache answered, so that nobody was asked again."
	case apart <= surelyTwice:
		e.close++
	default:
		m.Confidence = Possible
		m.Why = "The same person was let in twice through the same application within two minutes, and so it goes with a good part of the logins; they may have logged in twice themselves."
	}
	if first.End.After(first.Time) && second.Time.Sub(first.End) <= atOnce {
		e.quick++
	}
	e.pairs = append(e.pairs, m)
}

// folder is the folder of a log: an application's log is often cut into files
// that lie together.
func folder(file string) string {
	return file[:strings.LastIndexAny(file, `/\!`)+1]
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

// apartAtLeast is how far apart two requests are at least that are in the logs of
// two servers which do not say who they are: a copy of a log tells of the same.
const apartAtLeast = 3 * time.Second

func findFailovers(attempts []*Attempt) []Match {
	type who struct {
		product, user string
		named         bool // the log says of which server it is
	}
	type asked struct{ last, other *Attempt } // the newest, and the newest of another server than that
	server := func(a *Attempt) string {
		if a.Host != "" {
			return strings.ToLower(a.Host)
		}
		return a.Lines[0].File
	}
	seen := map[who]*asked{}
	var found []Match
	for _, a := range attempts {
		if a.User == "" || a.Time.IsZero() || !slices.Contains(servers, a.Product) {
			continue
		}
		key := who{a.Product, strings.ToLower(a.User), a.Host != ""}
		s := seen[key]
		if s == nil {
			seen[key] = &asked{last: a}
			continue
		}
		first := s.last
		if server(first) == server(a) {
			first = s.other
		} else {
			s.other = s.last
		}
		s.last = a
		if first == nil || !a.Time.After(first.Time) || elsewhere(first, a) || first.Client != "" && a.Client != "" && first.Client != a.Client {
			continue
		}
		m := Match{
			Attempts: []*Attempt{a, first}, Confidence: Likely,
			Why: "A second server was asked for the same person while the first had not decided.",
		}
		undecided := first.Verdict == Abandoned && a.Time.Sub(first.Time) <= failoverTime
		if !key.named {
			// Two files may also be of one server, one after the other, or a file
			// and its copy: only logins that overlap, and are not the same, tell.
			undecided = false
			if a.Time.Sub(first.Time) < apartAtLeast || a.End.Sub(first.End).Abs() < time.Second {
				continue
			}
			m.Why = "Another log of the same product tells of a request for the same person while the first had not decided; it is taken for another server's."
		}
		if undecided || a.Time.Before(first.End) {
			found = append(found, m)
		}
	}
	return found
}
