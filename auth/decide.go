package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"
)

// An Engine decides attempts. Its fields are read-only once it is in use; make
// one with NewEngine. All methods may be called concurrently.
type Engine struct {
	Parts

	about []about // Factors, one by one
	turns turns
	flood flood
}

// About is what every login wants to know of a factor.
type about struct {
	info  Info
	decoy Authenticator
	right string // the trace's note that its code was right
}

// Parts are what an Engine is built from. All are required except Hold and
// Observe.
type Parts struct {
	Store   Store
	Factors []Factor // in the order in which they are asked for
	Limits  Limits
	Domains []string // see Spellings
	// ChallengeLife is how long a challenge can be answered.
	ChallengeLife time.Duration
	References    References
	// Pseudonym turns a name that no account has into what is kept of it: a
	// keyed hash. People type passwords into the name field.
	Pseudonym func(name string) string
	// Stopwatch measures how long steps take. It decides nothing; verdicts
	// rest on Attempt.Time.
	Stopwatch func() time.Time
	Log       *slog.Logger
	// Hold waits until the time given or until ctx ends. Every answer but an
	// accept is held until a multiple of holdGrid has passed since the attempt
	// came, and a random part of it more; nil holds nothing, which only tests
	// want.
	Hold func(ctx context.Context, until time.Time)
	// Observe is told of every committed event, after the commit and before
	// the answer. It must not block and must not change the event.
	Observe func(*Event)
}

// NewEngine returns an engine made of p.
func NewEngine(p Parts) *Engine {
	e := &Engine{Parts: p, about: make([]about, len(p.Factors))}
	for i, f := range p.Factors {
		info := f.Info()
		e.about[i] = about{info: info, decoy: f.Decoy(), right: "the code is right (" + info.Name + ")"}
	}
	return e
}

// Settings returns what doors need to know of applications and clients.
func (e *Engine) Settings() *Settings { return e.Store.Settings() }

// maxRounds bounds how often one attempt is judged again because its facts
// moved. Attempts on one account take turns on this node, so that only other
// nodes and administrators can move them.
const maxRounds = 32

// Decide judges one attempt and returns only after the verdict, what it spends
// and its event are committed. It never returns an error: a fault on our side
// is the verdict Unavailable. When ctx ends first, the verdict is Unavailable
// and nothing was told to anyone.
func (e *Engine) Decide(ctx context.Context, at Attempt) Decision {
	d := e.decide(ctx, at)
	if e.Hold != nil && (d.Verdict == Reject || d.Verdict == Challenge) {
		took := e.Stopwatch().Sub(at.Time)
		e.Hold(ctx, at.Time.Add(took-took%holdGrid+holdGrid+holdNoise()))
	}
	return d
}

// holdGrid hides from a guesser's clock what is left when the work is the same
// for everybody: whether facts were in memory, how many tokens an account
// holds, of which kind. What takes tens of microseconds more or less leaves in
// the same stretch of 10 ms, at a random moment of it: timers are not exact
// enough to leave at the same moment, and ten guesses are too few to average
// the noise away.
const holdGrid = 10 * time.Millisecond

// holdNoise returns a random part of holdGrid.
func holdNoise() time.Duration {
	var b [4]byte
	rand.Read(b[:])
	return holdGrid * time.Duration(binary.BigEndian.Uint32(b[:])>>16) >> 16
}

func (e *Engine) decide(ctx context.Context, at Attempt) Decision {
	if at.Reach != 0 && at.Reach.Meaning().Verdict != Reject {
		return e.incident(ctx, at)
	}
	q, readable := e.query(at)
	facts, err := e.Store.Snapshot(ctx, q, false)
	if err != nil {
		return e.unavailable(ctx, at, "read facts", err)
	}
	waited := false
	if !e.refusesUnseen(at, facts) {
		var mine *turn
		if mine, waited = e.turns.take(ctx, facts.Subject); mine == nil {
			if ctx.Err() != nil {
				return e.unavailable(ctx, at, "wait for other attempts on the account", ctx.Err())
			}
			return e.crowded(ctx, at, facts)
		}
		defer e.turns.done(mine)
	}
	for round := range maxRounds {
		if waited || round > 0 {
			if facts, err = e.Store.Snapshot(ctx, q, true); err != nil {
				return e.unavailable(ctx, at, "read facts", err)
			}
			waited = false
		}
		t := e.newTrial(at, facts, readable)
		s, d := t.judge(ctx)
		if errors.Is(t.err, context.Canceled) || errors.Is(t.err, context.DeadlineExceeded) {
			return e.unavailable(ctx, at, "verify evidence", t.err)
		}
		d, err = e.commit(ctx, s, d)
		if err == nil {
			return d
		}
		if !errors.Is(err, ErrConflict) {
			return e.unavailable(ctx, at, "commit the verdict", err)
		}
	}
	return e.unavailable(ctx, at, "commit the verdict", errors.New("the account's facts moved at every try"))
}

// refusesUnseen reports whether the attempt will be refused without being
// evaluated, as far as these facts go. It then need not wait for its turn: a
// storm on a throttled account is turned away as fast as it comes.
func (e *Engine) refusesUnseen(at Attempt, facts Facts) bool {
	client := facts.Settings.Client(at.Client)
	if client == nil {
		return false
	}
	held, _ := e.Limits.held(facts.Throttle, Require(client), at.Time)
	return held != 0
}

// query says which facts an attempt needs. readable is false if nobody can
// have the claimant's name; the attempt then runs against its pseudonym.
func (e *Engine) query(at Attempt) (q Query, readable bool) {
	names, err := Spellings(at.Claimant, e.Domains)
	readable = err == nil
	if readable {
		// The last spelling is the shortest: all spellings of a name that
		// nobody has share one count, as they do for one that exists.
		q = Query{Names: names, Unknown: e.Pseudonym(names[len(names)-1])}
	} else {
		q = Query{Unknown: e.Pseudonym(at.Claimant)}
	}
	if len(at.State) > 0 {
		q.State = challengeID(at.State)
	}
	return q, readable
}

// commit commits s and completes d with the reference of its event.
func (e *Engine) commit(ctx context.Context, s *Settlement, d Decision) (Decision, error) {
	seq, err := e.Store.Commit(ctx, *s)
	if err != nil {
		return Decision{}, err
	}
	s.Event.Seq = seq
	d.Reference = e.References.Of(seq)
	if d.Verdict == Reject {
		d.Message += " Reference " + string(d.Reference) + "."
	}
	if e.Observe != nil {
		e.Observe(&s.Event)
	}
	return d, nil
}

// unavailable ends an attempt that we could not decide. It is where the
// journey of such errors ends.
func (e *Engine) unavailable(ctx context.Context, at Attempt, doing string, err error) Decision {
	e.Log.ErrorContext(ctx, "login not decided", "door", at.Door, "client", at.Client, "doing", doing, "err", err)
	return Decision{Verdict: Unavailable, Outcome: StoreUnavailable}
}

// crowded refuses an attempt because too many others on the same account are
// under way. It is recorded, but nothing is evaluated or counted.
func (e *Engine) crowded(ctx context.Context, at Attempt, facts Facts) Decision {
	t := e.newTrial(at, facts, true)
	t.reach()
	t.step(StageVerdict, false, strconv.Itoa(maxTurns)+" other attempts on this account were under way")
	s, d := t.settle(TooManyAtOnce)
	d, err := e.commit(ctx, s, d)
	if err != nil {
		return e.unavailable(ctx, at, "commit the verdict", err)
	}
	return d
}

// newState returns the handle of a new challenge: 128 random bits.
func newState() []byte {
	state := make([]byte, 16)
	rand.Read(state) // never fails; it ends the program instead
	return state
}

func challengeID(state []byte) ChallengeID {
	sum := sha256.Sum256(state)
	return ChallengeID(hex.EncodeToString(sum[:16]))
}

// A trial is the judging of one attempt on one set of facts.
type trial struct {
	engine   *Engine
	at       Attempt
	facts    Facts
	readable bool
	started  time.Time // of the current step

	trace    []Step
	throttle Throttle
	counted  int // failures after this attempt in the class that failed
	spend    []Spend
	factor   string // of the authenticator that completed or failed the login
	holder   string // its ID
	mark     int64
	proven   []string
	answered bool  // the challenge's answer was accepted for judging
	err      error // a fault of a factor

	settlement Settlement // what comes of it, made by settle

	// What the slices above begin in, so that a login takes its memory at
	// once. The settlement refers to it, and the store may hold that longer
	// than Decide waits; so trials are not used again.
	room struct {
		trace  [7]Step
		spend  [1]Spend
		proven [2]string
	}
}

func (e *Engine) newTrial(at Attempt, facts Facts, readable bool) *trial {
	t := &trial{
		engine: e, at: at, facts: facts, readable: readable, started: e.Stopwatch(),
		throttle: facts.Throttle, mark: NoMark,
	}
	t.trace, t.spend, t.proven = t.room.trace[:0], t.room.spend[:0], t.room.proven[:0]
	return t
}

// step adds a line to the trace; its time is what has passed since the last.
func (t *trial) step(stage Stage, ok bool, note string) {
	now := t.engine.Stopwatch()
	t.trace = append(t.trace, Step{Stage: stage, OK: ok, Took: now.Sub(t.started), Note: note})
	t.started = now
}

// judge forms the verdict. Apart from the factors that it calls it is pure.
func (t *trial) judge(ctx context.Context) (*Settlement, Decision) {
	t.reach()

	client := t.facts.Settings.Client(t.at.Client)
	if client == nil {
		t.step(StageClient, false, "the client was removed while this login was under way")
		return t.settle(ClientUnknown)
	}
	t.step(StageClient, true, client.Application)

	refused := t.account()
	if t.at.Reach != 0 {
		t.step(StagePrimary, false, "not evaluated: "+t.at.Reach.Meaning().Label)
		return t.settle(t.at.Reach)
	}
	need := Require(client)
	if held := t.held(need); held != 0 {
		return t.settle(held)
	}

	challenge, why := t.continued()
	if why != 0 {
		return t.settle(why)
	}
	if challenge != nil {
		t.proven = append(t.proven, challenge.Proven...) // copied: facts are shared
	}

	if left := need.Missing(t.proven, t.engine.Factors); left.Know {
		if why := t.primary(ctx, refused); why != 0 {
			return t.settle(why)
		}
	} else if challenge == nil {
		t.step(StagePrimary, true, "checked by the client")
	}

	left := need.Missing(t.proven, t.engine.Factors)
	t.step(StagePolicy, true, policyNote(left))
	if left.Have {
		if why, ask := t.second(ctx, refused, client); ask {
			return t.ask()
		} else if why != 0 {
			return t.settle(why)
		}
	}

	// Reached with everything proven by an account that may log in, or not at
	// all: the checks above have already refused. What remains is computed
	// once more from what was proven, because this line is the gate.
	if refused != 0 || t.facts.Account == nil || !need.Missing(t.proven, t.engine.Factors).Met() {
		return t.settle(InternalFault)
	}
	t.throttle = Throttle{}
	return t.accept(client)
}

func (t *trial) reach() {
	note := t.at.Seen
	if note == "" {
		note = "a request over " + t.at.Door
	}
	t.step(StageReach, true, note)
}

// account says whether the claimant is an account that may log in. A refusal
// here does not end the trial: the same work is done for everybody.
func (t *trial) account() Outcome {
	a := t.facts.Account
	switch {
	case !t.readable:
		t.step(StageAccount, false, "the name is empty, too long, or has characters that no name can have")
		return NameUnreadable
	case a == nil:
		t.step(StageAccount, false, "no account has this name")
		return UserNotFound
	case !a.Enabled:
		t.step(StageAccount, false, a.Name+" is disabled")
		return UserDisabled
	case a.BlockedAt(t.at.Time):
		t.step(StageAccount, false, a.Name+" is blocked: "+a.BlockReason)
		return UserBlocked
	}
	t.step(StageAccount, true, a.Name)
	return 0
}

// held says whether earlier failures forbid to evaluate anything now.
func (t *trial) held(need Requirement) Outcome {
	why, by := t.engine.Limits.held(t.throttle, need, t.at.Time)
	switch why {
	case HardStopped:
		t.counted = by.Failures
		t.step(StagePolicy, false, strconv.Itoa(by.Failures)+" consecutive failures; only a person can unlock")
	case Throttled:
		t.counted = by.Failures
		t.step(StagePolicy, false, strconv.Itoa(by.Failures)+" consecutive failures; nothing is evaluated until "+by.Until.UTC().Format(time.RFC3339))
	}
	return why
}

// continued returns the challenge that the attempt answers, nil if it is a
// first request.
func (t *trial) continued() (*OpenChallenge, Outcome) {
	if len(t.at.State) == 0 {
		return nil, 0
	}
	c := t.facts.Challenge
	switch {
	case c == nil:
		t.step(StageAnswer, false, "the State belongs to no open challenge of this account: answered already, never given out, or given to another name")
		return nil, ChallengeUnknown
	case c.Subject != t.facts.Subject || c.Client != t.at.Client:
		t.step(StageAnswer, false, "the challenge was given to client "+c.Client)
		return nil, ChallengeElsewhere
	case !t.at.Time.Before(c.Expires):
		t.step(StageAnswer, false, "the challenge could be answered until "+c.Expires.UTC().Format(time.RFC3339))
		return nil, ChallengeExpired
	}
	t.answered = true
	t.step(StageAnswer, true, "answers the challenge")
	return c, 0
}

// primary verifies the first factor. It returns zero only if the account may
// log in and its first factor was proven.
func (t *trial) primary(ctx context.Context, refused Outcome) Outcome {
	password, shown := evidenceOf[Password](t.at.Evidence)
	if password == "" {
		t.step(StagePrimary, false, "no password came")
		return firstOf(refused, PasswordMissing)
	}
	look := t.verify(ctx, Know, shown, refused != 0)
	switch {
	case t.err != nil:
		return t.fault(StagePrimary)
	case refused == 0 && look.matched:
		t.proven = append(t.proven, look.factor)
		t.step(StagePrimary, true, "the password is right")
		return 0
	}
	t.throttle.Know = t.engine.Limits.Know.Failed(t.throttle.Know, t.at.Time)
	t.counted = t.throttle.Know.Failures
	// Whoever brought a code along waits as long as if it had been judged.
	if _, shown := evidenceOf[Code](t.at.Evidence); shown != nil {
		t.verify(ctx, Have, shown, true)
		if t.err != nil {
			return t.fault(StagePrimary)
		}
	}
	switch {
	case refused != 0:
		t.step(StagePrimary, false, "not evaluated")
		return refused
	case !look.held:
		t.step(StagePrimary, false, "the account has no password")
		return PasswordNotSet
	}
	t.step(StagePrimary, false, "the password is wrong; failure "+strconv.Itoa(t.counted)+" in a row")
	return PasswordWrong
}

// second verifies a second factor. ask is true if it has to be asked for
// first. It returns zero and false only if the account may log in and a second
// factor was proven.
func (t *trial) second(ctx context.Context, refused Outcome, client *Client) (why Outcome, ask bool) {
	code, shown := evidenceOf[Code](t.at.Evidence)
	if code == "" {
		// Where the client has checked the password, everybody is asked: a
		// refusal here would tell names that exist from names that do not.
		known := Require(client).Know
		switch {
		case refused != 0 && known:
			t.step(StageFactor, false, "not evaluated")
			return refused, false
		case !t.holds(Have) && known:
			t.step(StageFactor, false, "the account holds no second factor")
			return UserIncomplete, false
		case len(t.at.State) > 0 || client.Mode == ModeAppend:
			t.step(StageAnswer, false, "no code came")
			return firstOf(refused, CodeMissing), false
		case !t.at.Can.Ask:
			t.step(StageFactor, false, "no code came, and this door cannot ask for one")
			return firstOf(refused, NoMethodPossible), false
		}
		return 0, true
	}
	look := t.verify(ctx, Have, shown, refused != 0)
	t.factor, t.holder = look.factor, look.authenticator
	switch {
	case t.err != nil:
		return t.fault(StageAnswer), false
	case refused == 0 && look.matched:
		t.proven = append(t.proven, look.factor)
		t.mark = look.mark
		t.step(StageAnswer, true, look.right)
		return 0, false
	}
	// A code that was accepted before is no guess: not counting it lets a
	// client that sends everything twice lock nobody out.
	if refused != 0 || look.why != DuplicateOATHCode {
		t.throttle.Have = t.engine.Limits.Have.Failed(t.throttle.Have, t.at.Time)
	}
	t.counted = t.throttle.Have.Failures
	switch {
	case refused != 0:
		t.step(StageAnswer, false, "not evaluated")
		return refused, false
	case !look.held:
		t.step(StageAnswer, false, "the account holds no second factor")
		return UserIncomplete, false
	case look.why == 0:
		look.why = CodeNotRecognized
	}
	note := "; failure " + strconv.Itoa(t.counted) + " in a row"
	if look.why == DuplicateOATHCode {
		note = "; not counted, because a code that was accepted before is no guess"
	}
	t.step(StageAnswer, false, look.why.Meaning().Label+note)
	return look.why, false
}

// A look is what came of showing evidence to all authenticators of a category.
type look struct {
	matched       bool
	held          bool // the account holds at least one of the category
	factor        string
	right         string // as in about
	authenticator string
	mark          int64
	why           Outcome
}

// verify shows evidence, which is of one kind, to every authenticator of a
// category that the account holds, and to a decoy for each factor of which it
// holds none, so that the work is the same for everybody. With decoys set it
// shows it to decoys only. Nothing that a decoy says counts.
func (t *trial) verify(ctx context.Context, c Category, evidence []Evidence, decoys bool) look {
	var l look
	at := t.at
	at.Evidence = evidence
	for i, factor := range t.engine.Factors {
		f := &t.engine.about[i]
		if f.info.Category != c {
			continue
		}
		shown := false
		for i := range t.facts.Authenticators {
			a := &t.facts.Authenticators[i]
			if a.Factor != f.info.Name {
				continue
			}
			l.held = true
			if decoys {
				continue
			}
			shown = true
			finding, err := factor.Verify(ctx, *a, at)
			if err != nil {
				t.err = err
				return l
			}
			if finding.Match() {
				l = look{matched: true, held: true, factor: f.info.Name, right: f.right, authenticator: a.ID, mark: finding.Mark()}
				if finding.Mark() != a.Mark || finding.Next() != nil {
					t.spend = append(t.spend, Spend{Authenticator: a.ID, Mark: finding.Mark(), Next: finding.Next()})
				}
				return l
			}
			if weight(finding.Outcome()) > weight(l.why) {
				l.factor, l.authenticator, l.why = f.info.Name, a.ID, finding.Outcome()
			}
		}
		if !shown {
			if _, err := factor.Verify(ctx, f.decoy, at); err != nil {
				t.err = err
				return l
			}
		}
	}
	return l
}

// weight orders mismatches by how much they explain.
func weight(o Outcome) int {
	switch o {
	case 0:
		return 0
	case DuplicateOATHCode, RecoveryCodeUsed:
		return 3
	case OATHCodeOutOfDate, RecoveryCodeWrong:
		return 2
	}
	return 1
}

// holds reports whether the account holds an authenticator of the category.
func (t *trial) holds(c Category) bool {
	for i := range t.engine.about {
		info := &t.engine.about[i].info
		if info.Category != c {
			continue
		}
		for i := range t.facts.Authenticators {
			if t.facts.Authenticators[i].Factor == info.Name {
				return true
			}
		}
	}
	return false
}

// fault turns an error of a factor into an outcome. It ends the error's
// journey, except that of a context's end, which Decide looks for.
func (t *trial) fault(stage Stage) Outcome {
	if errors.Is(t.err, ErrBusy) {
		t.step(stage, false, "too many passwords were being checked at once")
		return PasswordLaneFull
	}
	t.engine.Log.Error("factor failed", "account", t.subjectName(), "err", t.err)
	t.step(stage, false, "the factor failed; the server's log says why")
	return InternalFault
}

// ask settles the trial with a challenge.
func (t *trial) ask() (*Settlement, Decision) {
	prompt := t.prompt()
	t.step(StageFactor, true, "asked for a code ("+t.factor+")")
	s, d := t.settle(OATHCodePending)
	d.State = newState()
	d.Message = prompt
	s.Open = &OpenChallenge{
		ID:      challengeID(d.State),
		Subject: t.facts.Subject,
		Client:  t.at.Client,
		Proven:  slices.Clone(t.proven), // kept for minutes, so without the rest of the trial
		Expires: t.at.Time.Add(t.engine.ChallengeLife),
	}
	return s, d
}

// prompt returns what the person is asked: the words of the first factor in
// order that the account holds and that can be asked for. An account that
// holds none, or a name that nobody has, is asked as most are.
func (t *trial) prompt() string {
	first := ""
	for i := range t.engine.about {
		info := &t.engine.about[i].info
		if info.Category != Have || info.Prompt == "" {
			continue
		}
		if first == "" {
			first, t.factor = info.Prompt, info.Name
		}
		for i := range t.facts.Authenticators {
			if t.facts.Authenticators[i].Factor == info.Name {
				t.factor = info.Name
				return info.Prompt
			}
		}
	}
	return first
}

// accept settles the trial with an accept, named after the factor that
// completed it.
func (t *trial) accept(client *Client) (*Settlement, Decision) {
	outcome := InternalFault
	for i := range t.engine.about {
		if info := &t.engine.about[i].info; info.Name == t.factor {
			outcome = info.Verified
		}
	}
	s, d := t.settle(outcome)
	if d.Verdict != Accept {
		return s, d
	}
	d.Attributes = client.Attributes
	for i, name := range t.facts.Account.Groups {
		if g := t.facts.Settings.Group(name); g != nil && len(g.Attributes) > 0 {
			if i == 0 || len(d.Attributes) == len(client.Attributes) {
				d.Attributes = append([]ReplyAttribute(nil), d.Attributes...)
			}
			d.Attributes = append(d.Attributes, g.Attributes...)
		}
	}
	return s, d
}

// settle closes the trial: the verdict of the outcome, what it changes, and
// the event. A refusal spends nothing but the challenge that it answered.
func (t *trial) settle(o Outcome) (*Settlement, Decision) {
	m := o.Meaning()
	s := &t.settlement
	*s = Settlement{
		Subject:  t.facts.Subject,
		Version:  t.facts.Version,
		Settings: t.facts.Settings.Version,
	}
	if t.err == nil && t.throttle != t.facts.Throttle {
		s.Throttle = &t.throttle
	}
	switch m.Verdict {
	case Accept:
		s.Spend = t.spend
	case Challenge:
		s.Spend = t.spend // a password's new hash
		t.mark = NoMark
	case Reject, Unavailable, Ignore:
		t.mark = NoMark
	}
	// A challenge that was answered is gone, whatever the answer was worth.
	// One whose answer nobody looked at can be answered still.
	if c := t.facts.Challenge; c != nil && c.Client == t.at.Client && t.answered && t.err == nil {
		s.Close = c.ID
	}
	if m.Verdict == Reject && s.Throttle == nil && s.Close == "" {
		// A refusal that changes nothing may rest on stale facts: it tells
		// nothing that they would have kept back.
		s.Subject = ""
	}
	t.step(StageVerdict, m.Verdict == Accept || m.Verdict == Challenge, m.Verdict.String())
	s.Event = Event{
		Time:          t.at.Time,
		Took:          t.started.Sub(t.at.Time),
		Door:          t.at.Door,
		Client:        t.at.Client,
		Source:        t.at.Source,
		From:          t.at.From,
		Subject:       t.facts.Subject,
		Account:       t.subjectName(),
		Verdict:       m.Verdict,
		Outcome:       o,
		Factor:        t.factor,
		Authenticator: t.holder,
		Mark:          t.mark,
		Failures:      t.counted,
		Count:         1,
		Trace:         t.trace,
	}
	if c := t.facts.Settings.Client(t.at.Client); c != nil {
		s.Event.Application = c.Application
	}
	return s, Decision{Verdict: m.Verdict, Outcome: o, Message: m.Person}
}

// subjectName is what events call the claimant.
func (t *trial) subjectName() string {
	if t.facts.Account != nil {
		return t.facts.Account.Name
	}
	return t.facts.Subject
}

func policyNote(left Requirement) string {
	if left.Have {
		return "a second factor is needed"
	}
	return "nothing more is needed"
}

// evidenceOf returns the first evidence of kind E, and the part of all that
// holds it alone, for factors; none and nil if there is no such evidence.
func evidenceOf[E Evidence](all []Evidence) (first E, alone []Evidence) {
	for i, e := range all {
		if e, ok := e.(E); ok {
			return e, all[i : i+1 : i+1]
		}
	}
	return first, nil
}

func firstOf(a, b Outcome) Outcome {
	if a != 0 {
		return a
	}
	return b
}
