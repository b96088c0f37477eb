package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"path/filepath"
	"syscall"

	"sallyport/httpd"
)

// A client asks the server of a data directory to do operations.
type client struct {
	dir  string
	http *http.Client
}

// server returns a client of the server of the data directory. Nothing is
// connected yet.
func (a *app) server() *client {
	dir := a.data()
	return &client{dir: dir, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return httpd.DialSocket(ctx, dir)
		},
		DisableCompression: true,
	}}}
}

// do asks for an operation and reads the object that it gives into out.
func (c *client) do(ctx context.Context, operation string, in, out any) error {
	resp, err := c.ask(ctx, operation, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return c.cut(ctx, operation, err)
	}
	return nil
}

// each asks for an operation that gives a list, and calls use for each item as
// it comes.
func each[T any](ctx context.Context, c *client, operation string, in any, use func(T) error) error {
	resp, err := c.ask(ctx, operation, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	for {
		var item T
		switch err := d.Decode(&item); {
		case err == io.EOF:
			return c.whole(operation, resp)
		case err != nil:
			return c.cut(ctx, operation, err)
		}
		if err := use(item); err != nil {
			return err
		}
	}
}

// copy asks for an operation that gives octets, and writes them to w. The
// header of the answer is passed to begin before the first of them.
func (c *client) copy(ctx context.Context, operation string, in any, w io.Writer) (header http.Header, octets int64, err error) {
	resp, err := c.ask(ctx, operation, in)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	from := &failingReader{r: resp.Body}
	n, err := io.Copy(w, from)
	switch {
	case from.err != nil:
		return nil, n, c.cut(ctx, operation, from.err)
	case err != nil:
		return nil, n, err
	}
	return resp.Header, n, c.whole(operation, resp)
}

// A failingReader remembers that reading failed, so that it can be told from a
// failure to write.
type failingReader struct {
	r   io.Reader
	err error
}

func (f *failingReader) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// ask sends the request. The response has status 200.
func (c *client) ask(ctx context.Context, operation string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode the request for %s: %w", operation, err)
	}
	// The host is of no consequence; the socket is.
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sallyport/operator/"+operation, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var p httpd.Problem
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || kind != "application/problem+json" || p.Detail == "" {
		return nil, refused("are the command and the server of the same version?", "the server answered %s to %s", resp.Status, operation)
	}
	return nil, refused(p.Hint, "%s", p.Detail)
}

// whole returns nil if a list or file came to its end, and otherwise what the
// server said about that.
func (c *client) whole(operation string, resp *http.Response) error {
	if resp.Trailer.Get(httpd.TrailerComplete) == "yes" {
		return nil
	}
	var p httpd.Problem
	if err := json.Unmarshal([]byte(resp.Trailer.Get(httpd.TrailerProblem)), &p); err == nil && p.Detail != "" {
		exit := exitRefused
		if p.Type == "/problems/stopping" {
			exit = exitUnreachable
		}
		return &failure{err: fmt.Errorf("%s broke off: %s", operation, p.Detail), hint: p.Hint, exit: exit}
	}
	return c.cut(context.Background(), operation, io.ErrUnexpectedEOF)
}

// cut says that an answer broke off.
func (c *client) cut(ctx context.Context, operation string, err error) error {
	if ctx.Err() != nil {
		return refused("", "interrupted")
	}
	return &failure{err: fmt.Errorf("the server went away in the middle of %s; what came is not all: %w", operation, err), exit: exitUnreachable}
}

// unreachable says why the server was not reached.
func (c *client) unreachable(ctx context.Context, err error) error {
	socket := filepath.Join(c.dir, httpd.SocketName)
	switch {
	case ctx.Err() != nil:
		return refused("", "interrupted")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return &failure{
			err:  fmt.Errorf("no server is running on the data directory %s", c.dir),
			hint: "start it with: sallyport serve --data " + c.dir, exit: exitUnreachable,
		}
	case errors.Is(err, fs.ErrPermission):
		return &failure{
			err:  fmt.Errorf("you may not open %s", socket),
			hint: "run the command as root or as the user that the server runs as", exit: exitUnreachable,
		}
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // without "Post http://...", which is nothing that anybody asked for
	}
	return &failure{
		err:  fmt.Errorf("the server on %s does not answer: %w", socket, err),
		hint: "look at its log; start it with: sallyport serve --data " + c.dir, exit: exitUnreachable,
	}
}
