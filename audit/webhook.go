package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The header of a webhook's request. The signature is "v1=" and the HMAC-SHA256
// in hexadecimal, under the shared secret, over the timestamp, a full stop and
// the body. A receiver checks it, and that the timestamp is not old, before it
// believes anything.
const (
	HeaderTimestamp = "Sallyport-Timestamp" // seconds since 1970
	HeaderSignature = "Sallyport-Signature"
)

const (
	webhookTimeout = 15 * time.Second
	answerMost     = 64 << 10 // octets of an answer that are read
)

// A webhook posts batches as JSON: {"export":NAME,"records":[...]}. Nothing
// but an answer of the class 2xx, read to its end, counts as delivered;
// redirections are not followed, since they would take the events elsewhere.
type webhook struct {
	name    string
	address string
	secret  []byte
	now     func() time.Time
	client  *http.Client
}

func newWebhook(name, address string, secret []byte, roots *x509.CertPool, now func() time.Time) *webhook {
	return &webhook{name: name, address: address, secret: secret, now: now, client: &http.Client{
		Timeout: webhookTimeout,
		Transport: &http.Transport{
			Proxy:                  nil, // no setting of ours names one
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: answerMost,
			IdleConnTimeout:        90 * time.Second,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *webhook) brief() bool { return false }

func (w *webhook) deliver(ctx context.Context, batch []record) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"export":%q,"records":[`, w.name)
	for i, r := range batch {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(r.line)
	}
	b.WriteString("\n]}\n")
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(b.Bytes()))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	timestamp := strconv.FormatInt(w.now().Unix(), 10)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "sallyport")
	q.Header.Set(HeaderTimestamp, timestamp)
	q.Header.Set(HeaderSignature, SignBatch(w.secret, timestamp, b.Bytes()))
	answer, err := w.client.Do(q)
	if err != nil {
		// Without the address, whose query may be a secret.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("post: %w", err)
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, answerMost))
	switch {
	case answer.StatusCode == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("post: %w (%s)", errTooLarge, answer.Status)
	case answer.StatusCode/100 != 2:
		return hint{fmt.Errorf("the receiver answered %s", answer.Status), retryAfter(answer.Header.Get("Retry-After"))}
	case err != nil:
		return fmt.Errorf("the receiver's answer broke off: %w", err)
	}
	return nil
}

// SignBatch returns the signature of a webhook's request.
func SignBatch(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp))
	mac.Write([]byte("."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// retryAfter reads the header Retry-After in its form of seconds (RFC 9110,
// Section 10.2.3), 0 if it is not there.
func retryAfter(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func (w *webhook) close() { w.client.CloseIdleConnections() }
