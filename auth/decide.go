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

	about   []about       // Factors, one by one
	noPIN   Authenticator // a PIN that nothing matches
	turns   turns
	waiting waiting
	flood   flood
}

// About is what every login wants to know of a factor.
type about struct {
	info  Info
	decoy Authenticator
	right string // the trace's note that its code was right
}

// Parts are what an Engine is built from. All are required except PINs,
// Hold, Observe, CacheKey and Node.
type Parts struct {
	Store   Store
	Factors []Factor // in the order in which they are asked for
	Limits  Limits
	Domains []string // see Spellings
	// PINs judges the PINs that accounts have beside their codes. Nil means that
	// none can be judged: an account that has one is refused with a code.
	PINs PINs
	// ChallengeLife is how long a challenge can be answered.
	ChallengeLife time.Duration
	References    References
	// Pseudonym turns a name that no account has into what is kept of it: a
	// keyed hash. People type passwords into the name field.
	Pseudonym func(name string) string
	// CacheKey is a keyed hash (HMAC-SHA256 or the like): what scopes of cached
	// successes are kept as. Nil caches nothing.
	CacheKey func(message []byte) [32]byte
	// Node is what events call the process that decides.
	Node string
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
	if p.PINs != nil {
		e.noPIN = p.PINs.Decoy()
	}
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
// and nothing was told to anyone. An attempt that can wait (Can.Wait) may be held
// until a login that it joins is settled; see OpenChallenge.Login.
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
	d, join := e.inTurn(ctx, at, q, readable, facts, nil)
	if join == nil {
		return d
	}
	if facts, err = e.await(ctx, &at, q, facts.Subject, join); err != nil {
		return e.unavailable(ctx, at, "wait for another login", err)
	}
	d, _ = e.inTurn(ctx, at, q, readable, facts, join)
	return d
}

// inTurn judges and commits one attempt while no other on the same subject is
// under way on this node. It returns a join, and no decision, if the attempt is
// to wait for another login first; j is that join when it has.
func (e *Engine) inTurn(ctx context.Context, at Attempt, q Query, readable bool, facts Facts, j *join) (Decision, *join) {
	if d, ok := e.again(&at, &facts); ok {
		return d, nil
	}
	waited := false
	if !e.refusesUnseen(&at, &facts) {
		var mine *turn
		if mine, waited = e.turns.take(ctx, facts.Subject); mine == nil {
			if ctx.Err() != nil {
				return e.unavailable(ctx, at, "wait for other attempts on the account", ctx.Err()), nil
			}
			return e.crowded(ctx, at, facts), nil
		}
		defer e.turns.done(mine)
	}
	for round := range maxRounds {
		if waited || round > 0 {
			var err error
			if facts, err = e.Store.Snapshot(ctx, q, true); err != nil {
				return e.unavailable(ctx, at, "read facts", err), nil
			}
			waited = false
			if d, ok := e.again(&at, &facts); ok {
				return d, nil
			}
		}
		t := e.newTrial(at, facts, readable)
		t.join = j
		s, d := t.judge(ctx)
		if errors.Is(t.err, context.Canceled) || errors.Is(t.err, context.DeadlineExceeded) {
			return e.unavailable(ctx, at, "verify evidence", t.err), nil
		}
		if t.waits != nil {
			return Decision{}, t.waits
		}
		d, err := e.commit(ctx, s, d)
		if err == nil {
			return d, nil
		}
		if !errors.Is(err, ErrConflict) {
			return e.unavailable(ctx, at, "commit the verdict", err), nil
		}
	}
	return e.unavailable(ctx, at, "commit the verdict", errors.New("the account's facts moved at every try")), nil
}

// again returns the decision that was given to this very request before, if it
// was and can be given again. An accept is only while the account may still log
// in and the rule that let it in is there: anything else is judged anew.
func (e *Engine) again(at *Attempt, facts *Facts) (Decision, bool) {
	a := facts.Answered
	if a == nil || at.Request == "" || at.Reach != 0 || a.Client != at.Client {
		return Decision{}, false
	}
	// The clocks of two nodes may differ a little either way.
	if age := at.Time.Sub(a.Time); age <= -AnsweredLife || age >= AnsweredLife {
		return Decision{}, false
	}
	client, m := facts.Settings.Client(at.Client), a.Outcome.Meaning()
	if client == nil || m.Verdict != a.Verdict {
		return Decision{}, false
	}
	d := Decision{Verdict: a.Verdict, Outcome: a.Outcome, Reference: e.References.Of(a.Seq), Message: m.Person, Repeated: true}
	switch a.Verdict {
	case Reject:
		d.Message = withReference(d.Message, d.Reference)
		return d, true
	case Accept:
		account, rule := facts.Account, facts.Settings.ruleNamed(a.Rule)
		if account == nil || !account.Enabled || account.BlockedAt(at.Time) || rule == nil || rule.Then.Need == NeedRefuse {
			return Decision{}, false
		}
		d.Account = account.ID
		for i := range e.about {
			if e.about[i].info.Verified == a.Outcome {
				d.Factor = e.about[i].info.Name
			}
		}
		d.Attributes = facts.Settings.attributes(client, rule, account)
		return d, true
	case Challenge, Unavailable, Ignore:
	}
	return Decision{}, false
}

func withReference(message string, r Reference) string {
	return message + " Reference " + string(r) + "."
}

// refusesUnseen reports whether the attempt will be refused without being
// evaluated, as far as these facts go. It then need not wait for its turn: a
// storm on a throttled account is turned away as fast as it comes.
func (e *Engine) refusesUnseen(at *Attempt, facts *Facts) bool {
	client := facts.Settings.Client(at.Client)
	if client == nil {
		return false
	}
	held, _ := e.Limits.held(facts.Throttle, Require(client), at.Time)
	return held != 0 && !byPasskey(at)
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
	q.Request = at.Request
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
		d.Message = withReference(d.Message, d.Reference)
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
	failed   bool  // evidence was evaluated and proved nothing
	err      error // a fault of a factor

	rule   *Rule   // nil until it has come to that
	spared Outcome // what spared the second factor, 0 if nothing did
	bypass string  // ID of the bypass that is spent
	cache  []CacheEntry
	login  ChallengeID // the open login that this one belongs to, "" for one of its own
	join   *join       // the login that it has waited for, nil if it has not
	waits  *join       // the login that it is to wait for before it is judged again
	joined uint64      // Seq of the login whose answer it gets
	assume bool        // only explain: the first factor is right, and nobody waits

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

	t.at.Origin = client.origin(t.at.Origin)
	refused := t.account()
	if t.at.Reach != 0 {
		t.step(StagePrimary, false, "not evaluated: "+t.at.Reach.Meaning().Label)
		return t.settle(t.at.Reach)
	}
	if s := t.facts.Settings; s.rewoundAt(client, &t.at) {
		t.step(StagePolicy, false, "the database went back in time; nothing is evaluated until "+s.Rewound.Add(RewoundFor).UTC().Format(time.RFC3339))
		return t.settle(DatabaseRewound)
	}
	need := Require(client)
	passkey := byPasskey(&t.at)
	if held := t.held(need); held != 0 && !passkey {
		return t.settle(held)
	}

	challenge, why := t.continued(refused)
	if why != 0 {
		return t.settle(why)
	}
	if challenge != nil {
		t.proven = append(t.proven, challenge.Proven...) // copied: facts are shared
	}

	if left := need.Missing(t.proven, t.engine.Factors); left.Know && passkey {
		t.step(StagePrimary, true, "a passkey is to prove it as well")
	} else if left.Know {
		if why := t.primary(ctx, refused); why != 0 {
			return t.settle(why)
		}
	} else if challenge == nil {
		t.step(StagePrimary, true, "checked by the client")
	}

	var note string
	t.rule, note = t.facts.Settings.rule(client, t.facts.Account, t.facts.Authenticators, &t.at)
	refuses := t.rule.Then.Need == NeedRefuse
	t.step(StagePolicy, !refuses, note)
	switch {
	case passkey: // nothing is proven yet
	case refuses && need.Know && challenge == nil:
		return t.forbid(ctx)
	case refused == 0 && challenge == nil && !refuses && ownRules[client.Name] == nil:
		t.exempt(client)
	}
	if t.spared == 0 {
		switch why, ask := t.second(ctx, refused, client); {
		case t.waits != nil:
			return nil, Decision{}
		case ask:
			return t.ask()
		case why != 0:
			return t.settle(why)
		}
	}
	if refuses {
		// At a client that has checked the password, and behind a challenge from
		// before the rule: everybody is asked for a code, whoever's is wrong has
		// failed as elsewhere, and whoever's is right keeps it.
		t.step(StagePolicy, false, "rule "+t.rule.Name+" refuses all the same; nothing was spent")
		return t.settle(PolicyRefused)
	}
	if client.Name == ConsoleClient && refused == 0 && t.facts.Account.Role == "" {
		t.step(StagePolicy, false, t.facts.Account.Name+" has no role at the console; nothing was spent")
		return t.settle(RoleMissing)
	}

	// Reached with everything proven or spared by an account that may log in, or
	// not at all: the checks above have already refused. What remains is computed
	// once more from what was proven, because this line is the gate.
	left := need.Missing(t.proven, t.engine.Factors)
	if refused != 0 || refuses || t.facts.Account == nil || left.Know || left.Have && t.spared == 0 {
		return t.settle(InternalFault)
	}
	// Only what was proven here is forgiven: whoever can log in somewhere with a
	// password alone must not buy fresh guesses at codes with it.
	// A stop and a wait for guesses at codes stay as they are beside a passkey,
	// which they do not hold up: whoever guesses must not be freed by it.
	waits, _ := t.engine.Limits.held(t.throttle, need, t.at.Time)
	if need.Know && waits == 0 {
		t.throttle.Know = Count{}
	}
	if t.spared == 0 && waits == 0 {
		t.throttle = Throttle{}
	}
	if t.spared == 0 {
		t.cache = t.remember(client, t.factor)
	}
	return t.accept(client)
}

// forbid refuses a login whose rule says that nothing helps, after the first
// factor was right. Whoever brought a code along waits as long as if it had been
// judged, as behind a wrong password: the answer is the same.
func (t *trial) forbid(ctx context.Context) (*Settlement, Decision) {
	if _, shown := evidenceOf[Code](t.at.Evidence); shown != nil {
		t.verify(ctx, Have, shown, true)
		if t.err != nil {
			return t.settle(t.fault(StagePolicy))
		}
	}
	return t.settle(PolicyRefused)
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
	case HardStopped, AccountLocked:
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
func (t *trial) continued(refused Outcome) (*OpenChallenge, Outcome) {
	if len(t.at.State) == 0 {
		return nil, 0
	}
	c := t.facts.Challenge
	switch {
	case c == nil && (refused == UserDisabled || refused == UserBlocked):
		// Its challenges went when it was disabled or blocked.
		t.step(StageAnswer, false, "not evaluated")
		return nil, refused
	case c == nil:
		t.step(StageAnswer, false, "the State belongs to no open challenge of this account: answered already, never given out, or given to another name")
		return nil, ChallengeUnknown
	case c.Settled != nil || t.facts.Settings.revived(c.Asked):
		t.step(StageAnswer, false, "the challenge may have been answered already")
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
	if t.assume {
		if refused == 0 {
			t.proven = append(t.proven, t.factorOf(Know))
		}
		t.step(StagePrimary, refused == 0, "taken for right")
		return refused
	}
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
	t.failed = true
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
// factor that the rule admits was proven, or is spared; or if t.waits is set.
func (t *trial) second(ctx context.Context, refused Outcome, client *Client) (why Outcome, ask bool) {
	// Where the client has checked the password, everybody is asked: a
	// refusal here would tell names that exist from names that do not.
	known := Require(client).Know
	first := len(t.at.State) == 0
	if byPasskey(&t.at) {
		return t.passkey(ctx, refused, first)
	}
	enrolled := t.holds()
	if refused == 0 && first && !enrolled && t.rule.Then.Unenrolled == UnenrolledPass && t.rule.Then.Need != NeedRefuse {
		t.step(StageFactor, true, "the account holds no second factor that rule "+t.rule.Name+" admits, and it lets such people pass")
		t.spared = SkippedCall
		return 0, false
	}
	code, shown := evidenceOf[Code](t.at.Evidence)
	if refused == 0 && first && !enrolled && known && t.rule.Then.Unenrolled == UnenrolledEnrol {
		t.step(StageFactor, false, "the account holds no second factor that rule "+t.rule.Name+" admits; its owner must enrol first")
		return EnrolmentRequired, false
	}
	if code == "" {
		switch {
		case refused != 0 && known:
			t.step(StageFactor, false, "not evaluated")
			return refused, false
		case !enrolled && known:
			t.step(StageFactor, false, "the account holds no second factor that "+t.rule.Name+" admits")
			return UserIncomplete, false
		case !first:
			t.step(StageAnswer, false, "no code came")
			return firstOf(refused, CodeMissing), false
		}
		canAsk := client.Mode != ModeAppend && t.at.Can.Ask
		why, done := t.meet(refused, client, canAsk)
		switch {
		case done:
			return why, false
		case canAsk:
			return 0, true
		case why != 0:
			return firstOf(refused, why), false
		case client.Mode == ModeAppend:
			t.step(StageAnswer, false, "no code came")
			return firstOf(refused, CodeMissing), false
		}
		t.step(StageFactor, false, "no code came, and this door cannot ask for one")
		return firstOf(refused, NoMethodPossible), false
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
	t.failed = true
	// A code that was accepted before is no guess: not counting it lets a
	// client that sends everything twice lock nobody out. Nor is a right one
	// with a right PIN.
	guess := refused != 0 || look.why != DuplicateOATHCode && look.why != PINExpired
	if guess {
		t.throttle.Have = t.engine.Limits.Have.Failed(t.throttle.Have, t.at.Time)
	}
	t.counted = t.throttle.Have.Failures
	switch {
	case refused != 0:
		t.step(StageAnswer, false, "not evaluated")
		return refused, false
	case !look.held:
		t.step(StageAnswer, false, "the account holds no second factor that "+t.rule.Name+" admits")
		return UserIncomplete, false
	case look.why == 0:
		look.why = CodeNotRecognized
	}
	note := "; failure " + strconv.Itoa(t.counted) + " in a row"
	switch {
	case look.why == PINExpired:
		note = "; not counted, because code and PIN are right"
	case !guess:
		note = "; not counted, because a code that was accepted before is no guess"
	}
	t.step(StageAnswer, false, look.why.Meaning().Label+note)
	return look.why, false
}

// byPasskey reports whether the claimant brings the answer of a passkey, or asks
// to be asked for one, at a door that can carry it.
func byPasskey(at *Attempt) bool {
	if !at.Can.Passkey {
		return false
	}
	if assertion, _ := evidenceOf[Assertion](at.Evidence); assertion != "" {
		return true
	}
	_, wanted := evidenceOf[PasskeyWanted](at.Evidence)
	return wanted != nil && len(at.State) == 0
}

// passkey is second for whoever uses a passkey. Everybody who wants to is asked
// for one. What is wrong with an answer is no guess and counts as none.
func (t *trial) passkey(ctx context.Context, refused Outcome, first bool) (why Outcome, ask bool) {
	assertion, shown := evidenceOf[Assertion](t.at.Evidence)
	switch {
	case assertion != "" && first:
		t.step(StageAnswer, false, "a passkey's answer came without the challenge that it answers")
		return firstOf(refused, ChallengeUnknown), false
	case assertion == "" && !t.at.Can.Ask:
		t.step(StageFactor, false, "this door cannot ask for a passkey")
		return firstOf(refused, NoMethodPossible), false
	case assertion == "":
		t.factor = PasskeyFactor
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
		t.step(StageAnswer, true, "the passkey's answer is right")
		return 0, false
	case refused != 0:
		t.step(StageAnswer, false, "not evaluated")
		return refused, false
	case !look.held:
		t.step(StageAnswer, false, "the account holds no passkey that "+t.rule.Name+" admits")
		return UserIncomplete, false
	}
	why = look.why
	if why == 0 {
		why = PasskeyWrong
	}
	t.step(StageAnswer, false, why.Meaning().Label+"; not counted, because it cannot be guessed")
	return why, false
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
// holds none, or that the rule does not admit, so that the work is the same for
// everybody. With decoys set it shows it to decoys only. Nothing that a decoy
// says counts.
func (t *trial) verify(ctx context.Context, c Category, evidence []Evidence, decoys bool) look {
	var l look
	at := t.at
	_, assertion := evidenceOf[Assertion](evidence)
	code, pin := evidence, Outcome(0)
	if c == Have && assertion == nil {
		if code, pin, t.err = t.withoutPIN(evidence); t.err != nil {
			return l
		}
	}
	for i, factor := range t.engine.Factors {
		f := &t.engine.about[i]
		if f.info.Category != c || f.info.Passkey != (assertion != nil) {
			continue
		}
		at.Evidence = evidence
		wrong := Outcome(0) // with the PIN
		if f.info.PINPrompt != "" {
			at.Evidence, wrong = code, pin
		}
		shown := false
		admitted := c == Know || t.rule != nil && t.rule.Then.admits(f.info.Name)
		for i := range t.facts.Authenticators {
			a := &t.facts.Authenticators[i]
			if !admitted || a.Factor != f.info.Name {
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
			if finding.Match() && wrong == 0 {
				l = look{matched: true, held: true, factor: f.info.Name, right: f.right, authenticator: a.ID, mark: finding.Mark()}
				if finding.Mark() != a.Mark || finding.Next() != nil {
					t.spend = append(t.spend, Spend{Authenticator: a.ID, Mark: finding.Mark(), Next: finding.Next()})
				}
				return l
			}
			why := finding.Outcome()
			if wrong != 0 {
				why = blame(finding, wrong)
			}
			if weight(why) > weight(l.why) {
				l.factor, l.authenticator, l.why = f.info.Name, a.ID, why
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
	case PINWrong, PINExpired, InternalFault:
		return 4
	case DuplicateOATHCode, RecoveryCodeUsed:
		return 3
	case OATHCodeOutOfDate, RecoveryCodeWrong, ResyncRequired:
		return 2
	}
	return 1
}

// holds reports whether the account holds a second factor that the rule admits.
func (t *trial) holds() bool {
	for i := range t.engine.about {
		info := &t.engine.about[i].info
		if info.Category == Have && t.carries(info) && t.rule.Then.admits(info.Name) && t.has(info.Name) {
			return true
		}
	}
	return false
}

// carries reports whether the door can carry what a factor needs.
func (t *trial) carries(info *Info) bool { return !info.Passkey || t.at.Can.Passkey }

// has reports whether the account holds an authenticator of the factor.
func (t *trial) has(factor string) bool {
	for i := range t.facts.Authenticators {
		if t.facts.Authenticators[i].Factor == factor {
			return true
		}
	}
	return false
}

// factorOf returns the name of the first factor of a category, "" if there is
// none.
func (t *trial) factorOf(c Category) string {
	for i := range t.engine.about {
		if t.engine.about[i].info.Category == c {
			return t.engine.about[i].info.Name
		}
	}
	return ""
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
	outcome, prompt, what := OATHCodePending, "", "a code ("
	if t.factor != PasskeyFactor {
		prompt = t.prompt()
	}
	if t.factor == PasskeyFactor {
		outcome, prompt, what = PasskeyPending, PasskeyPending.Meaning().Person, "a passkey ("
	}
	t.step(StageFactor, true, "asked for "+what+t.factor+")")
	s, d := t.settle(outcome)
	d.State = newState()
	d.Message = prompt
	d.Factor = t.factor
	s.Open = &OpenChallenge{
		ID:          challengeID(d.State),
		Subject:     t.facts.Subject,
		Client:      t.at.Client,
		Application: s.Event.Application,
		From:        t.at.From,
		Session:     t.at.Session,
		Proven:      slices.Clone(t.proven), // kept for minutes, so without the rest of the trial
		Asked:       t.at.Time,
	}
	if t.join != nil { // the person has the whole time from when they are asked
		s.Open.Asked = s.Open.Asked.Add(t.join.waited)
	}
	s.Open.Expires = s.Open.Asked.Add(t.rule.Then.challengeLife(t.engine.ChallengeLife))
	if s.Open.Login = t.login; t.login == "" {
		s.Open.Login = s.Open.ID
	}
	return s, d
}

// prompt returns what the person is asked: the words of their preferred factor
// or else of the first in the rule's order that the account holds and that can be
// asked for. An account that holds none, or a name that nobody has, is asked as
// most are.
func (t *trial) prompt() string {
	if info := t.preferred(); info != nil {
		t.factor = info.Name
		if info.PINPrompt != "" && t.has(PINFactor) {
			return info.PINPrompt
		}
		return info.Prompt
	}
	first := ""
	for n := range t.admitted {
		info := &t.engine.about[n].info
		if info.Prompt == "" {
			continue
		}
		if t.has(info.Name) {
			t.factor = info.Name
			return info.Prompt
		}
		if first == "" {
			first, t.factor = info.Prompt, info.Name
		}
	}
	if first == "" { // a rule that admits nothing that can be asked for
		for i := range t.engine.about {
			if info := &t.engine.about[i].info; info.Category == Have && info.Prompt != "" {
				t.factor = info.Name
				return info.Prompt
			}
		}
	}
	return first
}

// preferred returns the factor of the first authenticator, in the account's own
// order, that the rule admits and that can be asked for at this door; one that
// stands in for others only if there is no other. It is nil if there is none, or
// if the client has checked the first factor, where everybody must be asked for
// the same.
func (t *trial) preferred() *Info {
	client := t.facts.Settings.Client(t.at.Client)
	if client == nil || !Require(client).Know {
		return nil
	}
	for i := range t.facts.Authenticators {
		for j := range t.engine.about {
			info := &t.engine.about[j].info
			if info.Name == t.facts.Authenticators[i].Factor && info.Category == Have && !info.StandIn && (info.Prompt != "" || info.Passkey && t.at.Can.Passkey) && t.rule.Then.admits(info.Name) {
				return info
			}
		}
	}
	return nil
}

// admitted goes through the second factors that the rule admits, in its order,
// by their place in the engine.
func (t *trial) admitted(yield func(int) bool) {
	if len(t.rule.Then.Methods) == 0 {
		for i := range t.engine.about {
			if info := &t.engine.about[i].info; info.Category == Have && t.carries(info) && !yield(i) {
				return
			}
		}
		return
	}
	for _, name := range t.rule.Then.Methods {
		for i := range t.engine.about {
			if info := &t.engine.about[i].info; info.Category == Have && info.Name == name && t.carries(info) && !yield(i) {
				return
			}
		}
	}
}

// accept settles the trial with an accept, named after what spared the second
// factor or the factor that completed it.
func (t *trial) accept(client *Client) (*Settlement, Decision) {
	outcome := t.spared
	if outcome == 0 {
		outcome = InternalFault
		for i := range t.engine.about {
			if info := &t.engine.about[i].info; info.Name == t.factor {
				outcome = info.Verified
			}
		}
	}
	s, d := t.settle(outcome)
	if d.Verdict != Accept {
		return s, d
	}
	d.Account, d.Factor = t.facts.Account.ID, t.factor
	d.Attributes = t.facts.Settings.attributes(client, t.rule, t.facts.Account)
	return s, d
}

// attributes returns what goes into the reply of an accept: the client's, the
// rule's and the groups', in this order. Nobody may change them in place.
func (s *Settings) attributes(client *Client, rule *Rule, account *Account) []ReplyAttribute {
	all, own := client.Attributes, false
	add := func(more []ReplyAttribute) {
		switch {
		case len(more) == 0:
		case len(all) == 0:
			all = more
		default:
			if !own {
				all, own = append(make([]ReplyAttribute, 0, len(all)+len(more)), all...), true
			}
			all = append(all, more...)
		}
	}
	add(rule.Then.Attributes)
	for _, name := range account.Groups {
		if g := s.Group(name); g != nil {
			add(g.Attributes)
		}
	}
	return all
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
		s.Spend, s.Cache, s.Bypass = t.spend, t.cache, t.bypass
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
	s.Purge = t.failed && t.err == nil && len(t.facts.Cached) > 0
	if m.Verdict == Reject && s.Throttle == nil && s.Close == "" && !s.Purge && t.joined == 0 && o != AuthInProgress {
		// A refusal that changes nothing may rest on stale facts: it tells
		// nothing that they would have kept back. What came of another login is
		// kept as the answer to this request all the same.
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
		Node:          t.engine.Node,
		Joined:        t.joined,
		Failures:      t.counted,
		Count:         1,
		Trace:         t.trace,
	}
	if c := t.facts.Settings.Client(t.at.Client); c != nil {
		s.Event.Application = c.Application
	}
	if t.rule != nil {
		s.Event.Rule = t.rule.Name
	}
	if s.Subject != "" && (m.Verdict == Accept || m.Verdict == Reject) {
		s.Event.Request = t.at.Request
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
