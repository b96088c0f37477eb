package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"sallyport/auth"
)

// A ClientView is a RADIUS client as administrators see it: never its secret.
type ClientView struct {
	Name        string    `json:"name"`
	Application string    `json:"application"`
	Source      string    `json:"source"`
	Mode        string    `json:"mode"`
	Password    string    `json:"password"`
	Attributes  []string  `json:"attributes"`
	Secrets     int       `json:"secrets"` // live: 2 while a rotation is under way
	Warnings    []string  `json:"warnings"`
	Created     time.Time `json:"created"`
}

// A NewClient is what AddClient is given.
type NewClient struct {
	Name          string                `json:"name"`
	Application   string                `json:"application"`
	Source        string                `json:"source"` // CIDR or address
	Secret        string                `json:"secret"` // "" to have one made
	Mode          string                `json:"mode"`
	Password      string                `json:"password"`
	Lax           bool                  `json:"lax"` // do not require Message-Authenticator
	RatePerSecond int                   `json:"rate_per_second"`
	Attributes    []auth.ReplyAttribute `json:"attributes"`
}

// minSecret is the shortest shared secret that is kept. RFC 2865, Section 3
// asks for as much as a good password; shorter ones are guessed offline from
// one captured packet.
const minSecret = 16

// nameForm is what applications, clients and groups may be called.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func checkName(kind, name string) error {
	if nameForm.MatchString(name) {
		return nil
	}
	return invalid("use letters, digits, dots, dashes and underscores, 63 at most", "%q cannot be the name of a %s", name, kind)
}

// AddClient makes a RADIUS client and returns it with its secret if one was
// made here; it cannot be read again.
func (a *Admin) AddClient(ctx context.Context, by Actor, n NewClient) (view ClientView, secret string, err error) {
	if err := checkName("client", n.Name); err != nil {
		return ClientView{}, "", err
	}
	settings := a.Store.Settings()
	if !slices.ContainsFunc(settings.Applications, func(p auth.Application) bool { return p.Name == n.Application }) {
		return ClientView{}, "", &Problem{fmt.Sprintf("there is no application %q", n.Application), "sallyport application add " + n.Application, ErrNotFound}
	}
	source, err := parseSource(n.Source)
	if err != nil {
		return ClientView{}, "", err
	}
	for _, c := range settings.Clients {
		if c.Source == source {
			return ClientView{}, "", &Problem{fmt.Sprintf("client %s sends from %s already; a packet must belong to one client", c.Name, source), "use a smaller network, or sallyport client remove " + c.Name, ErrExists}
		}
	}
	c := auth.Client{
		Name: n.Name, Door: "radius", Application: n.Application, Source: source,
		Mode: auth.Mode(n.Mode), Password: auth.PasswordRule(n.Password),
		LaxMessageAuthenticator: n.Lax, RatePerSecond: n.RatePerSecond, Attributes: n.Attributes, Created: a.Now(),
	}
	if c.Mode == "" {
		c.Mode = auth.ModeChallenge
	}
	if c.Password == "" {
		c.Password = auth.PasswordVerify
	}
	if c.Mode != auth.ModeChallenge && c.Mode != auth.ModeAppend {
		return ClientView{}, "", invalid("modes are: challenge, append", "there is no mode %q", n.Mode)
	}
	if c.Password != auth.PasswordVerify && c.Password != auth.PasswordNone {
		return ClientView{}, "", invalid("password rules are: verify, none", "there is no password rule %q", n.Password)
	}
	if n.RatePerSecond < 0 {
		return ClientView{}, "", invalid("", "a rate cannot be negative")
	}
	if err := a.checkAttributes(n.Attributes); err != nil {
		return ClientView{}, "", err
	}
	given := n.Secret
	if given == "" {
		secret = rand.Text() + rand.Text()[:6] // 32 characters of base 32: 160 random bits
		given = secret
	}
	if err := checkSecret(given); err != nil {
		return ClientView{}, "", err
	}
	c.Secrets = []auth.Secret{auth.Secret(given)}
	if c.ID, err = newID(); err != nil {
		return ClientView{}, "", err
	}
	detail := fmt.Sprintf("application %s, source %s, mode %s, password %s", c.Application, c.Source, c.Mode, c.Password)
	if err := a.apply(ctx, by, "client.add", c.Name, detail, AddClient{c}); err != nil {
		return ClientView{}, "", problem(err, fmt.Sprintf("there is already a client %q", c.Name), "sallyport client list shows it")
	}
	return viewClient(&c), secret, nil
}

// RotateClient gives a client a new secret. The old one stays live beside it
// until FinishRotation or the next RotateClient.
func (a *Admin) RotateClient(ctx context.Context, by Actor, name, given string) (secret string, err error) {
	if given == "" {
		secret = rand.Text() + rand.Text()[:6]
		given = secret
	}
	if err := checkSecret(given); err != nil {
		return "", err
	}
	return secret, a.updateClient(ctx, by, name, "client.rotate", func(c *auth.Client) error {
		c.Secrets = []auth.Secret{auth.Secret(given), c.Secrets[0]}
		return nil
	})
}

// FinishRotation ends a client's old secret.
func (a *Admin) FinishRotation(ctx context.Context, by Actor, name string) error {
	return a.updateClient(ctx, by, name, "client.rotate-finish", func(c *auth.Client) error {
		if len(c.Secrets) < 2 {
			return invalid("sallyport client rotate "+name+" begins one", "no rotation of %q is under way", name)
		}
		c.Secrets = c.Secrets[:1]
		return nil
	})
}

func (a *Admin) updateClient(ctx context.Context, by Actor, name, action string, update func(*auth.Client) error) error {
	return problem(a.apply(ctx, by, action, name, "", UpdateClient{name, update}),
		fmt.Sprintf("no client %q", name), "sallyport client list shows the names")
}

// RemoveClient ends a client: from the next packet on it is unknown.
func (a *Admin) RemoveClient(ctx context.Context, by Actor, name string) error {
	return problem(a.apply(ctx, by, "client.remove", name, "", RemoveClient{name}),
		fmt.Sprintf("no client %q", name), "sallyport client list shows the names")
}

// Clients lists all clients.
func (a *Admin) Clients() []ClientView {
	s := a.Store.Settings()
	views := make([]ClientView, len(s.Clients))
	for i := range s.Clients {
		views[i] = viewClient(&s.Clients[i])
	}
	return views
}

func viewClient(c *auth.Client) ClientView {
	v := ClientView{
		Name: c.Name, Application: c.Application, Source: c.Source, Mode: string(c.Mode), Password: string(c.Password),
		Secrets: len(c.Secrets), Attributes: []string{}, Warnings: []string{}, Created: c.Created,
	}
	for _, at := range c.Attributes {
		v.Attributes = append(v.Attributes, at.Name+"="+at.Value)
	}
	if c.LaxMessageAuthenticator {
		v.Warnings = append(v.Warnings, "requests without Message-Authenticator are accepted: answers can be forged by whoever sits on the path (CVE-2024-3596)")
	}
	if c.Password == auth.PasswordNone {
		v.Warnings = append(v.Warnings, "passwords are not checked here: whoever knows the shared secret needs only a code")
	}
	if p, err := netip.ParsePrefix(c.Source); err == nil && !p.IsSingleIP() {
		v.Warnings = append(v.Warnings, "any host in "+c.Source+" that knows the secret is this client")
	}
	return v
}

// AddApplication makes an application.
func (a *Admin) AddApplication(ctx context.Context, by Actor, name string) (auth.Application, error) {
	if err := checkName("application", name); err != nil {
		return auth.Application{}, err
	}
	p := auth.Application{Name: name, Created: a.Now()}
	return p, problem(a.apply(ctx, by, "application.add", name, "", AddApplication{p}),
		fmt.Sprintf("there is already an application %q", name), "sallyport application list shows it")
}

// Applications lists all applications.
func (a *Admin) Applications() []auth.Application { return orEmpty(a.Store.Settings().Applications) }

// AddGroup makes a group whose members get these reply attributes.
func (a *Admin) AddGroup(ctx context.Context, by Actor, name string, attributes []auth.ReplyAttribute) (auth.Group, error) {
	if err := checkName("group", name); err != nil {
		return auth.Group{}, err
	}
	if err := a.checkAttributes(attributes); err != nil {
		return auth.Group{}, err
	}
	g := auth.Group{Name: name, Attributes: attributes, Created: a.Now()}
	return g, problem(a.apply(ctx, by, "group.add", name, "", AddGroup{g}),
		fmt.Sprintf("there is already a group %q", name), "sallyport group list shows it")
}

// Groups lists all groups.
func (a *Admin) Groups() []auth.Group { return orEmpty(a.Store.Settings().Groups) }

func (a *Admin) checkAttributes(attributes []auth.ReplyAttribute) error {
	for _, at := range attributes {
		if err := a.Attribute(at); err != nil {
			return invalid("write NAME=VALUE, for instance Filter-Id=staff or Class=vpn", "%v", err)
		}
	}
	return nil
}

func checkSecret(s string) error {
	if len(s) < minSecret {
		return invalid("leave --secret-stdin out to have one made", "a shared secret of %d characters can be guessed from one captured packet; %d are the least", len(s), minSecret)
	}
	return nil
}

// parseSource reads an address or CIDR and returns it as a CIDR without host
// bits; addresses that IPv6 sockets show as ::ffff:a.b.c.d are IPv4.
func parseSource(s string) (string, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return "", invalid("write 192.0.2.10 or 192.0.2.0/24 or 2001:db8::/64", "%q is no network", s)
		}
		addr = addr.Unmap()
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return "", invalid("write the IPv4 network itself", "%q mixes IPv4 and IPv6", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked().String(), nil
}
