package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"sallyport/auth"
)

// A subjectRow is one row of the table subject: what moves with every login.
// Its methods may be called on nil, which is a subject that has no row yet. It is
// read-only once others can see it.
type subjectRow struct {
	version                         int64
	marks, answered, logins, cached string // JSON, "" for none
}

// What is shared by all nodes and kept in the cache as the database has it.
type shared struct {
	subjectRow
	bypass *auth.Bypass // immutable
}

// JSON of the columns of a subjectRow. Texts that come from a client's packets
// are written by textIn, which keeps octets that are no UTF-8.
type (
	loginBody struct {
		ID          string   `json:"id"`
		Login       string   `json:"login"`
		Client      string   `json:"client,omitempty"`
		Application string   `json:"application,omitempty"`
		From        string   `json:"from,omitempty"`
		Session     string   `json:"session,omitempty"`
		Proven      []string `json:"proven,omitempty"`
		Asked       int64    `json:"asked_us,omitempty"`
		Expires     int64    `json:"expires_us,omitempty"`
		Settled     *settled `json:"settled,omitempty"`
	}
	answerBody struct {
		Request string `json:"request"`
		settled
	}
	cachedBody struct {
		Key   string `json:"key"`
		From  int64  `json:"from_us,omitempty"`
		Until int64  `json:"until_us,omitempty"`
		Seq   uint64 `json:"seq"`
	}
)

// raw marks a text that textIn had to encode.
const raw = "\x00"

// textIn makes a text that JSON gives back as it was.
func textIn(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, raw) {
		return s
	}
	return raw + base64.StdEncoding.EncodeToString([]byte(s))
}

func textOut(s string) (string, error) {
	encoded, ok := strings.CutPrefix(s, raw)
	if !ok {
		return s, nil
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	return string(b), err
}

// jsonOf writes a column; an empty list is "".
func jsonOf[T any](list []T) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return string(b)
}

func listOf[T any](column, text string) (list []T, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("%w (column subject.%s)", errDamaged, column)
	}
	return list, nil
}

// loginList returns the challenges of a subject, in the order in which they were
// opened.
func (s *subjectRow) loginList(subject string) ([]auth.OpenChallenge, error) {
	if s == nil || s.logins == "" {
		return nil, nil
	}
	bodies, err := listOf[loginBody]("logins", s.logins)
	if err != nil {
		return nil, err
	}
	list := make([]auth.OpenChallenge, len(bodies))
	for i, b := range bodies {
		from, err1 := textOut(b.From)
		session, err2 := textOut(b.Session)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%w (column subject.logins)", errDamaged)
		}
		list[i] = auth.OpenChallenge{
			ID: auth.ChallengeID(b.ID), Login: auth.ChallengeID(b.Login), Subject: subject, Client: b.Client, Application: b.Application,
			From: from, Session: session, Proven: b.Proven, Asked: timeOf(b.Asked), Expires: timeOf(b.Expires),
		}
		if b.Settled != nil {
			list[i].Settled = b.Settled.answered()
		}
	}
	return list, nil
}

func loginsText(list []auth.OpenChallenge) string {
	bodies := make([]loginBody, len(list))
	for i := range list {
		c := &list[i]
		bodies[i] = loginBody{
			ID: string(c.ID), Login: string(c.Login), Client: c.Client, Application: c.Application,
			From: textIn(c.From), Session: textIn(c.Session), Proven: c.Proven, Asked: micros(c.Asked), Expires: micros(c.Expires),
		}
		if c.Settled != nil {
			bodies[i].Settled = settledBy(c.Settled)
		}
	}
	return jsonOf(bodies)
}

func settledBy(a *auth.Answered) *settled {
	return &settled{a.Seq, micros(a.Time), a.Client, int64(a.Verdict), int64(a.Outcome), a.Rule}
}

func (b *settled) answered() *auth.Answered {
	return &auth.Answered{
		Seq: b.Seq, Time: timeOf(b.Time), Client: b.Client,
		Verdict: auth.Verdict(b.Verdict), Outcome: auth.Outcome(b.Outcome), Rule: b.Rule,
	}
}

func (s *subjectRow) cachedList() ([]auth.CacheEntry, error) {
	if s == nil || s.cached == "" {
		return nil, nil
	}
	bodies, err := listOf[cachedBody]("cached", s.cached)
	if err != nil {
		return nil, err
	}
	list := make([]auth.CacheEntry, len(bodies))
	for i, b := range bodies {
		list[i] = auth.CacheEntry{Key: b.Key, From: timeOf(b.From), Until: timeOf(b.Until), Seq: b.Seq}
	}
	return list, nil
}

func cachedText(list []auth.CacheEntry) string {
	bodies := make([]cachedBody, len(list))
	for i, e := range list {
		bodies[i] = cachedBody{e.Key, micros(e.From), micros(e.Until), e.Seq}
	}
	return jsonOf(bodies)
}

// markMap returns the marks that are not in the table spent.
func (s *subjectRow) markMap() (map[string]int64, error) {
	if s == nil || s.marks == "" {
		return nil, nil
	}
	var marks map[string]int64
	if err := json.Unmarshal([]byte(s.marks), &marks); err != nil {
		return nil, fmt.Errorf("%w (column subject.marks)", errDamaged)
	}
	return marks, nil
}

// maxAnswered bounds the answers that are remembered of one subject.
const maxAnswered = 8

// after returns the row as it is after a settlement that was numbered. The same
// number moves the version: it rises over all subjects, so that a row that was
// removed and made again never has a version that it had before.
func (s *subjectRow) after(r *request) (*subjectRow, error) {
	next := &subjectRow{version: r.row.seq}
	if s != nil {
		*next = *s
		next.version = max(s.version+1, r.row.seq)
	}
	st := &r.s
	now := r.row.timeUS
	if err := next.spend(st.Spend); err != nil {
		return nil, err
	}
	if err := next.keepLogins(st, r.row.seq, now); err != nil {
		return nil, err
	}
	if e := &st.Event; e.Request != "" && e.Subject == st.Subject && (e.Verdict == auth.Accept || e.Verdict == auth.Reject) {
		list, err := listOf[answerBody]("answered", next.answered)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(b answerBody) bool { return b.Time+answeredLife <= now || b.Request == textIn(e.Request) })
		list = append(list, answerBody{textIn(e.Request), *settledBy(answeredBy(r.row.seq, e))})
		next.answered = jsonOf(list[max(0, len(list)-maxAnswered):])
	}
	if st.Purge {
		next.cached = ""
	}
	if len(st.Cache) > 0 {
		list, err := next.cachedList()
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(e auth.CacheEntry) bool { return micros(e.Until) <= now })
		for _, e := range st.Cache {
			list = slices.DeleteFunc(list, func(o auth.CacheEntry) bool { return o.Key == e.Key })
			e.Seq = uint64(r.row.seq)
			list = append(list, e)
		}
		for len(list) > maxCached {
			first := 0
			for i := range list {
				if list[i].Until.Before(list[first].Until) {
					first = i
				}
			}
			list = slices.Delete(list, first, first+1)
		}
		next.cached = cachedText(list)
	}
	return next, nil
}

// spend raises the marks of what is spent.
func (s *subjectRow) spend(list []auth.Spend) error {
	if !slices.ContainsFunc(list, func(sp auth.Spend) bool { return sp.Mark != auth.NoMark }) {
		return nil
	}
	marks, err := s.markMap()
	if err != nil {
		return err
	}
	if marks == nil {
		marks = make(map[string]int64, 1)
	}
	for _, sp := range list {
		if sp.Mark == auth.NoMark {
			continue
		}
		if was, ok := marks[sp.Authenticator]; !ok || was < sp.Mark {
			marks[sp.Authenticator] = sp.Mark
		}
	}
	text, err := json.Marshal(marks)
	if err != nil {
		return err
	}
	s.marks = string(text)
	return nil
}

// keepLogins settles the login that the settlement closes, keeps the challenge
// that it opens, and forgets what has expired.
func (s *subjectRow) keepLogins(st *auth.Settlement, seq, now int64) error {
	if s.logins == "" && st.Open == nil {
		return nil
	}
	list, err := s.loginList(st.Subject)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(c auth.OpenChallenge) bool { return c.ID == st.Close }); st.Close != "" && i >= 0 {
		login := list[i].Login
		for j := range list {
			if list[j].Login == login && list[j].Settled == nil {
				list[j].Settled = answeredBy(seq, &st.Event)
			}
		}
	}
	list = slices.DeleteFunc(list, func(c auth.OpenChallenge) bool { return (&challenge{OpenChallenge: c}).end() <= now })
	if st.Open != nil {
		list = append(list, opened(st.Open, 0).OpenChallenge)
	}
	for len(list) > maxLogins {
		oldest := slices.IndexFunc(list, func(c auth.OpenChallenge) bool { return c.Settled != nil })
		list = slices.Delete(list, max(oldest, 0), max(oldest, 0)+1)
	}
	s.logins = loginsText(list)
	return nil
}

// A version that is handed out says, in its upper half, at which value of meta
// "names" it was found that nobody had the names that the query asked for first.
// That another account has one of them now is no change of this subject.
const (
	versionBits = 42
	versionMask = 1<<versionBits - 1
	namesModulo = 1 << 20
)

func taggedVersion(version, names int64) int64 {
	return version&versionMask | (names%namesModulo+1)<<versionBits
}

// sameVersion reports whether a version that was handed out is that of now.
func sameVersion(given, version, names int64) bool {
	return given >= 0 && given&versionMask == version && (given>>versionBits == 0 || given == taggedVersion(version, names))
}

// Snapshot implements auth.Store.
//
// What reads from the database takes the version first, then the rest: what
// moves meanwhile leaves facts that are too new for their version, which costs a
// conflict, never facts that are older than it.
func (p *Postgres) Snapshot(ctx context.Context, q auth.Query, fresh bool) (auth.Facts, error) {
	if err := p.usable(); err != nil {
		return auth.Facts{}, fmt.Errorf("store: read facts: %w", err)
	}
	f := auth.Facts{Settings: p.settings.Load()}
	if !fresh {
		found, err := p.remembered(q, &f)
		if err == nil && found {
			p.hits.Add(1)
			return f, nil
		}
		f = auth.Facts{Settings: f.Settings}
	}
	p.misses.Add(1)
	err := p.read(ctx, q, &f)
	if err != nil && errors.Is(err, errSealed) {
		// Another node may have made a new key.
		if again := p.reloadKeys(); again == nil {
			f = auth.Facts{Settings: p.settings.Load()}
			err = p.read(ctx, q, &f)
		}
	}
	if err != nil {
		if ctx.Err() == nil && mishapOf(err) == mishapAway {
			p.hurry() // the follower finds out what is the matter
		}
		return auth.Facts{}, fmt.Errorf("store: read facts: %w", p.judge(err))
	}
	return f, nil
}

// errSealed says that a sealed state did not open.
var errSealed = errors.New("a sealed state does not open")

// remembered answers q from memory, or reports false.
func (p *Postgres) remembered(q auth.Query, f *auth.Facts) (bool, error) {
	var few [8]int64
	e, marks, s := p.present(q, f, few[:0])
	if e == nil {
		return false, nil
	}
	if err := p.complete(q, s, f); err != nil {
		return false, err
	}
	return true, e.facts(p.ring, marks, f)
}

// present finds the entry that answers q, nil if there is none, and copies what
// moves in it.
func (p *Postgres) present(q auth.Query, f *auth.Facts, marks []int64) (*entry, []int64, *shared) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	names := p.names.Load()
	absent := false
	var e *entry
	for _, name := range q.Names {
		if e = p.cache.names[name]; e != nil {
			break
		}
		if at, ok := p.cache.absent[name]; !ok || at != names {
			return nil, nil, nil
		}
		absent = true
	}
	if e == nil {
		e = p.cache.subjects[q.Unknown]
	}
	if e == nil || e.shared == nil {
		return nil, nil, nil
	}
	e.use()
	f.Subject, f.Version = e.subject, e.version
	if absent {
		f.Version = taggedVersion(e.version, names)
	}
	f.Throttle = e.throttle.throttle()
	return e, append(marks, e.marks...), e.shared
}

// complete adds to f what is kept of its subject by all nodes.
func (p *Postgres) complete(q auth.Query, s *shared, f *auth.Facts) error {
	now := p.lastTime.Load()
	logins, err := s.loginList(f.Subject)
	if err != nil {
		return err
	}
	for i := range logins {
		c := logins[i]
		if q.State != "" && c.ID == q.State && c.Settled == nil {
			f.Challenge = &c
		}
		if micros(c.Expires) > now {
			f.Logins = append(f.Logins, c)
		}
	}
	cached, err := s.cachedList()
	if err != nil {
		return err
	}
	for _, e := range cached {
		if micros(e.Until) > now {
			f.Cached = append(f.Cached, e)
		}
	}
	if s.bypass != nil {
		b := *s.bypass
		f.Bypass = &b
	}
	if q.Request == "" || s.answered == "" {
		return nil
	}
	answers, err := listOf[answerBody]("answered", s.answered)
	if err != nil {
		return err
	}
	for i := range answers {
		if b := &answers[i]; b.Request == textIn(q.Request) && b.Time+answeredLife > now {
			f.Answered = b.answered()
		}
	}
	return nil
}

const (
	selectNames    = `SELECT name, account FROM name WHERE name = ANY($1)`
	selectNameNow  = `SELECT value FROM meta WHERE name = 'names'`
	selectSubject1 = `SELECT version, marks, answered, logins, cached FROM subject WHERE id = $1`
	selectBypass   = `SELECT id, account, from_us, until_us, reason, actor FROM bypass WHERE account = $1`
)

// read answers q from the database, in two round trips, and remembers the answer.
func (p *Postgres) read(ctx context.Context, q auth.Query, f *auth.Facts) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	for range 8 {
		p.mu.RLock()
		generation := p.generation
		p.mu.RUnlock()
		names, name, absent, err := p.resolve(ctx, q, f)
		if err != nil {
			return err
		}
		e, found, err := p.readSubject(ctx, f.Subject, name != "")
		if err != nil {
			return err
		}
		if name != "" && !found {
			continue
		}
		f.Version = e.version
		if len(absent) > 0 {
			f.Version = taggedVersion(e.version, names)
		}
		f.Throttle = e.throttle.throttle()
		if err := e.facts(p.ring, e.marks, f); err != nil {
			return fmt.Errorf("%w: %w", errSealed, err)
		}
		if name != "" && !named(f.Account, name) {
			f.Account, f.Authenticators = nil, nil
			continue // the name went to another account between the two reads
		}
		if name != "" {
			f.Subject = f.Account.ID // part of the packed string, as the cache's keys should be
		}
		if err := p.complete(q, e.shared, f); err != nil {
			return err
		}
		p.mu.Lock()
		if p.generation == generation { // or what was read may be older than what was dropped
			p.cache.add(f.Subject, f.Account, e) // from here on, what moves in e is guarded by mu
			for _, n := range absent {
				p.cache.miss(n, names)
			}
		}
		p.mu.Unlock()
		return nil
	}
	return errors.New("names move from account to account")
}

// resolve finds the subject of f: the account that has the first name that
// anybody has, or q.Unknown. absent are the names before it.
func (p *Postgres) resolve(ctx context.Context, q auth.Query, f *auth.Facts) (names int64, name string, absent []string, err error) {
	accounts := make(map[string]string, len(q.Names))
	var b pgx.Batch
	// The number first: a name that appears in between has a higher one.
	b.Queue(selectNameNow).QueryRow(func(row pgx.Row) error { return row.Scan(&names) })
	b.Queue(selectNames, q.Names).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var name, account string
			if err := rows.Scan(&name, &account); err != nil {
				return err
			}
			accounts[name] = account
		}
		return rows.Err()
	})
	if len(q.Names) > 0 {
		if err := p.pool.SendBatch(ctx, &b).Close(); err != nil {
			return 0, "", nil, err
		}
	}
	f.Subject = q.Unknown
	for _, n := range q.Names {
		if account, ok := accounts[n]; ok {
			f.Subject = account
			return names, n, absent, nil
		}
		absent = append(absent, n)
	}
	return names, "", absent, nil
}

// readSubject reads everything about a subject, its version first.
func (p *Postgres) readSubject(ctx context.Context, subject string, account bool) (e *entry, found bool, err error) {
	row := &subjectRow{}
	e = &entry{shared: &shared{}}
	var b pgx.Batch
	b.Queue(selectSubject1, subject).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(&row.version, &row.marks, &row.answered, &row.logins, &row.cached); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if account {
		b.Queue(selectBypass, subject).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var x auth.Bypass
				var from, until int64
				if err := rows.Scan(&x.ID, &x.Account, &from, &until, &x.Reason, &x.Actor); err != nil {
					return err
				}
				x.From, x.Until = timeOf(from), timeOf(until)
				e.shared.bypass = &x
			}
			return rows.Err()
		})
		b.Queue(selectFacts, subject).Query(func(rows pgx.Rows) (err error) {
			found, err = e.scanFacts(rows)
			return err
		})
	} else {
		b.Queue(selectThrottle, subject).Query(func(rows pgx.Rows) error {
			c := &e.throttle
			for rows.Next() {
				if err := rows.Scan(&c.knowFailures, &c.knowUntil, &c.haveFailures, &c.haveUntil); err != nil {
					return err
				}
			}
			return rows.Err()
		})
	}
	if err := p.pool.SendBatch(ctx, &b).Close(); err != nil {
		return nil, false, err
	}
	e.version, e.shared.subjectRow = row.version, *row
	marks, err := row.markMap()
	if err != nil {
		return nil, false, err
	}
	for id, m := range marks {
		if i := e.place(id); i >= 0 {
			e.marks[i] = max(e.marks[i], m)
		}
	}
	return e, found, nil
}

// unfoldedMarks returns the marks of a subject that are not in the table spent.
func (p *Postgres) unfoldedMarks(ctx context.Context, subject string) ([]mark, error) {
	if subject == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	var row subjectRow
	err := p.pool.QueryRow(ctx, `SELECT marks FROM subject WHERE id = $1`, subject).Scan(&row.marks)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	return row.markList()
}

func (s *subjectRow) markList() ([]mark, error) {
	marks, err := s.markMap()
	list := make([]mark, 0, len(marks))
	for id, m := range marks {
		list = append(list, mark{id, m})
	}
	slices.SortFunc(list, func(a, b mark) int { return cmp.Compare(a.authenticator, b.authenticator) })
	return list, err
}

// Watch implements auth.Store. What this node commits wakes at once, an answer
// that another node commits as soon as its notification arrives, and everything
// else with the follower's next look.
func (p *Postgres) Watch(subject string) (moved <-chan struct{}, stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.watches[subject]
	if w == nil {
		w = &sharedWatch{watch: watch{moved: make(chan struct{})}, version: -1}
		if e := p.cache.subjects[subject]; e != nil {
			// Whoever watches has looked, and has seen that version or a newer.
			w.version = e.version
		}
		p.watches[subject] = w
	}
	w.waiting++
	return w.moved, sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if w.waiting--; w.waiting == 0 && p.watches[subject] == w {
			delete(p.watches, subject)
		}
	})
}

// A sharedWatch is a watch on what other nodes may move too.
type sharedWatch struct {
	watch
	version int64 // the subject's when the watch began, or an older one; -1 if that is not known
}

// wakeWatchers wakes those who watch a subject. mu must be held.
func (p *Postgres) wakeWatchers(subject string) {
	if w := p.watches[subject]; w != nil {
		close(w.moved)
		delete(p.watches, subject)
	}
}
