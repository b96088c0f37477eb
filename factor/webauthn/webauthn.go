// Package webauthn is the factor "webauthn": a passkey on a phone or computer,
// or a security key (Web Authentication Level 3). It hides how registrations
// and assertions are read and checked, and which library does it: no other
// package imports that.
//
// In SP 800-63B-4 terms (Sections 3.1.7 and 3.2.5) it is a multi-factor
// cryptographic authenticator: something the claimant has, used only after it
// has checked a PIN or a biometric itself, replay-resistant and
// phishing-resistant. The manual page is README.md beside this file.
package webauthn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"sallyport/auth"
)

// Factor verifies passkeys and security keys. Its fields are read-only once in
// use; the zero Factor accepts nothing and binds nothing.
type Factor struct {
	RPID    string   // the relying party's identifier: a host name; a passkey works under it alone
	RPName  string   // what authenticators show for it
	Origins []string // from which pages answers count, each as browsers write it: "https://login.example.org"
}

var _ auth.Factor = (*Factor)(nil)

const (
	name = "webauthn"

	maxAnswer       = 64 << 10 // octets of JSON that are looked at
	maxCredentialID = 1023     // octets (Section 7.1, step 25)
	maxUser         = 64       // octets of a user handle (Section 5.4.3)
	minChallenge    = 16       // octets (Section 13.4.3)
)

// Info implements auth.Factor.
func (f *Factor) Info() auth.Info {
	return auth.Info{
		Name:     name,
		Title:    "Passkey or security key",
		Category: auth.Have,
		Verified: auth.PasskeyVerified,
		Passkey:  true,
		Both:     true,
	}
}

// Bind makes an authenticator from b.Registration, the answer to a registration
// with b.Challenge for the user handle b.User (Section 7.1). That the
// credential is new to everybody is not known here. It does not matter: a
// passkey answers for one user handle, and Verify wants that of its account.
func (f *Factor) Bind(ctx context.Context, b auth.Binding) (auth.Bound, error) {
	if err := ctx.Err(); err != nil {
		return auth.Bound{}, err
	}
	switch {
	case len(b.Challenge) < minChallenge:
		return auth.Bound{}, refuse("there is no challenge that it could have answered")
	case len(b.User) == 0 || len(b.User) > maxUser:
		return auth.Bound{}, refuse("there is no user handle that it could be for")
	case len(b.Registration) > maxAnswer:
		return auth.Bound{}, refuse("the answer of the browser is too long")
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes(b.Registration)
	if err != nil {
		return auth.Bound{}, refuse("the answer of the browser cannot be read")
	}
	if why := f.unfit(answer, b.Challenge); why != "" {
		return auth.Bound{}, refuse(why)
	}
	_, err = answer.Verify(encode(b.Challenge), f.RPID, f.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, nil, parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		// The library's words name octets; they help nobody who holds a phone.
		return auth.Bound{}, refuse("what it says about itself does not add up")
	}
	data := answer.Response.AttestationObject.AuthData
	s := state{
		Credential:  data.AttData.CredentialID,
		Key:         data.AttData.CredentialPublicKey,
		Flags:       kept(data.Flags),
		AAGUID:      data.AttData.AAGUID,
		Transports:  transports(answer.Raw.AttestationResponse.Transports),
		Attestation: answer.Raw.AttestationResponse.AttestationObject,
	}
	mark := auth.NoMark
	if data.Counter > 0 {
		mark = int64(data.Counter)
	}
	secret, err := s.encode()
	if err != nil {
		return auth.Bound{}, err
	}
	if _, err := decode(secret); err != nil {
		return auth.Bound{}, refuse(err.Error())
	}
	return auth.Bound{State: secret, Mark: mark}, nil
}

// unfit says in words for the person what is wrong with a registration, "" for
// nothing that has words of its own.
func (f *Factor) unfit(answer *protocol.ParsedCredentialCreationData, challenge []byte) string {
	client := answer.Response.CollectedClientData
	object := answer.Response.AttestationObject
	flags := object.AuthData.Flags
	switch {
	case client.Challenge != encode(challenge):
		return "it answers another question than the one that was asked; start again"
	case !slices.Contains(f.Origins, client.Origin):
		return fmt.Sprintf("it was made at another address than this server's (%s)", f.origins())
	case client.CrossOrigin || client.TopOrigin != "":
		return "it was made inside a page of somebody else"
	case !flags.HasUserPresent():
		return "nobody touched it"
	case !flags.HasUserVerified():
		return "it did not check who you are; set a PIN, a fingerprint or a face on it first"
	case flags.HasBackupState() && !flags.HasBackupEligible():
		return "it says that it is backed up and cannot be"
	case object.Format != "none" && object.Format != "packed":
		// For attestation "none" browsers replace every statement but one that
		// the credential made about itself, which is "packed" (Section 5.1.3).
		return "it brings a statement of its maker, which was not asked for"
	}
	if err := checkKey(object.AuthData.AttData.CredentialPublicKey); err != nil {
		return err.Error()
	}
	return ""
}

// Verify judges an assertion by the steps of Section 7.2. The challenge is
// auth.AssertionChallenge of the attempt's State; an attempt without a State
// answers none. The user handle is the account's ID: we never list credentials
// when we ask, and then authenticators always say it.
//
// Mark is the newest sign count of an authenticator that counts. A count that
// does not grow is a mismatch, because a copy of the key may be about (Section
// 6.1.1). One that does not count at all, as is usual with synchronized
// passkeys, is protected from replay by the State, which is answered once; so
// are all after the database went back in time (Authenticator.Rewound), because
// States expire by the clock.
//
// The Backup-Eligible flag belongs to the credential for life; if it changes,
// the answer is a mismatch, and the way out is to register the passkey anew.
// The Backup-State flag may change, and the new state keeps it.
func (f *Factor) Verify(ctx context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	if err := ctx.Err(); err != nil {
		return auth.Finding{}, err
	}
	given, ok := assertionOf(at.Evidence)
	if !ok {
		return auth.Finding{}, nil
	}
	s, err := decode(a.State)
	if err != nil {
		return auth.Finding{}, fmt.Errorf("webauthn: read state of authenticator %s: %w", a.ID, err)
	}
	wrong := auth.Mismatched(auth.PasskeyWrong)
	if len(at.State) == 0 || len(given) > maxAnswer {
		return wrong, nil
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes([]byte(given))
	if err != nil {
		return wrong, nil
	}
	// The signature comes first, whosever credential it is said to be: with the
	// same evidence every authenticator, and the decoy, costs the same.
	if !f.signed(answer, s.Key, auth.AssertionChallenge(at.State)) {
		return wrong, nil
	}
	data := answer.Response.AuthenticatorData
	flags, count := kept(data.Flags), int64(data.Counter)
	switch {
	case string(answer.RawID) != string(s.Credential),
		string(answer.Response.UserHandle) != a.Account,
		flags.HasBackupEligible() != s.Flags.HasBackupEligible(),
		flags.HasBackupState() && !flags.HasBackupEligible():
		return wrong, nil
	case count == 0 && a.Mark <= 0:
		count = a.Mark // it does not count
	case count <= a.Mark:
		return auth.Mismatched(auth.PasskeyCopied), nil
	}
	if flags == s.Flags {
		return auth.Matched(count), nil
	}
	s.Flags = flags
	next, err := s.encode()
	if err != nil {
		return auth.Finding{}, err
	}
	return auth.MatchedNext(count, next), nil
}

// signed reports whether key signed this answer to challenge, for us, with the
// person present and verified (Section 7.2, steps 10 to 20).
func (f *Factor) signed(answer *protocol.ParsedCredentialAssertionData, key, challenge []byte) bool {
	// The library compares scheme and host. An origin has nothing else, and
	// whoever writes more is no browser.
	if !slices.Contains(f.Origins, answer.Response.CollectedClientData.Origin) {
		return false
	}
	return answer.Verify(encode(challenge), f.RPID, "", f.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, key, protocol.SignaturePolicy{}) == nil
}

// Decoy implements auth.Factor: an ES256 credential whose private key is
// forgotten as soon as it is made.
func (f *Factor) Decoy() auth.Authenticator {
	decoy := auth.Authenticator{ID: "decoy", Factor: name, Mark: auth.NoMark}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return decoy // Verify will refuse it with an error
	}
	point, err := private.PublicKey.Bytes() // 4, x, y (SEC 1, Section 2.3.3)
	if err != nil {
		return decoy
	}
	half := (len(point) - 1) / 2
	key, err := webauthncbor.Marshal(webauthncose.EC2PublicKeyData{
		PublicKeyData: webauthncose.PublicKeyData{
			KeyType:   int64(webauthncose.EllipticKey),
			Algorithm: int64(webauthncose.AlgES256),
		},
		Curve: int64(webauthncose.P256), XCoord: point[1 : 1+half], YCoord: point[1+half:],
	})
	if err != nil {
		return decoy
	}
	s := state{
		Credential: make([]byte, 32), Key: key, AAGUID: make([]byte, aaguidSize),
		Flags: kept(protocol.FlagUserPresent | protocol.FlagUserVerified),
	}
	rand.Read(s.Credential) // never fails; it ends the program instead
	if secret, err := s.encode(); err == nil {
		decoy.State = secret
	}
	return decoy
}

// assertionOf returns the first assertion among the evidence. A further one
// would be a second try for the price of one, and is not looked at.
func assertionOf(all []auth.Evidence) (auth.Assertion, bool) {
	for _, e := range all {
		if given, ok := e.(auth.Assertion); ok {
			return given, true
		}
	}
	return "", false
}

// refuse is the error of a Binding that cannot become an authenticator.
func refuse(why string) error {
	return fmt.Errorf("%w: the passkey was not accepted: %s", auth.ErrBind, why)
}

func (f *Factor) origins() string {
	if len(f.Origins) == 0 {
		return "none is set"
	}
	return f.Origins[0]
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
