package store

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"sallyport/auth"
)

// A challenge is one that has not expired, with its number in the database. mu
// guards Settled and gone.
type challenge struct {
	auth.OpenChallenge
	seq  int64
	gone bool // from memory
}

// end returns the moment, in microseconds, from which on the challenge is not
// kept.
func (c *challenge) end() int64 {
	if c.Settled != nil {
		return micros(c.Expires) // nobody can join it any more
	}
	return micros(c.Expires) + challengeGrace
}

const (
	// challengeGrace is how long a challenge is kept after it has expired, so
	// that a late answer is told apart from a made-up one.
	challengeGrace = int64(10 * time.Minute / time.Microsecond)

	// maxChallenges bounds the challenges that are kept at the same time. Beyond
	// it the oldest that is settled is given up, and if none is, the oldest:
	// whoever opens so many at once pushes out only logins that have waited
	// longer than they take.
	maxChallenges = 1 << 18
	// maxLogins bounds those of one subject in the same way.
	maxLogins = 128
)

// A settled is the column challenge.settled.
type settled struct {
	Seq     uint64 `json:"seq"`
	Time    int64  `json:"us"`
	Client  string `json:"client,omitempty"`
	Verdict int64  `json:"verdict,omitempty"`
	Outcome int64  `json:"outcome,omitempty"`
	Rule    string `json:"rule,omitempty"`
}

// answeredBy returns what the event of that number answers.
func answeredBy(seq int64, e *auth.Event) *auth.Answered {
	return &auth.Answered{
		Seq: uint64(seq), Time: timeOf(micros(e.Time)), Client: e.Client, Verdict: e.Verdict, Outcome: e.Outcome, Rule: e.Rule,
	}
}

func settledText(a *auth.Answered) string {
	b, err := json.Marshal(settled{a.Seq, micros(a.Time), a.Client, int64(a.Verdict), int64(a.Outcome), a.Rule})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return string(b)
}

func settledOf(text string) (*auth.Answered, error) {
	if text == "" {
		return nil, nil
	}
	var b settled
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return nil, err
	}
	return &auth.Answered{
		Seq: b.Seq, Time: timeOf(b.Time), Client: b.Client,
		Verdict: auth.Verdict(b.Verdict), Outcome: auth.Outcome(b.Outcome), Rule: b.Rule,
	}, nil
}

const (
	selectChallenges = `SELECT seq, id, subject, client, proven, expires_us, login, application, origin, session, asked_us, settled
		FROM challenge ORDER BY seq`
)

func scanChallenge(rows *sql.Rows) (*challenge, error) {
	var c challenge
	var id, proven, login, settled string
	var expires, asked int64
	err := rows.Scan(&c.seq, &id, &c.Subject, &c.Client, &proven, &expires, &login, &c.Application, &c.From, &c.Session, &asked, &settled)
	if err != nil {
		return nil, err
	}
	c.ID, c.Login, c.Expires, c.Asked = auth.ChallengeID(id), auth.ChallengeID(login), timeOf(expires), timeOf(asked)
	if c.Proven, err = stringsOf(proven); err != nil {
		return nil, err
	}
	if c.Settled, err = settledOf(settled); err != nil {
		return nil, fmt.Errorf("decode the end of challenge %d: %w", c.seq, err)
	}
	return &c, nil
}

func (s *Store) loadChallenges() error {
	return s.w.query(selectChallenges, func(rows *sql.Rows) error {
		c, err := scanChallenge(rows)
		if err == nil {
			s.keepChallenge(c)
		}
		return err
	})
}

// opened returns a challenge as it is kept: with the precision of the database,
// so that a restart changes nothing.
func opened(c *auth.OpenChallenge, seq int64) *challenge {
	kept := &challenge{OpenChallenge: *c, seq: seq}
	kept.Login = cmp.Or(c.Login, c.ID)
	kept.Asked, kept.Expires, kept.Settled = timeOf(micros(c.Asked)), timeOf(micros(c.Expires)), nil
	return kept
}

// keepChallenge keeps a challenge that was written. mu must be held.
func (s *Store) keepChallenge(c *challenge) {
	w := &s.w
	s.challenges[c.ID] = c
	logins := append(s.logins[c.Subject], c)
	s.logins[c.Subject] = logins
	w.waiting = append(w.waiting, c)
	if c.Settled != nil {
		w.settled = append(w.settled, c)
	}
	if len(logins) > maxLogins {
		oldest := slices.IndexFunc(logins, func(c *challenge) bool { return c.Settled != nil })
		s.dropChallenge(logins[max(oldest, 0)])
	}
	for len(s.challenges) > maxChallenges {
		s.dropOldest()
	}
	// Those that are gone leave their places in the queues behind.
	w.waiting = prune(w.waiting, len(s.challenges))
	w.settled = prune(w.settled, len(s.challenges))
}

func prune(queue []*challenge, kept int) []*challenge {
	if len(queue) <= 2*kept+1024 {
		return queue
	}
	return slices.DeleteFunc(queue, func(c *challenge) bool { return c.gone })
}

// settleChallenges notes the answer that ended a login. mu must be held.
func (s *Store) settleChallenges(list []*challenge, a *auth.Answered) {
	for _, c := range list {
		c.Settled = a
		s.w.settled = append(s.w.settled, c)
	}
}

// forgetChallenge takes a challenge out of memory. mu must be held.
func (s *Store) forgetChallenge(c *challenge) {
	if c.gone {
		return
	}
	c.gone = true
	delete(s.challenges, c.ID)
	logins := s.logins[c.Subject]
	if i := slices.Index(logins, c); i >= 0 {
		logins = slices.Delete(logins, i, i+1)
	}
	if len(logins) == 0 {
		delete(s.logins, c.Subject)
	} else {
		s.logins[c.Subject] = logins
	}
}

// dropChallenge gives up a challenge whose row is still there. mu must be held.
func (s *Store) dropChallenge(c *challenge) {
	if c.gone {
		return
	}
	s.forgetChallenge(c)
	s.w.leftovers = append(s.w.leftovers, leftover{seq: c.seq})
}

// dropOldest gives up the oldest settled challenge, or the oldest. mu must be
// held.
func (s *Store) dropOldest() {
	queue := &s.w.settled
	if s.w.settled = skipGone(s.w.settled); len(s.w.settled) == 0 {
		queue = &s.w.waiting
		s.w.waiting = skipGone(s.w.waiting)
	}
	c := (*queue)[0]
	(*queue)[0] = nil
	*queue = (*queue)[1:]
	s.dropChallenge(c)
}

// skipGone takes those that are gone from the front of a queue.
func skipGone(queue []*challenge) []*challenge {
	for len(queue) > 0 && queue[0].gone {
		queue[0] = nil
		queue = queue[1:]
	}
	return queue
}

// openOf returns the challenge of that ID if it is open and belongs to subject.
// The committer alone may ask without mu.
func (s *Store) openOf(id auth.ChallengeID, subject string) *challenge {
	c := s.challenges[id]
	if c == nil || c.Subject != subject || c.Settled != nil {
		return nil
	}
	return c
}

// loginOf returns the open challenges of the login that c belongs to. The
// committer alone may ask without mu.
func (s *Store) loginOf(c *challenge) []*challenge {
	var list []*challenge
	for _, o := range s.logins[c.Subject] {
		if o.Login == c.Login && o.Settled == nil {
			list = append(list, o)
		}
	}
	return list
}

// asked adds the challenges of the subject of f. mu must be held.
func (s *Store) asked(id auth.ChallengeID, f *auth.Facts) {
	f.Challenge, f.Logins = nil, nil
	if id != "" {
		if c := s.openOf(id, f.Subject); c != nil {
			found := c.OpenChallenge
			f.Challenge = &found
		}
	}
	for _, c := range s.logins[f.Subject] {
		if micros(c.Expires) > s.w.lastTime {
			f.Logins = append(f.Logins, c.OpenChallenge)
		}
	}
}

// A leftover is a row that memory knows no more: a challenge, or a cache entry if
// it has a subject. seq is the number of the one, and the event of the other.
type leftover struct {
	seq          int64
	subject, key string
}

const (
	leftoversSoon  = 1024 // from so many on, every group removes some
	leftoversAlong = 3    // how many for each settlement, which leaves two at most
)

// removeLeftovers removes the oldest n rows, in the transaction that is open.
// swept counts them until it is durable.
func (w *writer) removeLeftovers(n int) error {
	n = min(n, len(w.leftovers))
	for _, l := range w.leftovers[:n] {
		var err error
		if l.subject == "" {
			_, err = w.exec(deleteChallenge, l.seq)
		} else {
			_, err = w.exec(deleteExpired, l.subject, l.key, l.seq)
		}
		if err != nil {
			return fmt.Errorf("remove what has expired: %w", err)
		}
	}
	w.swept = n
	return nil
}

// leftoversRemoved forgets the rows that were removed in a transaction that is
// durable now.
func (w *writer) leftoversRemoved() {
	w.leftovers = slices.Delete(w.leftovers, 0, w.swept)
	w.swept = 0
}

// expire gives up at most n of what has expired, of each kind. Time is that of
// events, not of a clock. mu must be held.
func (s *Store) expire(n int) {
	w := &s.w
	for _, queue := range []*[]*challenge{&w.settled, &w.waiting} {
		for range n {
			*queue = skipGone(*queue)
			if len(*queue) == 0 || (*queue)[0].end() > w.lastTime {
				break
			}
			s.dropChallenge((*queue)[0])
		}
	}
	for range n {
		if len(w.ends) == 0 || w.ends[0].until > w.lastTime {
			break
		}
		s.endFirst()
	}
	s.answers.expire(w.lastTime, n)
}

// expired reports whether anything is to be given up. Only the committer asks.
func (s *Store) expired() bool {
	w := &s.w
	for _, queue := range [][]*challenge{w.settled, w.waiting} {
		for _, c := range queue {
			if !c.gone {
				if c.end() <= w.lastTime {
					return true
				}
				break
			}
		}
	}
	return len(w.ends) > 0 && w.ends[0].until <= w.lastTime || s.answers.due(w.lastTime)
}

// void removes the rows of the cache entries and open challenges of subjects in
// the transaction that is open, and returns the challenges for memory to forget.
// Challenges are removed by number: an index by subject would cost every login.
func (s *Store) void(subjects map[string]struct{}) (gone []*challenge, err error) {
	s.w.swept = 0
	if len(subjects) == 0 {
		return nil, nil
	}
	// Rows that memory has given up may be theirs, and a crash before they are
	// removed would bring them back.
	if err := s.w.removeLeftovers(len(s.w.leftovers)); err != nil {
		return nil, err
	}
	for subject := range subjects {
		if s.hasCached(subject) {
			if _, err := s.w.exec(deleteCached, subject); err != nil {
				return nil, fmt.Errorf("forget cache entries: %w", err)
			}
		}
		for _, c := range s.logins[subject] {
			if c.Settled != nil {
				continue
			}
			if _, err := s.w.exec(deleteChallenge, c.seq); err != nil {
				return nil, fmt.Errorf("forget open challenges: %w", err)
			}
			gone = append(gone, c)
		}
	}
	return gone, nil
}
