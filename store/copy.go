package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"sallyport/auth"
)

// A copied table is one that both databases have with the same columns. Kinds
// has a letter for each column: t text, i integer, b boolean, x octets, X octets or
// NULL.
type copied struct {
	table   string
	columns []string
	kinds   string
	order   string // the key, so that a copy is written in its order
}

func columns(text string) []string { return strings.Split(text, " ") }

// copiedTables are all of those, in an order in which each comes after the tables
// that it refers to. What is not among them: meta, of which copyMeta takes what
// both have; lease, which belongs to processes; challenge and cache_entry, which
// are columns of subject in PostgreSQL.
var copiedTables = []copied{
	{"data_key", columns("id wrapped"), "ix", "id"},
	{"account", columns("id name aliases groups enabled blocked block_reason blocked_until_us role created_us"), "ttttbbtiti", "id"},
	{"name", columns("name account"), "tt", "name"},
	{"authenticator", columns("place id account factor label serial created_us state rewound"), "itttttixb", "place"},
	{"spent", columns("authenticator mark"), "ti", "authenticator"},
	{"throttle", columns("subject know_failures know_until_us have_failures have_until_us at_us"), "tiiiii", "subject"},
	{"application", columns("name created_us"), "ti", "name"},
	{"client", columns("id name door application source mode password secrets lax rate attributes created_us origin origins"), "tttttttxbititt", "id"},
	{"account_group", columns("name attributes created_us"), "tti", "name"},
	{"rule", columns("id name place body created_us"), "ttiti", "id"},
	{"trusted_ip", columns("id application addresses note created_us"), "tttti", "id"},
	{"cache_rule", columns("id application type life_us created_us"), "tttii", "id"},
	{"bypass", columns("id account from_us until_us reason actor"), "ttiitt", "id"},
	{"act", columns("seq time_us actor action subject detail before after"), "iitttttt", "seq"},
	{"event", columns("last first body hash"), "iitX", "last"},
	{"event_subject", columns("segment subject body"), "itt", "segment, subject"},
	{"event_outcome", columns("outcome segment"), "ii", "outcome, segment"},
	{"event_hour", columns("hour seq last"), "iii", "hour"},
	{"event_tally", columns("hour application client outcome factor count"), "ittiti", "hour, application, client, outcome, factor"},
	{"session", columns("id token account client factor proven_us created_us seen_us expires_us source agent"), "txtttiiiitt", "id"},
	{"ceremony", columns("id kind account body note tries created_us expires_us"), "tttxtiii", "id"},
	{"role", columns("name permissions created_us"), "tti", "name"},
	{"api_key", columns("name secret permissions client created_us expires_us used_us"), "txttiii", "name"},
	{"chain", columns("name seq hash mac"), "tixx", "name"},
	{"cursor", columns("exporter seq"), "ti", "exporter"},
	{"reading", columns("client node time_us body"), "ttix", "client, node"},
	{"node", columns("name version since_us seen_us"), "ttii", "name"},
}

// copiedMeta are the rows of meta that both databases have.
var copiedMeta = []string{"folded", "indexed", "settings", "rewound"}

// A copying is the rows of one table under way.
type copying struct {
	rows *sql.Rows
	dest []any
	out  []any
	n    int64
}

// octets are a column of octets that is never NULL.
type octets struct{ b []byte }

// Scan implements sql.Scanner.
func (o *octets) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok && v != nil {
		return fmt.Errorf("%T in a column of octets", v)
	}
	o.b = append(o.b[:0], b...)
	return nil
}

// open begins to read the table.
func (t *copied) open(ctx context.Context, from querier) (*copying, error) {
	rows, err := from.QueryContext(ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+t.table+` ORDER BY `+t.order)
	if err != nil {
		return nil, err
	}
	c := &copying{rows: rows, out: make([]any, len(t.columns))}
	for _, kind := range t.kinds {
		switch kind {
		case 't':
			c.dest = append(c.dest, new(sql.NullString))
		case 'i':
			c.dest = append(c.dest, new(sql.NullInt64))
		case 'b':
			c.dest = append(c.dest, new(bool))
		case 'x':
			c.dest = append(c.dest, new(octets))
		case 'X':
			c.dest = append(c.dest, new([]byte))
		}
	}
	return c, nil
}

// next returns the next row, nil behind the last. It is valid until the next
// call.
func (c *copying) next() ([]any, error) {
	if !c.rows.Next() {
		return nil, c.rows.Err()
	}
	if err := c.rows.Scan(c.dest...); err != nil {
		return nil, err
	}
	for i, d := range c.dest {
		switch d := d.(type) {
		case *sql.NullString:
			c.out[i] = nil
			if d.Valid {
				c.out[i] = d.String
			}
		case *sql.NullInt64:
			c.out[i] = nil
			if d.Valid {
				c.out[i] = d.Int64
			}
		case *bool:
			c.out[i] = *d
		case *octets:
			c.out[i] = append([]byte{}, d.b...) // SQLite's driver makes no difference between none and NULL
		case *[]byte:
			c.out[i] = nil
			if *d != nil {
				c.out[i] = *d
			}
		}
	}
	c.n++
	return c.out, nil
}

// toSQLite copies the table into a SQLite database that has it empty.
func (t *copied) toSQLite(ctx context.Context, from querier, to *sql.Tx) (int64, error) {
	insert, err := to.PrepareContext(ctx, `INSERT INTO `+t.table+` (`+strings.Join(t.columns, ", ")+`) VALUES `+placeholders(1, len(t.columns)))
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	c, err := t.open(ctx, from)
	if err != nil {
		return 0, err
	}
	defer c.rows.Close()
	for {
		row, err := c.next()
		if row == nil || err != nil {
			return c.n, err
		}
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return c.n, err
		}
	}
}

// toPostgres copies the table into a PostgreSQL database that has it empty.
func (t *copied) toPostgres(ctx context.Context, from querier, to pgx.Tx) (int64, error) {
	c, err := t.open(ctx, from)
	if err != nil {
		return 0, err
	}
	defer c.rows.Close()
	_, err = to.CopyFrom(ctx, pgx.Identifier{t.table}, t.columns, pgx.CopyFromFunc(c.next))
	return c.n, err
}

// copyMeta copies positions and versions.
func copyMeta(ctx context.Context, from querier, set func(name string, value int64) error) error {
	found := 0
	list, err := collect(ctx, from, func(rows *sql.Rows) (meta metaRow, err error) {
		return meta, rows.Scan(&meta.name, &meta.value)
	}, `SELECT name, value FROM meta`)
	if err != nil {
		return err
	}
	for _, m := range list {
		for _, name := range copiedMeta {
			if m.name == name {
				found++
				if err := set(m.name, m.value); err != nil {
					return err
				}
			}
		}
	}
	if found != len(copiedMeta) {
		return errDamaged
	}
	return nil
}

type metaRow struct {
	name  string
	value int64
}

// subjectsToSQLite writes what PostgreSQL keeps in the table subject as the
// tables that SQLite has for it.
func subjectsToSQLite(ctx context.Context, from querier, to *sql.Tx) error {
	rows, err := from.QueryContext(ctx, `SELECT id, marks, logins, cached FROM subject WHERE marks <> '' OR logins <> '' OR cached <> '' ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	seq := int64(0)
	for rows.Next() {
		var id string
		var s subjectRow
		if err := rows.Scan(&id, &s.marks, &s.logins, &s.cached); err != nil {
			return err
		}
		marks, err := s.markList()
		if err != nil {
			return err
		}
		for _, m := range marks {
			if _, err := to.ExecContext(ctx, upsertSpent, m.authenticator, m.mark); err != nil {
				return err
			}
		}
		logins, err := s.loginList(id)
		if err != nil {
			return err
		}
		for _, c := range logins {
			seq++
			_, err := to.ExecContext(ctx, insertChallenge, seq, string(c.ID), c.Subject, c.Client, textOf(c.Proven), micros(c.Expires),
				string(c.Login), c.Application, c.From, c.Session, micros(c.Asked))
			if err == nil && c.Settled != nil {
				_, err = to.ExecContext(ctx, settleChallenge, settledText(c.Settled), seq)
			}
			if err != nil {
				return err
			}
		}
		cached, err := s.cachedList()
		if err != nil {
			return err
		}
		for _, e := range cached {
			if _, err := to.ExecContext(ctx, upsertCached, id, e.Key, micros(e.From), micros(e.Until), int64(e.Seq)); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// subjectsFromSQLite makes the rows of subject of what SQLite keeps in other
// tables.
func subjectsFromSQLite(ctx context.Context, from querier) (map[string]*subjectRow, error) {
	challenges, err := collect(ctx, from, scanChallenge, selectChallenges)
	if err != nil {
		return nil, err
	}
	logins := make(map[string][]auth.OpenChallenge)
	for _, c := range challenges {
		logins[c.Subject] = append(logins[c.Subject], c.OpenChallenge)
	}
	cached := make(map[string][]auth.CacheEntry)
	rows, err := from.QueryContext(ctx, `SELECT subject, key, from_us, until_us, seq FROM cache_entry ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var subject string
		var e auth.CacheEntry
		var from, until, seq int64
		if err := rows.Scan(&subject, &e.Key, &from, &until, &seq); err != nil {
			return nil, err
		}
		e.From, e.Until, e.Seq = timeOf(from), timeOf(until), uint64(seq)
		cached[subject] = append(cached[subject], e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	subjects := make(map[string]*subjectRow)
	rowOf := func(id string) *subjectRow {
		if subjects[id] == nil {
			subjects[id] = &subjectRow{version: 1}
		}
		return subjects[id]
	}
	for id, list := range logins {
		rowOf(id).logins = loginsText(list)
	}
	for id, list := range cached {
		rowOf(id).cached = cachedText(list)
	}
	return subjects, nil
}

// sameCounts makes sure that both databases have as many rows in every table
// that was copied.
func sameCounts(ctx context.Context, from, to querier) error {
	for _, t := range copiedTables {
		var n [2]int64
		for i, q := range []querier{from, to} {
			list, err := collect(ctx, q, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }, `SELECT COUNT(*) FROM `+t.table)
			if err != nil {
				return err
			}
			if len(list) != 1 {
				return errors.New("a count has no row")
			}
			n[i] = list[0]
		}
		if n[0] != n[1] {
			return fmt.Errorf("table %s has %d rows and its copy %d", t.table, n[0], n[1])
		}
	}
	return nil
}
