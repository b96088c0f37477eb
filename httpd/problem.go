package httpd

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A Problem is a refusal as RFC 9457 writes it, with a hint as its one
// extension. Type tells programs the kind of problem: "/problems/not-found",
// "/problems/exists", "/problems/invalid", "/problems/busy", "/problems/fault"
// and others; Detail is a sentence for the person who asked.
type Problem struct {
	Type   string       `json:"type" doc:"The kind of problem, for programs"`
	Title  string       `json:"title" prose:"true"`
	Detail string       `json:"detail" doc:"What happened, for people" prose:"true"`
	Hint   string       `json:"hint,omitempty" doc:"What to do next" prose:"true"` // what to do next
	Status int          `json:"status"`
	Errors []FieldError `json:"errors,omitempty" doc:"What is wrong with which part of the request"`
	// Verdict is "unavailable" if nobody could be judged.
	Verdict string `json:"verdict,omitempty" enum:"unavailable" doc:"In answers to logins: nobody could be judged"`

	after time.Duration // Retry-After, if it is known when to try again
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the status of the answer that carries the problem.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are what the answer says beside it.
func (p *Problem) GetHeaders() http.Header {
	h := make(http.Header)
	if p.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.after+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="sallyport"`) // RFC 9110, Section 15.5.2
	}
	return h
}

// ContentType is the media type of problems.
func (p *Problem) ContentType(string) string { return problemMedia }

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
	case anyone, visitor, person, signedIn, administrator, program:
	}
	return p
}

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
		case errors.Is(refused.Kind, admin.ErrForbidden):
			q.Type, q.Title, q.Status = "/problems/forbidden", "Not permitted", http.StatusForbidden
		case errors.Is(refused.Kind, admin.ErrChanged):
			q.Type, q.Title, q.Status = "/problems/changed", "Changed meanwhile", http.StatusPreconditionFailed
		case errors.Is(refused.Kind, admin.ErrSignedOut):
			q.Type, q.Title, q.Status = "/problems/signed-out", "Not signed in", http.StatusUnauthorized
		case errors.Is(refused.Kind, admin.ErrProof):
			q.Type, q.Title, q.Status = "/problems/step-up", "Confirm that it is you", http.StatusForbidden
		case errors.Is(refused.Kind, admin.ErrLastOwner):
			q.Type, q.Title, q.Status = "/problems/last-owner", "The last owner", http.StatusConflict
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
func (c *call) refuse(err error) { writeProblem(c.w, c.problem(err)) }

func writeProblem(w http.ResponseWriter, p *Problem) {
	b, err := json.Marshal(p)
	if err != nil { // a struct of strings and a number
		panic(fmt.Sprintf("httpd: encode a problem: %v", err))
	}
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemMedia)
	w.WriteHeader(p.Status)
	w.Write(append(b, '\n')) //nolint:errcheck // nobody is left to be told
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

// problem is the same for whoever comes over the network, who never reads what a
// fault was.
func (s *Site) problem(r *http.Request, err error) *Problem {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.Log.Error("an HTTP request failed", "path", r.URL.Path, "error", err)
	}
	if p.Type == "/problems/fault" {
		p.Detail, p.Hint = "the server could not answer", "try again; if it stays so, an administrator finds the cause in the server's log"
	}
	return p
}

// refuse sends err as a problem document.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, err error) {
	writeProblem(w, inWords(s.problem(r, err), speak(w, r)))
}
