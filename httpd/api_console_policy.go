package httpd

import (
	"context"
	"time"

	"sallyport/admin"
)

// RuleFields are what a rule matches and says. In a change a field that is left
// out stays as it is, and an empty list takes all away.
type RuleFields struct {
	Applications *[]string `json:"applications,omitempty" maxItems:"200"`
	Clients      *[]string `json:"clients,omitempty" maxItems:"200"`
	Groups       *[]string `json:"groups,omitempty" maxItems:"200"`
	Sources      *[]string `json:"sources,omitempty" maxItems:"500" doc:"Addresses, subnets and ranges where the person is"`
	Holding      *[]string `json:"holding,omitempty" maxItems:"50" doc:"Factors of which the account holds one"`
	Times        *[]string `json:"times,omitempty" maxItems:"100" doc:"mon-fri 08:00-18:00 Europe/Berlin"`

	Need             *string   `json:"need,omitempty" enum:"both,primary,refuse"`
	Methods          *[]string `json:"methods,omitempty" maxItems:"50" doc:"Factors that may complete the login, in the order in which they are asked for; empty for all"`
	Unenrolled       *string   `json:"unenrolled,omitempty" enum:"refuse,pass,enrol" doc:"What people without a second factor meet"`
	ChallengeSeconds *int      `json:"challenge_seconds,omitempty" minimum:"0" maximum:"600" doc:"30 to 600, or 0 for the usual"`
	WaitSeconds      *int      `json:"wait_seconds,omitempty" minimum:"0" maximum:"300" doc:"1 to 300, or 0 for as long as the client can"`
	Attributes       *[]string `json:"attributes,omitempty" maxItems:"50" doc:"Of the reply of an accept, each NAME=VALUE"`
}

func (f *RuleFields) terms() (admin.RuleTerms, error) {
	attributes, err := pairs(given(f.Attributes))
	return admin.RuleTerms{
		Applications: given(f.Applications), Clients: given(f.Clients), Groups: given(f.Groups), Sources: given(f.Sources),
		Holding: given(f.Holding), Times: given(f.Times), Need: f.Need, Methods: given(f.Methods), Unenrolled: f.Unenrolled,
		ChallengeSeconds: f.ChallengeSeconds, WaitSeconds: f.WaitSeconds, Attributes: attributes,
	}, err
}

// RuleAt says where among the others a rule stands: at most one is given.
type RuleAt struct {
	Place  int64  `json:"place,omitempty" minimum:"1" doc:"1 is asked first"`
	Before string `json:"before,omitempty" maxLength:"63" doc:"Name of a rule"`
	After  string `json:"after,omitempty" maxLength:"63" doc:"Name of a rule"`
}

// A RuleStart is a new rule. Without a place it becomes the last.
type RuleStart struct {
	Name string `json:"name" minLength:"1" maxLength:"63"`
	RuleAt
	RuleFields
}

func (r *RuleStart) rule() (admin.NewRule, error) {
	terms, err := r.terms()
	return admin.NewRule{Name: r.Name, RulePlace: admin.RulePlace(r.RuleAt), RuleTerms: terms}, err
}

// A RuleEdit changes what it names and leaves the rest.
type RuleEdit struct {
	NewName string `json:"new_name,omitempty" maxLength:"63"`
	RuleFields
}

// A RuleTrial asks what other rules would have done with past logins.
type RuleTrial struct {
	Rules []RuleStart `json:"rules" maxItems:"500" doc:"All of them, in the order in which they are asked"`
	Days  int         `json:"days,omitempty" minimum:"0" maximum:"90" doc:"How far back; left out for 30"`
}

// A TrustedIPStart is a new trusted network.
type TrustedIPStart struct {
	Application string `json:"application" minLength:"1" maxLength:"63"`
	Range       string `json:"range" minLength:"1" maxLength:"100" doc:"An address, subnet or range"`
	Note        string `json:"note,omitempty" maxLength:"500"`
	Wide        bool   `json:"wide,omitempty" doc:"It is meant to hold more addresses than an IPv4 /8 or an IPv6 /16"`
}

// A CacheRuleStart is the cache rule of an application.
type CacheRuleStart struct {
	Application string `json:"application" minLength:"1" maxLength:"63"`
	Type        string `json:"type" enum:"user,user+application,user+application+ip"`
	Seconds     int    `json:"seconds" minimum:"1" maximum:"86400"`
}

// A CacheForgotten says whose remembered successes are to be forgotten.
type CacheForgotten struct {
	Account string `json:"account,omitempty" maxLength:"255"`
	All     bool   `json:"all,omitempty" doc:"Of all accounts"`
}

// A LoginQuestion asks what would become of a login.
type LoginQuestion struct {
	Account     string     `json:"account" minLength:"1" maxLength:"255"`
	Application string     `json:"application,omitempty" maxLength:"63"`
	Client      string     `json:"client,omitempty" maxLength:"63"`
	IP          string     `json:"ip,omitempty" maxLength:"100" doc:"Where the person is"`
	At          *time.Time `json:"at,omitempty" doc:"Left out for now"`
}

// A FindingList is what the newest logins show.
type FindingList struct {
	Items []admin.Finding `json:"items"`
	Back  time.Time       `json:"back,omitzero" doc:"How far back it has looked, if not as far as was asked for"`
}

// A FindingChosen names a finding whose advice is to be followed.
type FindingChosen struct {
	ID   string `json:"id" minLength:"1" maxLength:"200"`
	Days int    `json:"days,omitempty" minimum:"0" maximum:"30" doc:"As it was found; left out for 7"`
}

const defaultFindingDays = 7

func policyOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "rule.list", Method: "GET", Path: "/v1/rules", Summary: "All rules in the order in which they are asked", Tag: tagPolicy,
			Detail:   "The last one is built in: it is for logins that no other matches.",
			Audience: administrator, Permission: admin.ReadPolicy,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[admin.RuleView], error) {
			return listed(c.site.Admin.Rules(), nil)
		}),
		operate(operation{
			ID: "rule.add", Method: "POST", Path: "/v1/rules", Summary: "Make a rule", Tag: tagPolicy,
			Audience: administrator, Permission: admin.WritePolicy, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body RuleStart }) (*Tagged[admin.RuleView], error) {
			n, err := in.Body.rule()
			if err != nil {
				return nil, err
			}
			return tagged(c.site.Admin.AddRule(ctx, c.by, n))
		}),
		operate(operation{
			ID: "rule.show", Method: "GET", Path: "/v1/rules/{name}", Summary: "One rule", Tag: tagPolicy,
			Audience: administrator, Permission: admin.ReadPolicy,
		}, func(_ context.Context, c *caller, in *NamePath) (*Tagged[admin.RuleView], error) {
			return tagged(c.site.Admin.ShowRule(in.Name))
		}),
		operate(operation{
			ID: "rule.change", Method: "PATCH", Path: "/v1/rules/{name}", Summary: "Change what a rule matches and says", Tag: tagPolicy,
			Audience: administrator, Permission: admin.WritePolicy, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			IfMatch
			Body RuleEdit
		},
		) (*Tagged[admin.RuleView], error) {
			terms, err := in.Body.terms()
			if err != nil {
				return nil, err
			}
			return tagged(c.site.Admin.ChangeRule(ctx, c.by, admin.RuleChange{Name: in.Name, NewName: in.Body.NewName, RuleTerms: terms, Expect: in.expect()}))
		}),
		operate(operation{
			ID: "rule.move", Method: "POST", Path: "/v1/rules/{name}/move", Summary: "Put a rule at another place", Tag: tagPolicy,
			Audience: administrator, Permission: admin.WritePolicy, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			IfMatch
			Body RuleAt
		},
		) (*Tagged[admin.RuleView], error) {
			return tagged(c.site.Admin.MoveRule(ctx, c.by, admin.RuleMove{Name: in.Name, RulePlace: admin.RulePlace(in.Body), Expect: in.expect()}))
		}),
		operate(operation{
			ID: "rule.remove", Method: "DELETE", Path: "/v1/rules/{name}", Summary: "Remove a rule", Tag: tagPolicy,
			Detail:   "Its logins meet the next rule that matches.",
			Audience: administrator, Permission: admin.WritePolicy,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			IfMatch
		},
		) (*struct{}, error) {
			return nil, c.site.Admin.RemoveRule(ctx, c.by, in.Name, in.expect())
		}),
		operate(operation{
			ID: "rule.dry-run", Method: "POST", Path: "/v1/rules/dry-run", Summary: "Try rules on past logins", Tag: tagPolicy,
			Detail:   "Says how many of the newest 10,000 logins would have been decided otherwise. Nothing is changed or recorded.",
			Audience: administrator, Permission: admin.ReadPolicy, Body: 1 << 20,
		}, func(ctx context.Context, c *caller, in *struct{ Body RuleTrial }) (*Answered[admin.DryRunView], error) {
			d := admin.DryRun{Days: in.Body.Days, Rules: make([]admin.NewRule, len(in.Body.Rules))}
			for i := range in.Body.Rules {
				var err error
				if d.Rules[i], err = in.Body.Rules[i].rule(); err != nil {
					return nil, err
				}
			}
			return answered(c.site.Admin.DryRunRules(ctx, d, 0))
		}),
		operate(operation{
			ID: "trusted-ip.list", Method: "GET", Path: "/v1/trusted-ips", Summary: "All trusted networks", Tag: tagPolicy,
			Audience: administrator, Permission: admin.ReadPolicy,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[admin.TrustedIPView], error) {
			return listed(c.site.Admin.TrustedIPs(), nil)
		}),
		operate(operation{
			ID: "trusted-ip.add", Method: "POST", Path: "/v1/trusted-ips", Summary: "Trust a network", Tag: tagPolicy,
			Audience: administrator, Permission: admin.WritePolicy, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body TrustedIPStart }) (*Answered[admin.TrustedIPView], error) {
			return answered(c.site.Admin.AddTrustedIP(ctx, c.by, admin.NewTrustedIP(in.Body)))
		}),
		operate(operation{
			ID: "trusted-ip.remove", Method: "DELETE", Path: "/v1/trusted-ips/{id}", Summary: "Trust a network no more", Tag: tagPolicy,
			Audience: administrator, Permission: admin.WritePolicy,
		}, func(ctx context.Context, c *caller, in *IDPath) (*struct{}, error) {
			_, err := c.site.Admin.RemoveTrustedIP(ctx, c.by, admin.TrustedIPRef{ID: in.ID})
			return nil, err
		}),
		operate(operation{
			ID: "cache-rule.list", Method: "GET", Path: "/v1/cache-rules", Summary: "All cache rules", Tag: tagPolicy,
			Audience: administrator, Permission: admin.ReadPolicy,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[admin.CacheRuleView], error) {
			return listed(c.site.Admin.CacheRules(), nil)
		}),
		operate(operation{
			ID: "cache-rule.add", Method: "POST", Path: "/v1/cache-rules", Summary: "Let a completed login spare later ones the second factor", Tag: tagPolicy,
			Audience: administrator, Permission: admin.WritePolicy, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body CacheRuleStart }) (*Answered[admin.CacheRuleView], error) {
			return answered(c.site.Admin.AddCacheRule(ctx, c.by, admin.NewCacheRule(in.Body)))
		}),
		operate(operation{
			ID: "cache-rule.remove", Method: "DELETE", Path: "/v1/cache-rules/{name}", Summary: "Remove the cache rule of an application", Tag: tagPolicy,
			Detail:   "What was remembered by it is forgotten.",
			Audience: administrator, Permission: admin.WritePolicy,
		}, func(ctx context.Context, c *caller, in *NamePath) (*struct{}, error) {
			return nil, c.site.Admin.RemoveCacheRule(ctx, c.by, in.Name)
		}),
		operate(operation{
			ID: "cache.purge", Method: "POST", Path: "/v1/cache/purge", Summary: "Forget remembered successes", Tag: tagPolicy,
			Audience: administrator, Permission: admin.WriteCache, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body CacheForgotten }) (*struct{}, error) {
			if (in.Body.Account == "") != in.Body.All {
				return nil, wrongField("body.account", "name an account, or say all")
			}
			return nil, c.site.Admin.PurgeCache(ctx, c.by, in.Body.Account)
		}),
		operate(operation{
			ID: "exemption.list", Method: "GET", Path: "/v1/exemptions", Summary: "Every setting that weakens MFA", Tag: tagPolicy,
			Audience: administrator, Permission: admin.ReadPolicy,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.ExemptionView], error) {
			return whole(c.site.Admin.Exemptions(ctx))
		}),
		operate(operation{
			ID: "policy.explain", Method: "POST", Path: "/v1/explain", Summary: "What would become of a login, and which rule says so", Tag: tagPolicy,
			Detail:   "Nothing is spent, counted or recorded.",
			Audience: administrator, Permission: admin.ReadExplanations, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body LoginQuestion }) (*Listed[admin.ExplainView], error) {
			q := admin.Question{Account: in.Body.Account, Application: in.Body.Application, Client: in.Body.Client, IP: in.Body.IP}
			if in.Body.At != nil {
				q.At = *in.Body.At
			}
			return whole(c.site.Admin.ExplainLogin(ctx, q))
		}),
		operate(operation{
			ID: "finding.list", Method: "GET", Path: "/v1/findings", Summary: "What is wrong with how people are asked", Tag: tagReports,
			Detail:   "It looks at the newest logins, a bounded number of them; `sallyport findings` reads as many as it is told to.",
			Audience: administrator, Permission: admin.ReadReports,
		}, func(ctx context.Context, c *caller, in *struct {
			Days int `query:"days" minimum:"1" maximum:"30" default:"7" doc:"How far back"`
		},
		) (*struct{ Body FindingList }, error) {
			found, back, err := c.site.Admin.RecentFindings(ctx, c.site.Now().AddDate(0, 0, -in.Days))
			if err != nil {
				return nil, err
			}
			return &struct{ Body FindingList }{FindingList{found, back}}, nil
		}),
		operate(operation{
			ID: "finding.apply", Method: "POST", Path: "/v1/findings/apply", Summary: "Do what a finding advises", Tag: tagReports,
			Audience: administrator, Permission: admin.WritePolicy, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body FindingChosen }) (*Answered[admin.Finding], error) {
			days := in.Body.Days
			if days == 0 {
				days = defaultFindingDays
			}
			return answered(c.site.Admin.ApplyRecentFinding(ctx, c.by, in.Body.ID, c.site.Now().AddDate(0, 0, -days)))
		}),
	}
}
