package server

import (
	"context"
	"time"

	"sallyport/admin"
	"sallyport/patience"
)

// learnEvery is how often what was learned of clients is kept, and compared
// with what the other nodes have learned.
const learnEvery = time.Minute

// serveRADIUS serves the RADIUS listeners until ctx ends, and learns meanwhile
// how long clients wait. What was learned is kept when the last packet has been
// answered.
func (s *Server) serveRADIUS(ctx context.Context) error {
	node, err := s.cfg.NodeName()
	if err != nil {
		return err
	}
	p := &patienceKeeper{server: s, node: node, meter: new(patience.Meter)}
	s.door.Keyed = s.Store.MAC("requests")
	s.door.Patience, s.door.Now = p.meter, time.Now
	s.radius.Observe = s.door.Observe
	p.load(ctx)

	background, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(learnEvery)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				p.keep(background, now)
				p.compare(background)
			case <-background.Done():
				return
			}
		}
	}()
	err = s.radius.Serve(ctx, s.listeners...)
	stop()
	<-stopped
	p.keep(context.WithoutCancel(ctx), time.Now())
	return err
}

// storePatience is how long the store may take over what no login waits for.
const storePatience = 5 * time.Second

// A patienceKeeper carries readings between a meter and the store. That it
// fails is logged and no more: no login depends on it.
type patienceKeeper struct {
	server *Server
	node   string
	meter  *patience.Meter
}

// load takes up what this node and others knew when it stopped.
func (p *patienceKeeper) load(ctx context.Context) {
	for client, nodes := range p.readings(ctx) {
		for _, n := range nodes {
			if n.Node == p.node {
				p.meter.Load(client, n.Reading)
			}
		}
		p.meter.Others(p.node, client, nodes)
	}
}

// compare looks at what the other nodes have learned since.
func (p *patienceKeeper) compare(ctx context.Context) {
	for client, nodes := range p.readings(ctx) {
		p.meter.Others(p.node, client, nodes)
	}
}

// readings returns what all nodes have kept, by client.
func (p *patienceKeeper) readings(ctx context.Context) map[string][]patience.NodeReading {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	list, err := p.server.Store.Readings(ctx)
	if err != nil {
		p.server.log.Warn("what was learned of clients is not read", "err", err)
		return nil
	}
	all := make(map[string][]patience.NodeReading)
	for _, kept := range list {
		r, err := patience.Parse(kept.Body)
		if err != nil {
			p.server.log.Warn("a reading of a client is passed over", "client", kept.Client, "node", kept.Node, "err", err)
			continue
		}
		all[kept.Client] = append(all[kept.Client], patience.NodeReading{Node: kept.Node, Reading: r})
	}
	return all
}

// keep writes down what has changed.
func (p *patienceKeeper) keep(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	for client, r := range p.meter.Changed(now) {
		body, err := r.Encode()
		if err == nil {
			err = p.server.Store.SaveReading(ctx, admin.Reading{Client: client, Node: p.node, Time: now, Body: body})
		}
		if err != nil {
			p.meter.Unsaved(client)
			p.server.log.Warn("what was learned of a client is not kept", "client", client, "err", err)
		}
	}
}
