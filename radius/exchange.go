package radius

import "time"

// An Exchange is one request from its first octets until nothing more can come
// of it, as far as it tells how the client behaves. Durations are counted from
// First.
type Exchange struct {
	Client *Client
	// Digest is the same for the same octets, and for nothing else within the
	// life of the server: a request that was met with silence and came again is
	// two exchanges of one digest.
	Digest uint64
	First  time.Time
	// Again is when the request came again, as far as 16 times are noted.
	Again []time.Duration
	// Answered is when the answer was ready, 0 if there was none, and Code what
	// it was.
	Answered time.Duration
	Code     Code
	// Superseded is when the client used the request's identifier and port for
	// another request before this one was answered, 0 if it did not. The answer
	// was then not sent.
	Superseded time.Duration
	// Mark and Note are what the handler left in the Request.
	Mark uint64
	Note string
}
