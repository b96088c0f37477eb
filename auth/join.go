package auth

import (
	"context"
	"sync"
	"time"
)

// A NAS that has lost an answer, or that turns to another server, and a gateway
// that logs in twice for one sign-on, ask for a login that is open already. One
// login asks its person once: such requests join it. Why and when is told in
// docs/decisions/0009-joining-and-answers-given-again.md.

// A join is a request that waits for another one's login.
type join struct {
	login  ChallengeID   // that it waits for
	asked  time.Time     // when that one asked
	wait   time.Duration // how long after its arrival it may
	waited time.Duration // and has
	over   string        // why it does not wait any longer, "" while it does or if there is nothing left to wait for
}

// maxWaiting is how many requests of one subject may wait for its logins on a
// node. A NAS and its stand-ins are a handful.
const maxWaiting = 16

// waiting counts who waits, by subject.
type waiting struct {
	mu sync.Mutex
	// mu guards the fields below.
	counts map[string]int
}

// enter counts one in unless too many are.
func (w *waiting) enter(subject string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[subject] >= maxWaiting {
		return false
	}
	if w.counts == nil {
		w.counts = make(map[string]int)
	}
	w.counts[subject]++
	return true
}

// leave counts one out.
func (w *waiting) leave(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[subject]--; w.counts[subject] == 0 {
		delete(w.counts, subject)
	}
}

// await waits until the login that j names is settled or gone, or until j's time
// is up, and returns the facts of that moment. The caller has no turn meanwhile:
// the login's answer needs it.
func (e *Engine) await(ctx context.Context, at *Attempt, q Query, subject string, j *join) (Facts, error) {
	if !e.waiting.enter(subject) {
		j.over = "too many requests wait for it already"
		return e.Store.Snapshot(ctx, q, true)
	}
	defer e.waiting.leave(subject)
	late := time.NewTimer(at.Time.Add(j.wait).Sub(e.Stopwatch()))
	defer late.Stop()
	for {
		// Watched before it is looked at, or a change in between goes unseen.
		moved, stop := e.Store.Watch(subject)
		facts, err := e.Store.Snapshot(ctx, q, true)
		if err != nil || j.over != "" || !j.open(&facts, at.Time) {
			stop()
			j.waited = min(max(e.Stopwatch().Sub(at.Time), 0), j.wait)
			return facts, err
		}
		select {
		case <-moved:
		case <-late.C:
			j.over = "it was not answered within " + j.wait.String()
		case <-ctx.Done():
			err = ctx.Err()
		}
		stop()
		if err != nil {
			return Facts{}, err
		}
	}
}

// open reports whether the login is still open.
func (j *join) open(f *Facts, now time.Time) bool {
	for i := range f.Logins {
		if c := &f.Logins[i]; c.Login == j.login && c.Settled == nil && now.Before(c.Expires) {
			return true
		}
	}
	return false
}

// answer returns what came of the login since the request arrived, nil if it is
// open, gone, or was settled before that.
func (j *join) answer(f *Facts, arrived time.Time) *Answered {
	for i := range f.Logins {
		if c := &f.Logins[i]; c.Login == j.login && c.Settled != nil && !c.Settled.Time.Before(arrived) {
			return c.Settled
		}
	}
	return nil
}

// mayWait reports whether the request and the login are close enough for the
// one to get the other's answer: the same application, and the person in the
// same place by the word of two clients that are believed. Where nothing is
// known of the place it may be anybody who knows the password.
func (t *trial) mayWait(client *Client, c *OpenChallenge) bool {
	asker := t.facts.Settings.Client(c.Client)
	return c.From != "" && c.From == t.at.From && client.Origin == OriginCalling && asker != nil && asker.Origin == OriginCalling
}

// meet decides about a first request without a code whose first factor is right
// as far as we are asked: whether it is the same connection asking again, waits
// for a login that is open, or gets that one's answer. done says that there is
// nothing more to decide: the outcome is why, or t.joined is set, or t.waits.
// Otherwise it is to be asked by itself, or refused with why if it cannot be.
func (t *trial) meet(refused Outcome, client *Client, canAsk bool) (why Outcome, done bool) {
	j := t.join
	if j != nil {
		if a := j.answer(&t.facts, t.at.Time); a != nil {
			if why, done := t.adopt(refused, j, a); done {
				return why, true
			}
		}
	}
	var near, other *OpenChallenge // the newest that may be waited for, and the newest at all
	for i := range t.facts.Logins {
		c := &t.facts.Logins[i]
		if c.Settled != nil || !t.at.Time.Before(c.Expires) || client.Application == "" || c.Application != client.Application ||
			t.facts.Settings.revived(c.Asked) {
			continue
		}
		if canAsk && c.From != "" && c.From == t.at.From && c.Client == t.at.Client && c.Session == t.at.Session {
			t.login = c.Login
			t.step(StagePolicy, true, "asked again: the same connection asks while its login of "+clock(c.Asked)+" is open")
			return 0, false
		}
		if other = c; t.mayWait(client, c) {
			near = c
		}
	}
	wait := t.rule.Then.patience(t.at.Can.Wait)
	switch {
	case other == nil:
		return 0, false
	case near == nil && canAsk:
		t.step(StagePolicy, true, "asked separately: "+t.apart(client, other))
		return 0, false
	case near == nil:
		t.step(StagePolicy, false, "cannot join: "+t.apart(client, other))
		return AuthInProgress, false
	case j == nil && wait > 0 && !t.assume:
		t.waits = &join{login: near.Login, asked: near.Asked, wait: wait}
		return 0, true
	}
	over := "this request cannot wait for its answer"
	switch {
	case t.assume && wait > 0:
		over = "a request would wait up to " + wait.String() + " for its answer"
	case j != nil && j.over != "":
		over = j.over
	case j != nil:
		over = "this request has waited for another one"
	}
	note := "the login of " + clock(near.Asked) + " at " + near.Client + " is open, and " + over
	if canAsk {
		t.step(StagePolicy, true, "asked separately: "+note)
		return 0, false
	}
	t.step(StagePolicy, false, "cannot join: "+note)
	return AuthInProgress, false
}

// adopt gives the request the answer of the login that it has waited for. A
// refusal is passed on as it is. An accept is only if the account may log in
// and the second factor that completed it is one that this request's own rule
// admits; the first factor was checked a moment ago, or is the client's.
func (t *trial) adopt(refused Outcome, j *join, a *Answered) (why Outcome, done bool) {
	m := a.Outcome.Meaning()
	ref := string(t.engine.References.Of(a.Seq))
	switch {
	case a.Verdict != m.Verdict || m.Verdict != Accept && m.Verdict != Reject:
		return 0, false
	case m.Verdict == Reject:
		t.joined = a.Seq
		t.step(StageAnswer, false, "joined login "+ref+" of "+clock(j.asked)+": "+m.Label)
		return firstOf(refused, a.Outcome), true
	case refused != 0:
		return refused, true
	}
	factor := t.completedBy(a.Outcome)
	if factor == "" {
		t.step(StagePolicy, false, "login "+ref+" was completed in a way that rule "+t.rule.Name+" does not admit")
		return 0, false
	}
	t.joined, t.spared, t.factor = a.Seq, a.Outcome, factor
	t.step(StageAnswer, true, "joined login "+ref+" of "+clock(j.asked))
	return 0, true
}

// completedBy returns the second factor whose accepts end as o, "" if there is
// none or the rule does not admit it.
func (t *trial) completedBy(o Outcome) (factor string) {
	for i := range t.engine.about {
		info := &t.engine.about[i].info
		if info.Category != Have || info.Verified != o {
			continue
		}
		if !t.rule.Then.admits(info.Name) {
			return ""
		}
		factor = info.Name
	}
	return factor
}

// apart says why a request cannot join an open login.
func (t *trial) apart(client *Client, c *OpenChallenge) string {
	open := "the login of " + clock(c.Asked) + " at " + c.Client + " is open, but "
	switch {
	case t.at.From == "":
		return open + "this request does not say where the person is, so it may be anybody who knows the password"
	case c.From == "":
		return open + "it does not say where the person is, so that may be somebody else"
	case c.From != t.at.From:
		return open + "this request comes from another place"
	case client.Origin != OriginCalling:
		return open + client.Name + " is not believed where the person is"
	}
	return open + c.Client + " is not believed where the person is"
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }
