package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// manyMoved is how many subjects are dropped from the cache one by one;
	// beyond it, everything is.
	manyMoved = 10_000
	// movedLife is how long it is kept which subjects acts have moved.
	movedLife = time.Hour

	nodeEvery = 10 * time.Second // signs of life in the table node

	// leaderKey is the advisory lock of the node that works for all.
	leaderKey = 0x53616c6c79706f72
)

const (
	selectMoved   = `SELECT act, subject FROM moved WHERE act > $1 ORDER BY act LIMIT $2`
	selectWatched = `SELECT id, version FROM subject WHERE id = ANY($1)`
	selectLastOf  = `SELECT (SELECT COALESCE(MAX(id), 0) FROM data_key), (SELECT COALESCE(MAX(act), 0) FROM revocation)`
	selectMetas   = `SELECT name, value FROM meta WHERE name IN ('settings', 'names')`
)

// follow brings what other nodes have done into memory: as soon as they say so,
// and by looking every half second, because a notification is only a hint.
func (p *Postgres) follow() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for first := true; ; first = false {
		select {
		case <-p.quit:
			return
		case <-pause.C:
		}
		err := p.followOn(first)
		if errors.Is(err, errClosed) {
			return
		}
		p.log.Debug("the connection by which this node learns of others was lost", "error", err)
		p.probe()
		p.saveAnchor()
		pause.Reset(250 * time.Millisecond)
	}
}

// probe lets the committer find out whether the database is there.
func (p *Postgres) probe() {
	r := &request{done: make(chan struct{}, 1)}
	r.run = func() {
		if p.c.conn == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), min(p.timeout, time.Second))
		defer cancel()
		if err := p.checkServer(ctx, p.c.conn); err != nil {
			_ = p.lose(err)
		}
	}
	select {
	case p.queue <- r:
	default: // it has enough to do to find out by itself
	}
}

// A follower is one connection of follow.
type follower struct {
	p      *Postgres
	conn   *pgx.Conn
	leader bool

	saved, node, purged time.Time // when that was last done
}

// followOn follows on one connection until that fails or the store is closed.
func (p *Postgres) followOn(first bool) error {
	conn, err := p.connect(context.Background(), "follow")
	if err != nil {
		return err
	}
	now := time.Now()
	f := &follower{p: p, conn: conn, saved: now, node: now, purged: now}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		conn.Close(ctx)
	}()
	if err := f.exec(`LISTEN ` + channel); err != nil {
		return err
	}
	if !first {
		p.forget() // nobody knows what went by
	}
	for {
		if err := f.look(); err != nil {
			return err
		}
		if err := f.work(); err != nil {
			return err
		}
		if err := f.wait(); err != nil {
			return err
		}
	}
}

func (f *follower) exec(text string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), f.p.timeout)
	defer cancel()
	_, err := f.conn.Exec(ctx, text, args...)
	return err
}

// wait returns after a notification, or when it is time to look.
func (f *follower) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), pollEvery)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-f.p.wake:
			cancel()
		case <-f.p.quit:
			cancel()
		case <-done:
		}
	}()
	for {
		n, err := f.conn.WaitForNotification(ctx)
		select {
		case <-f.p.quit:
			return errClosed
		default:
		}
		switch {
		case err == nil && n.Payload == "":
			return nil
		case err == nil:
			f.p.mu.Lock()
			f.p.cache.drop(n.Payload)
			f.p.generation++
			f.p.wakeWatchers(n.Payload)
			f.p.mu.Unlock()
		case ctx.Err() != nil && !f.conn.IsClosed():
			return nil
		default:
			return err
		}
	}
}

// look compares memory with the database, in one round trip if nothing has
// changed.
func (f *follower) look() error {
	p := f.p
	p.mu.RLock()
	since := p.lastMoved
	var watched []string
	for subject := range p.watches {
		watched = append(watched, subject)
	}
	keys := p.keys
	p.mu.RUnlock()
	seen := p.anchor.seen()

	var at head
	var hash []byte
	var lastKey, lastRevoked, settings, names int64
	last := since
	var moved []string
	versions := make(map[string]int64)
	var b pgx.Batch
	b.Queue(selectHeadRow).QueryRow(func(row pgx.Row) error { return row.Scan(&at.seq, &at.hash) })
	b.Queue(selectSeen, seen.seq, seen.hash).QueryRow(func(row pgx.Row) error { return row.Scan(&hash) })
	b.Queue(selectLastOf).QueryRow(func(row pgx.Row) error { return row.Scan(&lastKey, &lastRevoked) })
	b.Queue(selectMetas).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var name string
			var value int64
			if err := rows.Scan(&name, &value); err != nil {
				return err
			}
			if name == "names" {
				names = value
			} else {
				settings = value
			}
		}
		return rows.Err()
	})
	b.Queue(selectMoved, since, int64(manyMoved)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var subject string
			if err := rows.Scan(&last, &subject); err != nil {
				return err
			}
			moved = append(moved, subject)
		}
		return rows.Err()
	})
	if len(watched) > 0 {
		b.Queue(selectWatched, watched).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var id string
				var version int64
				if err := rows.Scan(&id, &version); err != nil {
					return err
				}
				versions[id] = version
			}
			return rows.Err()
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	if err := f.conn.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	if !p.anchor.fits(seen, at, hash) {
		return p.rewound(context.Background())
	}
	p.anchor.see(at)
	if lastKey != keys {
		if err := p.reloadKeys(); err != nil {
			p.log.Error("another node has added a key that this node cannot read; give it the same key file and start it again", "error", err)
		}
	}
	p.mu.Lock()
	if len(moved) == manyMoved {
		p.generation++
		p.cache = newCache(p.cache.limit)
	}
	for _, subject := range moved {
		p.generation++
		p.cache.drop(subject)
	}
	p.lastMoved = max(p.lastMoved, last)
	for subject, w := range p.watches {
		if version, ok := versions[subject]; ok && version != w.version {
			p.wakeWatchers(subject)
		}
	}
	if names > p.names.Load() {
		p.names.Store(names)
	}
	p.mu.Unlock()
	if settings != p.settings.Load().Version {
		if err := p.loadSettings(); err != nil {
			return err
		}
	}
	if lastRevoked > p.anchor.noted() {
		return p.copyRevocations()
	}
	return nil
}

// loadSettings reads the settings that another node has changed.
func (p *Postgres) loadSettings() error {
	return p.administrative.reading(context.Background(), p, func(w *session) error {
		settings, err := loadSettings(w, p.ring)
		if err != nil {
			return err
		}
		var rewinds bool
		if _, err := w.one(selectRewinds, nil, &rewinds); err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.rewinds.Store(rewinds)
		p.adopt(settings)
		return nil
	})
}

const selectRewinds = `SELECT EXISTS (SELECT 1 FROM authenticator WHERE rewound)`

// work does what is due now and then.
func (f *follower) work() error {
	p := f.p
	now := time.Now()
	if now.Sub(f.saved) >= time.Second {
		p.saveAnchor()
		f.saved = now
	}
	if now.Sub(f.node) >= nodeEvery {
		if err := f.exec(upsertNode, p.o.Node, p.o.Version, micros(p.since), micros(p.now())); err != nil {
			return err
		}
		f.node = now
	}
	if p.anchor.unfinished() {
		if err := p.takeAwayAgain(context.Background()); err != nil {
			return err
		}
	}
	if !f.leader {
		ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
		err := f.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(leaderKey)).Scan(&f.leader)
		cancel()
		if err != nil || !f.leader {
			return err
		}
	}
	for more := true; more; {
		var err error
		if more, err = f.fold(); err != nil {
			return err
		}
		select {
		case <-p.quit:
			return errClosed
		default:
		}
	}
	if now.Sub(f.purged) >= time.Hour {
		f.purged = now
		if err := f.purge(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Postgres) saveAnchor() {
	if err := p.anchor.save(); err != nil {
		p.log.Error("what was seen of the database cannot be kept; should it go back in time, this node does not notice after a restart", "error", err)
	}
}

const foldRows = 256

// fold enters the next rows of events in the indexes and counts them, and reports
// whether there are more. Only the leader does so.
func (f *follower) fold() (more bool, err error) {
	p := f.p
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	var folded, indexed, cut, newest int64
	err = f.conn.QueryRow(ctx, `SELECT (SELECT value FROM meta WHERE name = 'folded'), (SELECT value FROM meta WHERE name = 'indexed'),
		COALESCE((SELECT seq FROM chain WHERE name = $1), 0), (SELECT seq FROM head)`, chainCut).Scan(&folded, &indexed, &cut, &newest)
	if err != nil {
		return false, err
	}
	start := max(folded, cut)
	p.backlog.Store(newest - start)
	if newest == start {
		return false, nil
	}
	end := (start+1)/segment*segment + segment - 1 // newest of the segment that start+1 is in
	var outcomes, segments, hours, firsts, lasts []int64
	seen := make(map[int64]bool)
	hour := make(map[int64]int)
	tallies := make(map[tallyKey]int64)
	to := start
	n := 0
	err = f.heads(ctx, start, end, foldRows, func(seq int64, head *eventHead) {
		to = seq
		if !seen[head.Outcome] {
			seen[head.Outcome] = true
			outcomes, segments = append(outcomes, head.Outcome), append(segments, seq/segment)
		}
		h := hourOf(head.When)
		if at, ok := hour[h]; ok {
			lasts[at] = seq
		} else {
			hour[h] = len(hours)
			hours, firsts, lasts = append(hours, h), append(firsts, seq), append(lasts, seq)
		}
		tallies[tallyKey{h, eventKind{head.Application, head.Client, head.Factor}, head.Outcome}]++
		n++
	})
	if err != nil || n == 0 {
		return false, err
	}
	var b pgx.Batch
	var tally tallyColumns
	for _, r := range tallyRows(tallies) {
		tally.add(r)
	}
	// Whoever moves 'folded' counts: should another node have been faster after
	// all, nothing is counted twice.
	b.Queue(moveFolded, to, folded, tally.hours, tally.applications, tally.clients, tally.outcomes, tally.factors, tally.counts)
	b.Queue(`INSERT INTO event_outcome (outcome, segment) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING`, outcomes, segments)
	b.Queue(`INSERT INTO event_hour (hour, seq, last) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
		ON CONFLICT (hour) DO UPDATE SET last = GREATEST(event_hour.last, excluded.last)`, hours, firsts, lasts)
	if to == end {
		subjects := make([]string, end-indexed)
		err := f.heads(ctx, max(indexed, cut), end, segment, func(seq int64, head *eventHead) { subjects[seq-indexed-1] = head.Subject })
		if err != nil {
			return false, err
		}
		var at []int64
		var keys, bodies []string
		for _, r := range indexSubjects(indexed+1, subjects) {
			at, keys, bodies = append(at, r.segment), append(keys, r.subject), append(bodies, r.body)
		}
		b.Queue(`INSERT INTO event_subject (segment, subject, body) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING`,
			at, keys, bodies)
		b.Queue(updateMeta, "indexed", end)
	}
	if err := f.conn.SendBatch(ctx, &b).Close(); err != nil { // in one transaction
		return false, err
	}
	p.transactions.Add(1)
	p.backlog.Store(newest - to)
	return newest > to, nil
}

// heads reads the heads of the events after start up to end, from so many rows
// at most.
func (f *follower) heads(ctx context.Context, start, end int64, limit int, each func(seq int64, head *eventHead)) error {
	rows, err := f.conn.Query(ctx, `SELECT last, first, body FROM event WHERE last > $1 AND first <= $2 ORDER BY last LIMIT $3`, start, end, int64(limit))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r eventsRow
		if err := rows.Scan(&r.last, &r.first, &r.body); err != nil {
			return err
		}
		if err := r.split(); err != nil {
			return err
		}
		for seq := max(r.first, start+1); seq <= min(r.last, end); seq++ {
			var head eventHead
			if err := json.Unmarshal([]byte(r.line(seq)), &head); err != nil {
				return fmt.Errorf("%w (event %d: %w)", errDamaged, seq, err)
			}
			each(seq, &head)
		}
	}
	return rows.Err()
}

// purge removes what is not needed any more: the notes of what acts have moved,
// sessions and ceremonies that have expired, and old counts of names that nobody
// has, for which time is that of events.
func (f *follower) purge() error {
	p := f.p
	err := f.exec(`DELETE FROM moved WHERE act <= (SELECT COALESCE(MAX(seq), 0) FROM act WHERE time_us < $1)`, micros(p.now().Add(-movedLife)))
	if err != nil {
		return err
	}
	for more := true; more; {
		err := p.administrative.transaction(context.Background(), p, func(w *session, _ head) (err error) {
			more, err = p.purgeUnknowns(w)
			return err
		})
		if err != nil {
			return err
		}
	}
	for more := true; more; {
		err := p.administrative.transaction(context.Background(), p, func(w *session, _ head) (err error) {
			more, err = w.deleteEnded(micros(p.now()))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// purgeUnknowns removes one chunk of the counts of names that nobody has, and
// reports whether there may be more.
func (p *Postgres) purgeUnknowns(w *session) (more bool, err error) {
	now := p.lastTime.Load()
	var old []string
	err = w.query(`SELECT subject FROM throttle WHERE subject >= '?' AND subject < '@' AND at_us <= $1
		AND GREATEST(know_until_us, have_until_us) <= $2 AND GREATEST(know_failures, have_failures) < $3 LIMIT $4`,
		func(rows *sql.Rows) error {
			var subject string
			err := rows.Scan(&subject)
			old = append(old, subject)
			return err
		}, now-unknownLife, now, p.stopAt, int64(purgeChunk))
	if err != nil || len(old) == 0 {
		return false, err
	}
	for _, text := range []string{deleteThrottles, `DELETE FROM subject WHERE id = ANY($1)`} {
		if _, err := w.exec(text, old); err != nil {
			return false, err
		}
	}
	return len(old) == purgeChunk, nil
}

// MarkRewound notes that the database was found to have gone back in time, as
// the store does by itself if it can see it.
func (p *Postgres) MarkRewound(ctx context.Context, at time.Time) error {
	if err := p.markRewound(ctx, at, "an administrator said so"); err != nil {
		return fmt.Errorf("store: note that the database has gone back in time: %w", p.judge(err))
	}
	return nil
}
