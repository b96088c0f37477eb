package auth

import "time"

// PINFactor is the Authenticator.Factor of a PIN. An account has one at most. It
// is no Factor, because it proves nothing by itself: it is typed right after the
// code of a factor that asks for it (Info.PINPrompt), and makes a token that was
// found or stolen useless to its finder. It stands in for no password.
const PINFactor = "pin"

// PINs judges PINs. All methods may be called concurrently.
type PINs interface {
	// Split takes the PIN of pin, an Authenticator of PINFactor, off the end of
	// what was typed. why is zero if the PIN is right, PINWrong if it is wrong or
	// missing, PINExpired if it is right and too old at the time given. code is
	// what remains; all that was typed if no code would remain. An error means
	// that we are broken.
	Split(pin Authenticator, typed Code, at time.Time) (code Code, why Outcome, err error)

	// Decoy returns a PIN that nothing matches and that costs Split as much as a
	// real one. The engine splits with it where an account has none.
	Decoy() Authenticator
}

// PINRules say which PINs are taken, and for how long. Whatever they say, a PIN
// has digits only, none of them three times in a row, and no three that count up
// or down.
type PINRules struct {
	MinDigits  int           // 4 to 16
	Remembered int           // how many former PINs of an account are not taken again, 0 to 24
	MaxAge     time.Duration // after which a PIN must be changed; 0 means never
}

// Expires returns when a PIN has to be changed that was set at a time; false if
// it need not be.
func (r PINRules) Expires(set time.Time) (time.Time, bool) {
	return set.Add(r.MaxAge), r.MaxAge > 0
}

// withoutPIN takes the PIN off a code, if the account has one, and returns what
// is wrong with the PIN, 0 if nothing is. Everybody's code is split, so that time
// tells nobody who has a PIN.
func (t *trial) withoutPIN(shown []Evidence) (rest []Evidence, why Outcome, err error) {
	typed, _ := evidenceOf[Code](shown)
	var held *Authenticator
	for i := range t.facts.Authenticators {
		if t.facts.Authenticators[i].Factor == PINFactor {
			held = &t.facts.Authenticators[i]
		}
	}
	switch pins := t.engine.PINs; {
	case pins == nil && held == nil:
		return shown, 0, nil
	case pins == nil:
		return shown, InternalFault, nil // nobody is let in without it
	case held == nil:
		_, _, err = pins.Split(t.engine.noPIN, typed, t.at.Time)
		return shown, 0, err
	default:
		code, why, err := pins.Split(*held, typed, t.at.Time)
		if why == PINExpired && t.at.Client == PortalClient {
			why = 0 // it is where PINs are changed
		}
		return []Evidence{code}, why, err
	}
}

// blame returns why a code with a PIN proves nothing, or the finding's own word
// if the PIN is not to blame. A wrong PIN beside a code that was accepted before
// is a guess all the same.
func blame(f Finding, pin Outcome) Outcome {
	if f.Match() || f.Outcome() == DuplicateOATHCode && pin != PINExpired {
		return pin
	}
	return f.Outcome()
}
