package radiusd

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"sync"

	"sallyport/auth"
	"sallyport/radius"
)

// origin returns the address of the person if the client says one and is
// believed. An unsigned request says nothing that somebody on the path could
// not have written, and of two Calling-Station-Ids nobody knows which is meant.
func origin(client *auth.Client, req *radius.Request) netip.Addr {
	if client.Origin != auth.OriginCalling || req.Signed == radius.NotSigned {
		return netip.Addr{}
	}
	var value []byte
	stations := 0
	for _, a := range req.Packet.Attributes {
		if a.Type == radius.CallingStationID {
			value = a.Value
			stations++
		}
	}
	if stations != 1 {
		return netip.Addr{}
	}
	addr, _ := radius.StationAddress(value)
	return addr
}

// connection are the attributes by which a NAS tells its connections apart: the
// NAS itself, the port, what was called and the session that it will account
// for (RFC 2865, Sections 5.4, 5.5, 5.30, 5.32 and 5.41; RFC 2866, Section 5.5;
// RFC 2869, Section 5.17; RFC 3162, Section 2.1).
var connection = []radius.Type{
	radius.NASIPAddress, radius.NASPort, radius.CalledStationID, radius.NASIdentifier,
	radius.AcctSessionID, radius.NASPortType, radius.NASPortID, radius.NASIPv6Address,
}

// session returns what p says about the connection, "" if nothing. It does not
// depend on the order of the attributes, only on that among those of one type.
func session(p *radius.Packet) string {
	var room [512]byte
	b := room[:0]
	for _, t := range connection {
		for _, a := range p.Attributes {
			if a.Type == t {
				b = append(b, byte(t))
				b = appendField(b, a.Value)
			}
		}
	}
	if len(b) == 0 {
		return ""
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// request names the request in p: the same octets have the same name under any
// source port and behind any proxy, and two requests that a client made apart
// differ in their Request Authenticator. The password is part of it, so that
// whoever replays an authenticator with another password is judged anew; the
// hash is keyed, so that the name gives nothing away.
func (d *Door) request(client *auth.Client, p *radius.Packet, claimant string, password, from, state []byte) string {
	room := rooms.Get().(*[maxMessage]byte)
	defer rooms.Put(room)
	b := append(room[:0], "request"...)
	b = appendField(b, client.Name)
	b = append(b, p.Identifier)
	b = append(b, p.Authenticator[:]...)
	b = appendField(b, claimant)
	b = appendField(b, password)
	b = appendField(b, state)
	b = appendField(b, from)
	sum := d.Keyed(b)
	clear(room[:]) // of the password
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}

// login names the login that a request belongs to, however often the client
// makes a new request of it: at every node to which it turns, if it does.
func (d *Door) login(client *auth.Client, claimant string, from, state []byte, session string) uint64 {
	room := rooms.Get().(*[maxMessage]byte)
	defer rooms.Put(room)
	b := append(room[:0], "login"...)
	b = appendField(b, client.Name)
	b = appendField(b, claimant)
	b = appendField(b, from)
	b = appendField(b, state)
	b = appendField(b, session)
	sum := d.Keyed(b)
	return binary.BigEndian.Uint64(sum[:])
}

// rooms are for what is hashed. maxMessage is more than a client's name, an
// authenticator, a password of 128 octets and three attributes make.
var rooms = sync.Pool{New: func() any { return new([maxMessage]byte) }}

const maxMessage = 2048

// appendField appends a field so that no other fields give the same octets.
func appendField[T string | []byte](b []byte, field T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(field))), field...)
}
