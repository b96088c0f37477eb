package tlsprobe

import "fmt"

// An Alert is why one side ended a handshake, as it said itself.
type Alert struct {
	Level       uint8 // 1 warning, 2 fatal; TLS 1.3 ignores it (RFC 8446, Section 6)
	Description uint8
}

// Alerts that others decide by (RFC 8446, Section 6, and RFC 5246, Section 7.2).
const (
	AlertCloseNotify          uint8 = 0
	AlertHandshakeFailure     uint8 = 40
	AlertProtocolVersion      uint8 = 70
	AlertInsufficientSecurity uint8 = 71
	AlertUnrecognizedName     uint8 = 112
)

// Fatal reports whether the connection cannot go on after the alert.
func (a Alert) Fatal() bool { return a.Level != 1 }

// Name is the name of the alert in IANA's registry, such as
// "handshake_failure".
func (a Alert) Name() string {
	if t, ok := alerts[a.Description]; ok {
		return t.name
	}
	return fmt.Sprintf("alert_%d", a.Description)
}

// Meaning says in one sentence what who sends the alert means by it.
func (a Alert) Meaning() string {
	if t, ok := alerts[a.Description]; ok {
		return t.meaning
	}
	return "This number is not in the registry of TLS alerts."
}

// String is the name, with the level if it is a warning.
func (a Alert) String() string {
	if a.Fatal() {
		return a.Name()
	}
	return a.Name() + " (warning)"
}

// alerts is IANA's registry of TLS alerts with the meaning as RFC 8446,
// Section 6.2, RFC 5246, Section 7.2.2, RFC 6066, RFC 7301, RFC 7507 and
// RFC 9849 put it.
var alerts = map[uint8]struct{ name, meaning string }{
	0:   {"close_notify", "The sender has nothing more to say and closes the connection in good order."},
	1:   {"end_of_early_data", "The sender has ended its early data; this was so only in drafts of TLS 1.3."},
	10:  {"unexpected_message", "A message came that has no place at this point of the handshake; often the other side is no TLS service or a box in between altered the stream."},
	20:  {"bad_record_mac", "A record failed its integrity check: it was altered on the way, or the two sides have different keys."},
	21:  {"decryption_failed", "A record could not be decrypted; only old versions say so."},
	22:  {"record_overflow", "A record is longer than TLS allows; often the other side does not speak TLS at all."},
	30:  {"decompression_failure", "Compressed data could not be unpacked."},
	40:  {"handshake_failure", "There is no set of parameters that both sides accept: usually no cipher suite, curve or signature algorithm in common, sometimes a missing server name or client certificate."},
	41:  {"no_certificate", "The client has no certificate to show; SSL 3.0 says so by this alert."},
	42:  {"bad_certificate", "A certificate is damaged or its signature does not verify."},
	43:  {"unsupported_certificate", "A certificate is of a kind that the receiver cannot use."},
	44:  {"certificate_revoked", "A certificate has been revoked by who issued it."},
	45:  {"certificate_expired", "A certificate has expired or is not valid yet; check the clocks as well."},
	46:  {"certificate_unknown", "Something else about a certificate made it unacceptable; Schannel and Java also say this where they do not trust the issuer."},
	47:  {"illegal_parameter", "A field of the handshake is out of range or contradicts another."},
	48:  {"unknown_ca", "A certificate is issued by an authority that the receiver does not trust: a private authority, a missing intermediate, or a device that inspects TLS."},
	49:  {"access_denied", "The certificate is good, but its holder is not let in."},
	50:  {"decode_error", "A message could not be understood: a field has the wrong length or form."},
	51:  {"decrypt_error", "A cryptographic step of the handshake failed, such as checking a signature or the Finished message."},
	60:  {"export_restriction", "The negotiation broke export rules; only SSL and TLS 1.0 say so."},
	70:  {"protocol_version", "The protocol version that the client offers is known but not accepted: it is too old, or switched off."},
	71:  {"insufficient_security", "The server demands stronger cipher suites than the client offers."},
	80:  {"internal_error", "Something failed inside the sender that has nothing to do with the peer; servers without a usable certificate say this as well."},
	86:  {"inappropriate_fallback", "The client came again with an older version although the server speaks a newer one: the first try was disturbed, perhaps on purpose."},
	90:  {"user_canceled", "The handshake was given up for a reason that is no failure of the protocol."},
	100: {"no_renegotiation", "The sender does not want a new handshake on this connection."},
	109: {"missing_extension", "The hello lacks an extension that this version demands, such as the key share or the server name."},
	110: {"unsupported_extension", "A reply holds an extension that was not asked for."},
	111: {"certificate_unobtainable", "The certificate could not be fetched from the address that the client gave."},
	112: {"unrecognized_name", "The server has no site of the name that the client asked for (SNI), or needs a name and got none."},
	113: {"bad_certificate_status_response", "The revocation status that the server attached is not valid."},
	114: {"bad_certificate_hash_value", "A certificate does not match the hash that the client gave."},
	115: {"unknown_psk_identity", "The server does not know the identity of the pre-shared key."},
	116: {"certificate_required", "The server demands a certificate of the client, and none came."},
	117: {"general_error", "Something failed that no other alert covers."},
	120: {"no_application_protocol", "Both sides have no application protocol in common (ALPN)."},
	121: {"ech_required", "The server did not accept the encrypted hello that the client insists on."},
}
