package webauthn

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"sallyport/auth"
)

// patience is how long a browser waits for a person; a recommendation that it
// may ignore (Section 15.1).
const patience = 5 * time.Minute

// CreationOptions returns what a browser needs to make a passkey:
// PublicKeyCredentialCreationOptionsJSON. userID is the user handle, the
// account's ID, 64 octets at most; challenge is 16 octets or more and goes into
// the Binding with the answer. The credentials in exclude are the account's
// others, so that no authenticator is registered twice; those of other factors
// are passed over.
//
// The passkey is to be discoverable, because we ask for one without saying
// which (RequestOptions), and must verify its person. No attestation is wanted:
// it tells models, and people are owed a reason for that.
func (f *Factor) CreationOptions(challenge []byte, userID, userName, displayName string, exclude []auth.Authenticator) (json.RawMessage, error) {
	switch {
	case f.RPID == "":
		return nil, fmt.Errorf("webauthn: make creation options: no RP ID is set")
	case len(challenge) < minChallenge:
		return nil, fmt.Errorf("webauthn: make creation options: a challenge of %d octets, want %d or more", len(challenge), minChallenge)
	case len(userID) == 0 || len(userID) > maxUser:
		return nil, fmt.Errorf("webauthn: make creation options: a user handle of %d octets, want 1 to %d", len(userID), maxUser)
	}
	options := protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{CredentialEntity: protocol.CredentialEntity{Name: f.RPName}, ID: f.RPID},
		User: protocol.UserEntity{
			CredentialEntity: protocol.CredentialEntity{Name: userName}, DisplayName: displayName,
			ID: protocol.URLEncodedBase64(userID),
		},
		Challenge:  challenge,
		Parameters: parameters(),
		Timeout:    int(patience.Milliseconds()),
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(),
			ResidentKey:        protocol.ResidentKeyRequirementRequired,
			UserVerification:   protocol.VerificationRequired,
		},
		Attestation: protocol.PreferNoAttestation,
	}
	for _, a := range exclude {
		if a.Factor != name {
			continue
		}
		s, err := decode(a.State)
		if err != nil {
			return nil, fmt.Errorf("webauthn: read state of authenticator %s: %w", a.ID, err)
		}
		descriptor := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: s.Credential}
		for _, t := range s.Transports {
			descriptor.Transport = append(descriptor.Transport, protocol.AuthenticatorTransport(t))
		}
		options.CredentialExcludeList = append(options.CredentialExcludeList, descriptor)
	}
	return marshal(options)
}

// RequestOptions returns what a browser needs to sign in with a passkey:
// PublicKeyCredentialRequestOptionsJSON. challenge is auth.AssertionChallenge
// of the State that the answer comes back with. It lists no credentials, so that
// it says nothing about which accounts there are or what they hold.
func (f *Factor) RequestOptions(challenge []byte) (json.RawMessage, error) {
	switch {
	case f.RPID == "":
		return nil, fmt.Errorf("webauthn: make request options: no RP ID is set")
	case len(challenge) < minChallenge:
		return nil, fmt.Errorf("webauthn: make request options: a challenge of %d octets, want %d or more", len(challenge), minChallenge)
	}
	return marshal(protocol.PublicKeyCredentialRequestOptions{
		Challenge:        challenge,
		Timeout:          int(patience.Milliseconds()),
		RelyingPartyID:   f.RPID,
		UserVerification: protocol.VerificationRequired,
	})
}

func marshal(options any) (json.RawMessage, error) {
	b, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("webauthn: encode options: %w", err)
	}
	return b, nil
}
