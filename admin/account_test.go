package admin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

func (h *house) group(names ...string) {
	h.t.Helper()
	for _, n := range names {
		_, err := h.AddGroup(h.t.Context(), operator, n, nil)
		h.no(err)
	}
}

func TestChangeAccount(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.group("staff", "vpn")
	h.account("mary", "")
	h.account("nora", "")
	name, aliases, groups := "Mary.Major", []string{"MM", "mary", "mm"}, []string{"vpn", "staff", "vpn"}
	v, err := h.ChangeAccount(ctx, operator, "mary", AccountChange{Name: &name, Aliases: &aliases, Groups: &groups})
	h.no(err)
	if v.Name != "mary.major" || !slices.Equal(v.Aliases, []string{"mm", "mary"}) || !slices.Equal(v.Groups, []string{"vpn", "staff"}) {
		t.Errorf("account %+v", v)
	}
	act := h.last()
	if act.Action != "account.change" || !strings.Contains(act.Before, `"name":"mary","aliases":[]`) || !strings.Contains(act.After, `"name":"mary.major","aliases":["mm","mary"]`) {
		t.Errorf("act %+v", act)
	}
	none := []string{}
	v, err = h.ChangeAccount(ctx, operator, "MM", AccountChange{Groups: &none})
	if err != nil || len(v.Groups) != 0 || v.Name != "mary.major" || len(v.Aliases) != 2 {
		t.Errorf("account %+v, error %v", v, err)
	}
	taken, gone, bad := "nora", []string{"no such"}, "\x00"
	for _, tt := range []struct {
		name string
		n    AccountChange
		kind error
	}{
		{"another's name", AccountChange{Name: &taken}, ErrExists},
		{"another's name for an alias", AccountChange{Aliases: &[]string{"nora"}}, ErrExists},
		{"no group", AccountChange{Groups: &gone}, ErrNotFound},
		{"no name", AccountChange{Name: &bad}, ErrInvalid},
		{"no alias", AccountChange{Aliases: &[]string{""}}, ErrInvalid},
		{"another record than it was", AccountChange{Groups: &none, Expect: "0123"}, ErrChanged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.ChangeAccount(ctx, operator, "mary", tt.n)
			h.want(err, tt.kind)
		})
	}
	_, err = h.ChangeAccount(ctx, operator, "nobody", AccountChange{})
	h.want(err, ErrNotFound)
}

// Whoever says which record they have seen changes that one or none.
func TestExpectedAccounts(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.group("staff", "vpn")
	h.account("mary", "")
	h.app(h.portal("mary"), "phone")
	shown, err := h.ShowAccount(ctx, "mary")
	h.no(err)
	list, err := h.AccountList(ctx, AccountQuery{})
	h.no(err)
	if Tag(shown) != Tag(list.Items[0]) {
		t.Error("the tag of an account depends on how it is shown")
	}

	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 16 {
		wg.Go(func() {
			groups := []string{[]string{"staff", "vpn"}[i%2]}
			_, err := h.ChangeAccount(ctx, operator, "mary", AccountChange{Groups: &groups, Expect: Tag(shown)})
			if err == nil {
				mu.Lock()
				done++
				mu.Unlock()
			} else {
				h.want(err, ErrChanged)
			}
		})
	}
	wg.Wait()
	if done != 1 {
		t.Errorf("%d of 16 changes of the same record were made; want one", done)
	}
	h.want(h.RemoveAccount(ctx, operator, "mary", Tag(shown)), ErrChanged)
	now, err := h.ShowAccount(ctx, "mary")
	h.no(err)
	h.no(h.RemoveAccount(ctx, operator, "mary", Tag(now)))
	if len(h.store.state.authenticators) != 0 || len(h.store.state.sessions) != 0 {
		t.Error("something is left of the account")
	}
	if act := h.last(); act.Action != "account.remove" || !strings.Contains(act.Before, `"name":"mary"`) || act.After != "" {
		t.Errorf("act %+v", act)
	}
}

// What is shown of a new record has the tag that the kept one has, whatever the
// clock shows below a microsecond and wherever it stands.
func TestTagsOfNewRecords(t *testing.T) {
	h := newHouse(t)
	h.now = time.Date(2026, 3, 4, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))
	v, err := h.AddAccount(t.Context(), operator, NewAccount{Name: "mary"})
	h.no(err)
	acc := h.get("mary")
	acc.Created = acc.Created.UTC().Truncate(time.Microsecond) // as a store gives it back
	if Tag(v) != Tag(viewAccount(acc, h.Now())) {
		t.Errorf("new %+v, kept %+v", v, acc)
	}
	if !v.Created.Equal(acc.Created) {
		t.Errorf("created %s", v.Created)
	}
}

// Without saying so, changes that fall together are all made, each on what the
// one before it left.
func TestParallelChangesOfAnAccount(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("mary", "")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			var err error
			switch i % 4 {
			case 0:
				err = h.SetEnabled(ctx, operator, "mary", false)
			case 1:
				err = h.SetEnabled(ctx, operator, "mary", true)
			case 2:
				err = h.Block(ctx, operator, "mary", fmt.Sprint(i), time.Time{})
			case 3:
				err = h.Unblock(ctx, operator, "mary")
			}
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	was := ""
	for _, act := range h.store.state.acts {
		if was != "" && act.Before != was {
			t.Errorf("act %d says it was %s; the one before left %s", act.Seq, act.Before, was)
		}
		was = act.After
	}
	if b, err := json.Marshal(viewAccount(h.get("mary"), h.Now())); err != nil || string(b) != was {
		t.Errorf("the last act says %s; it is %s, error %v", was, b, err)
	}
}

func TestAccountList(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.group("staff")
	for i := range 7 {
		h.account(fmt.Sprintf("person%d", i), "")
	}
	h.account("olga", Owner)
	h.app(h.portal("person1"), "phone")
	h.no(h.SetEnabled(ctx, operator, "person2", false))
	h.no(h.Block(ctx, operator, "person3", "", h.Now().Add(time.Hour)))
	staff := []string{"staff"}
	_, err := h.ChangeAccount(ctx, operator, "person4", AccountChange{Groups: &staff, Aliases: &[]string{"Fourth"}})
	h.no(err)
	h.store.state.throttles[h.get("person5").ID] = auth.Throttle{Have: auth.Count{Failures: 12, Until: h.Now().Add(time.Minute)}}
	h.store.state.throttles[h.get("person6").ID] = auth.Throttle{Know: auth.Count{Failures: 60}}
	h.store.state.throttles[h.get("person0").ID] = auth.Throttle{Know: auth.Count{Failures: 11, Until: h.Now()}} // waits no more

	tests := []struct {
		q    AccountQuery
		want string
	}{
		{AccountQuery{}, "olga person0 person1 person2 person3 person4 person5 person6"},
		{AccountQuery{Limit: 3}, "olga person0 person1 + person2 person3 person4 + person5 person6"},
		{AccountQuery{Limit: 4}, "olga person0 person1 person2 + person3 person4 person5 person6"},
		{AccountQuery{Q: "SON4"}, "person4"},
		{AccountQuery{Q: " fourth "}, "person4"},
		{AccountQuery{Q: "nobody"}, ""},
		{AccountQuery{Group: "staff"}, "person4"},
		{AccountQuery{Role: Owner}, "olga"},
		{AccountQuery{Role: "*"}, "olga"},
		{AccountQuery{State: "disabled"}, "person2"},
		{AccountQuery{State: "blocked"}, "person3"},
		{AccountQuery{State: "unenrolled"}, "olga person0 person2 person3 person4 person5 person6"},
		{AccountQuery{State: "locked"}, "person6 person5"},
		{AccountQuery{State: "locked", Q: "person5"}, "person5"},
	}
	for _, tt := range tests {
		var got []string
		for q := tt.q; ; {
			list, err := h.AccountList(ctx, q)
			h.no(err)
			for _, v := range list.Items {
				got = append(got, v.Name)
				if want := strings.Fields(h.holds(v.Name)); !slices.Equal(v.Factors, want) {
					t.Errorf("%s holds %v; want %v", v.Name, v.Factors, want)
				}
			}
			if q.Cursor = list.Next; q.Cursor == "" {
				break
			}
			got = append(got, "+")
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("AccountList(%+v) = %v; want %s", tt.q, got, tt.want)
		}
	}
	for _, q := range []AccountQuery{{State: "angry"}, {Limit: -1}, {Limit: 501}, {Cursor: "!"}, {Q: "\x00"}} {
		_, err := h.AccountList(ctx, q)
		h.want(err, ErrInvalid)
	}
}

// Every way in which an account is shown has its role, and no view of one has a
// secret of it.
func TestRoleIsShown(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	v, err := h.ShowAccount(t.Context(), "olga")
	h.no(err)
	b, err := json.Marshal(v)
	if err != nil || !strings.Contains(string(b), `"role":"owner"`) {
		t.Errorf("%s, error %v", b, err)
	}
}
