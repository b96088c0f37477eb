package tlsprobe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// SurveyOptions bound a survey. The zero value is the usual one.
type SurveyOptions struct {
	Versions    []Version     // to try, nil: all from SSL 2.0 to TLS 1.3
	Wait        time.Duration // for each answer, 0: 5 s
	Connections int           // at most, in all, 0: 600
	Parallel    int           // at once, 0: one by one
	NoSuites    bool          // only versions and names, not every suite
	// Progress is called after each connection, never by two goroutines at
	// once. It may be nil.
	Progress func(Progress)
}

// Progress is how far a survey is.
type Progress struct {
	Connections int // made so far
	Doing       string
}

// A Survey is what a server accepts.
type Survey struct {
	Versions []VersionAnswer
	// Suites are those that each accepted version has. They stand in the
	// server's order of preference if it has one, else in ours.
	Suites map[Version][]uint16
	// ServerPreference is true if the server picks by its own order rather
	// than by the client's, in every version that shows it.
	ServerPreference bool
	// NeedsSNI is true if the server answers a hello with the server name, and
	// does not without it.
	NeedsSNI bool
	// OtherCertificate is true if a client that sends no server name gets
	// another certificate.
	OtherCertificate bool
	// Named and Unnamed are the answers to a hello of a common client with and
	// without the server name; Unnamed is nil if there is no name to leave out.
	Named, Unnamed *Answer
	// Intolerant are the versions that the server does not accept and whose
	// hello it does not even answer with a lower version, although it has one
	// (RFC 5246, Appendix E.1). Clients that offer them fail.
	Intolerant []Version
	// LargeHelloFails is true if a hello of today's size (about 1700 octets,
	// with a post-quantum key) fails where the same without that key works.
	LargeHelloFails bool
	Connections     int // made
	// Complete is false if the bound on connections was reached, or the server
	// stopped answering: then there may be more than what is listed, and what
	// would need an answer to compare with is not concluded.
	Complete bool
}

// A VersionAnswer says whether a version is accepted.
type VersionAnswer struct {
	Version  Version
	Accepted bool
	Answer   Answer // to a hello that offers it as the highest
	// ServerPreference is true if the server picks the suite by its own order.
	// It is unknown (false) with fewer than two suites.
	ServerPreference bool
}

// A Dialer opens a connection to the server that is probed.
type Dialer = func(ctx context.Context) (net.Conn, error)

// batch is how many suites are offered at once to servers that cannot take all
// of them in one hello: some break on hellos of more than 255 octets.
const batch = 48

// commonSuites are those that nearly every server has one of, for a hello of
// modest size.
var commonSuites = []uint16{
	0x1301, 0x1302, 0x1303,
	0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0xc023, 0xc027, 0xc024, 0xc028,
	0x009e, 0x009f, 0x0033, 0x0039, 0x0067, 0x006b, 0x009c, 0x009d, 0x002f, 0x0035, 0x003c, 0x003d,
	0xc008, 0xc012, 0x0016, 0x000a, 0xc007, 0xc011, 0x0005, 0x0004, 0x0032, 0x0038, 0x0013, 0x0009,
}

// errSpent ends a survey whose bound on connections is reached.
var errSpent = errors.New("tlsprobe: survey: the bound on connections is reached")

// Take finds out what a server accepts. serverName is the name to ask for
// (SNI), which may be empty. dial is called by several goroutines at once if
// o.Parallel is more than 1.
//
// If there is nothing to survey because nothing listens there or what listens
// does not speak TLS, Versions is empty and Named says which. The error says
// that no connection could be opened, or that ctx ended.
func Take(ctx context.Context, dial Dialer, serverName string, o SurveyOptions) (Survey, error) {
	if o.Versions == nil {
		o.Versions = Versions()
	}
	if o.Wait <= 0 {
		o.Wait = 5 * time.Second
	}
	if o.Connections <= 0 {
		o.Connections = 600
	}
	t := &taking{
		dial: dial, name: serverName, options: o,
		slots:  make(chan struct{}, max(o.Parallel, 1)),
		survey: Survey{Suites: make(map[Version][]uint16), Complete: true},
	}
	named, err := t.probe(ctx, t.common(serverName), "the usual hello")
	if err != nil {
		return Survey{}, err
	}
	t.survey.Named = &named
	if named.End != Refused && named.End != NotTLS {
		err = t.everything(ctx)
	}
	return t.survey, err
}

// taking is a survey under way.
type taking struct {
	dial    Dialer
	name    string
	options SurveyOptions
	slots   chan struct{} // one for each connection at once

	mu     sync.Mutex // guards the fields below
	survey Survey
}

// common is a hello as a client would send it that takes anything.
func (t *taking) common(name string) Offer {
	return Offer{Versions: []Version{TLS10, TLS11, TLS12, TLS13}, Suites: commonSuites, ServerName: name}
}

// probe makes one connection, within the bounds.
func (t *taking) probe(ctx context.Context, offer Offer, doing string) (Answer, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("tlsprobe: survey: %w", ctx.Err())
	}
	t.mu.Lock()
	spent := t.survey.Connections >= t.options.Connections
	if !spent {
		t.survey.Connections++
	}
	t.mu.Unlock()
	if spent {
		return Answer{}, errSpent
	}
	a, err := Probe(ctx, t.dial, offer, t.options.Wait)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.options.Progress != nil {
		t.options.Progress(Progress{Connections: t.survey.Connections, Doing: doing})
	}
	return a, err
}

// incomplete notes that not everything could be asked. It passes on the end of
// ctx, which ends the survey.
func (t *taking) incomplete(ctx context.Context) error {
	t.mu.Lock()
	t.survey.Complete = false
	t.mu.Unlock()
	if ctx.Err() != nil {
		return fmt.Errorf("tlsprobe: survey: %w", ctx.Err())
	}
	return nil
}

func (t *taking) everything(ctx context.Context) error {
	versions := t.options.Versions
	answers := make([]VersionAnswer, len(versions))
	suites := make([][]uint16, len(versions))
	errs := make([]error, len(versions))
	run := func(i int) { answers[i], suites[i], errs[i] = t.version(ctx, versions[i]) }
	if cap(t.slots) == 1 {
		for i := range versions {
			run(i)
		}
	} else {
		var wg sync.WaitGroup
		for i := range versions {
			wg.Go(func() { run(i) })
		}
		wg.Wait()
	}
	t.survey.Versions = answers
	shown, against := false, false
	for i, a := range answers {
		if !a.Accepted || a.Version == SSL20 || t.options.NoSuites {
			continue
		}
		t.survey.Suites[a.Version] = suites[i]
		if len(suites[i]) > 1 {
			shown = true
			against = against || !a.ServerPreference
		}
	}
	t.survey.ServerPreference = shown && !against
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.tolerance()
	if err := t.names(ctx); err != nil {
		return err
	}
	if err := t.large(ctx); err != nil {
		return err
	}
	return t.control(ctx)
}

// control asks once more for what was accepted, if anything was refused without
// a word: a server, or a guard before it, that has had enough of us refuses the
// same way as one that cannot take a hello, and then nothing can be concluded.
func (t *taking) control(ctx context.Context) error {
	s := &t.survey
	doubtful := s.LargeHelloFails || s.NeedsSNI && s.Unnamed.End != Alerted
	var known *Offer
	if s.Named.Accepted() {
		offer := t.common(t.name)
		known = &offer
	}
	for _, a := range s.Versions {
		switch {
		case !a.Accepted:
			doubtful = doubtful || !a.Answer.Accepted() && a.Answer.End != Alerted
		case known == nil:
			known = &Offer{Versions: []Version{a.Version}, Suites: []uint16{a.Answer.Hello.Suite}, ServerName: t.name}
		}
	}
	if !doubtful || known == nil {
		return nil
	}
	a, err := t.probe(ctx, *known, "whether it still answers")
	if err != nil {
		return t.incomplete(ctx)
	}
	if !known.Accepts(a.Hello) {
		s.NeedsSNI, s.LargeHelloFails, s.Intolerant = false, false, nil
		return t.incomplete(ctx)
	}
	return nil
}

// version finds out whether v is accepted and with which suites.
func (t *taking) version(ctx context.Context, v Version) (VersionAnswer, []uint16, error) {
	result := VersionAnswer{Version: v}
	all := offerable(v)
	slices.SortStableFunc(all, func(a, b uint16) int { return commonRank(a) - commonRank(b) })
	if v == SSL20 {
		all = nil
	}
	ask := func(suites []uint16) (Answer, error) {
		return t.probe(ctx, Offer{Versions: []Version{v}, Suites: suites, ServerName: t.name}, v.String())
	}
	accepted := func(a *Answer, offered []uint16) bool {
		return a.Accepted() && a.Hello.Version == v && (v == SSL20 || slices.Contains(offered, a.Hello.Suite))
	}

	var err error
	result.Answer, err = ask(all)
	if err != nil {
		return result, nil, t.incomplete(ctx)
	}
	whole := accepted(&result.Answer, all)
	parts := [][]uint16{all}
	if !whole && v != SSL20 && !decisive(&result.Answer, v) {
		// It may be the size of the hello that the server cannot take.
		parts = slices.Collect(slices.Chunk(all, batch))
		if result.Answer.End == TimedOut {
			parts = parts[:1] // to wait for each would take minutes
		}
		for _, part := range parts {
			a, err := ask(part)
			if err != nil {
				return result, nil, t.incomplete(ctx)
			}
			if accepted(&a, part) {
				result.Answer, result.Accepted = a, true
				break
			}
		}
	}
	result.Accepted = result.Accepted || whole
	if !result.Accepted || t.options.NoSuites || v == SSL20 {
		return result, nil, nil
	}
	if !whole {
		parts = slices.Collect(slices.Chunk(all, batch))
	}

	// Offer a list, take away what was chosen, until nothing more is.
	drain := func(list []uint16) (chosen []uint16, err error) {
		list = slices.Clone(list)
		for len(list) > 0 {
			a, err := ask(list)
			if err != nil {
				return chosen, t.incomplete(ctx)
			}
			if !accepted(&a, list) {
				if a.End == Alerted || a.End == Answered || len(chosen) == 0 {
					return chosen, nil
				}
				// Servers that say nothing when they refuse cannot be told from
				// those that have had enough of us, but by asking for what they
				// accepted before.
				control, err := ask(chosen[:1])
				if err != nil || !accepted(&control, chosen[:1]) {
					return chosen, t.incomplete(ctx)
				}
				return chosen, nil
			}
			chosen = append(chosen, a.Hello.Suite)
			i := slices.Index(list, a.Hello.Suite)
			list = slices.Delete(list, i, i+1)
		}
		return chosen, nil
	}
	var found []uint16
	for _, part := range parts {
		chosen, err := drain(part)
		found = append(found, chosen...)
		if err != nil {
			return result, found, err
		}
	}
	if len(parts) > 1 && len(found) > 1 && len(found) <= batch {
		ordered, err := drain(found) // across the parts
		if err != nil {
			return result, found, err
		}
		if len(ordered) == len(found) {
			found = ordered
		}
	}
	if len(found) > 1 {
		result.ServerPreference, err = t.preference(found, ask)
		if err != nil {
			return result, found, t.incomplete(ctx)
		}
	}
	return result, found, nil
}

// decisive reports whether an answer to a hello for v settles that v is not
// accepted, however many suites were offered.
func decisive(a *Answer, v Version) bool {
	switch a.End {
	case Answered:
		return a.Hello.Version != v
	case Alerted:
		return a.Alert != nil && a.Alert.Description == AlertProtocolVersion
	case Refused, NotTLS:
		return true
	case Reset, Closed, TimedOut, Garbled:
	}
	return false
}

// preference reports whether the server chooses what it chose first although
// the client puts it last. ChaCha20 is left out where it can be: servers are
// told to prefer it just for clients that do.
func (t *taking) preference(found []uint16, ask func([]uint16) (Answer, error)) (bool, error) {
	plain := slices.DeleteFunc(slices.Clone(found), func(id uint16) bool {
		return id == 0x1303 || id>>8 == 0xcc
	})
	if len(plain) < 2 {
		plain = slices.Clone(found)
	}
	first := plain[0]
	slices.Reverse(plain)
	a, err := ask(plain)
	return err == nil && a.Accepted() && a.Hello.Suite == first, err
}

func commonRank(id uint16) int {
	if i := slices.Index(commonSuites, id); i >= 0 {
		return i
	}
	return len(commonSuites)
}

// tolerance finds the versions that a server fails at instead of answering
// with a lower one.
func (t *taking) tolerance() {
	s := &t.survey
	lower := false // a version below is accepted
	for _, a := range s.Versions {
		switch {
		case a.Accepted:
			lower = lower || a.Version > SSL20
		case a.Version <= SSL30 || !lower:
		case a.Version == TLS13:
			// Asked alone it cannot be answered with a lower one; the usual
			// hello offers all.
			if !s.Named.Accepted() {
				s.Intolerant = append(s.Intolerant, a.Version)
			}
		case !a.Answer.Accepted():
			s.Intolerant = append(s.Intolerant, a.Version)
		}
	}
}

// names finds out what happens to clients that send no server name.
func (t *taking) names(ctx context.Context) error {
	s := &t.survey
	if t.name == "" || !s.Named.Accepted() {
		return nil
	}
	unnamed, err := t.probe(ctx, t.common(""), "no server name")
	if err != nil {
		return t.incomplete(ctx)
	}
	s.Unnamed = &unnamed
	s.NeedsSNI = !unnamed.Accepted()
	with, without := s.Named.Certificates, unnamed.Certificates
	if s.NeedsSNI {
		return nil
	}
	if len(with) == 0 { // TLS 1.3; an older version shows its certificate
		for _, a := range s.Versions {
			if a.Accepted && a.Version > SSL30 && len(a.Answer.Certificates) > 0 {
				with = a.Answer.Certificates
				other, err := t.probe(ctx, Offer{Versions: []Version{a.Version}, Suites: []uint16{a.Answer.Hello.Suite}}, "no server name")
				if err != nil {
					return t.incomplete(ctx)
				}
				without = other.Certificates
				break
			}
		}
	}
	s.OtherCertificate = len(with) > 0 && len(without) > 0 && !bytes.Equal(with[0], without[0])
	return nil
}

// large finds out whether a hello breaks on the way, or at the server, only
// because it is as long as today's.
func (t *taking) large(ctx context.Context) error {
	s := &t.survey
	if !s.Named.Accepted() {
		return nil
	}
	offer := t.common(t.name)
	offer.Groups = []uint16{GroupX25519MLKEM768, GroupX25519, GroupP256, GroupP384, GroupP521}
	offer.KeyShares = []uint16{GroupX25519MLKEM768, GroupX25519}
	offer.Pad = 1700
	for range 2 { // one failure may be chance
		a, err := t.probe(ctx, offer, "a large hello")
		if err != nil {
			return t.incomplete(ctx)
		}
		s.LargeHelloFails = !a.Accepted()
		if !s.LargeHelloFails {
			break
		}
	}
	return nil
}
