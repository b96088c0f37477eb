package admin

import (
	"context"
	"time"

	"sallyport/auth"
)

// A SettingView is one setting with which the program was started: of the
// configuration file, the environment or the command line. Values of secrets
// are never in it.
type SettingView struct {
	Key   string `json:"key"`               // as in the file: "https.address"
	Value string `json:"value"`             // "" for one that is not set
	Help  string `json:"help" prose:"true"` // what it is for, in a sentence
}

// A Certificate is one that a listener shows.
type Certificate struct {
	Listener string // "https"
	Subject  string // whom it is for
	Until    time.Time
}

// A LateExport is an export of the record that is behind.
type LateExport struct {
	Name string
	Lag  time.Duration // age of the oldest event that it has not delivered
	Why  string        // the newest error, "" if there was none
}

// A NodeView is one process that decides on this database.
type NodeView struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen"`
	Missing bool      `json:"missing"` // it has given no sign of life for longer than it should
}

// A SystemView says what the installation is made of.
type SystemView struct {
	Nodes      []NodeView    `json:"nodes"`
	Settings   []SettingView `json:"settings"`
	Exemptions int           `json:"exemptions"`        // settings that weaken MFA, see Exemptions
	Rewound    *time.Time    `json:"rewound,omitempty"` // when it was last found that the database had gone back in time
	Events     uint64        `json:"events"`            // number of the newest
	Accounts   int64         `json:"accounts"`
}

const (
	// nodeMissing is how long after its last sign of life a node counts as
	// missing. Nodes give one every 30 seconds.
	nodeMissing = 2 * time.Minute
	// nodeForgotten is how long a missing node is worth a warning: after that it
	// was taken away on purpose.
	nodeForgotten = 7 * 24 * time.Hour
)

// System says what the installation is made of.
func (a *Admin) System(ctx context.Context) (SystemView, error) {
	v := SystemView{Settings: []SettingView{}}
	var err error
	if v.Nodes, err = a.nodes(ctx); err != nil {
		return SystemView{}, err
	}
	if a.Configuration != nil {
		v.Settings = orEmpty(a.Configuration())
	}
	exemptions, err := a.Exemptions(ctx)
	if err != nil {
		return SystemView{}, err
	}
	v.Exemptions = len(exemptions)
	if at := a.Store.Settings().Rewound; !at.IsZero() {
		v.Rewound = &at
	}
	head, err := a.Store.Head(ctx)
	if err != nil {
		return SystemView{}, err
	}
	v.Events = head.Seq
	counts, err := a.Store.CountAccounts(ctx, a.Now())
	if err != nil {
		return SystemView{}, err
	}
	v.Accounts = counts.All
	return v, nil
}

func (a *Admin) nodes(ctx context.Context) ([]NodeView, error) {
	list, err := a.Store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	views := make([]NodeView, len(list))
	for i, n := range list {
		views[i] = NodeView{Name: n.Name, Version: n.Version, Since: n.Since, Seen: n.Seen, Missing: now.Sub(n.Seen) > nodeMissing}
	}
	return views, nil
}

// passkeyFactors are the names of the factors that only a passkey proves.
func (a *Admin) passkeyFactors() []string {
	return a.factorsThat(func(i auth.Info) bool { return i.Passkey })
}

// secondFactors are the names of the factors of which an account must hold one
// to count as enrolled. A sheet of recovery codes stands in for another factor
// and is none by itself.
func (a *Admin) secondFactors() []string {
	return a.factorsThat(func(i auth.Info) bool { return i.Category == auth.Have && i.Name != recoveryFactor })
}

func (a *Admin) factorsThat(fits func(auth.Info) bool) []string {
	var names []string
	for _, f := range a.Factors {
		if info := f.Info(); fits(info) {
			names = append(names, info.Name)
		}
	}
	return names
}
