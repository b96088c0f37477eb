package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
)

func TestKeys(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	v, secret, err := h.AddKey(ctx, operator, NewKey{Name: "reports", Permissions: []Permission{ReadEvents, ReadReports, ReadEvents}, Expires: h.Now().Add(time.Hour)})
	h.no(err)
	if len(secret) != 56 || !strings.HasPrefix(secret, "spk_") || !slices.Equal(v.Permissions, []Permission{ReadEvents, ReadReports}) {
		t.Errorf("key %+v with a secret of %d characters", v, len(secret))
	}
	holder, err := h.KeyBySecret(ctx, secret)
	h.no(err)
	if holder.Name != "key reports" || holder.Account != "" || !holder.Can(ReadReports) || holder.Can(ReadAccounts) || holder.Client != "" {
		t.Errorf("holder %+v", holder)
	}
	for _, bad := range []string{"", "spk_", secret[:55], secret + "A", strings.ToLower(secret), "spk_" + strings.Repeat("A", 52), strings.Repeat("x", 1<<20)} {
		_, err := h.KeyBySecret(ctx, bad)
		h.want(err, ErrSignedOut)
	}
	_, _, err = h.AddKey(ctx, operator, NewKey{Name: "reports", Permissions: []Permission{ReadEvents}})
	h.want(err, ErrExists)
	h.wait(time.Hour)
	_, err = h.KeyBySecret(ctx, secret)
	h.want(err, ErrSignedOut)
	list, err := h.Keys(ctx)
	h.no(err)
	if len(list) != 1 || !list[0].Expired || list[0].Used == nil || strings.Contains(fmt.Sprintf("%+v", list), secret[4:]) {
		t.Errorf("keys %+v", list)
	}
	h.no(h.RemoveKey(ctx, operator, "reports"))
	h.want(h.RemoveKey(ctx, operator, "reports"), ErrNotFound)
}

func TestUseOfAKeyIsNotedOnceAnHour(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	_, secret, err := h.AddKey(ctx, operator, NewKey{Name: "k", Permissions: []Permission{ReadEvents}})
	h.no(err)
	var used []time.Time
	for range 300 {
		_, err := h.KeyBySecret(ctx, secret)
		h.no(err)
		if at := h.store.state.keys["k"].Used; len(used) == 0 || !used[len(used)-1].Equal(at) {
			used = append(used, at)
		}
		h.wait(time.Minute)
	}
	if len(used) != 5 {
		t.Errorf("noted %d times in five hours; want 5", len(used))
	}
	if act := h.last(); act.Action != "apikey.add" {
		t.Errorf("the use of a key is recorded as %+v", act)
	}
}

// Nobody makes a key that may do what they may not, and none that brings logins
// without a client of the right door.
func TestKeysWithinTheMakersOwn(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("olga", Owner)
	_, err := h.AddRole(ctx, operator, NewRole{Name: "keeper", Permissions: []Permission{WriteKeys, ReadKeys, ReadEvents}})
	h.no(err)
	h.account("kim", "keeper")
	h.no(h.store.Apply(ctx, Act{}, AddClient{auth.Client{Name: "wiki", Door: "https"}}, AddClient{auth.Client{Name: "fw1", Door: "radius"}}))
	kim, olga := h.actor("kim"), h.actor("olga")
	tests := []struct {
		name string
		by   Actor
		n    NewKey
		kind error
	}{
		{"what the maker has", kim, NewKey{Name: "a", Permissions: []Permission{ReadEvents}}, nil},
		{"more than that", kim, NewKey{Name: "b", Permissions: []Permission{ReadEvents, ReadAccounts}}, ErrForbidden},
		{"logins, by somebody who may not change settings", kim, NewKey{Name: "c", Permissions: []Permission{DecideLogins}, Client: "wiki"}, ErrForbidden},
		{"logins", olga, NewKey{Name: "d", Permissions: []Permission{DecideLogins}, Client: "wiki"}, nil},
		{"logins without a client", olga, NewKey{Name: "e", Permissions: []Permission{DecideLogins}}, ErrInvalid},
		{"logins of a NAS", olga, NewKey{Name: "e", Permissions: []Permission{DecideLogins}, Client: "fw1"}, ErrInvalid},
		{"logins of the console", olga, NewKey{Name: "e", Permissions: []Permission{DecideLogins}, Client: auth.ConsoleClient}, ErrInvalid},
		{"logins of no client", olga, NewKey{Name: "e", Permissions: []Permission{DecideLogins}, Client: "gone"}, ErrInvalid},
		{"a client without logins", olga, NewKey{Name: "e", Permissions: []Permission{ReadEvents}, Client: "wiki"}, ErrInvalid},
		{"nothing", olga, NewKey{Name: "e"}, ErrInvalid},
		{"what there is not", olga, NewKey{Name: "e", Permissions: []Permission{"all"}}, ErrInvalid},
		{"a time that is over", olga, NewKey{Name: "e", Permissions: []Permission{ReadEvents}, Expires: h.Now()}, ErrInvalid},
		{"a name of many words", olga, NewKey{Name: "a key", Permissions: []Permission{ReadEvents}}, ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, secret, err := h.AddKey(ctx, tt.by, tt.n)
			if tt.kind != nil {
				h.want(err, tt.kind)
				return
			}
			h.no(err)
			holder, err := h.KeyBySecret(ctx, secret)
			if err != nil || holder.Client != tt.n.Client {
				t.Errorf("holder %+v, error %v", holder, err)
			}
		})
	}
	h.want(h.RemoveKey(ctx, kim, "d"), ErrForbidden)
	h.no(h.RemoveKey(ctx, kim, "a"))
	// A key that brings logins ends with its client.
	_, secret, err := h.AddKey(ctx, olga, NewKey{Name: "f", Permissions: []Permission{DecideLogins}, Client: "wiki"})
	h.no(err)
	h.no(h.RemoveClient(ctx, olga, "wiki", ""))
	_, err = h.KeyBySecret(ctx, secret)
	h.want(err, ErrSignedOut)
}
