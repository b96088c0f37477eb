package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/admin"
	"sallyport/auth"
)

// Events are counted by the hour as they are folded, in the transaction that
// moves meta 'folded': each is counted once, whatever ends in between. Counts
// are statistics and stay when the events are deleted.

// An eventKind is what events are counted by, beside hour and outcome.
type eventKind struct{ Application, Client, Factor string }

type tallyKey struct {
	Hour int64 // since 1970
	eventKind
	Outcome int64
}

type tallyRow struct {
	tallyKey
	count int64
}

func compareTallies(a, b tallyRow) int {
	return cmp.Or(cmp.Compare(a.Hour, b.Hour), strings.Compare(a.Application, b.Application), strings.Compare(a.Client, b.Client),
		cmp.Compare(a.Outcome, b.Outcome), strings.Compare(a.Factor, b.Factor))
}

// tallyRows returns what was counted in the order of the table's key, with texts
// that both databases can keep.
func tallyRows(counts map[tallyKey]int64) []tallyRow {
	clean := make(map[tallyKey]int64, len(counts))
	for k, n := range counts {
		k.Application, k.Client, k.Factor = cleanText(k.Application), cleanText(k.Client), cleanText(k.Factor)
		clean[k] += n
	}
	rows := make([]tallyRow, 0, len(clean))
	for k, n := range clean {
		rows = append(rows, tallyRow{k, n})
	}
	slices.SortFunc(rows, compareTallies)
	return rows
}

// cleanText puts U+FFFD for what a column of text cannot hold, octet by octet as
// the line of an event has it.
func cleanText(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == 0 {
			return utf8.RuneError
		}
		return r
	}, s)
}

// tallyColumns are rows of event_tally as PostgreSQL takes many at once.
type tallyColumns struct {
	hours, outcomes, counts        []int64
	applications, clients, factors []string
}

func (c *tallyColumns) add(r tallyRow) {
	c.hours, c.outcomes, c.counts = append(c.hours, r.Hour), append(c.outcomes, r.Outcome), append(c.counts, r.count)
	c.applications, c.clients, c.factors = append(c.applications, r.Application), append(c.clients, r.Client), append(c.factors, r.Factor)
}

// moveFolded moves meta 'folded' from $2 to $1 and counts, or does neither.
const moveFolded = `WITH moved AS (UPDATE meta SET value = $1 WHERE name = 'folded' AND value = $2 RETURNING value)
	INSERT INTO event_tally (hour, application, client, outcome, factor, count)
	SELECT t.* FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[]) t, moved
	ON CONFLICT (hour, application, client, outcome, factor) DO UPDATE SET count = event_tally.count + excluded.count`

const selectTallies = `SELECT hour, application, client, outcome, factor, count FROM event_tally WHERE hour >= $1 AND hour < $2
	ORDER BY hour, application, client, outcome, factor`

// Tallies implements admin.Store: of every hour that begins before until and ends
// after since; a zero time is no bound. Events that are not folded yet are counted
// one by one.
func (s *archive) Tallies(ctx context.Context, since, until time.Time) ([]admin.Tally, error) {
	list, err := s.tallies(ctx, since, until)
	if err != nil {
		return nil, fmt.Errorf("store: count events: %w", err)
	}
	return list, nil
}

func (s *archive) tallies(ctx context.Context, since, until time.Time) ([]admin.Tally, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !since.IsZero() {
		from = hourOf(micros(since))
	}
	if !until.IsZero() {
		to = hourOf(micros(until)-1) + 1
	}
	tx, err := s.searchDB.BeginTx(ctx, s.snapshot)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var folded int64
	if err := tx.QueryRowContext(ctx, selectMeta, "folded").Scan(&folded); err != nil {
		return nil, err
	}
	rows, err := collect(ctx, tx, func(rows *sql.Rows) (r tallyRow, err error) {
		return r, rows.Scan(&r.Hour, &r.Application, &r.Client, &r.Outcome, &r.Factor, &r.count)
	}, selectTallies, from, to)
	if err != nil {
		return nil, err
	}
	recent, err := unfoldedTallies(ctx, tx, folded, from, to)
	if err != nil {
		return nil, err
	}
	rows = append(rows, recent...)
	slices.SortFunc(rows, compareTallies)
	list := make([]admin.Tally, 0, len(rows))
	for i, r := range rows {
		if i > 0 && rows[i-1].tallyKey == r.tallyKey {
			list[len(list)-1].Count += r.count
			continue
		}
		list = append(list, admin.Tally{
			Hour: time.Unix(r.Hour*3600, 0).UTC(), Application: r.Application, Client: r.Client,
			Outcome: auth.Outcome(r.Outcome), Factor: r.Factor, Count: r.count,
		})
	}
	return list, nil
}

// unfoldedTallies counts the events after number folded.
func unfoldedTallies(ctx context.Context, q querier, folded, from, to int64) ([]tallyRow, error) {
	rows, err := q.QueryContext(ctx, selectEvents, folded, int64(math.MaxInt64))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := make(map[tallyKey]int64)
	for rows.Next() {
		var r eventsRow
		if err := rows.Scan(&r.last, &r.first, &r.body); err != nil {
			return nil, err
		}
		if err := r.split(); err != nil {
			return nil, err
		}
		for seq := max(r.first, folded+1); seq <= r.last; seq++ {
			var head eventHead
			if err := json.Unmarshal([]byte(r.line(seq)), &head); err != nil {
				return nil, fmt.Errorf("%w (event %d: %w)", errDamaged, seq, err)
			}
			if h := hourOf(head.When); h >= from && h < to {
				counts[tallyKey{h, eventKind{head.Application, head.Client, head.Factor}, head.Outcome}]++
			}
		}
	}
	return tallyRows(counts), rows.Err()
}
