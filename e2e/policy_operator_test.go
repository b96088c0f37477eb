//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// An operator speaks to the admin socket of a server as its own commands do, but
// without starting a program for each word: campaigns say many.
type operator struct {
	t    testing.TB
	http *http.Client
}

// operator connects to the server's admin socket.
func (s *server) operator() *operator {
	path := filepath.Join(s.dir, "admin.sock")
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		MaxIdleConnsPerHost: 64,
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &operator{s.t, &http.Client{Transport: transport, Timeout: patience}}
}

// fields are what an operation is given.
type fields map[string]any

// do runs an operation and returns what it answers: one line of JSON, or many.
// It tries again while the server is busy hashing passwords.
func (o *operator) do(operation string, in fields) ([]byte, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	for tries := 0; ; tries++ {
		status, out, err := o.post(operation, body)
		switch {
		case err != nil:
			return nil, err
		case status == http.StatusOK:
			return out, nil
		case status != http.StatusServiceUnavailable || tries == 10:
			return nil, fmt.Errorf("%s %s: %d: %s", operation, body, status, out)
		}
	}
}

func (o *operator) post(operation string, body []byte) (status int, out []byte, err error) {
	resp, err := o.http.Post("http://admin/operator/"+operation, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	out, err = io.ReadAll(resp.Body)
	return resp.StatusCode, out, err
}

// must is do for what must succeed.
func (o *operator) must(operation string, in fields) []byte {
	o.t.Helper()
	out, err := o.do(operation, in)
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

// A ruling is an event with what the policy said.
type ruling struct {
	event
	Rule string `json:"rule"`
}

// rulings returns the events of a name, oldest first.
func (o *operator) rulings(name string) ([]ruling, error) {
	out, err := o.do("event.list", fields{"account": name})
	if err != nil {
		return nil, err
	}
	var all []ruling
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var r ruling
		switch err := d.Decode(&r); err {
		case nil:
			all = append(all, r)
		case io.EOF:
			return all, nil
		default:
			return nil, err
		}
	}
}
