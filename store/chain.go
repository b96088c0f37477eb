package store

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"sallyport/admin"
	"sallyport/seal"
)

// The rows of the table event form a chain: each carries a keyed hash over the
// hash of the row before it and its own contents. The key derives from the root
// key, which is in the database only under the key of the key file, so that who
// can write the database cannot make a row that fits.

// Names of rows of the table chain.
const (
	chainBegin = "begin" // newest event that was written before there was a chain
	chainCut   = "cut"   // the link before the oldest event that is left
)

const (
	selectLinks = `SELECT name, seq, hash, mac FROM chain`
	upsertLink  = `INSERT INTO chain (name, seq, hash, mac) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, mac = excluded.mac`
	selectHead  = `SELECT last, hash FROM event ORDER BY last DESC LIMIT 1`
	selectChain = `SELECT last, first, body, hash FROM event WHERE last > $1 ORDER BY last LIMIT $2`
)

// A chainMAC makes the keyed hashes of the chain. It may be used concurrently.
type chainMAC struct {
	row, link func(message []byte) [32]byte
}

func newChainMAC(ring *seal.Keyring) chainMAC {
	return chainMAC{row: ring.MAC("event chain"), link: ring.MAC("event chain link")}
}

// hash returns the hash of a row. scratch is for the message; it is returned for
// the next one.
func (m chainMAC) hash(scratch, before []byte, first, last int64, body string) (sum [32]byte, message []byte) {
	message = binary.BigEndian.AppendUint64(scratch[:0], uint64(len(before)))
	message = append(message, before...)
	message = binary.BigEndian.AppendUint64(message, uint64(first))
	message = binary.BigEndian.AppendUint64(message, uint64(last))
	message = binary.BigEndian.AppendUint64(message, uint64(len(body)))
	message = append(message, body...)
	return m.row(message), message
}

// A chainLink is a row of the table chain.
type chainLink struct {
	name      string
	seq       int64
	hash, mac []byte
}

// sealLink returns what proves that a link of the table chain is ours.
func (m chainMAC) sealLink(l chainLink) []byte {
	message := binary.BigEndian.AppendUint64(nil, uint64(len(l.name)))
	message = append(message, l.name...)
	message = binary.BigEndian.AppendUint64(message, uint64(l.seq))
	message = binary.BigEndian.AppendUint64(message, uint64(len(l.hash)))
	message = append(message, l.hash...)
	sum := m.link(message)
	return sum[:]
}

// writeLink keeps a link, in the transaction that is open.
func (m chainMAC) writeLink(w *session, name string, seq int64, hash []byte) error {
	l := chainLink{name: name, seq: seq, hash: append([]byte{}, hash...)}
	_, err := w.exec(upsertLink, name, seq, l.hash, m.sealLink(l))
	return err
}

func scanLink(rows *sql.Rows) (l chainLink, err error) {
	err = rows.Scan(&l.name, &l.seq, &l.hash, &l.mac)
	return l, err
}

// loadChain finds where the chain ends, and begins it in a database that has
// none.
func (s *Store) loadChain() error {
	w := &s.w
	w.chain = newChainMAC(s.ring)
	s.chain = w.chain
	begun := false
	err := w.query(selectLinks, func(rows *sql.Rows) error {
		l, err := scanLink(rows)
		switch l.name {
		case chainBegin:
			begun = true
		case chainCut:
			w.cut = l.seq
		}
		return err
	})
	if err != nil {
		return err
	}
	var last int64
	if _, err := w.one(selectHead, nil, &last, &w.head); err != nil {
		return err
	}
	if begun || len(w.head) > 0 {
		return nil
	}
	return w.transaction(func() error { return w.chain.writeLink(&w.session, chainBegin, w.lastEvent, nil) })
}

// Head implements admin.Store.
func (s *archive) Head(ctx context.Context) (admin.Link, error) {
	var last int64
	var hash []byte
	err := s.readersDB.QueryRowContext(ctx, selectHead).Scan(&last, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return admin.Link{}, nil
	}
	if err != nil {
		return admin.Link{}, fmt.Errorf("store: read the newest event: %w", err)
	}
	return admin.Link{Seq: uint64(last), Hash: hash}, nil
}

// verifyRows is how many rows are read at a time: a reader that stayed in one
// transaction for all would keep the log from being cut.
const verifyRows = 256

// Verify implements admin.Store.
func (s *archive) Verify(ctx context.Context, each func(admin.Link)) (admin.Chain, error) {
	v := verifier{mac: s.chain, each: each}
	for more := true; more && v.broken == ""; {
		var err error
		if more, err = s.verifyPart(ctx, &v); err != nil {
			return admin.Chain{}, fmt.Errorf("store: verify the chain of events: %w", err)
		}
	}
	v.end()
	return v.chain(), nil
}

func (s *archive) verifyPart(ctx context.Context, v *verifier) (more bool, err error) {
	tx, err := s.readersDB.BeginTx(ctx, s.snapshot)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	links, err := collect(ctx, tx, scanLink, selectLinks)
	if err != nil {
		return false, err
	}
	v.links(links)
	rows, err := tx.QueryContext(ctx, selectChain, v.last, verifyRows)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next() && v.broken == ""; n++ {
		var r eventsRow
		var hash []byte
		if err := rows.Scan(&r.last, &r.first, &r.body, &hash); err != nil {
			return false, err
		}
		v.row(&r, hash)
	}
	return n == verifyRows, rows.Err()
}

// A verifier goes along the chain, row by row.
type verifier struct {
	mac     chainMAC
	each    func(admin.Link)
	scratch []byte

	begun  bool
	begin  int64 // newest event before the chain
	cut    chainLink
	first  int64
	last   int64  // newest event that was read
	hash   []byte // of its row
	read   uint64 // events
	broken string
}

// links takes in the rows of the table chain, which Retain may move meanwhile.
func (v *verifier) links(list []chainLink) {
	v.begun = false
	var cut chainLink
	for _, l := range list {
		if !hmac.Equal(v.mac.sealLink(l), l.mac) {
			v.broken = fmt.Sprintf("the record %q of the chain was changed (it names event %d)", l.name, l.seq)
			return
		}
		switch l.name {
		case chainBegin:
			v.begun, v.begin = true, l.seq
		case chainCut:
			cut = l
		}
	}
	if !v.begun {
		v.broken = "the record of where the chain begins is missing"
		return
	}
	if v.cut.name != "" && cut.seq < v.cut.seq {
		v.broken = fmt.Sprintf("the record of what was deleted has gone back from event %d to %d", v.cut.seq, cut.seq)
		return
	}
	v.cut = cut
	if cut.seq > v.last || v.first == 0 {
		v.last, v.hash = cut.seq, cut.hash
	}
	v.first = max(v.first, cut.seq+1)
}

// row takes in the next row.
func (v *verifier) row(r *eventsRow, hash []byte) {
	row := fmt.Sprintf("the row of events %d to %d", r.first, r.last)
	switch {
	case r.first > v.last+1:
		v.broken = fmt.Sprintf("events %d to %d are missing", v.last+1, r.first-1)
		return
	case r.first < v.last+1 || r.first > r.last:
		v.broken = fmt.Sprintf("%s was changed: it should begin with event %d", row, v.last+1)
		return
	}
	if _, err := eventLines(r.first, r.last, r.body); err != nil {
		v.broken = fmt.Sprintf("%s was changed: it does not hold that many events", row)
		return
	}
	if r.last <= v.begin {
		if hash != nil {
			v.broken = fmt.Sprintf("%s was changed: it has a hash but stands before the chain, which begins behind event %d", row, v.begin)
			return
		}
	} else {
		var sum [32]byte
		sum, v.scratch = v.mac.hash(v.scratch, v.hash, r.first, r.last, r.body)
		switch {
		case hash == nil:
			v.broken = row + " was changed: its hash is missing"
			return
		case !hmac.Equal(sum[:], hash):
			v.broken = row + " was changed, or stands in the place of another: its hash does not fit it and the row before it"
			return
		}
		v.hash = hash
	}
	v.last = r.last
	v.read += uint64(r.last - r.first + 1)
	if v.each != nil {
		v.each(admin.Link{Seq: uint64(r.last), Hash: hash})
	}
}

// end looks for what can be missing behind the last row without the row behind
// it.
func (v *verifier) end() {
	if v.broken != "" {
		return
	}
	if v.last < v.begin {
		v.broken = fmt.Sprintf("events %d to %d are missing", v.last+1, v.begin)
	} else if v.read == 0 && v.cut.name != "" {
		v.broken = fmt.Sprintf("the events behind %d are missing: the newest are never deleted", v.cut.seq)
	}
}

func (v *verifier) chain() admin.Chain {
	c := admin.Chain{Broken: v.broken}
	if v.read > 0 {
		c.First, c.Last = uint64(v.first), uint64(v.last)
		c.Before = uint64(max(min(v.begin, v.last), 0))
		c.Head = admin.Link{Seq: uint64(v.last), Hash: v.hash}
	}
	if v.cut.name != "" {
		c.Cut = admin.Link{Seq: uint64(v.cut.seq), Hash: v.cut.hash}
	}
	return c
}
