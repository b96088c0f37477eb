package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"sallyport/auth"
)

// The text of the statements. It is the same for SQLite and PostgreSQL, which
// is why times are numbers, nothing asks the database for the time, and every
// key is given by us.
const (
	accountColumns = `a.id, a.name, a.aliases, a.groups, a.enabled, a.blocked, a.block_reason, a.blocked_until_us, a.role, a.created_us`

	selectName  = `SELECT account FROM name WHERE name = $1`
	selectFacts = `SELECT ` + accountColumns + `,
			t.know_failures, t.know_until_us, t.have_failures, t.have_until_us,
			x.id, x.factor, x.label, x.serial, x.created_us, x.state, x.rewound, p.mark
		FROM account a
		LEFT JOIN throttle t ON t.subject = a.id
		LEFT JOIN authenticator x ON x.account = a.id
		LEFT JOIN spent p ON p.authenticator = x.id
		WHERE a.id = $1 ORDER BY x.place`
	selectThrottle = `SELECT know_failures, know_until_us, have_failures, have_until_us FROM throttle WHERE subject = $1`

	insertEvents = `INSERT INTO event (last, first, body, hash) VALUES ($1, $2, $3, $4)`
	// The row that holds an event, if it is there, and the rows that follow.
	selectEvent  = `SELECT last, first, body FROM event WHERE last >= $1 ORDER BY last LIMIT 1`
	selectEvents = `SELECT last, first, body FROM event WHERE last > $1 AND last < $2 ORDER BY last`

	upsertThrottle = `INSERT INTO throttle (subject, know_failures, know_until_us, have_failures, have_until_us, at_us)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (subject) DO UPDATE SET know_failures = excluded.know_failures, know_until_us = excluded.know_until_us,
			have_failures = excluded.have_failures, have_until_us = excluded.have_until_us, at_us = excluded.at_us`
	upsertSpent     = upsertSpentHead + `($1, $2)` + upsertSpentTail
	deleteThrottle  = `DELETE FROM throttle WHERE subject = $1`
	upsertSpentHead = `INSERT INTO spent (authenticator, mark) VALUES `
	upsertSpentTail = `
		ON CONFLICT (authenticator) DO UPDATE SET mark = excluded.mark WHERE excluded.mark > spent.mark`
	updateState     = `UPDATE authenticator SET state = $1 WHERE id = $2 AND account = $3`
	updateRewound   = `UPDATE authenticator SET rewound = FALSE WHERE id = $1`
	insertChallenge = `INSERT INTO challenge (seq, id, subject, client, proven, expires_us, login, application, origin, session, asked_us, settled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '')`
	settleChallenge = `UPDATE challenge SET settled = $1 WHERE seq = $2`
	deleteChallenge = `DELETE FROM challenge WHERE seq = $1`

	// Both may be there already, from a fold that a restart began again.
	insertSubjectHead = `INSERT INTO event_subject (segment, subject, body) VALUES `
	insertSubjectTail = ` ON CONFLICT (segment, subject) DO NOTHING`
	selectSubject     = `SELECT body FROM event_subject WHERE segment = $1 AND subject <= $2 ORDER BY subject DESC LIMIT 1`
	insertOutcome     = `INSERT INTO event_outcome (outcome, segment) VALUES ($1, $2) ON CONFLICT (outcome, segment) DO NOTHING`
	insertHour        = `INSERT INTO event_hour (hour, seq, last) VALUES ($1, $2, $3)
		ON CONFLICT (hour) DO UPDATE SET last = excluded.last WHERE excluded.last > event_hour.last`
	insertTally = `INSERT INTO event_tally (hour, application, client, outcome, factor, count) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (hour, application, client, outcome, factor) DO UPDATE SET count = event_tally.count + excluded.count`
	updateMeta = `UPDATE meta SET value = $2 WHERE name = $1`
	selectMeta = `SELECT value FROM meta WHERE name = $1`

	authenticatorColumns = `x.place, x.id, x.account, x.factor, x.label, x.serial, x.created_us, x.state, x.rewound, p.mark`
	authenticatorTables  = ` FROM authenticator x LEFT JOIN spent p ON p.authenticator = x.id `
)

// placeholders returns rows times "(?, ?, ...)" for a multi-row INSERT. With
// numbers, "$1", the same statement costs the driver one more call and one
// more string for each parameter.
func placeholders(rows, width int) string {
	row := "(" + strings.Repeat("?, ", width-1) + "?)"
	return strings.Repeat(row+", ", rows-1) + row
}

// An accountRow is one row of the table account.
type accountRow struct {
	id, name, aliases, groups string
	enabled, blocked          bool
	blockReason, role         string
	blockedUntil, created     int64
}

// fields returns where accountColumns are scanned to.
func (r *accountRow) fields() []any {
	return []any{&r.id, &r.name, &r.aliases, &r.groups, &r.enabled, &r.blocked, &r.blockReason, &r.blockedUntil, &r.role, &r.created}
}

func (r *accountRow) account() (auth.Account, error) {
	a := auth.Account{
		ID: r.id, Name: r.name, Enabled: r.enabled, Blocked: r.blocked, BlockReason: r.blockReason,
		BlockedUntil: timeOf(r.blockedUntil), Role: r.role, Created: timeOf(r.created),
	}
	var err error
	if a.Aliases, err = stringsOf(r.aliases); err != nil {
		return a, fmt.Errorf("decode aliases of account %s: %w", r.id, err)
	}
	if a.Groups, err = stringsOf(r.groups); err != nil {
		return a, fmt.Errorf("decode groups of account %s: %w", r.id, err)
	}
	return a, nil
}

// textOf writes a list as JSON; an empty one is "[]".
func textOf[T any](list []T) string {
	if len(list) == 0 {
		return "[]"
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // lists of strings always encode
	}
	return string(b)
}

// stringsOf reads what textOf wrote; an empty list is nil.
func stringsOf(text string) ([]string, error) {
	if text == "[]" {
		return nil, nil
	}
	var list []string
	err := json.Unmarshal([]byte(text), &list)
	return list, err
}

func attributesOf(text string) ([]auth.ReplyAttribute, error) {
	if text == "[]" {
		return nil, nil
	}
	var list []auth.ReplyAttribute
	err := json.Unmarshal([]byte(text), &list)
	return list, err
}
