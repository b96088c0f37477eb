package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A segment is what is needed of one TCP segment (RFC 9293, Section 3.1).
type segment struct {
	from, to netip.AddrPort
	seq, ack uint32
	flags    uint8
	ttl      uint8
	data     []byte // as captured, valid as long as the packet is
	length   uint32 // on the wire, without SYN and FIN
}

const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_ // PSH
	flagACK
)

// A kind is what a packet is to us.
type kind uint8

const (
	isOther       kind = iota // another protocol
	isTCP                     //
	isFragment                // of an IP packet
	isShort                   // too little was captured to see what it is
	isUnknownLink             // of a link type that is not read here
)

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

func linkName(link uint32) string {
	switch link {
	case 9, 50:
		return fmt.Sprintf("%d (PPP)", link)
	case 105, 119, 127, 163:
		return fmt.Sprintf("%d (Wi-Fi as it is in the air)", link)
	case 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162:
		return fmt.Sprintf("%d (private use)", link)
	case 189, 220, 249:
		return fmt.Sprintf("%d (USB)", link)
	}
	return fmt.Sprint(link)
}

const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100 // IEEE 802.1Q
	etherQinQ  = 0x88a8 // IEEE 802.1ad
	etherOld   = 0x9100 // the same before there was a standard
	etherPPPoE = 0x8864 // RFC 2516
)

// parse reads the headers of p up to the octets of the TCP stream.
func (s *segment) parse(p packet) kind {
	b := p.data
	behind := p.whole - len(p.data) // on the wire and not captured
	switch p.link {
	case linkNull, linkLoop:
		if len(b) < 4 {
			return isShort
		}
		// The address family in the order of the machine that captured, and each
		// system has its own number for IPv6: the version in the header tells.
		return s.ip(b[4:], behind)
	case 12, 14, linkRaw, linkIPv4, linkIPv6:
		return s.ip(b, behind)
	case linkEthernet:
		if len(b) < 14 {
			return isShort
		}
		return s.ether(binary.BigEndian.Uint16(b[12:]), b[14:], behind)
	case linkSLL:
		if len(b) < 16 {
			return isShort
		}
		return s.ether(binary.BigEndian.Uint16(b[14:]), b[16:], behind)
	case linkSLL2:
		if len(b) < 20 {
			return isShort
		}
		return s.ether(binary.BigEndian.Uint16(b), b[20:], behind)
	}
	return isUnknownLink
}

// ether goes by an EtherType, through the tags of VLANs.
func (s *segment) ether(protocol uint16, b []byte, behind int) kind {
	for range 4 {
		switch protocol {
		case etherIPv4, etherIPv6:
			return s.ip(b, behind)
		case etherVLAN, etherQinQ, etherOld:
			if len(b) < 4 {
				return isShort
			}
			protocol, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherPPPoE:
			if len(b) < 8 {
				return isShort
			}
			switch binary.BigEndian.Uint16(b[6:]) {
			case 0x0021, 0x0057:
				return s.ip(b[8:], behind)
			}
			return isOther
		default:
			return isOther
		}
	}
	return isOther
}

func (s *segment) ip(b []byte, behind int) kind {
	if len(b) == 0 {
		return isShort
	}
	switch b[0] >> 4 {
	case 4:
		return s.ipv4(b, behind)
	case 6:
		return s.ipv6(b, behind)
	}
	return isOther
}

// ipv4 reads a header of RFC 791.
func (s *segment) ipv4(b []byte, behind int) kind {
	header := int(b[0]&15) * 4
	if len(b) < 20 || header < 20 || len(b) < header {
		return isShort
	}
	if b[9] != 6 {
		return isOther
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return isFragment
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // left to the network card, which had not done it yet
		total = len(b) + behind
	}
	if total < header {
		return isOther
	}
	s.ttl = b[8]
	from, to := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	return s.tcp(from, to, b[header:min(total, len(b))], total-header)
}

// ipv6 reads a header of RFC 8200 and those that follow it.
func (s *segment) ipv6(b []byte, behind int) kind {
	if len(b) < 40 {
		return isShort
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	next := b[6]
	s.ttl = b[7]
	from, to := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	b = b[40:]
	if length == 0 { // as above, or a jumbogram
		length = len(b) + behind
	}
	b = b[:min(length, len(b))]
	for range 8 {
		size := 0
		switch next {
		case 6:
			return s.tcp(from, to, b, length)
		case 0, 43, 60: // hop by hop, routing, destination
			if len(b) < 8 {
				return isShort
			}
			size = int(b[1])*8 + 8
		case 51: // authentication, RFC 4302
			if len(b) < 8 {
				return isShort
			}
			size = int(b[1])*4 + 8
		case 44:
			if len(b) < 8 {
				return isShort
			}
			if binary.BigEndian.Uint16(b[2:])&0xfff9 != 0 {
				return isFragment
			}
			size = 8
		default:
			return isOther
		}
		if len(b) < size {
			return isShort
		}
		next, b, length = b[0], b[size:], length-size
	}
	return isOther
}

// tcp reads a header of RFC 9293, Section 3.1. length is that of the header and
// what follows it on the wire.
func (s *segment) tcp(from, to netip.Addr, b []byte, length int) kind {
	if len(b) < 20 {
		return isShort
	}
	header := int(b[12]>>4) * 4
	if header < 20 || length < header {
		return isOther
	}
	s.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	s.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	s.seq, s.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.flags = b[13]
	s.data = b[min(header, len(b)):]
	s.length = uint32(length - header)
	return isTCP
}

func (s *segment) has(flag uint8) bool { return s.flags&flag != 0 }
