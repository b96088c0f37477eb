//go:build !linux

package load

import "time"

// A usage is what processes have used so far. Only Linux tells here.
type usage struct {
	at                  time.Time
	server, own         time.Duration
	machine, steal      time.Duration
	serverRSS           uint64
	serverSeen, allSeen bool
}

func measure(int) usage { return usage{at: time.Now()} }
