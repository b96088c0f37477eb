package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"sallyport/admin"
	"sallyport/auth"
)

// A database goes back in time when a backup is restored, or when a standby is
// promoted that had not received everything. What was spent in the lost stretch
// would work again, and what was taken away would be back. So each node keeps in
// a folder of its own what it has seen: the newest number and hash of the chain
// of events, and what acts have taken away.

const (
	anchorName      = "anchor"
	revocationsName = "revocations"

	// keptRevocations bounds the file of revocations.
	keptRevocations = 20_000

	// rewoundStep is added to the versions that all logins rest on when the
	// database has gone back in time: more than they can have moved in the lost
	// stretch, so that nothing that was read there is current ever again.
	rewoundStep = 1 << 24
)

// errRewound says that the database does not hold what this node has seen of it.
var errRewound = errors.New("the database has gone back in time")

// An anchor is what a node has seen of the database, in memory and on its own
// disk.
type anchor struct {
	mu sync.Mutex
	// mu guards the fields below.
	dir     string
	last    head
	rewound int64 // meta "rewound" when last was seen
	again   bool  // what was taken away in a lost stretch is to be taken away again
	dirty   bool
	taken   []takenAway
	file    *os.File // of revocations, for appending
	through int64    // newest act whose revocations are in taken

	handling sync.Mutex // held by who notes a rewind
	taking   sync.Mutex // held by who takes away again
}

// anchorBody is the file anchor.
type anchorBody struct {
	Seq     int64  `json:"seq"`
	Hash    []byte `json:"hash"`
	Rewound int64  `json:"rewound_us"`
	Again   bool   `json:"take_away_again,omitempty"`
}

// takenAway is what one act took away: a line of the file of revocations.
type takenAway struct {
	Act     int64        `json:"act"`
	Time    int64        `json:"us"`
	Action  string       `json:"action"`
	Subject string       `json:"subject"`
	List    []revocation `json:"taken"`
}

// load reads both files.
func (a *anchor) load(dir string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dir = dir
	text, err := os.ReadFile(filepath.Join(dir, anchorName))
	if err == nil {
		var b anchorBody
		if err := json.Unmarshal(text, &b); err != nil {
			return fmt.Errorf("the file %s is damaged; remove it if the database is known to be the newest: %w", filepath.Join(dir, anchorName), err)
		}
		a.last, a.rewound, a.again = head{b.Seq, b.Hash}, b.Rewound, b.Again
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a.file, err = os.OpenFile(filepath.Join(dir, revocationsName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(a.file)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil // what is left was cut off in the middle, and is written again
			}
			if err == nil && len(line) > 0 {
				return a.rewrite(a.taken)
			}
			if err == nil && len(a.taken) > keptRevocations {
				return a.rewrite(a.taken[len(a.taken)-keptRevocations/2:])
			}
			return err
		}
		var t takenAway
		if err := json.Unmarshal(line, &t); err != nil {
			return fmt.Errorf("the file %s is damaged: %w", a.file.Name(), err)
		}
		a.taken, a.through = append(a.taken, t), t.Act
	}
}

// rewrite replaces the file of revocations. mu must be held.
func (a *anchor) rewrite(list []takenAway) error {
	var b bytes.Buffer
	for _, t := range list {
		line, err := json.Marshal(t)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	path := filepath.Join(a.dir, revocationsName)
	if err := writeDurably(path, b.Bytes()); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	a.file.Close()
	a.file, a.taken = file, slices.Clone(list)
	return nil
}

// writeDurably replaces a file, so that after a power failure it is the old one
// or the new one.
func writeDurably(path string, b []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func (a *anchor) seen() head {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// see notes where the chain ended.
func (a *anchor) see(h head) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.seq > a.last.seq {
		a.last, a.dirty = head{h.seq, bytes.Clone(h.hash)}, true
	}
}

// fits reports whether a database can be the one of which seen was seen: its
// chain ends at or behind it, and the row that ended there has the same hash.
// hash is what selectSeen found.
func (a *anchor) fits(seen, at head, hash []byte) bool {
	switch {
	case seen.seq == 0:
		return true
	case at.seq < seen.seq:
		return false
	case at.seq == seen.seq:
		return bytes.Equal(at.hash, seen.hash)
	}
	return bytes.Equal(hash, seen.hash)
}

// restart begins again with a database that has gone back in time.
func (a *anchor) restart(h head, rewound int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.rewound, a.again, a.dirty = head{h.seq, bytes.Clone(h.hash)}, rewound, true, true
}

// save writes the file anchor if there is anything new.
func (a *anchor) save() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dirty || a.dir == "" {
		return nil
	}
	b, err := json.Marshal(anchorBody{a.last.seq, a.last.hash, a.rewound, a.again})
	if err != nil {
		return err
	}
	if err := writeDurably(filepath.Join(a.dir, anchorName), append(b, '\n')); err != nil {
		return err
	}
	a.dirty = false
	return nil
}

func (a *anchor) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// keep appends what acts have taken away. It is durable when keep returns nil.
func (a *anchor) keep(list []takenAway) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b bytes.Buffer
	var added []takenAway
	for _, t := range list {
		if t.Act <= a.through {
			continue
		}
		line, err := json.Marshal(t)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
		added = append(added, t)
	}
	if len(added) == 0 {
		return nil
	}
	if a.file == nil {
		return errClosed
	}
	if _, err := a.file.Write(b.Bytes()); err != nil {
		return err
	}
	if err := a.file.Sync(); err != nil {
		return err
	}
	a.taken, a.through = append(a.taken, added...), added[len(added)-1].Act
	return nil
}

// unfinished reports whether takeAwayAgain has to run.
func (a *anchor) unfinished() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.again
}

func (a *anchor) takenAway() []takenAway {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.taken)
}

// noted returns the newest act whose revocations are on the disk.
func (a *anchor) noted() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.through
}

// begin sets from which act on revocations are copied, if there are none yet.
func (a *anchor) begin(act int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.through = max(a.through, act)
}

const selectRevocations = `SELECT r.act, a.time_us, a.action, a.subject, r.kind, r.id, r.detail
	FROM revocation r JOIN act a ON a.seq = r.act WHERE r.act > $1 ORDER BY r.act, r.place`

// copyRevocations copies what acts have taken away into this node's own file.
func (p *Postgres) copyRevocations() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	rows, err := p.pool.Query(ctx, selectRevocations, p.anchor.noted())
	if err != nil {
		return err
	}
	defer rows.Close()
	var list []takenAway
	for rows.Next() {
		var t takenAway
		var r revocation
		if err := rows.Scan(&t.Act, &t.Time, &t.Action, &t.Subject, &r.Kind, &r.ID, &r.Detail); err != nil {
			return err
		}
		if n := len(list); n > 0 && list[n-1].Act == t.Act {
			list[n-1].List = append(list[n-1].List, r)
			continue
		}
		t.List = []revocation{r}
		list = append(list, t)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return p.anchor.keep(list)
}

// rewound deals with a database that does not hold what this node has seen of
// it, unless another node has done so already.
func (p *Postgres) rewound(ctx context.Context) error {
	return p.markRewound(ctx, p.now(), "")
}

// markRewound writes that the database has gone back in time, at a moment, and
// moves memory to what it is now. Without a reason it does so only if that is
// what this node sees.
func (p *Postgres) markRewound(ctx context.Context, at time.Time, reason string) error {
	found, err := p.startAgain(ctx, at, reason)
	if err != nil || !found {
		return err
	}
	if err := p.takeAwayAgain(ctx); err != nil {
		p.log.Error("what was taken away could not be taken away again yet; it is tried again", "error", err)
		p.hurry()
	}
	return nil
}

// startAgain does all of that but for taking away again, and reports whether
// there was anything to do.
func (p *Postgres) startAgain(ctx context.Context, at time.Time, reason string) (found bool, err error) {
	p.anchor.handling.Lock()
	defer p.anchor.handling.Unlock()
	seen := p.anchor.seen()
	p.anchor.mu.Lock()
	known := p.anchor.rewound
	p.anchor.mu.Unlock()
	var h head
	var settings *auth.Settings
	var names, lastMoved, rewound int64
	fits := false
	err = p.administrative.run(ctx, p, beginCommit, func(w *session) error {
		if _, err := w.one(lockHead, nil, &h.seq, &h.hash); err != nil {
			return err
		}
		var hash []byte
		if _, err := w.one(selectSeen, []any{seen.seq, seen.hash}, &hash); err != nil {
			return err
		}
		fits = p.anchor.fits(seen, h, hash)
		var err error
		if rewound, err = w.meta("rewound"); err != nil {
			return err
		}
		switch {
		case fits && reason == "":
			return nil // somebody was here before us
		case reason == "" && rewound > known:
			p.log.Warn("the database has gone back in time, as another node has found", "since", timeOf(rewound),
				"seen_event", seen.seq, "newest_event", h.seq)
		default:
			rewound = max(micros(at), rewound+1)
			if err := p.writeRewound(w, rewound, seen, h, reason); err != nil {
				return err
			}
		}
		if settings, err = loadSettings(w, p.ring); err != nil {
			return err
		}
		if names, err = w.meta("names"); err != nil {
			return err
		}
		_, err = w.one(selectLastMoved, nil, &lastMoved)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("note that the database has gone back in time: %w", err)
	}
	if fits && reason == "" {
		return false, nil
	}
	p.anchor.restart(h, rewound)
	p.mu.Lock()
	p.generation++
	p.cache = newCache(p.cache.limit)
	p.lastMoved = lastMoved
	p.names.Store(names)
	p.rewinds.Store(true)
	p.settings.Store(settings)
	for subject := range p.watches {
		p.wakeWatchers(subject)
	}
	p.mu.Unlock()
	p.saveAnchor()
	return true, nil
}

// writeRewound voids, in the transaction that is open, what may have been used
// or spent in the lost stretch.
func (p *Postgres) writeRewound(w *session, rewound int64, seen, h head, reason string) error {
	// All authenticators change, and nobody is let in meanwhile.
	was := w.timeout
	w.timeout = time.Hour
	defer func() { w.timeout = was }()
	detail := reason
	if reason == "" {
		detail = fmt.Sprintf("this node has seen event %d; the newest is now %d", seen.seq, h.seq)
		args := []any{"seen_event", seen.seq, "newest_event", h.seq}
		if seen.seq > h.seq {
			args = append(args, "lost_events", fmt.Sprintf("%d to %d at least", h.seq+1, seen.seq))
		}
		p.log.Error("the database has gone back in time: a backup was restored or a standby that lagged was promoted; "+
			"nothing is accepted for 90 s, and counter-based tokens and recovery codes not before they are resynchronized or made anew", args...)
	}
	var act int64
	if _, err := w.one(`SELECT COALESCE(MAX(seq), 0) + 1 FROM act`, nil, &act); err != nil {
		return err
	}
	for _, text := range []string{
		`SET LOCAL statement_timeout = 0`,
		`UPDATE authenticator SET rewound = TRUE WHERE NOT rewound`,
		`UPDATE subject SET version = version + 1, answered = '', logins = '', cached = '' WHERE answered <> '' OR logins <> '' OR cached <> ''`,
		`DELETE FROM bypass`,
		`DELETE FROM session`,
		`DELETE FROM ceremony`,
	} {
		if _, err := w.exec(text); err != nil {
			return err
		}
	}
	for _, name := range []string{"settings", "names"} {
		value, err := w.meta(name)
		if err != nil {
			return err
		}
		if _, err := w.exec(updateMeta, name, value+rewoundStep); err != nil {
			return err
		}
	}
	if _, err := w.exec(updateMeta, "rewound", rewound); err != nil {
		return err
	}
	err := w.insertAct(act, admin.Act{Time: timeOf(rewound), Actor: rewindActor, Action: "database.rewound", Subject: p.o.Node, Detail: detail})
	if err != nil {
		return err
	}
	_, err = w.exec(`SELECT pg_notify($1, '')`, channel)
	return err
}

const rewindActor = "rewind"

// takeAwayAgain applies again what this node knows to have been taken away by
// acts that the database does not hold any more. It may be cut short at any
// moment: what is done twice does nothing the second time.
func (p *Postgres) takeAwayAgain(ctx context.Context) error {
	if !p.anchor.taking.TryLock() {
		return nil // somebody is at it
	}
	defer p.anchor.taking.Unlock()
	list := p.anchor.takenAway()
	var held []takenAway
	var last int64
	for _, t := range list {
		found, err := p.holdsAct(ctx, t)
		if err != nil {
			return err
		}
		if found {
			held, last = append(held, t), t.Act
			continue
		}
		for _, r := range t.List {
			err := p.takeAway(ctx, t, r)
			if err != nil && !errors.Is(err, admin.ErrNotFound) && !errors.Is(err, errTaken) {
				return fmt.Errorf("take away again (%s %s): %w", r.Kind, r.ID, err)
			}
		}
	}
	p.anchor.mu.Lock()
	err := p.anchor.rewrite(held)
	p.anchor.through = last
	if err == nil {
		p.anchor.again, p.anchor.dirty = false, true
	}
	p.anchor.mu.Unlock()
	if err != nil {
		return err
	}
	return p.copyRevocations()
}

func (p *Postgres) holdsAct(ctx context.Context, t takenAway) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	var one int
	err := p.pool.QueryRow(ctx, `SELECT 1 FROM act WHERE seq = $1 AND time_us = $2 AND action = $3 AND subject = $4`,
		t.Act, t.Time, t.Action, t.Subject).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// errTaken says that there is nothing to take away.
var errTaken = errors.New("it is taken away already")

// takeAway applies one revocation again.
func (p *Postgres) takeAway(ctx context.Context, t takenAway, r revocation) error {
	var change admin.Change
	switch r.Kind {
	case revokedEnabled:
		change = admin.UpdateAccount{ID: r.ID, Update: func(a *auth.Account) error {
			if !a.Enabled {
				return errTaken
			}
			a.Enabled = false
			return nil
		}}
	case revokedBlocked:
		text, reason, _ := strings.Cut(r.Detail, " ")
		until, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("until when: %w", err)
		}
		change = admin.UpdateAccount{ID: r.ID, Update: func(a *auth.Account) error {
			if a.Blocked && (a.BlockedUntil.IsZero() || until != 0 && !a.BlockedUntil.Before(timeOf(until))) {
				return errTaken
			}
			a.Blocked, a.BlockedUntil, a.BlockReason = true, timeOf(until), reason
			return nil
		}}
	case revokedAuthenticator:
		change = admin.RemoveAuthenticator{ID: r.ID}
	case revokedHolder:
		change = admin.UpdateAuthenticator{ID: r.ID, Update: func(a *auth.Authenticator) error {
			if a.Account != r.Detail {
				return errTaken
			}
			a.Account = ""
			return nil
		}}
	case revokedClient:
		change = admin.RemoveClient{Name: r.ID}
	case revokedRole:
		change = admin.UpdateAccount{ID: r.ID, Update: func(a *auth.Account) error {
			if a.Role != r.Detail {
				return errTaken
			}
			a.Role = ""
			return nil
		}}
	case revokedPermissions:
		left, err := permissionsOf(r.Detail)
		if err != nil {
			return fmt.Errorf("permissions that are left: %w", err)
		}
		change = admin.UpdateRole{Name: r.ID, Update: func(role *admin.Role) error {
			n := len(role.Permissions)
			role.Permissions = slices.DeleteFunc(role.Permissions, func(p admin.Permission) bool { return !slices.Contains(left, p) })
			if len(role.Permissions) == n {
				return errTaken
			}
			return nil
		}}
	case revokedKey:
		change = admin.RemoveKey{Name: r.ID}
	case revokedAccount:
		change = admin.RemoveAccount{ID: r.ID}
	case revokedTrusted:
		change = admin.RemoveTrustedIP{ID: r.ID}
	case revokedCacheRule:
		change = admin.RemoveCacheRule{ID: r.ID}
	default:
		return fmt.Errorf("an unknown kind, %q, of a newer version", r.Kind)
	}
	act := admin.Act{
		Time: p.now(), Actor: rewindActor, Action: t.Action, Subject: t.Subject,
		Detail: fmt.Sprintf("again, because the database has lost act %d of %s", t.Act, timeOf(t.Time).Format(time.RFC3339)),
	}
	if err := p.apply(ctx, act, []admin.Change{change}); err != nil {
		return err
	}
	p.log.Warn("taken away again what the database had lost", "action", t.Action, "subject", t.Subject)
	return nil
}
