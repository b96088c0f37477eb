package server

import (
	"fmt"
	"time"

	"sallyport/auth"
	"sallyport/config"
	"sallyport/factor/oath"
	"sallyport/factor/password"
	"sallyport/factor/pin"
	"sallyport/factor/recovery"
	"sallyport/factor/webauthn"
	"sallyport/kdf"
)

// laneWait is how long a login waits for its password to be hashed. NASes give
// up after some 5 to 30 s, most send again after 3.
const laneWait = 2500 * time.Millisecond

// factors is the one list of what can be verified, in the order in which second
// factors are asked for.
func factors(cfg config.Config, passkeys *webauthn.Factor) ([]auth.Factor, error) {
	lanes := kdf.NewLanes(cfg.PasswordHash.LaneCount(), laneWait)
	params := kdf.Params{
		MemoryKiB:   cfg.PasswordHash.MemoryKiB,
		Iterations:  cfg.PasswordHash.Iterations,
		Parallelism: cfg.PasswordHash.Parallelism,
	}
	if err := params.Check(); err != nil {
		return nil, fmt.Errorf("server: password_hash cannot be used: %w", err)
	}
	return []auth.Factor{
		&password.Factor{Params: params, Lanes: lanes},
		&oath.Factor{Drift: cfg.TOTP.DriftSteps},
		passkeys,
		&recovery.Factor{Params: params, Lanes: lanes},
	}, nil
}

// pins judges PINs by the rules that are set.
func pins(cfg config.Config) (*pin.PINs, error) {
	p := &pin.PINs{Rules: auth.PINRules{
		MinDigits: cfg.PIN.MinDigits, Remembered: cfg.PIN.Remembered, MaxAge: time.Duration(cfg.PIN.MaxAgeDays) * 24 * time.Hour,
	}}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("server: pin cannot be used: %w", err)
	}
	return p, nil
}
