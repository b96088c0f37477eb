package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// keyPrefix begins every secret of an API key, so that one that lies about is
// recognized.
const keyPrefix = "spk_"

// keySecretLength is the length of such a secret: prefix and 260 bits in base 32.
const keySecretLength = len(keyPrefix) + 52

// keyUsedEvery is how often the use of a key is noted.
const keyUsedEvery = time.Hour

// A KeyView is an API key as administrators see it: never its secret.
type KeyView struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
	Client      string       `json:"client,omitempty"`
	Created     time.Time    `json:"created"`
	Expires     *time.Time   `json:"expires,omitempty"`
	Expired     bool         `json:"expired,omitempty"`
	Used        *time.Time   `json:"used,omitempty"` // to an hour
}

// A NewKey is what AddKey is given.
type NewKey struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
	Client      string       `json:"client,omitempty"` // for login.decide: the client of the door "https" whose logins it brings
	Expires     time.Time    `json:"expires,omitzero"` // the zero time for never
}

// A KeyHolder is the program that has shown the secret of an API key.
type KeyHolder struct {
	Actor
	Client string // whose logins it may bring, "" for none
}

// AddKey makes an API key and returns its secret, which cannot be read again.
// Nobody gives a key what they may not do themselves; who may change settings
// may let a key bring logins, as they may make a client and its secret.
func (a *Admin) AddKey(ctx context.Context, by Actor, n NewKey) (KeyView, string, error) {
	if err := checkName("key", n.Name); err != nil {
		return KeyView{}, "", err
	}
	now := a.moment()
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		return KeyView{}, "", invalid("give a time in the future, or none", "a key until %s would be of no use", n.Expires.Format(time.RFC3339))
	}
	permissions, err := keyPermissions(n.Permissions)
	if err != nil {
		return KeyView{}, "", err
	}
	if err := mayGive(by, heldFor(permissions)); err != nil {
		return KeyView{}, "", err
	}
	decides := slices.Contains(permissions, DecideLogins)
	if c := a.Store.Settings().Client(n.Client); decides && (c == nil || c.Door != httpsDoor) {
		return KeyView{}, "", invalid("add a client of the door https, and name it", "a key with the permission %s is for a client of the door https, and %q is none", DecideLogins, n.Client)
	}
	if !decides && n.Client != "" {
		return KeyView{}, "", invalid("give it the permission "+string(DecideLogins)+", or no client", "a key that brings no logins belongs to no client")
	}
	secret := keyPrefix + rand.Text() + rand.Text()
	k := Key{Name: n.Name, Secret: sha256.Sum256([]byte(secret)), Permissions: permissions, Client: n.Client, Created: now, Expires: stored(n.Expires)}
	view := viewKey(&k, now)
	if err := a.applyTo(ctx, by, act{action: "apikey.add", subject: k.Name, detail: words(permissions), after: view}, AddKey{k}); err != nil {
		return KeyView{}, "", problem(err, fmt.Sprintf("there is already a key %q", k.Name), "remove that one, or use another name")
	}
	return view, secret, nil
}

// Keys lists all API keys by name.
func (a *Admin) Keys(ctx context.Context) ([]KeyView, error) {
	all, err := a.Store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]KeyView, len(all))
	for i := range all {
		views[i] = viewKey(&all[i], a.moment())
	}
	slices.SortFunc(views, func(x, y KeyView) int { return strings.Compare(x.Name, y.Name) })
	return views, nil
}

// RemoveKey ends an API key at once. Nobody ends one that may do more than they.
func (a *Admin) RemoveKey(ctx context.Context, by Actor, name string) error {
	none := &Problem{fmt.Sprintf("there is no key %q", name), "the list of keys shows the names", ErrNotFound}
	all, err := a.Store.Keys(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return none
	}
	k := &all[i]
	if lacking(by, heldFor(k.Permissions)) != "" {
		return forbidden("ask somebody whose role permits as much", "the key %s permits more than you may do", name)
	}
	err = a.applyTo(ctx, by, act{action: "apikey.remove", subject: name, before: viewKey(k, a.moment())}, RemoveKey{name})
	if errors.Is(err, ErrNotFound) {
		return none
	}
	return err
}

// KeyBySecret returns the program that a secret belongs to. It is a Problem of
// the kind ErrSignedOut if there is no such key, or it has expired, or the
// client whose logins it brings is gone.
func (a *Admin) KeyBySecret(ctx context.Context, secret string) (KeyHolder, error) {
	none := &Problem{"there is no such API key, or it has expired", "make a new one", ErrSignedOut}
	if len(secret) != keySecretLength || !strings.HasPrefix(secret, keyPrefix) {
		return KeyHolder{}, none
	}
	k, err := a.Store.Key(ctx, sha256.Sum256([]byte(secret)))
	if errors.Is(err, ErrNotFound) {
		return KeyHolder{}, none
	} else if err != nil {
		return KeyHolder{}, err
	}
	now := a.moment()
	if expiredKey(&k, now) {
		return KeyHolder{}, none
	}
	if k.Client != "" {
		if c := a.Store.Settings().Client(k.Client); c == nil || c.Door != httpsDoor {
			return KeyHolder{}, none
		}
	}
	if now.Sub(k.Used) >= keyUsedEvery {
		err := a.Store.Apply(ctx, Act{}, UpdateKey{k.Name, func(held *Key) error {
			if held.Secret != k.Secret {
				return ErrNotFound // another key of the same name
			}
			held.Used = now
			return nil
		}})
		if errors.Is(err, ErrNotFound) {
			return KeyHolder{}, none
		} else if err != nil {
			return KeyHolder{}, err
		}
	}
	return KeyHolder{Actor{Name: "key " + k.Name, May: k.Permissions}, k.Client}, nil
}

// keyPermissions checks the permissions of a key.
func keyPermissions(given []Permission) ([]Permission, error) {
	known := append(Permissions(), DecideLogins)
	for _, p := range given {
		if !slices.Contains(known, p) {
			return nil, invalid("the list of permissions shows the names", "there is no permission %q", p)
		}
	}
	if len(given) == 0 {
		return nil, invalid("", "a key permits something")
	}
	return slices.DeleteFunc(known, func(p Permission) bool { return !slices.Contains(given, p) }), nil
}

// heldFor returns what somebody must be permitted who gives or takes these
// permissions of a key.
func heldFor(permissions []Permission) []Permission {
	held := slices.Clone(permissions)
	for i, p := range held {
		if p == DecideLogins {
			held[i] = WriteSettings
		}
	}
	return held
}

func expiredKey(k *Key, now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

func viewKey(k *Key, now time.Time) KeyView {
	v := KeyView{Name: k.Name, Permissions: orEmpty(k.Permissions), Client: k.Client, Created: k.Created, Expired: expiredKey(k, now)}
	if !k.Expires.IsZero() {
		v.Expires = &k.Expires
	}
	if !k.Used.IsZero() {
		v.Used = &k.Used
	}
	return v
}
