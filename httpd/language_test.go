package httpd

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/diagnose"
	"sallyport/phrase"
)

func TestSpoken(t *testing.T) {
	tests := []struct{ name, accept, want string }{
		{"nothing is wished", "", "en"},
		{"German", "de", "de"},
		{"of Austria", "de-AT,de;q=0.9,en;q=0.8", "de"},
		{"as browsers in Germany send it", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "de"},
		{"German rather than English", "en;q=0.5, de", "de"},
		{"English rather than German", "en, de;q=0.5", "en"},
		{"German as the second best", "fr, de;q=0.5, en;q=0.1", "de"},
		{"neither", "fr, it", "en"},
		{"anything", "*", "en"},
		{"German not at all", "de;q=0, en", "en"},
		{"nonsense", ";;;,,,q=q", "en"},
		{"far too much", strings.Repeat("de,", maxAccept), "en"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, book := spoken(tt.accept)
			if got != tt.want || (book != nil) != (tt.want == "de") {
				t.Errorf("spoken(%q) = %q and %v, want %q", tt.accept, got, book, tt.want)
			}
		})
	}
}

// german is what the book says, which must be something else than the English.
func german(t *testing.T, english string) string {
	t.Helper()
	said := phrase.German().Say(english)
	if said == english {
		t.Fatalf("the book does not know %q", english)
	}
	return said
}

var inGerman = withHeader("Accept-Language", "de-DE,de;q=0.9,en;q=0.8")

// Whoever prefers German gets every kind of answer in it, and everybody else the
// same in English.
func TestAnswersInGerman(t *testing.T) {
	w := newTown(t)
	d := newDesk(t, w, "olga")
	both := func(t *testing.T, status int, method, target string, body any) (english, german *answer) {
		t.Helper()
		english, german = d.do(status, method, target, body), d.do(status, method, target, body, inGerman)
		if english.header.Get("Content-Language") != "en" || german.header.Get("Content-Language") != "de" {
			t.Errorf("%s %s is in %q and %q", method, target, english.header.Get("Content-Language"), german.header.Get("Content-Language"))
		}
		for _, a := range []*answer{english, german} {
			if !slices.Contains(a.header.Values("Vary"), "Accept-Language") {
				t.Errorf("%s %s varies by %q", method, target, a.header.Values("Vary"))
			}
		}
		return english, german
	}
	problem := func(t *testing.T, status int, method, target string, body any) {
		t.Helper()
		e, g := both(t, status, method, target, body)
		var english, said Problem
		e.read(t, &english)
		g.read(t, &said)
		if said.Title != german(t, english.Title) || said.Detail != german(t, english.Detail) || english.Hint != "" && said.Hint != german(t, english.Hint) {
			t.Errorf("%s %s says %+v, which in English is %+v", method, target, said, english)
		}
		if said.Type != english.Type || said.Status != english.Status {
			t.Errorf("%s %s is of type %s %d, in English %s %d", method, target, said.Type, said.Status, english.Type, english.Status)
		}
	}

	t.Run("a path that leads nowhere", func(t *testing.T) { problem(t, 404, "GET", "/v1/nowhere", nil) })
	t.Run("a method that is not answered", func(t *testing.T) { problem(t, 405, "DELETE", "/v1/outcomes", nil) })
	t.Run("a refusal of the gate", func(t *testing.T) { problem(t, 400, "GET", "/v1/outcomes", "{}") })
	t.Run("a body that is not one", func(t *testing.T) { problem(t, 400, "POST", "/v1/applications", "name=x") })
	t.Run("a refusal of admin", func(t *testing.T) { problem(t, 404, "GET", "/v1/accounts/nobody-at-all", nil) })
	t.Run("a refusal with a name in it", func(t *testing.T) {
		_, g := both(t, 404, "GET", "/v1/accounts/rule%20x%20is%20disabled", nil)
		if !strings.Contains(g.body, `\"rule x is disabled\"`) {
			t.Errorf("the name is not as it was typed: %s", g.body)
		}
	})
	t.Run("a page that is not there", func(t *testing.T) {
		a := w.ask("GET", "/v2/x", "", inGerman)
		if a.status == 404 && a.header.Get("Content-Language") != "de" {
			t.Errorf("it answers in %q: %s", a.header.Get("Content-Language"), a.body)
		}
	})
	t.Run("a list", func(t *testing.T) {
		e, g := both(t, 200, "GET", "/v1/outcomes", nil)
		var english, said List[OutcomeView]
		e.read(t, &english)
		g.read(t, &said)
		for i, row := range english.Items {
			if got := said.Items[i]; got.Label != phrase.German().Say(row.Label) || got.Person != german(t, row.Person) || got.Outcome != row.Outcome {
				t.Errorf("%s is %+v", row.Outcome, got)
			}
		}
	})
	t.Run("a trace", func(t *testing.T) {
		wrong, _ := postJSON[LoginTested](d, "POST", "/v1/test-logins", object{"client": "nas", "name": "pat", "password": "wrong"})
		e, g := both(t, 200, "GET", "/v1/events/"+wrong.Reference, nil)
		var english, said admin.WhyView
		e.read(t, &english)
		g.read(t, &said)
		changed := 0
		for i, s := range english.Trace {
			if said.Trace[i].Note != phrase.German().Say(s.Note) {
				t.Errorf("%q is said as %q", s.Note, said.Trace[i].Note)
			}
			if said.Trace[i].Note != s.Note {
				changed++
			}
		}
		if changed == 0 || said.Administrator != german(t, english.Administrator) || said.Account != english.Account {
			t.Errorf("the trace is %+v", said)
		}
	})
	t.Run("a report", func(t *testing.T) {
		e, g := both(t, 200, "GET", "/v1/reports/usage", nil)
		var english, said admin.Report
		e.read(t, &english)
		g.read(t, &said)
		for i, c := range english.Columns {
			if said.Columns[i].Label != phrase.German().Say(c.Label) || said.Columns[i].Key != c.Key {
				t.Errorf("the column %+v is %+v", c, said.Columns[i])
			}
		}
		_, g = both(t, 200, "GET", "/v1/reports/usage?format=csv", nil)
		head, _, _ := strings.Cut(g.body, "\r\n")
		if want := german(t, "Asked for a second factor"); !strings.Contains(head, want) {
			t.Errorf("the file begins with %q, without %q", head, want)
		}
	})
	t.Run("the description of the API is English", func(t *testing.T) {
		a := d.do(200, "GET", "/v1/openapi.json", nil, inGerman)
		if a.header.Get("Content-Language") != "en" || !strings.Contains(a.body, "The API of Sallyport") {
			t.Errorf("it is in %q", a.header.Get("Content-Language"))
		}
	})
	t.Run("an upload", func(t *testing.T) {
		a := d.upload(200, "/v1/diagnoses", map[string]string{"auth.log": "Nov 22 13:01:02 host sshd[1]: fatal: Clock skew too great\n"})
		var english, said struct {
			Findings []struct{ Title, Means string }
		}
		a.read(t, &english)
		d.show = func(show func(*http.Request)) func(*http.Request) {
			return func(r *http.Request) { show(r); inGerman(r) }
		}(d.show)
		d.upload(200, "/v1/diagnoses", map[string]string{"auth.log": "Nov 22 13:01:02 host sshd[1]: fatal: Clock skew too great\n"}).read(t, &said)
		if len(english.Findings) == 0 || said.Findings[0].Title != german(t, english.Findings[0].Title) || said.Findings[0].Means != german(t, english.Findings[0].Means) {
			t.Errorf("the diagnosis says %+v, in English %+v", said, english)
		}
	})
}

// A live log speaks the language of whoever follows it.
func TestLiveLogInGerman(t *testing.T) {
	w := newTown(t)
	token := w.begin(session{account: "audrey", client: auth.ConsoleClient, factor: auth.PasskeyFactor})
	served := newLiveServer(t, w, usualPace)
	lines := served.follow(t, token, inGerman)
	w.engine.Decide(t.Context(), auth.Attempt{
		Door: "radius", Client: "nas", Claimant: "pat", Evidence: []auth.Evidence{auth.Password("wrong")}, Time: w.time(), Can: auth.Can{Ask: true},
	})
	deadline := time.After(20 * time.Second)
	for {
		select {
		case <-deadline:
			t.Fatal("no event came in 20 s")
		case line, ok := <-lines:
			if !ok {
				t.Fatal("the stream ended by itself")
			}
			text, ok := strings.CutPrefix(line, "data: ")
			if !ok {
				continue
			}
			var events []admin.EventView
			if err := json.Unmarshal([]byte(text), &events); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if want := german(t, auth.PasswordWrong.Meaning().Label); events[0].Label != want {
				t.Errorf("the label is %q, want %q", events[0].Label, want)
			}
			return
		}
	}
}

// Causes are put together when the program starts, some from several sentences.
// All that pages show of them is German.
func TestCausesInGerman(t *testing.T) {
	book := phrase.German()
	for _, c := range diagnose.Causes() {
		texts := []string{c.Title, c.Means, c.Who}
		for _, s := range slices.Concat(c.Remedy, c.Verify) {
			texts = append(texts, s.Text)
		}
		for _, s := range c.Signs {
			texts = append(texts, s.Why)
		}
		for _, text := range texts {
			// A name of an error is the same in all languages.
			if text != strings.ToUpper(text) && book.Say(text) == text {
				t.Errorf("%s: nothing says %q in German", c.ID, text)
			}
		}
	}
}
