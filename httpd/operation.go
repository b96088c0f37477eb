package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/pskc"
)

// What operations take and give, where it is not a type of package admin.

// An AccountRef names an account, in any spelling that could log in.
type AccountRef struct {
	Name string `json:"name"`
}

// A PasswordChange gives an account a new password, or the hash of one.
type PasswordChange struct {
	Name         string `json:"name"`
	Password     string `json:"password"`
	PasswordHash string `json:"password_hash"`
}

// A Block refuses an account's logins.
type Block struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"` // the zero time: until somebody lifts it
}

// A NewAuthenticator asks for an authenticator with a seed of our making.
type NewAuthenticator struct {
	Account string `json:"account"`
	Factor  string `json:"factor"`
	Label   string `json:"label"`
}

// An AuthenticatorQuery lists what an account holds; "" lists the tokens that
// nobody holds.
type AuthenticatorQuery struct {
	Account string `json:"account"`
}

// An AuthenticatorRef names an authenticator by its ID or serial.
type AuthenticatorRef struct {
	ID string `json:"id"`
}

// An Assignment gives a token to an account.
type Assignment struct {
	ID      string `json:"id"` // or serial
	Account string `json:"account"`
}

// A Resync brings two codes that a token showed one after the other.
type Resync struct {
	ID     string `json:"id"`
	First  string `json:"first"`
	Second string `json:"second"`
}

// An Import is a file of token seeds. Key and Passphrase open it if it is
// encrypted.
type Import struct {
	File       []byte `json:"file"`
	Key        []byte `json:"key"`
	Passphrase string `json:"passphrase"`
}

// An ImportReport says what came of an Import.
type ImportReport struct {
	Added      int      `json:"added"`
	Unassigned int      `json:"unassigned"` // of those added, the ones that nobody holds yet
	Bad        []BadRow `json:"bad"`        // in the order of their lines
}

// A BadRow is a row of an Import that gave no token.
type BadRow struct {
	Line   int    `json:"line"`
	Serial string `json:"serial"`
	Reason string `json:"reason" prose:"true"`
}

// A Name names an application or client.
type Name struct {
	Name string `json:"name"`
}

// A NewGroup makes a group.
type NewGroup struct {
	Name       string                `json:"name"`
	Attributes []auth.ReplyAttribute `json:"attributes"`
}

// An Application is one protected thing.
type Application struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// A Group gives its members reply attributes, each NAME=VALUE.
type Group struct {
	Name       string    `json:"name"`
	Attributes []string  `json:"attributes"`
	Created    time.Time `json:"created"`
}

// A NewClientView is a new client, with its secret if that was made here; it
// cannot be read again.
type NewClientView struct {
	admin.ClientView
	Secret string `json:"secret,omitempty"`
}

// A Rotation gives a client a new secret, "" to have one made.
type Rotation struct {
	Name   string `json:"name"`
	Secret string `json:"secret"`
}

// A NewSecret is the secret that a Rotation has made, "" if it was given.
type NewSecret struct {
	Name   string `json:"name"`
	Secret string `json:"secret,omitempty"`
}

// A CachePurge forgets what caches remember of one account, or of all.
type CachePurge struct {
	Account string `json:"account"`
	All     bool   `json:"all"`
}

// A Reference is what a person who could not log in reads out.
type Reference struct {
	Reference string `json:"reference"`
}

// Resealed says how many secrets were sealed again.
type Resealed struct {
	Records int `json:"records"`
}

// Rekeyed names the new key-encryption key.
type Rekeyed struct {
	KeyID   string `json:"key_id"`
	KeyFile string `json:"key_file"`
}

// Nothing is what operations take or give that need no words.
type Nothing struct{}

const (
	smallBody = 1 << 20
	// importBody is room for the largest seed file that package pskc reads,
	// 64 MiB, in base 64.
	importBody = 88 << 20
)

// operations are the routes of the admin socket. A new operation is one line.
func operations() []route {
	return []route{
		op("account.add", admin.WriteAccounts, func(c *call, in admin.NewAccount) (admin.AccountView, error) {
			return c.operator.Admin.AddAccount(c.Context(), c.by, in)
		}),
		streamed("account.list", admin.ReadAccounts, listAccounts),
		op("account.show", admin.ReadAccounts, func(c *call, in AccountRef) (admin.AccountView, error) {
			return c.operator.Admin.ShowAccount(c.Context(), in.Name)
		}),
		op("account.password", admin.WriteAccounts, func(c *call, in PasswordChange) (admin.AccountView, error) {
			if (in.Password == "") == (in.PasswordHash == "") {
				return admin.AccountView{}, badRequest("give either a password or the hash of one")
			}
			return c.changed(in.Name, c.operator.Admin.SetPassword(c.Context(), c.by, in.Name, in.Password, in.PasswordHash))
		}),
		op("account.enable", admin.WriteAccounts, func(c *call, in AccountRef) (admin.AccountView, error) {
			return c.changed(in.Name, c.operator.Admin.SetEnabled(c.Context(), c.by, in.Name, true))
		}),
		op("account.disable", admin.WriteAccounts, func(c *call, in AccountRef) (admin.AccountView, error) {
			return c.changed(in.Name, c.operator.Admin.SetEnabled(c.Context(), c.by, in.Name, false))
		}),
		op("account.block", admin.WriteAccounts, func(c *call, in Block) (admin.AccountView, error) {
			return c.changed(in.Name, c.operator.Admin.Block(c.Context(), c.by, in.Name, in.Reason, in.Until))
		}),
		op("account.unblock", admin.WriteAccounts, func(c *call, in AccountRef) (admin.AccountView, error) {
			return c.changed(in.Name, c.operator.Admin.Unblock(c.Context(), c.by, in.Name))
		}),
		op("account.unlock", admin.WriteAccounts, func(c *call, in AccountRef) (admin.AccountView, error) {
			return c.changed(in.Name, c.operator.Admin.Unlock(c.Context(), c.by, in.Name))
		}),

		op("authenticator.add", admin.WriteAuthenticators, func(c *call, in NewAuthenticator) (admin.BoundView, error) {
			return c.operator.Admin.AddAuthenticator(c.Context(), c.by, in.Account, in.Factor, in.Label)
		}),
		streamed("authenticator.list", admin.ReadAuthenticators, listAuthenticators),
		op("authenticator.revoke", admin.WriteAuthenticators, func(c *call, in AuthenticatorRef) (Nothing, error) {
			return Nothing{}, c.operator.Admin.RevokeAuthenticator(c.Context(), c.by, in.ID)
		}),
		large(op("authenticator.import", admin.WriteAuthenticators, importTokens)),
		op("authenticator.recovery-codes", admin.WriteAuthenticators, func(c *call, in AccountRef) (admin.BoundView, error) {
			return c.operator.Admin.NewRecoveryCodes(c.Context(), c.by, in.Name)
		}),
		op("authenticator.assign", admin.WriteAuthenticators, func(c *call, in Assignment) (Nothing, error) {
			return Nothing{}, c.operator.Admin.AssignToken(c.Context(), c.by, in.ID, in.Account)
		}),
		op("authenticator.resync", admin.WriteAuthenticators, func(c *call, in Resync) (Nothing, error) {
			return Nothing{}, c.operator.Admin.Resync(c.Context(), c.by, in.ID, auth.Code(in.First), auth.Code(in.Second))
		}),

		op("application.add", admin.WriteSettings, func(c *call, in Name) (Application, error) {
			p, err := c.operator.Admin.AddApplication(c.Context(), c.by, in.Name)
			return Application(p), err
		}),
		streamed("application.list", admin.ReadSettings, func(c *call) error {
			return listSettings(c, c.operator.Admin.Applications, func(p auth.Application) Application { return Application(p) })
		}),
		op("group.add", admin.WriteSettings, func(c *call, in NewGroup) (Group, error) {
			g, err := c.operator.Admin.AddGroup(c.Context(), c.by, in.Name, in.Attributes)
			return viewGroup(g), err
		}),
		streamed("group.list", admin.ReadSettings, func(c *call) error {
			return listSettings(c, c.operator.Admin.Groups, viewGroup)
		}),
		op("client.add", admin.WriteSettings, func(c *call, in admin.NewClient) (NewClientView, error) {
			view, secret, err := c.operator.Admin.AddClient(c.Context(), c.by, in)
			return NewClientView{view, secret}, err
		}),
		streamed("client.list", admin.ReadSettings, func(c *call) error {
			return listSettings(c, c.operator.Admin.Clients, same)
		}),
		op("client.remove", admin.WriteSettings, func(c *call, in Name) (Nothing, error) {
			return Nothing{}, c.operator.Admin.RemoveClient(c.Context(), c.by, in.Name, "")
		}),
		op("client.rotate", admin.WriteSettings, func(c *call, in Rotation) (NewSecret, error) {
			secret, err := c.operator.Admin.RotateClient(c.Context(), c.by, in.Name, in.Secret)
			return NewSecret{in.Name, secret}, err
		}),
		op("client.rotate-finish", admin.WriteSettings, func(c *call, in Name) (Nothing, error) {
			return Nothing{}, c.operator.Admin.FinishRotation(c.Context(), c.by, in.Name)
		}),

		op("client.change", admin.WriteSettings, func(c *call, in admin.ClientChange) (admin.ClientView, error) {
			return c.operator.Admin.ChangeClient(c.Context(), c.by, in)
		}),

		op("rule.add", admin.WritePolicy, func(c *call, in admin.NewRule) (admin.RuleView, error) {
			return c.operator.Admin.AddRule(c.Context(), c.by, in)
		}),
		streamed("rule.list", admin.ReadPolicy, func(c *call) error { return listSettings(c, c.operator.Admin.Rules, same) }),
		op("rule.show", admin.ReadPolicy, func(c *call, in Name) (admin.RuleView, error) {
			return c.operator.Admin.ShowRule(in.Name)
		}),
		op("rule.change", admin.WritePolicy, func(c *call, in admin.RuleChange) (admin.RuleView, error) {
			return c.operator.Admin.ChangeRule(c.Context(), c.by, in)
		}),
		op("rule.move", admin.WritePolicy, func(c *call, in admin.RuleMove) (admin.RuleView, error) {
			return c.operator.Admin.MoveRule(c.Context(), c.by, in)
		}),
		op("rule.remove", admin.WritePolicy, func(c *call, in Name) (Nothing, error) {
			return Nothing{}, c.operator.Admin.RemoveRule(c.Context(), c.by, in.Name, "")
		}),
		op("trusted-ip.add", admin.WritePolicy, func(c *call, in admin.NewTrustedIP) (admin.TrustedIPView, error) {
			return c.operator.Admin.AddTrustedIP(c.Context(), c.by, in)
		}),
		streamed("trusted-ip.list", admin.ReadPolicy, func(c *call) error { return listSettings(c, c.operator.Admin.TrustedIPs, same) }),
		op("trusted-ip.remove", admin.WritePolicy, func(c *call, in admin.TrustedIPRef) (admin.TrustedIPView, error) {
			return c.operator.Admin.RemoveTrustedIP(c.Context(), c.by, in)
		}),
		op("cache.add", admin.WritePolicy, func(c *call, in admin.NewCacheRule) (admin.CacheRuleView, error) {
			return c.operator.Admin.AddCacheRule(c.Context(), c.by, in)
		}),
		streamed("cache.list", admin.ReadPolicy, func(c *call) error { return listSettings(c, c.operator.Admin.CacheRules, same) }),
		op("cache.remove", admin.WritePolicy, func(c *call, in Name) (Nothing, error) {
			return Nothing{}, c.operator.Admin.RemoveCacheRule(c.Context(), c.by, in.Name)
		}),
		op("cache.purge", admin.WriteCache, func(c *call, in CachePurge) (Nothing, error) {
			if in.All == (in.Account != "") {
				return Nothing{}, badRequest("name an account, or say that all are meant")
			}
			return Nothing{}, c.operator.Admin.PurgeCache(c.Context(), c.by, in.Account)
		}),
		op("bypass.add", admin.WriteBypasses, func(c *call, in admin.NewBypass) (admin.BypassView, error) {
			return c.operator.Admin.AddBypass(c.Context(), c.by, in)
		}),
		streamed("bypass.list", admin.ReadBypasses, func(c *call) error { return listFew(c, c.operator.Admin.Bypasses) }),
		op("bypass.remove", admin.WriteBypasses, func(c *call, in AccountRef) (Nothing, error) {
			return Nothing{}, c.operator.Admin.RemoveBypass(c.Context(), c.by, in.Name)
		}),
		streamed("exemption.list", admin.ReadPolicy, func(c *call) error { return listFew(c, c.operator.Admin.Exemptions) }),
		streamed("policy.explain", admin.ReadExplanations, explain),

		streamed("event.list", admin.ReadEvents, listEvents),
		op("event.why", admin.ReadEvents, func(c *call, in Reference) (admin.WhyView, error) {
			return c.operator.Admin.Why(c.Context(), in.Reference)
		}),
		streamed("act.list", admin.ReadActs, listActs),

		streamed("store.backup", admin.ReadBackup, backup),
		op("store.reseal", admin.WriteKEK, reseal),
		op("store.rekey", admin.WriteKEK, rekey),
		op("store.rewound", admin.WriteKEK, func(c *call, _ Nothing) (Nothing, error) {
			a := c.operator.Admin
			if err := a.Store.MarkRewound(c.Context(), a.Now()); err != nil {
				return Nothing{}, err
			}
			return Nothing{}, c.record(context.WithoutCancel(c.Context()), "store.rewound", "")
		}),
	}
}

// op is an operation that takes one object and gives one.
func op[In, Out any](name string, p admin.Permission, do func(*call, In) (Out, error)) route {
	return streamed(name, p, func(c *call) error {
		var in In
		if err := c.decode(&in); err != nil {
			return err
		}
		out, err := do(c, in)
		if err != nil {
			return err
		}
		return c.answer(out)
	})
}

// streamed is an operation that reads and answers by itself.
func streamed(name string, p admin.Permission, do func(*call) error) route {
	return route{method: http.MethodPost, path: "/operator/" + name, audience: operator, permission: p, body: smallBody, serve: do}
}

func large(r route) route {
	r.body = importBody
	return r
}

// changed returns an account as it is after a change.
func (c *call) changed(name string, err error) (admin.AccountView, error) {
	if err != nil {
		return admin.AccountView{}, err
	}
	return c.operator.Admin.ShowAccount(c.Context(), name)
}

func listAuthenticators(c *call) error {
	var q AuthenticatorQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return listOf(c, func(ctx context.Context) ([]admin.AuthenticatorView, error) {
		return c.operator.Admin.Authenticators(ctx, q.Account)
	})
}

func listSettings[Record, View any](c *call, read func() []Record, view func(Record) View) error {
	if err := c.decode(&Nothing{}); err != nil {
		return err
	}
	return list(c, func(_ context.Context, send func(View) error, _ func() error) error {
		for _, r := range read() {
			if err := send(view(r)); err != nil {
				return err
			}
		}
		return nil
	})
}

// same is the view of what is one already.
func same[View any](v View) View { return v }

// listFew lists what is read from the store at once.
func listFew[View any](c *call, read func(context.Context) ([]View, error)) error {
	if err := c.decode(&Nothing{}); err != nil {
		return err
	}
	return listOf(c, read)
}

func listOf[View any](c *call, read func(context.Context) ([]View, error)) error {
	return list(c, func(ctx context.Context, send func(View) error, _ func() error) error {
		views, err := read(ctx)
		if err != nil {
			return err
		}
		for _, v := range views {
			if err := send(v); err != nil {
				return err
			}
		}
		return nil
	})
}

// explain answers with one line for each client that the question is about.
func explain(c *call) error {
	var q admin.Question
	if err := c.decode(&q); err != nil {
		return err
	}
	return listOf(c, func(ctx context.Context) ([]admin.ExplainView, error) {
		return c.operator.Admin.ExplainLogin(ctx, q)
	})
}

func viewGroup(g auth.Group) Group {
	v := Group{Name: g.Name, Attributes: []string{}, Created: g.Created}
	for _, at := range g.Attributes {
		v.Attributes = append(v.Attributes, at.Name+"="+at.Value)
	}
	return v
}

func importTokens(c *call, in Import) (ImportReport, error) {
	v, err := c.operator.Admin.Import(c.Context(), c.by, in.File, pskc.Keys{PreShared: in.Key, Password: in.Passphrase})
	if err != nil {
		return ImportReport{}, err
	}
	report := ImportReport{Added: v.Added, Unassigned: v.Unassigned, Bad: make([]BadRow, len(v.Bad))}
	for i, b := range v.Bad {
		report.Bad[i] = BadRow{Line: b.Line, Serial: b.Serial, Reason: b.Reason}
	}
	slices.SortStableFunc(report.Bad, func(a, b BadRow) int { return a.Line - b.Line })
	return report, nil
}

// HeaderKeyFile names the key file, percent-encoded, in the answer to
// store.backup.
const HeaderKeyFile = "Sallyport-Key-File"

// backup streams a copy of the database. That somebody takes one is recorded
// before the first octet leaves.
func backup(c *call) error {
	if err := c.decode(&Nothing{}); err != nil {
		return err
	}
	if err := c.record(c.Context(), "store.backup", ""); err != nil {
		return err
	}
	c.w.Header().Set(HeaderKeyFile, url.PathEscape(c.operator.KeyFile))
	s := &stream{c: c, kind: "application/octet-stream"}
	return s.end(c.operator.Admin.Store.Backup(c.Context(), s))
}

func reseal(c *call, _ Nothing) (Resealed, error) {
	n, err := c.operator.Admin.Store.Reseal(c.Context())
	if err != nil {
		return Resealed{}, err
	}
	return Resealed{n}, c.record(context.WithoutCancel(c.Context()), "store.reseal", fmt.Sprintf("%d records", n))
}

func rekey(c *call, _ Nothing) (Rekeyed, error) {
	o := c.operator
	select {
	case o.rekeying <- struct{}{}:
		defer func() { <-o.rekeying }()
	default:
		return Rekeyed{}, &Problem{
			Type: "/problems/busy", Title: "Busy", Status: http.StatusConflict,
			Detail: "the key is being changed already", Hint: "wait for the other rekey to finish",
		}
	}
	if o.Rekey == nil {
		return Rekeyed{}, errors.New("httpd: this server was built without a way to change the key")
	}
	// A client that goes away must not leave a change of the key half made.
	ctx := context.WithoutCancel(c.Context())
	id, err := o.Rekey(ctx)
	if err != nil {
		return Rekeyed{}, err
	}
	return Rekeyed{id, o.KeyFile}, c.record(ctx, "store.rekey", "key "+id)
}

// record keeps that something was done which changes no record.
func (c *call) record(ctx context.Context, action, detail string) error {
	a := c.operator.Admin
	return a.Store.Apply(ctx, admin.Act{Time: a.Now(), Actor: c.by.Name, Action: action, Detail: detail})
}
