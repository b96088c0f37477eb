package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sallyport/auth"
)

// A head is where the chain of events ends: the number of the newest event, and
// the hash of its row, empty before the first.
type head struct {
	seq  int64
	hash []byte
}

// A committer is the one connection on which a node's settlements are written,
// and what only its goroutine knows.
type committer struct {
	conn  *pgx.Conn      // nil while there is none
	ready chan *pgx.Conn // holds one: a connection that was made again
	seeks bool           // one is being made

	// Scratch of one group.
	moved   map[string]struct{}
	body    []byte
	message []byte
}

// The statements of the first round trip. Each sees what was committed before
// it began, so that those behind the first see everything of whoever held the
// head before.
const (
	beginCommit = `BEGIN ISOLATION LEVEL READ COMMITTED`
	lockHead    = `SELECT seq, hash FROM head FOR UPDATE`
	// The hash of the row that this node has seen last. If that was deleted for
	// its age, what was seen is as good as any.
	selectSeen      = `SELECT COALESCE((SELECT hash FROM event WHERE last = $1), (SELECT $2::bytea FROM chain WHERE name = 'cut' AND seq >= $1))`
	selectHeadRow   = `SELECT seq, hash FROM head`
	selectVersions  = `SELECT name, value FROM meta WHERE name IN ('settings', 'names')`
	selectSubjects  = `SELECT id, version, marks, answered, logins, cached FROM subject WHERE id = ANY($1)`
	selectHolders   = `SELECT id, account FROM authenticator WHERE id = ANY($1) AND account IS NOT NULL`
	selectBypassIDs = `SELECT id, account FROM bypass WHERE id = ANY($1)`
)

// The statements of the second.
const (
	insertEventRows = `INSERT INTO event (last, first, body, hash)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[])`
	updateSubjectRows = `UPDATE subject s SET version = u.version, marks = u.marks, answered = u.answered, logins = u.logins, cached = u.cached
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) u (id, version, marks, answered, logins, cached)
		WHERE s.id = u.id`
	insertSubjectRows = `INSERT INTO subject (id, version, marks, answered, logins, cached)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])`
	upsertThrottles = `INSERT INTO throttle (subject, know_failures, know_until_us, have_failures, have_until_us, at_us)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
		ON CONFLICT (subject) DO UPDATE SET know_failures = excluded.know_failures, know_until_us = excluded.know_until_us,
			have_failures = excluded.have_failures, have_until_us = excluded.have_until_us, at_us = excluded.at_us`
	deleteThrottles = `DELETE FROM throttle WHERE subject = ANY($1)`
	updateStates    = `UPDATE authenticator x SET state = u.state FROM unnest($1::text[], $2::bytea[]) u (id, state) WHERE x.id = u.id`
	clearRewound    = `UPDATE authenticator SET rewound = FALSE WHERE id = ANY($1) AND rewound`
	deleteBypasses  = `DELETE FROM bypass WHERE id = ANY($1)`
	updateHead      = `UPDATE head SET seq = $1, hash = $2`
)

// Commit implements auth.Store. If ctx ends first, its error is returned and
// it is open whether the settlement is or will be written. The same is open if
// the connection is lost while it is being committed.
func (p *Postgres) Commit(ctx context.Context, settlement auth.Settlement) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := p.usable(); err != nil {
		return 0, fmt.Errorf("store: commit: %w", err)
	}
	r := requests.Get().(*request)
	r.s = settlement
	if err := r.prepare(p.ring); err != nil {
		r.recycle()
		return 0, fmt.Errorf("store: commit: %w", err)
	}
	select {
	case p.queue <- r:
	default:
		r.recycle()
		p.overload.Add(1)
		return 0, fmt.Errorf("store: commit: %w", ErrOverloaded)
	}
	seq, err := uint64(0), error(nil)
	select {
	case <-r.done:
		seq, err = r.seq, r.err
		r.recycle()
	case <-ctx.Done():
		err = ctx.Err() // the committer may have it yet, so it is not used again
	case <-p.stopped:
		err = errClosed
		select { // the committer may have answered before it stopped
		case <-r.done:
			seq, err = r.seq, r.err
		default:
		}
	}
	if err != nil && !errors.Is(err, auth.ErrConflict) {
		err = fmt.Errorf("store: commit: %w", err)
	}
	return seq, err
}

// commitAll is the committer: it takes what has queued, writes it, and starts
// again. What arrives meanwhile is the next group; there is no timer in the way
// of a login.
func (p *Postgres) commitAll() {
	p.c.ready = make(chan *pgx.Conn, 1)
	p.c.moved = make(map[string]struct{})
	group := make([]*request, 0, groupLength)
	for {
		select {
		case next := <-p.queue:
			p.turn(group, next)
		case conn := <-p.c.ready:
			p.c.seeks = false
			p.resume(conn)
		case <-p.quit:
			for {
				select {
				case next := <-p.queue:
					p.turn(group, next)
					continue
				default:
				}
				break
			}
			p.disconnect()
			return
		}
	}
}

// turn writes next and what has queued behind it.
func (p *Postgres) turn(group []*request, next *request) {
	group = group[:0]
	defer func() { clear(group[:cap(group)]) }() // what is answered can be freed
	for next != nil {
		if next.run != nil {
			next.run()
		} else {
			group = append(group, next)
		}
		next = nil
		if len(group) < groupLength {
			select {
			case next = <-p.queue:
			default:
			}
		}
	}
	if len(group) > 0 {
		p.settle(group)
	}
}

// disconnect gives up the committer's connection.
func (p *Postgres) disconnect() {
	if p.c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	p.c.conn.Close(ctx)
	p.c.conn = nil
}

// reconnect looks for the database until it is there, and hands the connection
// to the committer.
func (p *Postgres) reconnect() {
	const pause = 250 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		conn, err := p.connect(ctx, "commit")
		if err == nil {
			select {
			case p.c.ready <- conn:
			case <-p.quit:
				conn.Close(ctx)
			}
			return
		}
		err = fmt.Errorf("%w: %w", ErrAway, err)
		p.down.Store(&err) // the newest reason
		select {
		case <-p.quit:
			return
		case <-time.After(pause):
		}
	}
}

// lose gives up the connection and looks for another in the background.
func (p *Postgres) lose(err error) error {
	p.disconnect()
	err = p.away(err)
	if !p.c.seeks {
		p.c.seeks = true
		p.wg.Go(p.reconnect)
	}
	return err
}

// resume goes on with a connection that was made again. The server may be
// another one now.
func (p *Postgres) resume(conn *pgx.Conn) {
	p.c.conn = conn
	p.pool.Reset()
	p.db.SetMaxIdleConns(0) // closes those that wait; the server may be another one
	p.db.SetMaxIdleConns(listConnections)
	p.administrative.reset()
	if err := p.compare(context.Background()); err != nil {
		p.log.Error("the database could not be compared with what was seen of it", "error", err)
		if mishapOf(err) == mishapAway {
			_ = p.lose(err)
			return
		}
	}
	p.back()
}

// compare looks whether the database still holds what this node has seen of it,
// and deals with it if not.
func (p *Postgres) compare(ctx context.Context) error {
	return p.administrative.transaction(ctx, p, func(*session, head) error { return nil })
}

// answerAll answers requests with an error.
func answerAll(err error, lists ...[]*request) {
	for _, list := range lists {
		for _, r := range list {
			r.answer(0, err)
		}
	}
}

// settle checks, writes and answers a group.
func (p *Postgres) settle(group []*request) {
	if err := p.Healthy(); err != nil || p.c.conn == nil {
		if err == nil {
			err = ErrAway
		}
		answerAll(err, group)
		return
	}
	// Of two settlements of one subject the second rests on facts that the
	// first moves.
	var later []*request
	clear(p.c.moved)
	first := group[:0:0]
	for _, r := range group {
		if subject := r.s.Subject; subject != "" {
			if _, twice := p.c.moved[subject]; twice {
				later = append(later, r)
				continue
			}
			p.c.moved[subject] = struct{}{}
		}
		first = append(first, r)
	}
	err := p.attempt(first)
	if mishapOf(err) == mishapInput && err != nil && len(first)+len(later) > 1 {
		// One of them is to blame, and the others shall not suffer for it.
		for _, r := range slices.Concat(first, later) {
			p.settle([]*request{r})
		}
		return
	}
	if err != nil {
		answerAll(err, first, later)
		return
	}
	p.conflicts.Add(uint64(len(later)))
	answerAll(auth.ErrConflict, later)
}

// attempt writes a group and answers it, unless it returns an error. What has
// not begun to be committed is tried once more, after a failure of the kind that
// passes by itself: an old connection to a server that was started again, a
// deadlock.
func (p *Postgres) attempt(group []*request) error {
	for again := false; ; again = true {
		err, committing := p.write(group)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errRewound):
			if err := p.rewound(context.Background()); err != nil {
				return p.judge(err)
			}
			p.conflicts.Add(uint64(len(group)))
			answerAll(auth.ErrConflict, group) // to be judged again, on what there is now
			return nil
		}
		kind := mishapOf(err)
		if kind != mishapAway {
			p.rollBack()
			if kind == mishapRetry && !again && p.c.conn != nil {
				continue
			}
			return p.judge(err)
		}
		p.disconnect()
		if committing || again || errors.Is(err, context.DeadlineExceeded) {
			return p.lose(err)
		}
		conn, second := p.connect(context.Background(), "commit")
		if second != nil {
			return p.lose(second)
		}
		p.resume(conn)
		if p.c.conn == nil {
			return p.Healthy()
		}
	}
}

// rollBack ends a transaction that failed.
func (p *Postgres) rollBack() {
	if p.c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	if _, err := p.c.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = p.lose(err)
	}
}

// A standing is what a group's settlements are compared with. It is so until
// the transaction ends, because everybody who changes it locks the head first.
type standing struct {
	head            head
	settings, names int64
	subjects        map[string]*subjectRow
	holders         map[string]string // of authenticators with new states
	bypasses        map[string]string // accounts of those that are to be spent
}

// write writes a group in one transaction and answers it. committing says that
// an error came when the transaction may have been committed already.
func (p *Postgres) write(group []*request) (err error, committing bool) { //nolint:revive // the error is what matters
	at, err := p.lookUp(group)
	if err != nil {
		return err, false
	}
	var good []*request
	var refused []*request
	for _, r := range group {
		switch err := p.check(r, at); {
		case err == nil:
			good = append(good, r)
		case errors.Is(err, auth.ErrConflict):
			refused = append(refused, r)
		default:
			return err, false
		}
	}
	if len(good) == 0 {
		p.rollBack()
	} else {
		if committing, err = p.writeAll(good, at); err != nil {
			if committing {
				p.dropAll(good) // nobody knows what they are at now
			}
			return err, committing
		}
	}
	if len(refused) > 0 {
		p.conflicts.Add(uint64(len(refused)))
		p.dropAll(refused) // or they would be asked for again and again
		if at.settings != p.settings.Load().Version || at.names != p.names.Load() {
			p.hurry()
		}
		answerAll(auth.ErrConflict, refused)
	}
	for _, r := range good {
		r.answer(uint64(r.row.seq), nil)
	}
	return nil, false
}

// lookUp is the first round trip: it locks the head and reads what the group
// rests on.
func (p *Postgres) lookUp(group []*request) (*standing, error) {
	seen := p.anchor.seen()
	at := &standing{subjects: make(map[string]*subjectRow, len(group))}
	var subjects, states, bypasses []string
	for _, r := range group {
		if r.s.Subject == "" {
			continue
		}
		subjects = append(subjects, r.s.Subject)
		for i, state := range r.states {
			if state != nil {
				states = append(states, r.s.Spend[i].Authenticator)
			}
		}
		if r.s.Bypass != "" {
			bypasses = append(bypasses, r.s.Bypass)
		}
	}
	var b pgx.Batch
	b.Queue(beginCommit)
	b.Queue(lockHead).QueryRow(func(row pgx.Row) error { return row.Scan(&at.head.seq, &at.head.hash) })
	var seenHash []byte
	b.Queue(selectSeen, seen.seq, seen.hash).QueryRow(func(row pgx.Row) error { return row.Scan(&seenHash) })
	b.Queue(selectVersions).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var name string
			var value int64
			if err := rows.Scan(&name, &value); err != nil {
				return err
			}
			if name == "names" {
				at.names = value
			} else {
				at.settings = value
			}
		}
		return rows.Err()
	})
	if len(subjects) > 0 {
		b.Queue(selectSubjects, subjects).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var id string
				s := &subjectRow{}
				if err := rows.Scan(&id, &s.version, &s.marks, &s.answered, &s.logins, &s.cached); err != nil {
					return err
				}
				at.subjects[id] = s
			}
			return rows.Err()
		})
	}
	pairs := func(to *map[string]string, text string, ids []string) {
		if len(ids) == 0 {
			return
		}
		*to = make(map[string]string, len(ids))
		b.Queue(text, ids).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var id, account string
				if err := rows.Scan(&id, &account); err != nil {
					return err
				}
				(*to)[id] = account
			}
			return rows.Err()
		})
	}
	pairs(&at.holders, selectHolders, states)
	pairs(&at.bypasses, selectBypassIDs, bypasses)
	if err := p.send(&b); err != nil {
		return nil, err
	}
	if !p.anchor.fits(seen, at.head, seenHash) {
		p.rollBack()
		return nil, errRewound
	}
	return at, nil
}

// send is one round trip.
func (p *Postgres) send(b *pgx.Batch) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	return p.c.conn.SendBatch(ctx, b).Close()
}

// check compares what a settlement rests on with what is so.
func (p *Postgres) check(r *request, at *standing) error {
	st := &r.s
	if st.Subject == "" {
		return nil
	}
	row := at.subjects[st.Subject]
	version := int64(0)
	if row != nil {
		version = row.version
	}
	if st.Settings != at.settings || !sameVersion(st.Version, version, at.names) {
		return auth.ErrConflict
	}
	if st.Close != "" || st.Open != nil {
		logins, err := row.loginList(st.Subject)
		if err != nil {
			return err
		}
		open := func(id auth.ChallengeID) bool {
			return slices.ContainsFunc(logins, func(c auth.OpenChallenge) bool { return c.ID == id && c.Settled == nil })
		}
		if st.Close != "" && !open(st.Close) || st.Open != nil && open(st.Open.ID) {
			return auth.ErrConflict
		}
	}
	if st.Bypass != "" && at.bypasses[st.Bypass] != st.Subject {
		return auth.ErrConflict
	}
	for i, state := range r.states {
		if state != nil && at.holders[st.Spend[i].Authenticator] != st.Subject {
			return fmt.Errorf("write state of authenticator %s: %w", st.Spend[i].Authenticator, errReferent)
		}
	}
	return nil
}

// Columns of the rows that a group writes.
type (
	subjectColumns struct {
		ids                              []string
		versions                         []int64
		marks, answered, logins, cacheds []string
	}
	throttleColumns struct {
		subjects                                             []string
		knowFailures, knowUntil, haveFailures, haveUntil, at []int64
	}
)

func (c *subjectColumns) add(id string, s *subjectRow) {
	c.ids, c.versions = append(c.ids, id), append(c.versions, s.version)
	c.marks, c.answered = append(c.marks, s.marks), append(c.answered, s.answered)
	c.logins, c.cacheds = append(c.logins, s.logins), append(c.cacheds, s.cached)
}

func (c *subjectColumns) queue(b *pgx.Batch, text string) {
	if len(c.ids) > 0 {
		b.Queue(text, c.ids, c.versions, c.marks, c.answered, c.logins, c.cacheds)
	}
}

// writeAll is the second round trip: it writes everything and commits.
// committing is false only if certainly nothing was committed.
func (p *Postgres) writeAll(good []*request, at *standing) (committing bool, err error) {
	var b pgx.Batch
	for i, r := range good {
		r.row.seq = at.head.seq + 1 + int64(i)
	}
	end := p.queueEvents(&b, good, at.head)

	var updated, inserted subjectColumns
	var throttles throttleColumns
	var unthrottled, stateIDs, spent, bypasses []string
	var states [][]byte
	rows := make([]*subjectRow, len(good))
	for i, r := range good {
		st := &r.s
		if st.Subject == "" {
			continue
		}
		was := at.subjects[st.Subject]
		row, err := was.after(r)
		if err != nil {
			p.rollBack()
			return false, err
		}
		rows[i] = row
		if was != nil {
			updated.add(st.Subject, row)
		} else {
			inserted.add(st.Subject, row)
		}
		if st.Throttle != nil {
			if c := countsOf(st.Throttle); c == (counts{}) {
				unthrottled = append(unthrottled, st.Subject)
			} else {
				t := &throttles
				t.subjects, t.at = append(t.subjects, st.Subject), append(t.at, r.row.timeUS)
				t.knowFailures, t.knowUntil = append(t.knowFailures, int64(c.knowFailures)), append(t.knowUntil, c.knowUntil)
				t.haveFailures, t.haveUntil = append(t.haveFailures, int64(c.haveFailures)), append(t.haveUntil, c.haveUntil)
			}
		}
		for j := range st.Spend {
			sp := &st.Spend[j]
			if r.states != nil && r.states[j] != nil {
				stateIDs, states = append(stateIDs, sp.Authenticator), append(states, r.states[j])
			}
			if sp.Mark != auth.NoMark {
				spent = append(spent, sp.Authenticator)
			}
		}
		if st.Bypass != "" {
			bypasses = append(bypasses, st.Bypass)
		}
	}
	updated.queue(&b, updateSubjectRows)
	inserted.queue(&b, insertSubjectRows)
	if t := &throttles; len(t.subjects) > 0 {
		b.Queue(upsertThrottles, t.subjects, t.knowFailures, t.knowUntil, t.haveFailures, t.haveUntil, t.at)
	}
	if len(unthrottled) > 0 {
		b.Queue(deleteThrottles, unthrottled)
	}
	if len(stateIDs) > 0 {
		b.Queue(updateStates, stateIDs, states)
	}
	rewinds := p.rewinds.Load() && len(spent) > 0
	if rewinds {
		b.Queue(clearRewound, spent)
	}
	if len(bypasses) > 0 {
		b.Queue(deleteBypasses, bypasses)
	}
	b.Queue(updateHead, end.seq, end.hash)
	b.Queue("COMMIT")
	if err := p.send(&b); err != nil {
		// A server that answers with an error has not come to COMMIT, or has
		// refused it.
		var refused *pgconn.PgError
		return !errors.As(err, &refused), err
	}
	p.anchor.see(end)
	p.applied(good, rows, rewinds)
	return true, nil
}

// queueEvents appends the events, many to a row, each row with its hash, and
// returns where the chain ends then.
func (p *Postgres) queueEvents(b *pgx.Batch, group []*request, at head) head {
	var lasts, firsts []int64
	var bodies []string
	var hashes [][]byte
	for len(group) > 0 {
		body := append(p.c.body[:0], linesOpen...)
		n := 0
		for n < min(len(group), rowEvents) && len(body) < rowOctets {
			if n > 0 {
				body = append(body, linesNext...)
			}
			body = append(body, group[n].row.body...)
			n++
		}
		body = append(body, linesClose...)
		p.c.body = body
		text := string(body)
		first, last := group[0].row.seq, group[n-1].row.seq
		var sum [32]byte
		sum, p.c.message = p.chain.hash(p.c.message, at.hash, first, last, text)
		at = head{last, sum[:]}
		lasts, firsts, bodies, hashes = append(lasts, last), append(firsts, first), append(bodies, text), append(hashes, at.hash)
		group = group[n:]
	}
	b.Queue(insertEventRows, lasts, firsts, bodies, hashes)
	return at
}

// applied moves memory to what was written.
func (p *Postgres) applied(good []*request, rows []*subjectRow, rewinds bool) {
	var closed []string
	for from := 0; from < len(good); from += applyLength {
		p.mu.Lock()
		for i := from; i < min(from+applyLength, len(good)); i++ {
			r := good[i]
			if r.row.timeUS != 0 {
				p.lastTime.Store(r.row.timeUS)
			}
			if rows[i] == nil {
				continue
			}
			p.refresh(r, rows[i], rewinds)
			if r.s.Close != "" || len(p.watches) > 0 {
				p.wakeWatchers(r.s.Subject)
			}
			if r.s.Close != "" {
				closed = append(closed, r.s.Subject)
			}
		}
		p.mu.Unlock()
	}
	p.commits.Add(uint64(len(good)))
	p.groups.Add(1)
	p.transactions.Add(1)
	if n := uint64(len(good)); n > p.largest.Load() {
		p.largest.Store(n)
	}
	if len(closed) > 0 {
		p.wg.Go(func() { p.tell(closed) })
	}
}

// tell wakes those who wait on other nodes. It is a hint; they also look by
// themselves.
func (p *Postgres) tell(subjects []string) {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	_, err := p.pool.Exec(ctx, `SELECT pg_notify($1, s) FROM unnest($2::text[]) s`, channel, subjects)
	if err != nil {
		p.log.Debug("other nodes were not told of an answer; they find it by themselves", "error", err)
	}
}

// refresh brings the cached facts of a settlement's subject to its new version,
// or drops them. mu must be held.
func (p *Postgres) refresh(r *request, row *subjectRow, rewinds bool) {
	st := &r.s
	e := p.cache.subjects[st.Subject]
	if e == nil {
		return
	}
	if r.states != nil || rewinds || e.version != st.Version&versionMask {
		p.cache.drop(st.Subject)
		return
	}
	next := &shared{subjectRow: *row}
	if e.shared != nil && st.Bypass == "" {
		next.bypass = e.shared.bypass
	}
	e.settle(st, row.version)
	e.shared = next
}

// dropAll drops the cached facts of settlements.
func (p *Postgres) dropAll(list []*request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	for _, r := range list {
		p.cache.drop(r.s.Subject)
	}
}
