package httpd

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestUnambiguous(t *testing.T) {
	tests := []struct {
		name, body, want string // a part of what is said, "" for nothing
	}{
		{"an object", `{"name":"alice","list":[1,{"a":null}],"of":{"name":1}}`, ""},
		{"the same name in two objects", `[{"a":1},{"a":2}]`, ""},
		{"a value that is a name elsewhere", `{"a":"b","b":"a"}`, ""},
		{"a text that looks like a name", `{"a":["a","a"]}`, ""},
		{"an emoji in escapes", `{"a":"\ud83d\ude00"}`, ""},
		{"an escaped backslash before a u", `{"a":"\\u0000 \\ud800"}`, ""},
		{"a replacement character that was sent", "{\"a\":\"\ufffd\"}", ""},
		{"as deep as may be", strings.Repeat("[", deepest) + strings.Repeat("]", deepest), ""},

		{"nothing", ``, "not one JSON value"},
		{"half an object", `{"a":1`, "not one JSON value"},
		{"two values", `{"a":1}{"a":2}`, "not one JSON value"},
		{"a name twice", `{"password":"one","password":"two"}`, `"password" stands in an object twice`},
		{"a name twice, deep", `{"x":[{"a":1,"b":[],"a":2}]}`, `"a" stands in an object twice`},
		{"a name twice, in another case", `{"password":"one","Password":"two"}`, `"Password" stands in an object twice`},
		{"a name twice, once in escapes", `{"a":1,"\u0061":2}`, `"a" stands in an object twice`},
		{"octets that are not UTF-8", "{\"a\":\"\xff\"}", "not UTF-8"},
		{"U+0000", `{"a":"x\u0000"}`, "U+0000"},
		{"U+0000 in a name", `{"a\u0000":1}`, "U+0000"},
		{"half a character", `{"a":"\ud83d"}`, "half a character"},
		{"half a character and text", `{"a":"\ud83dxxxxxx"}`, "half a character"},
		{"the second half alone", `{"a":"\ude00"}`, "half a character"},
		{"two first halves", `{"a":"\ud83d\ud83d"}`, "half a character"},
		{"too deep", strings.Repeat("[", deepest+1) + strings.Repeat("]", deepest+1), "nested"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := unambiguous([]byte(tt.body))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("unambiguous(%q) = %v; want %q", tt.body, err, tt.want)
			}
		})
	}
}

// FuzzUnambiguous checks that a body that we accept means one thing: what a
// decoder makes of it says all that was in it, and no text in it was changed.
func FuzzUnambiguous(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":[{"a":"\ud83d\ude00"}]}`, `{"a":1,"A":2}`, `{"a":"\ud83d"}`, "{\"a\":\"\xff\"}", `[1,2,{"x":{}}]`, `"\\u0000"`, `{"":{"":""}}`, `{"ſ":1,"s":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if unambiguous(b) != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("accepted %q, which cannot be read: %v", b, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(tokens(t, again)), len(tokens(t, b)); got != want {
			t.Errorf("%q has %d tokens, what it was read as has %d", b, want, got)
		}
		sent := bytes.Count(b, []byte("\ufffd")) + bytes.Count(bytes.ToLower(b), []byte(`\ufffd`))
		if bytes.Count(again, []byte("\ufffd"))+bytes.Count(again, []byte(`\ufffd`)) > sent {
			t.Errorf("%q was read as %q: a text was changed", b, again)
		}
		if bytes.Contains(again, []byte(`\u0000`)) && !bytes.Contains(b, []byte(`\\u0000`)) {
			t.Errorf("%q holds U+0000", b)
		}
	})
}

func tokens(t *testing.T, b []byte) (all []json.Token) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, token)
	}
}

func TestCursors(t *testing.T) {
	type place struct {
		After string
		Seq   uint64
	}
	page, err := listed([]int{1}, place{"alice", 7})
	if err != nil {
		t.Fatal(err)
	}
	var got place
	if err := readCursor(page.Body.Next, &got); err != nil || got != (place{"alice", 7}) {
		t.Errorf("readCursor(%q) = %+v, %v; want what listed was given", page.Body.Next, got, err)
	}
	end, err := listed[int](nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(end.Body); err != nil || string(b) != `{"items":[]}` {
		t.Errorf("the end of an empty list is %s, %v; want no cursor and no null", b, err)
	}
	for _, bad := range []string{"!", "e", "bnVsbA==", "eyJBZnRlciI6MX0", "eyJBZnRlciI6ImEiLCJhZnRlciI6ImIifQ", strings.Repeat("W", 2000)} {
		kept := place{"alice", 7}
		err := readCursor(bad, &kept)
		var p *Problem
		if !errors.As(err, &p) || p.Status != 422 {
			t.Errorf("readCursor(%q) = %v; want a problem 422", bad, err)
		}
	}
	kept := place{"alice", 7}
	if err := readCursor("", &kept); err != nil || !reflect.DeepEqual(kept, place{"alice", 7}) {
		t.Errorf("readCursor of none = %v and %+v; want nothing changed", err, kept)
	}
}

func TestIfMatch(t *testing.T) {
	tests := []struct{ given, want string }{
		{"", ""}, {"*", ""}, {` "abc" `, "abc"}, {`W/"abc"`, `W/"abc"`}, {"abc", "abc"}, {`"a", "b"`, `a", "b`}, {`"`, ""},
	}
	for _, tt := range tests {
		if tt.given == `"` {
			// A lone quotation mark is no tag; it must not read as "anything".
			if got := (IfMatch{tt.given}).expect(); got == "" {
				t.Errorf("expect of %q = %q; want something that no record has", tt.given, got)
			}
			continue
		}
		if got := (IfMatch{tt.given}).expect(); got != tt.want {
			t.Errorf("expect of %q = %q; want %q", tt.given, got, tt.want)
		}
	}
}
