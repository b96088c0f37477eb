package store

import (
	"container/heap"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"sallyport/auth"
)

const (
	upsertCached = `INSERT INTO cache_entry (subject, key, from_us, until_us, seq) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (subject, key) DO UPDATE SET from_us = excluded.from_us, until_us = excluded.until_us, seq = excluded.seq`
	deleteCached  = `DELETE FROM cache_entry WHERE subject = $1`
	deleteExpired = `DELETE FROM cache_entry WHERE subject = $1 AND key = $2 AND seq = $3`
	// CROSS JOIN makes SQLite begin with the few bypasses; it would go through
	// all accounts otherwise, for their order. PostgreSQL reads the same in it.
	selectBypasses = `SELECT b.id, b.account, a.name, b.from_us, b.until_us, b.reason, b.actor
		FROM bypass b CROSS JOIN account a WHERE a.id = b.account ORDER BY a.name, b.from_us, b.id`
	deleteBypass = `DELETE FROM bypass WHERE id = $1`
)

// News are what memory must learn of a change, beside new versions: subjects
// whose exemptions have changed, and authenticators that are found to be rewound
// or to be so no more.
type news struct {
	touched  map[string]struct{} // subjects that get a new version and keep what they have
	purged   map[string]struct{} // subjects whose cache entries are gone
	all      bool                // everybody's cache entries are
	bypasses map[string]*auth.Bypass
	rewound  map[string]bool
}

func newNews() news {
	return news{
		touched: make(map[string]struct{}), purged: make(map[string]struct{}),
		bypasses: make(map[string]*auth.Bypass), rewound: make(map[string]bool),
	}
}

// purgeCache forgets cache entries. Those of everybody are forgotten with a new
// version of the settings, on which every login rests.
func (a *applying) purgeCache(subject string) error {
	if subject == "" {
		a.settings, a.news.all = true, true
		_, err := a.w.exec(`DELETE FROM cache_entry`)
		return err
	}
	a.news.touched[subject] = struct{}{}
	a.news.purged[subject] = struct{}{}
	_, err := a.w.exec(deleteCached, subject)
	return err
}

func (a *applying) addBypass(b auth.Bypass) error {
	if b.ID == "" {
		return fmt.Errorf("a bypass must have an ID")
	}
	found, err := a.exists(`SELECT 1 FROM account WHERE id = $1`, b.Account)
	if err != nil {
		return err
	}
	if !found {
		return missing("account", b.Account)
	}
	if _, err := a.w.exec(`DELETE FROM bypass WHERE account = $1`, b.Account); err != nil {
		return err
	}
	if found, err = a.exists(`SELECT 1 FROM bypass WHERE id = $1`, b.ID); err != nil {
		return err
	} else if found {
		return taken("bypass", b.ID)
	}
	b.From, b.Until, b.Name = timeOf(micros(b.From)), timeOf(micros(b.Until)), ""
	a.news.touched[b.Account] = struct{}{}
	a.news.bypasses[b.Account] = &b
	_, err = a.w.exec(`INSERT INTO bypass (id, account, from_us, until_us, reason, actor) VALUES ($1, $2, $3, $4, $5, $6)`,
		b.ID, b.Account, micros(b.From), micros(b.Until), b.Reason, b.Actor)
	return err
}

func (a *applying) removeBypass(account string) error {
	a.news.touched[account] = struct{}{}
	a.news.bypasses[account] = nil
	n, err := a.w.exec(`DELETE FROM bypass WHERE account = $1`, account)
	if err == nil && n == 0 {
		err = missing("bypass of account", account)
	}
	return err
}

// Bypasses implements admin.Store.
func (s *archive) Bypasses(ctx context.Context) ([]auth.Bypass, error) {
	list, err := collect(ctx, s.readersDB, scanBypass, selectBypasses)
	if err != nil {
		return nil, fmt.Errorf("store: list bypasses: %w", err)
	}
	return list, nil
}

func scanBypass(rows *sql.Rows) (auth.Bypass, error) {
	var b auth.Bypass
	var from, until int64
	err := rows.Scan(&b.ID, &b.Account, &b.Name, &from, &until, &b.Reason, &b.Actor)
	b.From, b.Until = timeOf(from), timeOf(until)
	return b, err
}

// An exemption is what spares one subject its second factor. There is one in
// memory only for subjects that have any.
type exemption struct {
	cached []auth.CacheEntry
	bypass *auth.Bypass // immutable
}

const (
	// maxCached bounds the cache entries of one subject, and maxCachedAll those
	// of all. Beyond them what ends first is given up, which costs a prompt.
	maxCached    = 64
	maxCachedAll = 1 << 20
)

// A cacheEnd says when a cache entry ends.
type cacheEnd struct {
	until        int64
	subject, key string
	seq          uint64
}

// cacheEnds are a heap with what ends first at its root. Entries that are gone
// by now leave theirs behind.
type cacheEnds []cacheEnd

func (h cacheEnds) Len() int           { return len(h) }
func (h cacheEnds) Less(i, j int) bool { return h[i].until < h[j].until }
func (h cacheEnds) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cacheEnds) Push(x any)        { *h = append(*h, x.(cacheEnd)) }
func (h *cacheEnds) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = cacheEnd{}
	*h = (*h)[:last]
	return x
}

// exemptionOf returns the exemption of a subject, made if there is none. mu must
// be held.
func (s *Store) exemptionOf(subject string) *exemption {
	x := s.exemptions[subject]
	if x == nil {
		x = &exemption{}
		s.exemptions[subject] = x
	}
	return x
}

// tidy removes the exemption of a subject if nothing is left of it. mu must be
// held.
func (s *Store) tidy(subject string, x *exemption) {
	if len(x.cached) == 0 && x.bypass == nil {
		delete(s.exemptions, subject)
	}
}

// keepCached remembers a cache entry that was written. mu must be held.
func (s *Store) keepCached(subject string, e auth.CacheEntry) {
	w := &s.w
	x := s.exemptionOf(subject)
	if i := slices.IndexFunc(x.cached, func(o auth.CacheEntry) bool { return o.Key == e.Key }); i >= 0 {
		x.cached[i] = e
	} else {
		x.cached = append(x.cached, e)
		s.w.cached++
	}
	heap.Push(&w.ends, cacheEnd{micros(e.Until), subject, e.Key, e.Seq})
	if len(x.cached) > maxCached {
		first := 0
		for i := range x.cached {
			if x.cached[i].Until.Before(x.cached[first].Until) {
				first = i
			}
		}
		s.dropCached(subject, x, first)
	}
	for w.cached > maxCachedAll {
		s.endFirst()
	}
}

// dropCached gives up a cache entry whose row is still there. mu must be held.
func (s *Store) dropCached(subject string, x *exemption, i int) {
	e := x.cached[i]
	s.w.leftovers = append(s.w.leftovers, leftover{subject: subject, key: e.Key, seq: int64(e.Seq)})
	x.cached = slices.Delete(x.cached, i, i+1)
	s.w.cached--
	s.tidy(subject, x)
}

// endFirst gives up the cache entry that ends first. mu must be held.
func (s *Store) endFirst() {
	end := heap.Pop(&s.w.ends).(cacheEnd)
	x := s.exemptions[end.subject]
	if x == nil {
		return
	}
	i := slices.IndexFunc(x.cached, func(e auth.CacheEntry) bool { return e.Key == end.key && e.Seq == end.seq })
	if i >= 0 {
		s.dropCached(end.subject, x, i)
	}
}

// purgeCached forgets the cache entries of a subject whose rows are gone. mu must
// be held.
func (s *Store) purgeCached(subject string) {
	x := s.exemptions[subject]
	if x == nil {
		return
	}
	s.w.cached -= len(x.cached)
	x.cached = nil
	s.tidy(subject, x)
}

// hasCached reports whether a subject has cache entries. The committer alone may
// ask without mu.
func (s *Store) hasCached(subject string) bool {
	x := s.exemptions[subject]
	return x != nil && len(x.cached) > 0
}

// setBypass remembers the bypass of an account, nil for none. mu must be held.
func (s *Store) setBypass(account string, b *auth.Bypass) {
	x := s.exemptionOf(account)
	x.bypass = b
	s.tidy(account, x)
}

// bypassOf returns the bypass of an account, nil if it has none. The committer
// alone may ask without mu.
func (s *Store) bypassOf(account string) *auth.Bypass {
	if x := s.exemptions[account]; x != nil {
		return x.bypass
	}
	return nil
}

// learn moves memory to news that are durable. mu must be held.
func (s *Store) learn(n *news) {
	for subject := range n.touched {
		s.move(subject)
		s.cache.drop(subject)
	}
	if n.all {
		for subject := range s.exemptions {
			s.purgeCached(subject)
		}
	}
	for subject := range n.purged {
		s.purgeCached(subject)
	}
	for account, b := range n.bypasses {
		s.setBypass(account, b)
	}
	for id, rewound := range n.rewound {
		if rewound {
			s.w.rewound[id] = struct{}{}
		} else {
			delete(s.w.rewound, id)
		}
	}
}

// exempt adds what spares the subject of f its second factor. mu must be held.
func (s *Store) exempt(f *auth.Facts) {
	x := s.exemptions[f.Subject]
	if x == nil {
		return
	}
	for _, e := range x.cached {
		if micros(e.Until) > s.w.lastTime {
			f.Cached = append(f.Cached, e)
		}
	}
	if x.bypass != nil {
		b := *x.bypass
		f.Bypass = &b
	}
}

func (s *Store) loadExemptions() error {
	w := &s.w
	err := w.query(`SELECT subject, key, from_us, until_us, seq FROM cache_entry ORDER BY seq`, func(rows *sql.Rows) error {
		var subject string
		var e auth.CacheEntry
		var from, until, seq int64
		if err := rows.Scan(&subject, &e.Key, &from, &until, &seq); err != nil {
			return err
		}
		e.From, e.Until, e.Seq = timeOf(from), timeOf(until), uint64(seq)
		s.keepCached(subject, e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read cache entries: %w", err)
	}
	err = w.query(selectBypasses, func(rows *sql.Rows) error {
		b, err := scanBypass(rows)
		b.Name = "" // for listings only
		s.setBypass(b.Account, &b)
		return err
	})
	if err != nil {
		return fmt.Errorf("read bypasses: %w", err)
	}
	return s.loadRewound()
}

// loadRewound reads which authenticators are rewound.
func (s *Store) loadRewound() error {
	w := &s.w
	err := w.query(`SELECT id FROM authenticator WHERE rewound`, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		w.rewound[id] = struct{}{}
		return err
	})
	if err != nil {
		return fmt.Errorf("read rewound authenticators: %w", err)
	}
	return nil
}

// pruneEnds takes out of the heap what has gone otherwise, when that is most.
func (s *Store) pruneEnds() {
	w := &s.w
	if len(w.ends) <= 2*w.cached+1024 {
		return
	}
	w.ends = slices.DeleteFunc(w.ends, func(end cacheEnd) bool {
		x := s.exemptions[end.subject]
		return x == nil || !slices.ContainsFunc(x.cached, func(e auth.CacheEntry) bool { return e.Key == end.key && e.Seq == end.seq })
	})
	heap.Init(&w.ends)
}

// cachedAs returns a cache entry as it is kept: with the precision of the
// database, and the event of the login that made it.
func cachedAs(e auth.CacheEntry, seq int64) auth.CacheEntry {
	return auth.CacheEntry{Key: e.Key, From: timeOf(micros(e.From)), Until: timeOf(micros(e.Until)), Seq: uint64(seq)}
}

// writeExemptions writes what a settlement changes of exemptions, in the
// transaction that is open.
func (w *writer) writeExemptions(r *request) error {
	st := &r.s
	if r.purges {
		if _, err := w.exec(deleteCached, st.Subject); err != nil {
			return fmt.Errorf("forget cache entries: %w", err)
		}
	}
	for i := range st.Cache {
		e := &st.Cache[i]
		if _, err := w.exec(upsertCached, st.Subject, e.Key, micros(e.From), micros(e.Until), r.row.seq); err != nil {
			return fmt.Errorf("keep cache entry: %w", err)
		}
	}
	if st.Bypass != "" {
		n, err := w.exec(deleteBypass, st.Bypass)
		if err == nil && n != 1 {
			err = errDamaged // memory has it
		}
		if err != nil {
			return fmt.Errorf("spend bypass %s: %w", st.Bypass, err)
		}
	}
	for _, id := range r.ready {
		if _, err := w.exec(updateRewound, id); err != nil {
			return fmt.Errorf("clear mark of rewound authenticator %s: %w", id, err)
		}
	}
	return nil
}
