package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// A Question asks what would become of a login. Give Application, Client or
// both.
type Question struct {
	Account     string    `json:"account"`     // a name in any spelling, whether or not anybody has it
	Application string    `json:"application"` // asks about each of its clients
	Client      string    `json:"client"`
	IP          string    `json:"ip"` // where the person is, "" if the client does not say
	At          time.Time `json:"at"` // the zero time means now
}

// An ExplainView says what would become of one login with the right first
// factor and no code, and why.
type ExplainView struct {
	Claimant    string    `json:"claimant"` // the name that was asked about
	Account     string    `json:"account"`  // the account that has it, "" if none does
	Application string    `json:"application"`
	Client      string    `json:"client"`
	IP          string    `json:"ip,omitempty"`
	At          time.Time `json:"at"`

	Rule      string   `json:"rule,omitempty"`      // that decides; "" if it does not come to that
	Need      string   `json:"need,omitempty"`      // what it asks for: both, primary or refuse
	Methods   []string `json:"methods"`             // factors that could complete the login, in the order in which they are asked for
	Exemption string   `json:"exemption,omitempty"` // outcome of the exemption that would spare the second factor

	// Possible says whether the person can get in: at once, after a question,
	// or with a code that comes along with the password.
	Possible bool        `json:"possible"`
	Verdict  string      `json:"verdict"` // accept, challenge or reject
	Code     int         `json:"code"`    // the outcome's number
	Outcome  string      `json:"outcome"`
	Label    string      `json:"label" prose:"true"`
	Answer   string      `json:"answer" prose:"true"`           // what would happen, in a sentence
	Remedy   string      `json:"remedy,omitempty" prose:"true"` // what to do about a refusal
	Notes    []string    `json:"notes" prose:"true"`            // what else is worth knowing
	Trace    []auth.Step `json:"trace"`
}

// ExplainLogin says what would become of a login at each client that q is
// about. Nothing is spent, counted or recorded.
func (a *Admin) ExplainLogin(ctx context.Context, q Question) ([]ExplainView, error) {
	if q.Account == "" {
		return nil, invalid("give --account NAME", "it is not said who logs in")
	}
	var ip netip.Addr
	if q.IP != "" {
		r, err := auth.ParseRange(q.IP)
		if err != nil || r.First != r.Last {
			return nil, invalid("write one address, 192.0.2.7 or 2001:db8::7", "%q is not an address", q.IP)
		}
		ip = r.First
	}
	if q.At.IsZero() {
		q.At = a.Now()
	}
	clients, err := clientsOf(a.Store.Settings(), q)
	if err != nil {
		return nil, err
	}
	views := make([]ExplainView, len(clients))
	for i, c := range clients {
		if views[i], err = a.explainAt(ctx, q, c, ip); err != nil {
			return nil, err
		}
	}
	return views, nil
}

// clientsOf finds the clients that a question is about.
func clientsOf(s *auth.Settings, q Question) ([]*auth.Client, error) {
	if q.Client != "" {
		if err := clientNamed(s, q.Client); err != nil {
			return nil, err
		}
		c := s.Client(q.Client)
		if q.Application != "" && c.Application != q.Application {
			return nil, invalid("leave one of the two out", "client %s asks for application %s, not %q", c.Name, c.Application, q.Application)
		}
		return []*auth.Client{c}, nil
	}
	if q.Application == "" {
		return nil, invalid("give --application NAME or --client NAME", "it is not said where the login is")
	}
	if err := application(s, q.Application); err != nil {
		return nil, err
	}
	var clients []*auth.Client
	for i := range s.Clients {
		if s.Clients[i].Application == q.Application {
			clients = append(clients, &s.Clients[i])
		}
	}
	if len(clients) == 0 {
		return nil, invalid("sallyport client add NAME --application "+q.Application+" --source ADDRESS makes one", "application %s has no client, so that nobody can log in to it", q.Application)
	}
	return clients, nil
}

func (a *Admin) explainAt(ctx context.Context, q Question, c *auth.Client, ip netip.Addr) (ExplainView, error) {
	if a.Explain == nil {
		return ExplainView{}, errors.New("admin: explain a login: this server was built without an engine to ask")
	}
	at := auth.Attempt{
		Door: c.Door, Client: c.Name, Claimant: q.Account, Time: q.At,
		Can: auth.Can{Ask: c.Mode == auth.ModeChallenge},
	}
	v := ExplainView{Claimant: q.Account, Application: c.Application, Client: c.Name, At: q.At, Methods: []string{}, Notes: []string{}}
	switch {
	case !ip.IsValid():
		v.Notes = append(v.Notes, "no address was given: rules and exemptions that ask for one do not match")
	case c.Origin == auth.OriginNone:
		v.Notes = append(v.Notes, fmt.Sprintf("client %s is not believed where people are: rules and exemptions that ask for an address do not match", c.Name))
	default:
		at.Origin = ip
	}
	if ip.IsValid() {
		at.From, v.IP = ip.String(), ip.String()
	}
	x, err := a.Explain(ctx, at)
	if err != nil {
		return ExplainView{}, fmt.Errorf("admin: explain a login: %w", err)
	}
	if x.Account == "" {
		v.Notes = append(v.Notes, fmt.Sprintf("no account has the name %q; whoever tries is not told so", q.Account))
	}
	if c.Password == auth.PasswordNone {
		v.Notes = append(v.Notes, fmt.Sprintf("client %s checks passwords itself", c.Name))
	}
	m := x.Outcome.Meaning()
	v.Account, v.Rule, v.Verdict, v.Code, v.Outcome, v.Label = x.Account, x.Rule, x.Verdict.String(), int(x.Outcome), x.Outcome.String(), m.Label
	v.Methods, v.Trace = orEmpty(slices.Clone(x.Methods)), orEmpty(x.Trace)
	if x.Rule != "" {
		v.Need = needWord(x.Need)
	}
	if x.Exemption != 0 {
		v.Exemption = x.Exemption.String()
	}
	v.Answer = answer(&x, c)
	v.Possible = x.Verdict == auth.Accept || x.Verdict == auth.Challenge && answerable(&x) || codeAlong(&x)
	if !v.Possible {
		v.Remedy = obstacle(&x).Meaning().Remedy
	}
	return v, nil
}

// answer says in a sentence what would happen.
func answer(x *auth.Explanation, c *auth.Client) string {
	if x.Outcome == 0 {
		return "Nothing: the login is not decided."
	}
	m := x.Outcome.Meaning()
	switch x.Verdict {
	case auth.Accept:
		first := "With the right password"
		if c.Password == auth.PasswordNone {
			first = "As soon as the client asks"
		}
		if x.Exemption != 0 {
			return fmt.Sprintf("%s the person is let in without a second factor (%d %s).", first, x.Exemption, x.Exemption.Meaning().Label)
		}
		return fmt.Sprintf("%s the person is let in (%d %s).", first, x.Outcome, m.Label)
	case auth.Challenge:
		asked := "After the right password the person is asked for a second factor"
		if c.Password == auth.PasswordNone {
			asked = "The person is asked for a second factor"
		}
		if !answerable(x) {
			m := obstacle(x).Meaning()
			return fmt.Sprintf("%s, and refused whatever they answer (%d %s).", asked, m.Outcome, m.Label)
		}
		if c.Password == auth.PasswordNone {
			return fmt.Sprintf("The person is asked for a second factor (%s).", strings.Join(x.Methods, ", "))
		}
		return fmt.Sprintf("After the right password the person is asked for a second factor (%s).", strings.Join(x.Methods, ", "))
	case auth.Reject, auth.Unavailable, auth.Ignore:
	}
	if codeAlong(x) {
		field := "with the password"
		if c.Password == auth.PasswordNone {
			field = "in the password field"
		}
		return fmt.Sprintf("The person is let in if the right code comes along %s (%s); without one they are refused (%d %s).", field, strings.Join(x.Methods, ", "), x.Outcome, m.Label)
	}
	return fmt.Sprintf("The person is refused (%d %s).", x.Outcome, m.Label)
}

// obstacle is why nobody can get in by this login. Where a client has checked
// the password itself, everybody is asked for a code, so that names that nobody
// has look like any other.
func obstacle(x *auth.Explanation) auth.Outcome {
	switch {
	case x.Verdict != auth.Challenge:
		return x.Outcome
	case x.Account == "":
		return auth.UserNotFound
	}
	return auth.UserIncomplete
}

// codeAlong reports whether a login is refused only because it brings no code,
// at a client that cannot ask for one.
func codeAlong(x *auth.Explanation) bool {
	return x.Verdict == auth.Reject && x.Outcome == auth.CodeMissing && answerable(x)
}

// answerable reports whether somebody could answer what is asked for.
func answerable(x *auth.Explanation) bool { return x.Account != "" && len(x.Methods) > 0 }
