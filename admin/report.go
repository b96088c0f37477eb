package admin

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/auth"
)

// A Report is a page of a table that administrators hand on.
type Report struct {
	Columns []Column            `json:"columns"`
	Items   []map[string]string `json:"items"` // by Column.Key; a cell that is not there is empty
	Next    string              `json:"next,omitempty"`
}

// A Column is one column of a report.
type Column struct {
	Key   string `json:"key"`
	Label string `json:"label" prose:"true"`
	// Kind says how cells read: text, time (RFC 3339), date, count, account,
	// client, application, outcome (its stable name), factor or reference.
	Kind string `json:"kind"`
}

// A ReportQuery asks for a page of a report.
type ReportQuery struct {
	Name   string    `json:"name"` // one of Reports
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Cursor string    `json:"cursor"` // Next of the page before, "" for the first
	Limit  int       `json:"limit"`  // rows at most, 1 to 1,000; 0 for 50
}

// A reportKind is one kind of report: its columns, and what makes a page of it.
type reportKind struct {
	name    string
	columns []Column
	page    func(*Admin, context.Context, ReportQuery) (items []map[string]string, next string, err error)
}

// reports are the reports that there are.
var reports = []reportKind{
	{"usage", []Column{
		{"day", "Day", "date"},
		{"application", "Application", "application"},
		{"client", "Client", "client"},
		{"accepted", "Accepted", "count"},
		{"refused", "Refused", "count"},
		{"asked", "Asked for a second factor", "count"},
		{"unanswered", "Without an answer", "count"},
	}, (*Admin).usageReport},
	{"bypassed", []Column{
		{"time", "Time", "time"},
		{"account", "Account", "account"},
		{"application", "Application", "application"},
		{"client", "Client", "client"},
		{"source", "From", "text"},
		{"outcome", "Outcome", "outcome"},
		{"label", "Spared by", "text"},
		{"rule", "Rule", "text"},
		{"detail", "Detail", "text"},
		{"reference", "Reference", "reference"},
	}, (*Admin).bypassedReport},
	{"blocked", []Column{
		{"time", "Time", "time"},
		{"account", "Account", "account"},
		{"action", "Action", "text"},
		{"actor", "By", "text"},
		{"detail", "Reason", "text"},
	}, func(a *Admin, ctx context.Context, q ReportQuery) ([]map[string]string, string, error) {
		return a.actReport(ctx, q, "account.block", "account.unblock", fraudAction)
	}},
	{"fraud", []Column{
		{"time", "Time", "time"},
		{"account", "Account", "account"},
		{"actor", "Reported by", "text"},
		{"detail", "Detail", "text"},
	}, func(a *Admin, ctx context.Context, q ReportQuery) ([]map[string]string, string, error) {
		return a.actReport(ctx, q, fraudAction)
	}},
	{"unenrolled", []Column{
		{"account", "Account", "account"},
		{"groups", "Groups", "text"},
		{"role", "Role", "text"},
		{"enabled", "Enabled", "text"},
		{"blocked", "Blocked", "text"},
		{"created", "Created", "time"},
	}, (*Admin).unenrolledReport},
	{"expiring", []Column{
		{"at", "Date", "time"},
		{"what", "What", "text"},
		{"name", "Name", "text"},
		{"detail", "Detail", "text"},
	}, (*Admin).expiringReport},
	{"locked", []Column{
		{"account", "Account", "account"},
		{"state", "State", "text"},
		{"until", "Until", "time"},
		{"passwords", "Wrong passwords in a row", "count"},
		{"codes", "Wrong codes in a row", "count"},
	}, (*Admin).lockedReport},
}

// Reports are the names of the reports that there are.
func Reports() []string {
	names := make([]string, len(reports))
	for i := range reports {
		names[i] = reports[i].name
	}
	return names
}

const (
	// defaultReport is how far back a report looks that is not told.
	defaultReport = 30 * 24 * time.Hour
	maxReport     = 400 * 24 * time.Hour
)

// Report returns a page of a report: usage by day, application and client;
// logins that were spared the second factor; blocks and who made them; logins
// that people said were not theirs; accounts without a second factor; dates to
// come; accounts whose failures keep them out. The last three are of now,
// whatever time is asked for.
func (a *Admin) Report(ctx context.Context, q ReportQuery) (Report, error) {
	i := slices.IndexFunc(reports, func(r reportKind) bool { return r.name == q.Name })
	if i < 0 {
		return Report{}, &Problem{"there is no report " + strconv.Quote(q.Name), "reports are: " + strings.Join(Reports(), ", "), ErrNotFound}
	}
	var err error
	if q.Limit, err = pageLimit(q.Limit); err != nil {
		return Report{}, err
	}
	if q.Until.IsZero() {
		q.Until = a.Now()
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-defaultReport)
	}
	if !q.Since.Before(q.Until) || q.Until.Sub(q.Since) > maxReport {
		return Report{}, invalid("give an earlier since or a later until", "a report is about a stretch of time of %d days at most", maxReport/(24*time.Hour))
	}
	items, next, err := reports[i].page(a, ctx, q)
	if err != nil {
		return Report{}, err
	}
	if items == nil {
		items = []map[string]string{}
	}
	return Report{Columns: slices.Clone(reports[i].columns), Items: items, Next: next}, nil
}

// Said returns the report with its labels and sentences said by say. Of cells,
// only those of some columns are sentences; the others are names and figures, and
// why an account was blocked is in the words of who did it.
func (r Report) Said(say func(string) string) any {
	r.Columns = slices.Clone(r.Columns)
	for i := range r.Columns {
		r.Columns[i].Label = say(r.Columns[i].Label)
	}
	items := make([]map[string]string, len(r.Items))
	for i, row := range r.Items {
		items[i] = maps.Clone(row)
		for _, key := range []string{"label", "detail"} {
			if text, ok := row[key]; ok && row["action"] != "account.block" {
				items[i][key] = say(text)
			}
		}
	}
	r.Items = items
	return r
}

// usageReport adds up the tallies of each day (of UTC) by application and
// client.
func (a *Admin) usageReport(ctx context.Context, q ReportQuery) ([]map[string]string, string, error) {
	tallies, err := a.Store.Tallies(ctx, q.Since, q.Until)
	if err != nil {
		return nil, "", err
	}
	type key struct{ day, application, client string }
	rows := make(map[key]*HourCount)
	for _, t := range tallies {
		k := key{t.Hour.UTC().Format(time.DateOnly), t.Application, t.Client}
		c := rows[k]
		if c == nil {
			c = &HourCount{}
			rows[k] = c
		}
		switch t.Outcome.Meaning().Verdict {
		case auth.Accept:
			c.Accepted += t.Count
		case auth.Challenge:
			c.Waiting += t.Count
		case auth.Reject:
			c.Refused += t.Count
		case auth.Unavailable, auth.Ignore:
			c.Faults += t.Count
		}
	}
	keys := make([]key, 0, len(rows))
	for k := range rows {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y key) int {
		return cmp.Or(cmp.Compare(y.day, x.day), cmp.Compare(x.application, y.application), cmp.Compare(x.client, y.client))
	})
	keys, next, err := pageOf(keys, q)
	if err != nil {
		return nil, "", err
	}
	items := make([]map[string]string, len(keys))
	for i, k := range keys {
		c := rows[k]
		items[i] = map[string]string{
			"day": k.day, "application": k.application, "client": k.client,
			"accepted": count(c.Accepted), "refused": count(c.Refused), "asked": count(c.Waiting), "unanswered": count(c.Faults),
		}
	}
	return items, next, nil
}

// exempted are the outcomes of logins that were spared the second factor.
var exempted = []auth.Outcome{
	auth.BypassedAuth, auth.UsedCacheUser, auth.UsedCacheApplication, auth.UsedCacheIP, auth.SkippedCall, auth.TrustedAddress,
}

// bypassedReport merges the searches for each of the outcomes, because a store
// finds one outcome fast, however rare it is.
func (a *Admin) bypassedReport(ctx context.Context, q ReportQuery) ([]map[string]string, string, error) {
	before, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	var events []auth.Event
	var floor uint64 // every event from it on is known
	for _, o := range exempted {
		page, err := a.Store.SearchEvents(ctx, EventSearch{Before: before, Since: q.Since, Until: q.Until, Outcome: o, Limit: q.Limit})
		if err != nil {
			return nil, "", err
		}
		events = append(events, page.Events...)
		floor = max(floor, page.Next)
	}
	slices.SortFunc(events, func(x, y auth.Event) int { return cmp.Compare(y.Seq, x.Seq) })
	known := len(events)
	for known > 0 && events[known-1].Seq < floor {
		known--
	}
	events = events[:known]
	next := floor
	if len(events) > q.Limit {
		events = events[:q.Limit]
		next = events[q.Limit-1].Seq
	}
	items := make([]map[string]string, len(events))
	for i := range events {
		ev := &events[i]
		item := map[string]string{
			"time": moment(ev.Time), "account": ev.Account, "application": ev.Application, "client": ev.Client, "source": ev.From,
			"outcome": ev.Outcome.String(), "label": ev.Outcome.Meaning().Label, "rule": ev.Rule, "reference": string(a.References.Of(ev.Seq)),
		}
		// The last line on the policy says what has spared the second factor.
		for _, s := range ev.Trace {
			if s.Stage == auth.StagePolicy && s.OK {
				item["detail"] = s.Note
			}
		}
		items[i] = item
	}
	return items, cursorOf(next), nil
}

// actReport lists acts of some actions, the newest first.
func (a *Admin) actReport(ctx context.Context, q ReportQuery, actions ...string) ([]map[string]string, string, error) {
	before, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	var acts []Act
	var floor uint64 // every act from it on is known
	for _, action := range actions {
		found, err := a.Store.SearchActs(ctx, ActSearch{Before: before, Since: q.Since, Until: q.Until, Action: action, Limit: q.Limit + 1})
		if err != nil {
			return nil, "", err
		}
		if len(found) > q.Limit {
			floor = max(floor, found[len(found)-1].Seq)
		}
		for i := range found {
			if found[i].Action == action { // others begin with the same letters
				acts = append(acts, found[i])
			}
		}
	}
	slices.SortFunc(acts, func(x, y Act) int { return cmp.Compare(y.Seq, x.Seq) })
	known := len(acts)
	for known > 0 && acts[known-1].Seq < floor {
		known--
	}
	acts = acts[:known]
	next := floor
	if len(acts) > q.Limit {
		acts = acts[:q.Limit]
		next = acts[q.Limit-1].Seq
	}
	items := make([]map[string]string, len(acts))
	for i := range acts {
		act := &acts[i]
		items[i] = map[string]string{
			"time": moment(act.Time), "account": act.Subject, "action": act.Action, "actor": act.Actor, "detail": act.Detail,
		}
	}
	return items, cursorOf(next), nil
}

func (a *Admin) unenrolledReport(ctx context.Context, q ReportQuery) ([]map[string]string, string, error) {
	now := a.Now()
	accounts, err := a.Store.SearchAccounts(ctx, AccountSearch{After: q.Cursor, Without: true, Second: a.secondFactors(), Now: now, Limit: q.Limit + 1})
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(accounts) > q.Limit {
		accounts = accounts[:q.Limit]
		next = accounts[q.Limit-1].Name
	}
	items := make([]map[string]string, len(accounts))
	for i := range accounts {
		acc := &accounts[i]
		items[i] = map[string]string{
			"account": acc.Name, "groups": strings.Join(acc.Groups, ", "), "role": acc.Role,
			"enabled": yes(acc.Enabled), "blocked": yes(acc.BlockedAt(now)), "created": moment(acc.Created),
		}
	}
	return items, next, nil
}

func (a *Admin) expiringReport(ctx context.Context, q ReportQuery) ([]map[string]string, string, error) {
	calendar, err := a.Expiring(ctx)
	if err != nil {
		return nil, "", err
	}
	page, next, err := pageOf(calendar, q)
	if err != nil {
		return nil, "", err
	}
	items := make([]map[string]string, len(page))
	for i, e := range page {
		items[i] = map[string]string{"at": moment(e.At), "what": e.What, "name": e.Name, "detail": e.Detail}
	}
	return items, next, nil
}

func (a *Admin) lockedReport(ctx context.Context, q ReportQuery) ([]map[string]string, string, error) {
	locked, err := a.locked(ctx, a.Now())
	if err != nil {
		return nil, "", err
	}
	page, next, err := pageOf(locked, q)
	if err != nil {
		return nil, "", err
	}
	items := make([]map[string]string, len(page))
	for i := range page {
		l := &page[i]
		item := map[string]string{
			"account": l.account.Name, "state": "stopped",
			"passwords": count(int64(l.throttle.Know.Failures)), "codes": count(int64(l.throttle.Have.Failures)),
		}
		if !l.stopped {
			item["state"], item["until"] = "waiting", moment(l.until)
		}
		items[i] = item
	}
	return items, next, nil
}

// pageOf cuts a page out of a list that is made anew each time; its cursor is
// how many rows were before.
func pageOf[T any](all []T, q ReportQuery) (page []T, next string, err error) {
	skip, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	if skip >= uint64(len(all)) {
		return nil, "", nil
	}
	all = all[skip:]
	if len(all) > q.Limit {
		return all[:q.Limit], cursorOf(skip + uint64(q.Limit)), nil
	}
	return all, "", nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
func count(n int64) string      { return strconv.FormatInt(n, 10) }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// WriteCSV writes rows as CSV (RFC 4180), with a line of labels before them if
// head is set. A cell that a spreadsheet would take for a formula has an
// apostrophe in front: names and notes of others are in it.
func (r *Report) WriteCSV(w io.Writer, head bool) error {
	var b strings.Builder
	line := func(cell func(Column) string) {
		for i, c := range r.Columns {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(csvCell(cell(c)))
		}
		b.WriteString("\r\n")
	}
	if head {
		line(func(c Column) string { return c.Label })
	}
	for _, item := range r.Items {
		line(func(c Column) string { return item[c.Key] })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// csvCell writes one cell. Quotes keep its line breaks as they are.
func csvCell(s string) string {
	// The last four are what input methods of East Asia write for the first.
	if strings.IndexAny(s, "=+-@\t\r\uff1d\uff0b\uff0d\uff20") == 0 {
		s = "'" + s
	}
	if strings.ContainsAny(s, "\",\r\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}
