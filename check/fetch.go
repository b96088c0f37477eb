package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// maxFetch is how much of an answer is read, whoever gives it.
const maxFetch = 1 << 20

// dialName connects to a name, trying its addresses one after the other, those
// of IPv4 first.
func (x *examiner) dialName(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, a)
	} else if addresses, err = x.lookup(ctx, host); err != nil {
		return nil, err
	}
	last := errors.New("the name has no address")
	for _, six := range []bool{false, true} {
		for _, a := range first(addresses, maxAddresses) {
			if a = a.Unmap(); a.Is6() != six {
				continue
			}
			conn, err := x.dial(ctx, network, net.JoinHostPort(a.String(), port))
			if err == nil {
				return conn, nil
			}
			last = err
		}
	}
	return nil, last
}

// client makes an HTTP client for one request: it follows no redirect, uses no
// proxy, keeps no connection, and asks for no compression, so that what is read
// is what was sent.
func client(dial func(ctx context.Context, network, address string) (net.Conn, error), config *tls.Config, timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true,
			TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: 64 << 10,
			// HTTP/1.1 alone: the headers of proxies are easier to see, and every
			// server speaks it.
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// userAgent says to whoever reads the server's log what this was.
const userAgent = "sallyport-check"

// fetch gets what a certificate refers to: an issuer, a revocation list, an
// answer about one certificate. The addresses come from the far side: only http
// is followed, to where it says and no further, and at most maxFetch is read.
// That is how clients do it too (RFC 5280, Section 8: https would go round in
// circles).
func (x *examiner) fetch(ctx context.Context, method, address, contentType string, body []byte) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || len(address) > 2000 {
		return nil, errors.New("the address in the certificate cannot be read")
	}
	if u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%s: %w", shorten(address, 200), errNotHTTP)
	}
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the address %s in the certificate cannot be asked", shorten(address, 200))
	}
	request.Header.Set("User-Agent", userAgent)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := client(x.dialName, nil, x.timeout).Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", shorten(address, 200), shorten(cause(err), 200))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", shorten(address, 200), shorten(response.Status, 60))
	}
	read, err := io.ReadAll(io.LimitReader(response.Body, maxFetch+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", shorten(address, 200), shorten(cause(err), 200))
	}
	if len(read) > maxFetch {
		return nil, fmt.Errorf("%s: %w", shorten(address, 200), errTooLong)
	}
	return read, nil
}

// Why something was not fetched that is no fault of the network.
var (
	errNotHTTP = errors.New("it is not at an http address")
	errTooLong = errors.New("it is longer than the 1 MiB that is read")
)

// cause is the text of err without the request that net/http puts before it.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
