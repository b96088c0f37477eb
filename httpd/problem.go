package httpd

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"sallyport/admin"
	"sallyport/auth"
)

// A Problem is a refusal as RFC 9457 writes it, with a hint as its one
// extension. Type tells programs the kind of problem: "/problems/not-found",
// "/problems/exists", "/problems/invalid", "/problems/busy", "/problems/fault"
// and others; Detail is a sentence for the person who asked.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do next
	Status int    `json:"status"`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

func badRequest(format string, args ...any) error {
	return &Problem{Type: "/problems/invalid", Title: "Invalid request", Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

func notFound(a audience, path string) error {
	p := &Problem{Type: "/problems/no-route", Title: "Nothing here", Status: http.StatusNotFound, Detail: fmt.Sprintf("there is nothing at %s", path)}
	switch a {
	case operator:
		p.Hint = "is the sallyport command of the same version as the server?"
	case machine:
		p.Hint = "there are /livez, /readyz and /metrics"
	case anyone:
		p.Detail = notBuilt
	}
	return p
}

// notBuilt is what a browser reads that asks for what is to come.
const notBuilt = "The console and the portal are not part of this build; there are only /livez and /readyz here."

// problemOf translates err. Everything it does not know is a fault of ours.
func problemOf(err error) *Problem {
	var p *Problem
	var refused *admin.Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		q := &Problem{Type: "/problems/invalid", Title: "Invalid request", Status: http.StatusUnprocessableEntity, Detail: refused.What, Hint: refused.Hint}
		switch {
		case errors.Is(refused.Kind, admin.ErrNotFound):
			q.Type, q.Title, q.Status = "/problems/not-found", "Not found", http.StatusNotFound
		case errors.Is(refused.Kind, admin.ErrExists):
			q.Type, q.Title, q.Status = "/problems/exists", "Exists already", http.StatusConflict
		}
		return q
	case errors.Is(err, auth.ErrBusy):
		return &Problem{
			Type: "/problems/busy", Title: "Busy", Status: http.StatusServiceUnavailable,
			Detail: "the server is busy hashing passwords", Hint: "try again in a moment",
		}
	default:
		return &Problem{
			Type: "/problems/fault", Title: "Fault", Status: http.StatusInternalServerError,
			Detail: err.Error(), Hint: "the server's log and its /readyz may say more",
		}
	}
}

// refuse sends err as a problem document, and logs it if the fault is ours.
func (c *call) refuse(err error) {
	p := c.problem(err)
	if c.route == nil && p.Detail == notBuilt {
		c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		c.w.WriteHeader(p.Status)
		c.send([]byte(p.Detail + "\n"))
		return
	}
	b, err := json.Marshal(p)
	if err != nil { // a struct of strings and a number
		panic(fmt.Sprintf("httpd: encode a problem: %v", err))
	}
	c.w.Header().Set("Content-Type", "application/problem+json")
	c.w.WriteHeader(p.Status)
	c.send(append(b, '\n'))
}

// problem is problemOf, and the place where faults are logged. Only operators
// read what a fault was.
func (c *call) problem(err error) *Problem {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && p != errStopping && c.Context().Err() == nil {
		c.log.Error("an HTTP request failed", "path", c.URL.Path, "by", c.by.Name, "error", err)
	}
	if c.by.Name == "" && p.Type == "/problems/fault" {
		p.Detail = "the server could not answer"
	}
	return p
}
