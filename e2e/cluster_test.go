//go:build linux

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/radius"
	"sallyport/store/pgtest"
)

// A cluster is some equal nodes on one PostgreSQL: processes of the built
// program, each with a data folder and addresses of its own, copies of one key
// file, and nothing else in common.
type cluster struct {
	t     testing.TB
	setup setup
	db    *pgtest.Server
	url   string
	key   string // data folder whose key file is every node's, "" before there is one
	nodes []*server
}

// startCluster starts a PostgreSQL and nodes on it. Of c, Release, Level, Args
// and further lines of Config are used.
func startCluster(t testing.TB, nodes int, c setup) *cluster {
	t.Helper()
	cl := &cluster{t: t, db: pgtest.Start(t), setup: c}
	cl.url = cl.db.NewDatabase(t)
	for range nodes {
		cl.add()
	}
	return cl
}

// add starts one node more.
func (c *cluster) add() *server {
	c.t.Helper()
	s := c.setup
	s.Config = fmt.Sprintf("database: %q\nnode: node-%d\n%s", c.url, len(c.nodes)+1, s.Config)
	if s.Dir = filepath.Join(c.t.TempDir(), "data"); c.key == "" {
		c.key = s.Dir // this node makes it
	} else {
		copyKey(c.t, c.key, s.Dir)
	}
	n := start(c.t, s)
	c.nodes = append(c.nodes, n)
	return n
}

// copyKey gives a data folder the key of another, as whoever sets up a second
// node does.
func copyKey(t testing.TB, from, to string) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(from, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "seal.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
}

// client makes a RADIUS client that every node knows. It sends to the first
// node unless told otherwise.
func (c *cluster) client(name string, flags ...string) *nas {
	c.t.Helper()
	n := c.nodes[0].client(name, flags...)
	for _, s := range c.nodes {
		applications.Store(s.addr, true)
		if s.running() {
			n.at(s).isKnown()
		}
	}
	return n
}

// at returns n as a client that sends to s.
func (n *nas) at(s *server) *nas {
	c := *n
	c.server = s.addr
	return &c
}

// isKnown waits until the server that n sends to answers it.
func (n *nas) isKnown() {
	n.t.Helper()
	k := n.dial()
	defer k.close()
	eventually(n.t, "the node at "+n.server.String()+" answers client "+n.name, func() bool {
		return k.askFor(n.sign(radius.NewRequest(radius.StatusServer)), 100*time.Millisecond).verdict() == "accept"
	})
}

// verify checks the chain of all events from every node, and that the numbers of
// the newest are dense.
func (c *cluster) verify() {
	c.t.Helper()
	for _, s := range c.nodes {
		if r := (call{Args: []string{"audit", "verify", "--data", s.dir}, Within: 10 * time.Minute}).run(c.t); r.Exit != 0 {
			c.t.Errorf("audit verify at %s: exit code %d\n%s%s", s.addr, r.Exit, r.Out, r.Err)
		}
	}
	next := uint64(0)
	for _, ev := range c.nodes[0].events("--limit", "20000") {
		if next != 0 && ev.Seq != next {
			c.t.Errorf("event %d follows event %d", ev.Seq, next-1)
		}
		next = ev.Seq + 1
	}
}

// from says where the person is, and over which of the NAS's ports they come:
// what makes two requests of one connection recognizable.
func from(address, session string) []radius.Attribute {
	return []radius.Attribute{
		{Type: radius.CallingStationID, Value: []byte(address)},
		{Type: radius.NASPortID, Value: []byte(session)},
	}
}

// A failover is how a NAS with several servers sends a request: to each in
// turn, again after every Interval, Tries times, and to the next if none of
// them was answered, from one source port. It goes round Rounds times. It
// listens to nobody but the server that it asks at the time, as libradius does.
type failover struct {
	Servers  []*server
	Interval time.Duration
	Tries    int
	Rounds   int
	// Renew makes a new request, with an identifier and an authenticator of its
	// own, for every server that is asked. Without it every server gets the
	// same octets.
	Renew bool
	// Lost, if set, is told of every answer and reports whether the network
	// loses it.
	Lost func(s *server, a answer) bool
	// Sent, if set, is told of every packet that was sent.
	Sent func(s *server)
}

// A heard is an answer, and which server gave it.
type heard struct {
	answer
	by *server
}

// ask sends what next returns as f says until it is answered; the answer is
// silence if it never is.
func (f *failover) ask(n *nas, next func() question) heard {
	n.t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.from, 0)))
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	q := next()
	b := make([]byte, 65536)
	for i := range max(1, f.Rounds) * len(f.Servers) {
		s := f.Servers[i%len(f.Servers)]
		if f.Renew && i > 0 {
			q = next()
		}
		for range f.Tries {
			if _, err := conn.WriteToUDPAddrPort(q.octets, s.addr); err != nil {
				n.t.Fatal(err)
			}
			if f.Sent != nil {
				f.Sent(s)
			}
			conn.SetReadDeadline(time.Now().Add(f.Interval))
			for {
				size, by, err := conn.ReadFromUDPAddrPort(b)
				if err != nil {
					break // the interval is over
				}
				if by != s.addr || size < 2 || b[1] != q.packet.Identifier {
					continue
				}
				a := n.read([]byte(string(b[:size])), q)
				if f.Lost == nil || !f.Lost(s, a) {
					return heard{a, s}
				}
			}
		}
	}
	return heard{}
}

// requests returns a next for failover.ask that makes one request with PAP, again
// and again with another identifier and authenticator.
func (n *nas) requests(name, field string, state []byte, more ...radius.Attribute) func() question {
	return func() question { return n.request(name, field, state, more...) }
}

// together calls f once for each of n numbers, all released at once, and waits
// for them.
func together(n int, f func(i int)) {
	barrier := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-barrier
			f(i)
		})
	}
	close(barrier)
	wg.Wait()
}

// traced reports whether a line of the reason's trace holds the words.
func (r reason) traced(words string) bool {
	for _, step := range r.Trace {
		if strings.Contains(step.Note, words) {
			return true
		}
	}
	return false
}
