package httpd

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"sallyport/admin"
)

// A Page asks for a part of a list. Embed it in what an operation takes.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many items at most"`
	Cursor string `query:"cursor" maxLength:"2000" doc:"What next said in the part before"`
}

// A List is a part of a list. Next is the cursor of the part after it, absent at
// the end.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Give it as cursor to go on; absent at the end"`
}

// Listed is the answer that carries a List.
type Listed[T any] struct{ Body List[T] }

// listed makes an answer of items. A next of nil ends the list; anything else is
// what readCursor gives back when the reader goes on.
func listed[T any](items []T, next any) (*Listed[T], error) {
	if items == nil {
		items = []T{}
	}
	l := &Listed[T]{Body: List[T]{Items: items}}
	if next == nil {
		return l, nil
	}
	b, err := json.Marshal(next)
	if err != nil {
		return nil, fmt.Errorf("httpd: encode a cursor: %w", err)
	}
	l.Body.Next = base64.RawURLEncoding.EncodeToString(b)
	return l, nil
}

// readCursor reads a cursor that listed has made from a value of the same type;
// "" leaves at as it is. A cursor is no secret and grants nothing: it says where
// in a list to go on, and whoever makes one up reads the same list from there.
func readCursor(cursor string, at any) error {
	if cursor == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = unambiguous(b)
	}
	if err == nil {
		err = json.Unmarshal(b, at)
	}
	if err != nil {
		return &Problem{
			Type: "/problems/invalid", Title: "Invalid request", Status: http.StatusUnprocessableEntity,
			Detail: "the cursor is not one of this list", Hint: "start again without a cursor",
			Errors: []FieldError{{"query.cursor", "not a cursor of this list"}},
		}
	}
	return nil
}

// Tagged is the answer that carries one record and its entity tag.
type Tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// tagged makes an answer of a record.
func tagged[T any](record T, err error) (*Tagged[T], error) {
	if err != nil {
		return nil, err
	}
	// A strong validator (RFC 9110, Section 8.8.3).
	return &Tagged[T]{`"` + admin.Tag(record) + `"`, record}, nil
}

// IfMatch makes a change conditional on what its maker has seen. Embed it in
// what an operation takes.
type IfMatch struct {
	IfMatch string `header:"If-Match" maxLength:"200" doc:"The ETag of the record as you know it; the change is refused with 412 if it has another by now"`
}

// expect is what package admin is to expect of the record (see admin.Tag); "" if
// anything is right, as without If-Match (RFC 9110, Section 13.1.1).
func (m IfMatch) expect() string {
	given := strings.TrimSpace(m.IfMatch)
	if given == "" || given == "*" {
		return ""
	}
	if tag, ok := strings.CutPrefix(given, `"`); ok && len(tag) > 1 && strings.HasSuffix(tag, `"`) {
		return strings.TrimSuffix(tag, `"`)
	}
	return given // a weak tag or no tag at all, which no record has
}
