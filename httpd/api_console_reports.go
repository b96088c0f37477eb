package httpd

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sallyport/admin"
)

const (
	csvMedia = "text/csv"
	// csvPage is how many rows are read at once, and maxCSV how many a file has
	// at most.
	csvPage = 1000
	maxCSV  = 200_000
)

func reportOperations() []apiOperation {
	return []apiOperation{
		eitherOr[admin.Report](operate(operation{
			ID: "report.show", Method: "GET", Path: "/v1/reports/{name}", Summary: "A report, as JSON in pages or as CSV", Tag: tagReports,
			Detail:   "With format=csv, or Accept: text/csv, the whole report from the cursor on comes as a file (RFC 4180), 200,000 rows at most. In it an apostrophe stands before what a spreadsheet would take for a formula.",
			Audience: administrator, Permission: admin.ReadReports,
		}, showReport), csvMedia),
	}
}

// ReportAnswer carries a page of a report, or a file.
type ReportAnswer struct {
	Body func(huma.Context)
}

// ReportFields ask for a report.
type ReportFields struct {
	Page
	Name   string    `path:"name" enum:"usage,bypassed,blocked,fraud,unenrolled,expiring,locked"`
	Since  time.Time `query:"since" doc:"Left out: 30 days before until"`
	Until  time.Time `query:"until" doc:"Left out: now"`
	Format string    `query:"format" enum:"json,csv"`
}

func showReport(ctx context.Context, c *caller, in *ReportFields) (*ReportAnswer, error) {
	q := admin.ReportQuery{Name: in.Name, Since: in.Since, Until: in.Until, Cursor: in.Cursor, Limit: in.Limit}
	asCSV := in.Format == "csv" || in.Format == "" && acceptsCSV(c.accept)
	if asCSV {
		q.Limit = csvPage
	}
	if q.Until.IsZero() {
		q.Until = c.site.Now() // the same for all pages of a file
	}
	r, err := c.site.Admin.Report(ctx, q)
	if err != nil {
		return nil, err
	}
	if asCSV {
		return &ReportAnswer{func(huma.Context) { c.sendCSV(ctx, q, r) }}, nil
	}
	return &ReportAnswer{func(huma.Context) { c.sendJSON(r) }}, nil
}

// sendJSON sends an answer that might have been a file.
func (c *caller) sendJSON(v any) {
	c.w.Header().Set("Content-Type", jsonMedia)
	c.w.WriteHeader(http.StatusOK)
	if err := strictJSON.Marshal(c.w, inWords(v, c.book)); err != nil {
		c.cut("send an answer", err)
	}
}

// acceptsCSV reports whether a request asks for CSV and not for anything.
func acceptsCSV(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		media, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(media), csvMedia) {
			return true
		}
	}
	return false
}

// sendCSV sends a report from its first page r on. A file that cannot be
// finished is cut off, so that whoever reads it knows that it is not whole.
func (c *caller) sendCSV(ctx context.Context, q admin.ReportQuery, r admin.Report) {
	h := c.w.Header()
	h.Set("Content-Type", csvMedia+"; charset=utf-8; header=present") // RFC 7111, Section 5
	h.Set("Content-Disposition", `attachment; filename="sallyport-`+q.Name+"-"+q.Until.UTC().Format(time.DateOnly)+`.csv"`)
	c.w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(c.w)
	for rows, head := 0, true; ; head = false {
		if err := control.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			c.cut("limit the time for a reader", err)
		}
		said := inWords(r, c.book)
		if err := said.WriteCSV(c.w, head); err != nil {
			c.cut("send a report", err)
		}
		if rows += len(r.Items); r.Next == "" || rows >= maxCSV {
			return
		}
		q.Cursor = r.Next
		var err error
		if r, err = c.site.Admin.Report(ctx, q); err != nil {
			c.cut("read a report", err)
		}
	}
}

// cut ends an answer that has begun and cannot be finished.
func (c *caller) cut(doing string, err error) {
	if c.request.Context().Err() == nil {
		c.site.Log.Error("an answer was cut off", "path", c.request.URL.Path, "doing", doing, "error", err)
	}
	panic(http.ErrAbortHandler)
}
