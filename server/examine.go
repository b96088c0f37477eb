package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/auth"
	"sallyport/config"
	"sallyport/store"
)

// An Examination says what to look at in a backup, and where there is room for
// a copy of it.
type Examination struct {
	Backup io.Reader
	// Key is the path of the key file that belongs to the backup. Without one
	// nothing can be said but that the file is whole.
	Key string
	// Scratch is an empty folder for a copy. What is left in it is the caller's
	// to remove.
	Scratch string
	// Anchors is the path of a file of anchors that the events are compared
	// with, "" for none, and Elsewhere are lines with anchors that others have
	// kept.
	Anchors   string
	Elsewhere [][]byte
	// Drill also opens every sealed secret and decides a login.
	Drill bool
	// Tell is told what is being done.
	Tell func(what string)
}

// An Examined is what was found in a backup.
type Examined struct {
	Octets         int64        `json:"octets"`
	Events         uint64       `json:"events"`
	Accounts       int          `json:"accounts"`
	Authenticators int          `json:"authenticators"` // those that nobody holds included
	Clients        int          `json:"clients"`
	Rules          int          `json:"rules"`
	Report         audit.Report `json:"chain"`
	Newest         time.Time    `json:"newest_event,omitzero"`
	// RestoreTook is how long it took until a server could have answered: to
	// copy, check and open.
	RestoreTook time.Duration `json:"restore_took_ns"`

	Secrets int    `json:"secrets_opened"`  // of a drill
	Refused string `json:"refused"`         // outcome of the login that had to be refused, of a drill
	KeyUsed bool   `json:"opened_with_key"` // false: the key was not there, and only the file was checked
}

// Examine restores a backup into a scratch folder and looks at it as a server
// would. The backup, its key file and any running server are not touched. An
// error says what a restore would have failed with.
func Examine(ctx context.Context, x Examination) (Examined, error) {
	var v Examined
	begun := time.Now()
	x.Tell("copying and checking the database")
	counted := &counter{r: x.Backup}
	if err := store.Restore(counted, x.Scratch); err != nil {
		return v, err
	}
	v.Octets = counted.n
	if x.Key == "" {
		v.RestoreTook = time.Since(begun)
		return v, nil
	}
	x.Tell("opening it with the key")
	key, err := os.ReadFile(x.Key)
	if err != nil {
		return v, fmt.Errorf("server: read the key file: %w", err)
	}
	cfg := config.Default()
	cfg.Data = x.Scratch
	// A copy, so that nothing can happen to the original.
	if err := os.WriteFile(cfg.KEKPath(), key, 0o400); err != nil {
		return v, fmt.Errorf("server: copy the key file: %w", err)
	}
	s := &Server{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	defer s.Close()
	if err := s.assemble(ctx); err != nil {
		return v, err
	}
	v.KeyUsed = true
	v.RestoreTook = time.Since(begun)

	x.Tell("checking the chain of events")
	var anchors audit.Anchors
	mac := s.Store.MAC(auditPurpose)
	if x.Anchors != "" {
		if err := anchors.ReadOwn(x.Anchors, mac); err != nil {
			return v, err
		}
	}
	for _, line := range x.Elsewhere {
		anchors.AddLine(line, mac)
	}
	if v.Report, err = audit.Verify(ctx, s.Store, &anchors, func(seq uint64) {
		x.Tell(fmt.Sprintf("checking the chain of events: %d", seq))
	}); err != nil {
		return v, err
	}
	if v.Report.Last > 0 {
		v.Events = v.Report.Last - v.Report.First + 1
	}
	if newest, err := s.Store.Events(ctx, admin.EventFilter{Newest: true, Limit: 1}); err != nil {
		return v, err
	} else if len(newest) > 0 {
		v.Newest = newest[0].Time
	}
	if !x.Drill {
		return v, nil
	}
	return v, s.drill(ctx, x.Tell, &v)
}

// drill does with a copy what the installation would have to do with it.
func (s *Server) drill(ctx context.Context, tell func(string), v *Examined) error {
	tell("counting what is there")
	for after := ""; ; {
		accounts, err := s.Store.Accounts(ctx, after, 1000)
		if err != nil {
			return err
		}
		for i := range accounts {
			held, err := s.Store.Authenticators(ctx, accounts[i].ID)
			if err != nil {
				return err
			}
			v.Authenticators += len(held)
			after = accounts[i].Name
		}
		v.Accounts += len(accounts)
		if len(accounts) < 1000 {
			break
		}
	}
	free, err := s.Store.Authenticators(ctx, "")
	if err != nil {
		return err
	}
	v.Authenticators += len(free)
	v.Clients, v.Rules = len(s.Store.Settings().Clients), len(s.Store.Settings().Rules)

	tell("opening every secret")
	if v.Secrets, err = s.Store.Reseal(ctx); err != nil { // opens each, and seals it again in the copy
		return err
	}
	tell("deciding a login")
	d, err := s.refusable(ctx)
	if err != nil {
		return err
	}
	v.Refused = fmt.Sprintf("%d %s", int(d.Outcome), d.Outcome)
	if d.Verdict != auth.Reject {
		return fmt.Errorf("server: drill: a login with a made-up password was not refused, but ended as %s (%s)", d.Verdict, v.Refused)
	}
	return nil
}

// refusable decides a login with a password that nobody has.
func (s *Server) refusable(ctx context.Context) (auth.Decision, error) {
	by := admin.Operator("restore drill")
	name := "drill-" + rand.Text()[:12]
	if _, err := s.Admin.AddApplication(ctx, by, name); err != nil {
		return auth.Decision{}, err
	}
	if _, _, err := s.Admin.AddClient(ctx, by, admin.NewClient{Name: name, Application: name, Source: drillSource, Mode: "append"}); err != nil {
		return auth.Decision{}, err
	}
	claimant := "nobody-" + rand.Text()
	accounts, err := s.Store.Accounts(ctx, "", 1)
	if err != nil {
		return auth.Decision{}, err
	}
	if len(accounts) > 0 {
		claimant = accounts[0].Name
	}
	return s.Engine.Decide(ctx, auth.Attempt{
		Door: "radius", Client: name, Claimant: claimant, Evidence: []auth.Evidence{auth.Password(rand.Text())},
		Time: time.Now(), Seen: "a login of a restore drill",
	}), nil
}

// drillSource is an address that no client has: one for documentation (RFC
// 3849), made for this.
const drillSource = "2001:db8:5a11:ffff:ffff:ffff:ffff:fffe/128"

// A counter counts the octets that are read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// Scratch makes a folder for Examine in the one given, "" for the system's, and
// returns how to remove it with all that is in it.
func Scratch(in string) (dir string, remove func() error, err error) {
	if dir, err = os.MkdirTemp(in, "sallyport-scratch-"); err != nil {
		return "", nil, fmt.Errorf("server: make a scratch folder: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, fmt.Errorf("server: make a scratch folder: %w", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}
