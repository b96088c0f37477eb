package httpd

import (
	"net/http"
	"net/netip"
	"strings"
)

// peerOf is who made the connection; the zero AddrPort if that is no address.
func peerOf(r *http.Request) netip.AddrPort {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port())
}

// maxHops bounds how many proxies are looked behind.
const maxHops = 16

// source is where a request comes from: who made the connection or, if that is a
// reverse proxy of ours, whom it names in X-Forwarded-For. Each proxy adds the
// address that it saw at the right; so the first from the right that is no proxy
// of ours is the last one that somebody of ours has seen. What stands left of it
// was sent by that one and may say anything.
//
// What cannot be read ends the search at the proxy that passed it on: a header
// that somebody has tampered with makes them nobody else.
func (s *Site) source(r *http.Request) netip.AddrPort {
	peer := peerOf(r)
	if !s.trusts(peer.Addr()) {
		return peer
	}
	lines := r.Header.Values("X-Forwarded-For")
	source, hops := peer.Addr(), 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; ; {
			hop := rest
			comma := strings.LastIndexByte(rest, ',')
			if comma >= 0 {
				hop, rest = rest[comma+1:], rest[:comma]
			}
			addr, ok := readHop(hop)
			if hops++; !ok || hops > maxHops {
				return netip.AddrPortFrom(source, 0)
			}
			source = addr
			if !s.trusts(addr) {
				return netip.AddrPortFrom(addr, 0)
			}
			if comma < 0 {
				break
			}
		}
	}
	if hops == 0 {
		return peer // the proxy itself asks, as its health checks do
	}
	return netip.AddrPortFrom(source, 0)
}

// readHop reads one address of X-Forwarded-For, with or without a port.
func readHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if len(text) > 60 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = with.Addr()
	}
	if addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// trusts reports whether an address is that of a reverse proxy of ours.
func (s *Site) trusts(a netip.Addr) bool {
	for _, p := range s.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// encrypted reports whether the browser's connection is: ours, or that which a
// proxy of ours says it has.
func (s *Site) encrypted(r *http.Request) bool {
	return r.TLS != nil || s.trusts(peerOf(r).Addr()) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
