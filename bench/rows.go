//go:build linux

package main

import (
	"fmt"
	"strconv"
	"time"

	"sallyport/load"
)

// A row is one thing that is measured.
type row struct {
	ID      string
	Title   string
	Durable string // what survives a power failure once the client has its answer
	Server  string // "echo", "sallyport" or a configuration of FreeRADIUS
	Slow    bool   // every fsync takes 2 ms longer

	Mode        load.Mode
	Credentials string // file
	Flags       []string
	InFlight    int
	// Share, if set, makes this row an open loop at that share of the rate
	// that row Of had in the same round.
	Share float64
	Of    string
	Tail  bool // run once, for long

	// Of rows with PostgreSQL.
	Database bool
	Nodes    int     // of ours, 0 for FreeRADIUS
	Rate     float64 // an open loop at this rate
	Apart    bool    // the database has the servers' core to itself; nodes share the generators'
	Cost     bool    // runs last, and counts what a login takes of the database

	WarmUp, Duration time.Duration
}

// What survives.
const (
	nothing = "nothing"
	logOnly = "the log row; no replay check at all"
	all     = "verdict, used code and event"
)

// allRows is every row that can be measured here.
func (b *bench) allRows() []row {
	if b.database != nil {
		return b.databaseRows()
	}
	warm := 500 * time.Millisecond
	ours := []string{"--warm-accounts", "--drift", "1"}
	theirs := []string{"--reuse-codes", "--drift", "0", "--allow-unsigned"}
	code := func(r row) row {
		r.Mode, r.Credentials = load.Code, "code.txt"
		r.WarmUp, r.Duration = warm, b.duration
		if r.Server == "sallyport" {
			r.Flags, r.Durable = ours, all
		} else {
			r.Flags = theirs
		}
		return r
	}
	// Hashing is all that the next rows do, so few logins are enough, and more
	// in flight would only wait.
	both := func(r row) row {
		r.Mode, r.InFlight = load.Append, 8
		r.WarmUp, r.Duration = time.Second, 2*b.duration
		if r.Server == "sallyport" {
			r.Flags, r.Durable = []string{"--source", "127.0.0.2", "--drift", "1"}, all
		} else {
			r.Flags, r.Durable = theirs, logOnly
		}
		return r
	}
	rows := []row{
		{
			ID: "echo", Title: "bare UDP echo", Durable: nothing, Server: "echo",
			Mode: load.EchoMode, InFlight: 256, WarmUp: warm, Duration: b.duration,
		},
		code(row{ID: "sallyport", Title: "sallyport, code-only login", Server: "sallyport", InFlight: 256}),
		code(row{ID: "sallyport-half", Title: "the same at half of its rate", Server: "sallyport", Share: 0.5, Of: "sallyport"}),
		code(row{ID: "sallyport-one", Title: "the same, one at a time", Server: "sallyport", InFlight: 1}),
		both(row{ID: "sallyport-argon2id", Title: "sallyport, password (argon2id) and code", Server: "sallyport", Credentials: "argon2id.txt"}),
		both(row{ID: "sallyport-bcrypt", Title: "sallyport, first login with an imported bcrypt hash", Server: "sallyport", Credentials: "bcrypt.txt"}),
	}
	tail := code(row{ID: "sallyport-tail", Title: "sallyport, a tenth of its rate for long", Server: "sallyport", Share: 0.1, Of: "sallyport", Tail: true})
	tail.Duration = b.long
	rows = append(rows, tail)
	if b.strace != "" {
		rows = append(rows, code(row{ID: "sallyport-slow", Title: "sallyport, code-only, slow disk", Server: "sallyport", InFlight: 256, Slow: true}))
	}
	if b.radius == "" {
		return rows
	}
	pap := code(row{ID: "freeradius-pap", Title: "FreeRADIUS, plain password in memory", Durable: nothing, Server: "pap", InFlight: 256})
	pap.Mode, pap.Flags = load.Password, []string{"--allow-unsigned"}
	rows = append(rows, pap,
		code(row{ID: "freeradius-totp", Title: "FreeRADIUS, code-only login", Durable: nothing, Server: "totp", InFlight: 256}),
		code(row{ID: "freeradius-sql", Title: "FreeRADIUS, code-only, log in SQLite", Durable: logOnly, Server: "totp-sql", InFlight: 64}),
		code(row{ID: "freeradius-sql-half", Title: "the same at half of its rate", Durable: logOnly, Server: "totp-sql", Share: 0.5, Of: "freeradius-sql"}),
		code(row{ID: "freeradius-sql-one", Title: "the same, one at a time", Durable: logOnly, Server: "totp-sql", InFlight: 1}),
		both(row{ID: "freeradius-bcrypt", Title: "FreeRADIUS, password (bcrypt) and code, log in SQLite", Server: "both-sql", Credentials: "bcrypt.txt"}),
	)
	if b.strace != "" {
		rows = append(rows, code(row{ID: "freeradius-sql-slow", Title: "FreeRADIUS, code-only, log in SQLite, slow disk", Durable: logOnly, Server: "totp-sql", InFlight: 64, Slow: true}))
	}
	return rows
}

// fixedRates are the rates, in logins a second, at which latency is compared.
var fixedRates = []float64{500, 2000}

// databaseRows is every row with PostgreSQL, and what they are compared with.
func (b *bench) databaseRows() []row {
	// A short measurement has few codes to spend, and warms up no longer than it
	// lasts.
	warm := min(500*time.Millisecond, b.duration)
	theirFlags := []string{"--reuse-codes", "--drift", "0", "--allow-unsigned"}
	ours := func(r row) row {
		r.Database, r.Server, r.Durable = true, "sallyport", all
		r.Mode, r.Credentials, r.WarmUp, r.Duration = load.Code, "code.txt", warm, b.duration
		return r
	}
	theirs := func(r row) row {
		r.Database, r.Server, r.Durable = true, "totp-postgres", logOnly
		r.Mode, r.Credentials, r.WarmUp, r.Duration = load.Code, "code.txt", warm, b.duration
		r.Flags = theirFlags
		return r
	}
	rows := []row{{
		ID: "echo", Title: "bare UDP echo", Durable: nothing, Server: "echo",
		Mode: load.EchoMode, InFlight: 256, WarmUp: warm, Duration: b.duration,
	}}
	names := []string{"one node", "two nodes", "three nodes"}
	for n := 1; n <= maxNodes; n++ {
		id := "nodes-" + strconv.Itoa(n)
		rows = append(rows,
			ours(row{ID: id, Title: names[n-1], Nodes: n, InFlight: 256}),
			ours(row{ID: id + "-apart", Title: names[n-1] + ", database on a core of its own", Nodes: n, InFlight: 256, Apart: true}))
		for _, rate := range fixedRates {
			rows = append(rows, ours(row{ID: fmt.Sprintf("%s-at-%.0f", id, rate), Title: fmt.Sprintf("%s at %.0f/s", names[n-1], rate), Nodes: n, Rate: rate}))
		}
	}
	rows = append(rows,
		ours(row{ID: "nodes-1-half", Title: "one node at half of its rate", Nodes: 1, Share: 0.5, Of: "nodes-1"}),
		ours(row{ID: "nodes-1-one", Title: "one node, one login at a time", Nodes: 1, InFlight: 1}),
		ours(row{ID: "nodes-1-cost", Title: "one node", Nodes: 1, InFlight: 256, Cost: true}),
		ours(row{ID: "nodes-3-cost", Title: "three nodes", Nodes: 3, InFlight: 256, Cost: true}),
		ours(row{ID: "nodes-1-cost-at-1000", Title: "one node at 1000/s", Nodes: 1, Rate: 1000, Cost: true}),
		ours(row{ID: "nodes-3-cost-at-1000", Title: "three nodes at 1000/s", Nodes: 3, Rate: 1000, Cost: true}),
	)
	if b.radius == "" {
		return rows
	}
	rows = append(rows,
		row{
			ID: "freeradius-pap", Title: "FreeRADIUS, plain password in memory", Durable: nothing, Server: "pap", InFlight: 256,
			Mode: load.Password, Credentials: "code.txt", Flags: []string{"--allow-unsigned"}, WarmUp: warm, Duration: b.duration,
		},
		row{
			ID: "freeradius-totp", Title: "FreeRADIUS, code-only login", Durable: nothing, Server: "totp", InFlight: 256,
			Mode: load.Code, Credentials: "code.txt", Flags: theirFlags, WarmUp: warm, Duration: b.duration,
		},
		theirs(row{ID: "freeradius-postgres", Title: "FreeRADIUS, code-only, log in PostgreSQL", InFlight: 64}),
		theirs(row{ID: "freeradius-postgres-half", Title: "the same at half of its rate", Share: 0.5, Of: "freeradius-postgres"}),
		theirs(row{ID: "freeradius-postgres-one", Title: "the same, one at a time", InFlight: 1}),
		theirs(row{ID: "freeradius-postgres-cost", Title: "FreeRADIUS", InFlight: 64, Cost: true}),
	)
	for _, rate := range fixedRates {
		rows = append(rows, theirs(row{ID: fmt.Sprintf("freeradius-postgres-at-%.0f", rate), Title: fmt.Sprintf("FreeRADIUS, log in PostgreSQL, at %.0f/s", rate), Rate: rate}))
	}
	return rows
}
