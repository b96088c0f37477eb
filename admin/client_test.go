package admin

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sallyport/auth"
)

func (h *house) application(names ...string) {
	h.t.Helper()
	for _, n := range names {
		_, err := h.AddApplication(h.t.Context(), operator, n)
		h.no(err)
	}
}

// A page of ours that took a code alone would be a way in without a password.
func TestOriginsNeedBothFactors(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	h.application("intranet")
	origins := []string{"https://wiki.example.org"}
	for _, n := range []NewClient{
		{Name: "a", Application: "intranet", Door: "https", Origins: origins, Password: "none"},
		{Name: "b", Application: "intranet", Door: "https", Origins: origins, Mode: "append"},
	} {
		if _, _, err := h.AddClient(ctx, operator, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("AddClient(%+v) = %v; want it refused", n, err)
		}
	}
	if _, _, err := h.AddClient(ctx, operator, NewClient{Name: "c", Application: "intranet", Door: "https", Password: "none"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ChangeClient(ctx, operator, ClientChange{Name: "c", Origins: origins}); !errors.Is(err, ErrInvalid) {
		t.Errorf("origins for a client that checks the password = %v; want it refused", err)
	}
}

func TestClientsOfTheDoorHTTPS(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.application("intranet")
	v, secret, err := h.AddClient(ctx, operator, NewClient{Name: "wiki", Application: "intranet", Door: "https", Origins: []string{"https://Wiki.Example.org:443/", "https://wiki.example.org", "http://localhost:8080"}})
	h.no(err)
	if secret != "" || v.Door != "https" || v.Source != "" || v.Secrets != 0 || len(v.Warnings) != 0 ||
		!slices.Equal(v.Origins, []string{"https://wiki.example.org", "http://localhost:8080"}) {
		t.Errorf("client %+v, secret %q", v, secret)
	}
	_, _, err = h.AddClient(ctx, operator, NewClient{Name: "mail", Application: "intranet", Door: "https"})
	h.no(err) // another one without a source
	lax := true
	refused := map[string]NewClient{
		"a source":       {Source: "192.0.2.1"},
		"a secret":       {Secret: "a secret of some length"},
		"lax":            {Lax: true},
		"an http origin": {Origins: []string{"http://wiki.example.org"}},
		"a path":         {Origins: []string{"https://wiki.example.org/page"}},
		"a name":         {Origins: []string{"wiki.example.org"}},
		"a query":        {Origins: []string{"https://wiki.example.org?"}},
		"a fragment":     {Origins: []string{"https://wiki.example.org#"}},
		"a user":         {Origins: []string{"https://me@wiki.example.org"}},
		"a star":         {Origins: []string{"https://*.example.org"}},
		"a script":       {Origins: []string{"javascript://wiki.example.org"}},
		"nothing":        {Origins: []string{""}},
		"no host":        {Origins: []string{"https://"}},
		"a port alone":   {Origins: []string{"https://:443"}},
		"an empty port":  {Origins: []string{"https://wiki.example.org:"}},
		"localhost's":    {Origins: []string{"http://localhost.example.org"}},
		"a backslash":    {Origins: []string{`https://wiki.example.org\@evil.example.net`}},
		"too many":       {Origins: make([]string, 21)},
		"another door":   {Door: "ldap"},
		"a NAS":          {Door: "radius", Source: "192.0.2.1", Origins: []string{"https://wiki.example.org"}},
	}
	for name, n := range refused {
		t.Run(name, func(t *testing.T) {
			n.Name, n.Application = "x", "intranet"
			if n.Door == "" {
				n.Door = "https"
			}
			_, _, err := h.AddClient(ctx, operator, n)
			h.want(err, ErrInvalid)
		})
	}

	v, err = h.ChangeClient(ctx, operator, ClientChange{Name: "wiki", Origins: []string{"https://wiki.example.net"}, Expect: Tag(v)})
	h.no(err)
	if act := h.last(); act.Action != "client.change" || !strings.Contains(act.Before, "wiki.example.org") || !strings.Contains(act.After, "wiki.example.net") || !strings.Contains(act.Detail, "wiki.example.net") {
		t.Errorf("act %+v", act)
	}
	_, err = h.ChangeClient(ctx, operator, ClientChange{Name: "wiki", Source: "192.0.2.1"})
	h.want(err, ErrInvalid)
	_, err = h.ChangeClient(ctx, operator, ClientChange{Name: "wiki", Lax: &lax})
	h.want(err, ErrInvalid)
	_, err = h.RotateClient(ctx, operator, "wiki", "")
	h.want(err, ErrInvalid, "API key")
	h.want(h.FinishRotation(ctx, operator, "wiki"), ErrInvalid)
}

func TestBuiltinNamesAreReserved(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.application("vpn")
	for _, name := range []string{auth.ConsoleClient, auth.PortalClient} {
		_, err := h.AddApplication(ctx, operator, name)
		h.want(err, ErrInvalid, "built in")
		_, _, err = h.AddClient(ctx, operator, NewClient{Name: name, Application: "vpn", Source: "192.0.2.1"})
		h.want(err, ErrInvalid, "built in")
		_, err = h.ChangeClient(ctx, operator, ClientChange{Name: name, Password: "none"})
		h.want(err, ErrInvalid, "built in")
		h.want(h.RemoveClient(ctx, operator, name, ""), ErrInvalid, "built in")
		_, err = h.RotateClient(ctx, operator, name, "")
		h.want(err, ErrNotFound)
		_, err = h.ShowClient(name)
		h.want(err, ErrNotFound)
	}
	if len(h.Clients()) != 0 {
		t.Errorf("clients %+v", h.Clients())
	}
}

func TestExpectedClients(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.application("vpn")
	v, _, err := h.AddClient(ctx, operator, NewClient{Name: "fw1", Application: "vpn", Source: "192.0.2.1"})
	h.no(err)
	seen, err := h.ShowClient("fw1")
	if err != nil || Tag(seen) != Tag(v) || Tag(h.Clients()[0]) != Tag(v) {
		t.Errorf("client %+v, error %v", seen, err)
	}
	rate := 5
	_, err = h.ChangeClient(ctx, operator, ClientChange{Name: "fw1", RatePerSecond: &rate, Expect: Tag(v)})
	h.no(err)
	_, err = h.ChangeClient(ctx, operator, ClientChange{Name: "fw1", RatePerSecond: &rate, Expect: Tag(v)})
	h.want(err, ErrChanged)
	h.want(h.RemoveClient(ctx, operator, "fw1", Tag(v)), ErrChanged)
	now, err := h.ShowClient("fw1")
	h.no(err)
	h.no(h.RemoveClient(ctx, operator, "fw1", Tag(now)))
	h.want(h.RemoveClient(ctx, operator, "fw1", ""), ErrNotFound)
}

func TestWhatIsInUseStays(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.application("vpn", "idle")
	h.group("staff", "idle")
	_, _, err := h.AddClient(ctx, operator, NewClient{Name: "fw1", Application: "vpn", Source: "192.0.2.1"})
	h.no(err)
	staff := []string{"staff"}
	h.account("mary", "")
	_, err = h.ChangeAccount(ctx, operator, "mary", AccountChange{Groups: &staff})
	h.no(err)
	h.want(h.RemoveApplication(ctx, operator, "vpn"), ErrInvalid, "client fw1")
	h.want(h.RemoveGroup(ctx, operator, "staff"), ErrInvalid, "account mary")
	h.store.state.settings.Rules = []auth.Rule{{Name: "r1", Match: auth.Match{Applications: []string{"idle"}, Groups: []string{"idle"}}}}
	h.want(h.RemoveApplication(ctx, operator, "idle"), ErrInvalid, "rule r1")
	h.want(h.RemoveGroup(ctx, operator, "idle"), ErrInvalid, "rule r1")
	h.store.state.settings.Rules = nil
	h.no(h.RemoveApplication(ctx, operator, "idle"))
	h.no(h.RemoveGroup(ctx, operator, "idle"))
	h.want(h.RemoveApplication(ctx, operator, "idle"), ErrNotFound)
	h.want(h.RemoveGroup(ctx, operator, "idle"), ErrNotFound)
}

func TestChangeGroup(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.group("staff")
	seen := h.Groups()[0]
	g, err := h.ChangeGroup(ctx, operator, "staff", []auth.ReplyAttribute{{Name: "Class", Value: "vpn"}}, Tag(seen))
	h.no(err)
	if len(g.Attributes) != 1 || len(h.Groups()[0].Attributes) != 1 {
		t.Errorf("group %+v", g)
	}
	if act := h.last(); act.Before != `{"name":"staff","attributes":[]}` || act.After != `{"name":"staff","attributes":["Class=vpn"]}` {
		t.Errorf("act %+v", act)
	}
	_, err = h.ChangeGroup(ctx, operator, "staff", nil, Tag(seen))
	h.want(err, ErrChanged)
	_, err = h.ChangeGroup(ctx, operator, "gone", nil, "")
	h.want(err, ErrNotFound)
}

// FuzzParseOrigins states that an origin that is taken is one that a browser
// means by the same text: scheme and host alone, safe, and the same again.
func FuzzParseOrigins(f *testing.F) {
	for _, s := range []string{"https://wiki.example.org", "HTTPS://WIKI.example.org:8443/", "http://localhost", "https://[2001:DB8::1]:443", "https://a\\b", "https://a%2eb", "https://ä.example", "//x", "https://a@b", "https://a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseOrigins([]string{text})
		if err != nil {
			return
		}
		again, err := parseOrigins(list)
		if err != nil || !slices.Equal(again, list) || len(list) != 1 {
			t.Fatalf("%q is read as %q, and that as %q, error %v", text, list, again, err)
		}
		u, err := url.Parse(list[0])
		if err != nil || u.Scheme+"://"+u.Host != list[0] {
			t.Errorf("%q is read as %q, which is no origin", text, list[0])
		}
		if u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost") {
			t.Errorf("%q is read as %q, which is not safe", text, list[0])
		}
	})
}
