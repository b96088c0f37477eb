package auth

import "context"

// An Explanation says what would become of a login, without it.
type Explanation struct {
	Account   string   // name of the account, "" if none has the claimant's name
	Rule      string   // name of the rule that decides
	Need      Need     // what it asks for
	Methods   []string // factors that could complete the login at this client, in the order in which they are asked for
	Exemption Outcome  // the exemption that would spare the second factor, 0 for none
	Verdict   Verdict  // of a first request with the right first factor and no code
	Outcome   Outcome
	Trace     []Step
}

// Explain decides at on the facts of now as if its first factor were right, and
// spends, counts and records nothing. at.Evidence is not looked at. An error
// means that the facts could not be read.
//
// It is Decide's own judging that explains, so that the two cannot differ. A
// request that would wait for an open login is explained as if that one were not
// answered in time.
func (e *Engine) Explain(ctx context.Context, at Attempt) (Explanation, error) {
	return e.ExplainUnder(ctx, at, nil)
}

// ExplainUnder is Explain under settings that are not in force, so that a change
// can be tried; nil means those that are. They must have been indexed.
func (e *Engine) ExplainUnder(ctx context.Context, at Attempt, settings *Settings) (Explanation, error) {
	at.Evidence, at.State, at.Request = nil, nil, ""
	q, readable := e.query(at)
	facts, err := e.Store.Snapshot(ctx, q, true)
	if err != nil {
		return Explanation{}, err
	}
	if settings != nil {
		facts.Settings = settings
	}
	t := e.newTrial(at, facts, readable)
	t.assume = true
	_, d := t.judge(ctx)
	x := Explanation{Exemption: t.spared, Verdict: d.Verdict, Outcome: d.Outcome, Trace: t.trace}
	if facts.Account != nil {
		x.Account = facts.Account.Name
	}
	client := facts.Settings.Client(at.Client)
	if client == nil {
		return x, nil
	}
	// What a throttle or a block has kept from being reached is told all the same.
	t.rule, _ = facts.Settings.rule(client, facts.Account, facts.Authenticators, &t.at)
	x.Rule, x.Need = t.rule.Name, t.rule.Then.Need
	if x.Need != NeedRefuse && (client.Mode == ModeAppend || at.Can.Ask || !Require(client).Know) {
		for i := range t.admitted {
			if name := e.about[i].info.Name; t.has(name) {
				x.Methods = append(x.Methods, name)
			}
		}
	}
	return x, nil
}
