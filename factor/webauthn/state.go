package webauthn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"sallyport/auth"
)

// state is what we keep for one credential. The newest sign count is not in it
// but is the authenticator's Mark.
type state struct {
	Credential []byte                      `json:"credential"`           // its ID
	Key        []byte                      `json:"key"`                  // its public key as COSE_Key (RFC 9052, Section 7)
	Flags      protocol.AuthenticatorFlags `json:"flags"`                // of the newest answer, as kept keeps them
	AAGUID     []byte                      `json:"aaguid"`               // model of the authenticator, zeros if it does not say
	Transports []string                    `json:"transports,omitempty"` // how browsers reach it
	// Attestation is the attestation object whole, so that a rule about models
	// can be applied to passkeys that exist already. Nil for a decoy.
	Attestation []byte `json:"attestation,omitempty"`
}

const (
	aaguidSize = 16

	minModulus = 2048 // bits (SP 800-131A)
	maxModulus = 4096 // bits; more would let one answer cost many

	maxTransports = 8
)

// kept are the flags that say something of the credential rather than of how
// one answer is laid out.
func kept(flags protocol.AuthenticatorFlags) protocol.AuthenticatorFlags {
	return flags & (protocol.FlagUserPresent | protocol.FlagUserVerified | protocol.FlagBackupEligible | protocol.FlagBackupState)
}

// transports returns those of the names given that Web Authentication Level 3,
// Section 5.8.4, knows, in order and once each. They are hints for browsers; an
// unknown one helps nobody.
func transports(given []string) []string {
	var known []string
	for _, t := range given {
		switch protocol.AuthenticatorTransport(t) {
		case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
			known = append(known, t)
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// algorithms is the allow-list, best liked first: what browsers and platforms
// make (Section 5.4, pubKeyCredParams).
var algorithms = [...]webauthncose.COSEAlgorithmIdentifier{
	webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256,
}

func parameters() []protocol.CredentialParameter {
	list := make([]protocol.CredentialParameter, 0, len(algorithms))
	for _, a := range algorithms {
		list = append(list, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: a})
	}
	return list
}

// checkKey reports why a COSE key is not one of an allowed algorithm, in words
// for the person who brings it.
func checkKey(cose []byte) error {
	parsed, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return errors.New("its public key cannot be read")
	}
	switch k := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		if webauthncose.COSEAlgorithmIdentifier(k.Algorithm) == webauthncose.AlgES256 {
			return nil
		}
	case webauthncose.OKPPublicKeyData:
		if webauthncose.COSEAlgorithmIdentifier(k.Algorithm) == webauthncose.AlgEdDSA {
			return nil
		}
	case webauthncose.RSAPublicKeyData:
		bits := new(big.Int).SetBytes(k.Modulus).BitLen()
		switch {
		case webauthncose.COSEAlgorithmIdentifier(k.Algorithm) != webauthncose.AlgRS256:
		case bits < minModulus || bits > maxModulus:
			return fmt.Errorf("its RSA key has %d bits; %d to %d are accepted", bits, minModulus, maxModulus)
		default:
			return nil
		}
	}
	return errors.New("it signs with an algorithm that is not accepted here; ES256, EdDSA and RS256 are")
}

func (s *state) encode() (auth.Secret, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("webauthn: encode state: %w", err)
	}
	return b, nil
}

// decode reads what encode writes, and only that.
func decode(secret auth.Secret) (state, error) {
	var s state
	if err := json.Unmarshal(secret, &s); err != nil {
		return state{}, errors.New("it is not JSON of the right shape")
	}
	if again, err := json.Marshal(&s); err != nil || !bytes.Equal(again, secret) {
		return state{}, errors.New("it is not written as we write it")
	}
	switch {
	case len(s.Credential) == 0 || len(s.Credential) > maxCredentialID:
		return state{}, fmt.Errorf("its credential ID has %d octets", len(s.Credential))
	case len(s.AAGUID) != aaguidSize:
		return state{}, fmt.Errorf("its AAGUID has %d octets", len(s.AAGUID))
	case s.Flags != kept(s.Flags) || !s.Flags.HasUserVerified() || s.Flags.HasBackupState() && !s.Flags.HasBackupEligible():
		return state{}, fmt.Errorf("its flags %#x cannot be", byte(s.Flags))
	case len(s.Transports) > maxTransports:
		return state{}, fmt.Errorf("it has %d transports", len(s.Transports))
	}
	if err := checkKey(s.Key); err != nil {
		return state{}, err
	}
	return s, nil
}
