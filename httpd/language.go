package httpd

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/language"

	"sallyport/phrase"
)

// What is said to people over the network is said in the language that they
// prefer (RFC 9110, Section 12.5.4): sentences, which are the fields tagged as
// prose, and never names or what somebody typed. The operator's socket speaks
// English, as the command line does.

// languages are those that are spoken here; the first is for everybody else.
var languages = language.NewMatcher([]language.Tag{language.English, language.German})

// maxAccept is how many octets of Accept-Language are read. Browsers send a tenth.
const maxAccept = 1000

// spoken returns the language of the answer to a request and the book that says
// it, nil for English.
func spoken(accept string) (tag string, book *phrase.Book) {
	if accept == "" || len(accept) > maxAccept {
		return "en", nil
	}
	// A wish that cannot be read is none.
	wanted, _, _ := language.ParseAcceptLanguage(accept)
	if _, i, _ := languages.Match(wanted...); i == 1 {
		return "de", phrase.German()
	}
	return "en", nil
}

// speak says in the headers of an answer in which language it is, and returns
// the book for its sentences.
func speak(w http.ResponseWriter, r *http.Request) *phrase.Book {
	tag, book := spoken(r.Header.Get("Accept-Language"))
	h := w.Header()
	if h.Get("Content-Language") == "" {
		h.Add("Vary", "Accept-Language")
	}
	h.Set("Content-Language", tag)
	return book
}

// inWords says v with a book, which may be nil.
func inWords[T any](v T, book *phrase.Book) T {
	if book == nil {
		return v
	}
	return phrase.Translate(v, book.Say)
}

// inTheirWords says what huma sends.
func inTheirWords(ctx huma.Context, _ string, v any) (any, error) {
	_, book := spoken(ctx.Header("Accept-Language"))
	return inWords(v, book), nil
}
