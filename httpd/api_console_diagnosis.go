package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sallyport/admin"
	"sallyport/diagnose"
	"sallyport/evtx"
	"sallyport/intake"
)

const (
	// maxUpload is how many octets of logs are taken at once. They are never
	// written to disk; a zip archive is held in memory.
	maxUpload = 256 << 20
	// maxUploaded is how many files may come in one upload. Archives may hold
	// more.
	maxUploaded = 1000
	htmlMedia   = "text/html"
)

// decoders read what is no text but holds lines.
var decoders = []intake.Decoder{{Name: "EVTX", Magic: "ElfFile\x00", Open: evtx.Lines}}

func diagnosisOperations() []apiOperation {
	// One at a time: each may need some hundred megabytes.
	busy := make(chan struct{}, 1)
	o := operate(operation{
		ID: "diagnosis.make", Method: "POST", Path: "/v1/diagnoses", Summary: "Say what the logs of any MFA product show", Tag: tagDiagnosis,
		Detail: "Files and archives of 256 MiB together at most, as parts of multipart/form-data. They are read as they come and kept nowhere. " +
			"The answer is what `sallyport diagnose --json` prints; with format=html it is a page that needs nothing else.",
		Audience: administrator, Permission: admin.Diagnose, Body: maxUpload, Upload: true,
	}, func(ctx context.Context, c *caller, in *DiagnosisFields) (*struct{ Body func(huma.Context) }, error) {
		select {
		case busy <- struct{}{}:
		default:
			return nil, &Problem{
				Type: "/problems/busy", Title: "Busy", Status: http.StatusServiceUnavailable,
				Detail: "another diagnosis is being made", Hint: "try again in a minute", after: time.Minute,
			}
		}
		defer func() { <-busy }()
		if in.Format == "html" && c.site.DiagnosisPage == nil {
			return nil, errNoPage
		}
		r, err := c.diagnose(ctx, in.Zone)
		if err != nil {
			return nil, err
		}
		return &struct{ Body func(huma.Context) }{func(huma.Context) { c.sendDiagnosis(r, in.Format) }}, nil
	})
	register := o.register
	o.register = func(api huma.API, op huma.Operation) {
		op.Responses["200"] = &huma.Response{
			Description: http.StatusText(http.StatusOK),
			Content: map[string]*huma.MediaType{
				jsonMedia: {Schema: &huma.Schema{Type: huma.TypeObject, Description: "A report of the schema sallyport-diagnosis/1", AdditionalProperties: true}},
				htmlMedia: {Schema: &huma.Schema{Type: huma.TypeString}},
			},
		}
		register(api, op)
		// After that: huma would take a body that it is told of apart itself.
		api.OpenAPI().Paths[op.Path].Post.RequestBody = &huma.RequestBody{
			Required: true,
			Content: map[string]*huma.MediaType{uploadMedia: {Schema: &huma.Schema{
				Type: huma.TypeObject,
				Properties: map[string]*huma.Schema{
					"file": {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString, Format: "binary"}, Description: "Parts with a file name, whatever they are called"},
				},
			}}},
		}
	}
	return []apiOperation{o}
}

// DiagnosisFields say how to read and to answer.
type DiagnosisFields struct {
	Format string `query:"format" enum:"json,html"`
	Zone   string `query:"zone" maxLength:"64" doc:"Of times that do not say theirs: Europe/Berlin; left out for UTC"`
}

var errNoPage = &Problem{
	Type: "/problems/invalid", Title: "Invalid request", Status: http.StatusUnprocessableEntity,
	Detail: "this server makes no pages of diagnoses", Hint: "ask for JSON",
	Errors: []FieldError{{"query.format", "only json is answered here"}},
}

// diagnose reads the files of an upload one after the other, as they come.
func (c *caller) diagnose(ctx context.Context, zone string) (*diagnose.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.stop(), cancel)()

	location := time.UTC
	if zone != "" {
		var err error
		if location, err = time.LoadLocation(zone); err != nil || zone == "Local" {
			return nil, wrongField("query.zone", "there is no such time zone")
		}
	}
	control := http.NewResponseController(c.w)
	if err := control.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("httpd: lift the time limit for an answer: %w", err)
	}
	// Large logs take their time; a sender that falls silent does not get it.
	c.request.Body = struct {
		io.Reader
		io.Closer
	}{&patientReader{c.request.Body, control}, c.request.Body}
	parts, err := c.request.MultipartReader()
	if err != nil {
		return nil, badRequest("send the files as multipart/form-data: %v", err)
	}
	d := diagnose.New(diagnose.Options{Zone: location, Now: c.site.Now(), Workers: runtime.GOMAXPROCS(0)})
	files := 0
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, c.uploadBroke(ctx, err)
		}
		name := part.FileName() // without folders: they are the browser's affair
		if name == "" {
			continue
		}
		if files++; files > maxUploaded {
			return nil, badRequest("an upload has %d files at most; put them into an archive", maxUploaded)
		}
		if err := readPart(ctx, d, name, part); err != nil {
			return nil, c.uploadBroke(ctx, err)
		}
	}
	if files == 0 {
		return nil, badRequest("the upload holds no file")
	}
	return d.Report(), nil
}

// readPart reads one file of an upload. What is wrong with the file itself is in
// the report; an error is only that of the upload or of ctx.
func readPart(ctx context.Context, d *diagnose.Diagnosis, name string, part *multipart.Part) error {
	from := &rememberedError{Reader: part}
	err := intake.Walk(ctx, []string{"-"}, from, intake.Options{Decoders: decoders}, func(f *intake.File) error {
		f.Name = name + strings.TrimPrefix(f.Name, "-")
		return d.Read(ctx, f)
	})
	if err == nil {
		err = from.err
	}
	return err
}

// A rememberedError keeps the error with which a reader ends, if it is not its
// end: who reads files takes it for a fault of the file.
type rememberedError struct {
	io.Reader
	err error
}

func (r *rememberedError) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// A patientReader gives the sender some time for each part of a body.
type patientReader struct {
	io.Reader
	control *http.ResponseController
}

func (r *patientReader) Read(b []byte) (int, error) {
	if err := r.control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("httpd: limit the time for a body: %w", err)
	}
	return r.Reader.Read(b)
}

func (c *caller) uploadBroke(ctx context.Context, err error) error {
	var large *http.MaxBytesError
	switch {
	case c.stop().Err() != nil:
		return errStopping
	case errors.As(err, &large):
		return &Problem{
			Type: "/problems/too-large", Title: "Request too large", Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("an upload has %d MiB at most", maxUpload>>20), Hint: "send an archive, or use sallyport diagnose, which needs no server",
		}
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return badRequest("the upload broke off: %v", err)
}

func (c *caller) sendDiagnosis(r *diagnose.Report, format string) {
	if err := http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		c.cut("limit the time for a reader", err)
	}
	if format != "html" {
		c.sendJSON(r)
		return
	}
	h := c.w.Header()
	h.Set("Content-Type", htmlMedia+"; charset=utf-8")
	h.Set("Content-Language", "en")
	h.Set("Content-Disposition", `attachment; filename="diagnosis.html"`)
	c.w.WriteHeader(http.StatusOK)
	if err := c.site.DiagnosisPage(c.w, r); err != nil {
		c.cut("send a diagnosis", err)
	}
}
