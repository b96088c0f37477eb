package admin

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"sallyport/auth"
)

// A mortal is a store whose process dies at its nth write: before it has changed
// anything, or right after, when nobody hears of it any more. Nothing can be
// asked of it from then on.
type mortal struct {
	*memory
	left  int // writes that are still lived through
	after bool
	dead  bool
}

var errDead = errors.New("the process has died")

func (m *mortal) write(do func() error) error {
	switch {
	case m.dead:
		return errDead
	case m.left > 0:
		m.left--
		return do()
	}
	m.dead = true
	if m.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errDead
}

func (m *mortal) Apply(ctx context.Context, act Act, changes ...Change) error {
	return m.write(func() error { return m.memory.Apply(ctx, act, changes...) })
}

func (m *mortal) Tried(ctx context.Context, id string, limit int) error {
	return m.write(func() error { return m.memory.Tried(ctx, id, limit) })
}

// CVE-2026-9047 (Devolutions Server): reconfiguring factors left a state that
// skipped MFA. A process that dies at any write of setting up, replacing or
// removing leaves a person with all that they had or all that they were to get:
// never without a second factor who had one, never with an app but no recovery
// codes, never without a PIN who was changing it. What was cut off can be done
// again.
func TestCrashAtEachPointOfEnrolment(t *testing.T) {
	type scene struct {
		*house
		p   Person
		key []byte // of the app that they have
		id  string // of that app
	}
	enrol := func(s scene, n NewEnrolment, code func(Enrolment) Confirmation) error {
		e, err := s.BeginEnrolment(t.Context(), s.p, n)
		if err != nil {
			return err
		}
		c := code(e)
		c.Ceremony = e.Ceremony
		_, err = s.ConfirmEnrolment(t.Context(), s.p, c)
		return err
	}
	app := func(s scene) error {
		return enrol(s, NewEnrolment{Kind: EnrolOATH}, func(e Enrolment) Confirmation { return Confirmation{Code: s.code(s.house.key(e), 0)} })
	}
	pin := func(digits string) func(scene) error {
		return func(s scene) error {
			s.wait(time.Minute) // for a code that was not shown yet
			return enrol(s, NewEnrolment{Kind: EnrolPIN, PIN: digits}, func(Enrolment) Confirmation { return Confirmation{Code: s.code(s.key, 0) + auth.Code(digits)} })
		}
	}
	tests := []struct {
		name   string
		before func(s *scene) // what was there, beside mary with an app
		do     func(s scene) error
		states []string // what may be held afterwards
	}{
		{"the first app", func(s *scene) { s.account("nora", ""); s.p = s.portal("nora") }, app, []string{"password", "password oath recovery"}},
		{"a second app", nil, app, []string{"password oath recovery", "password oath recovery oath"}},
		{"a passkey", nil, func(s scene) error {
			return enrol(s, NewEnrolment{Kind: EnrolPasskey}, func(e Enrolment) Confirmation { return Confirmation{Registration: s.answer(e.Options)} })
		}, []string{"password oath recovery", "password oath recovery webauthn"}},
		{"an app in place of a lost one", func(s *scene) {
			link, err := s.Invite(t.Context(), operator, NewInvitation{Account: "mary", Kind: InviteLink, Replace: true})
			s.no(err)
			s.wait(time.Minute)
			_, s.p, err = s.Redeem(t.Context(), link.Secret, Redeemer{})
			s.no(err)
		}, app, []string{"password oath recovery", "password recovery oath"}},
		{"a PIN", nil, pin("2704"), []string{"password oath recovery", "password oath recovery pin"}},
		{"another PIN", func(s *scene) { s.pin(s.p, s.key, "2704") }, pin("2815"), []string{"password oath recovery pin"}},
		{"new recovery codes", nil, func(s scene) error {
			_, err := s.OwnRecoveryCodes(t.Context(), s.p)
			return err
		}, []string{"password oath recovery"}},
		{"one of two apps removed", func(s *scene) { s.app(s.p, "tablet") }, func(s scene) error {
			return s.RemoveOwnAuthenticator(t.Context(), s.p, s.id)
		}, []string{"password oath recovery oath", "password recovery oath"}},
		{"the last app revoked", nil, func(s scene) error {
			return s.RevokeAuthenticator(t.Context(), operator, s.id)
		}, []string{"password oath recovery", "password"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for writes := 0; ; writes++ {
				lived := false
				for _, after := range []bool{false, true} {
					s := scene{house: newHouse(t)}
					s.p, s.key = s.enrolled("mary")
					held, err := s.store.Authenticators(t.Context(), s.p.Account.ID)
					s.no(err)
					s.id = held[1].ID
					if tt.before != nil {
						tt.before(&s)
					}
					m := &mortal{memory: s.store, left: writes, after: after}
					s.Store = m
					err = tt.do(s)
					if !m.dead {
						s.no(err)
						lived = true
					} else if !errors.Is(err, errDead) {
						t.Fatalf("died at write %d, and was told %v", writes, err)
					}
					s.Store = s.store // the next process
					got := s.holds(s.p.Account.Name)
					if !slices.Contains(tt.states, got) {
						t.Errorf("died at write %d (after it: %t): they hold %s; want one of %q", writes, after, got, tt.states)
					}
					if lived && got != tt.states[len(tt.states)-1] {
						t.Errorf("done, and they hold %s", got)
					}
					if m.dead && got == tt.states[0] && len(tt.states) > 1 {
						if err := tt.do(s); err != nil {
							t.Errorf("died at write %d (after it: %t), and it cannot be done again: %v", writes, after, err)
						}
					}
				}
				if lived {
					if writes == 0 {
						t.Error("nothing was written")
					}
					return
				}
			}
		})
	}
}
