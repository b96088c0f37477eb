package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"regexp"
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
	Origin      string    `json:"origin"`          // calling-station-id or none
	Lax         bool      `json:"lax"`             // Message-Authenticator is not required
	Rate        int       `json:"rate_per_second"` // 0 for the server's
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
	Origin        string                `json:"origin"` // calling-station-id or none; "" for calling-station-id
	Lax           bool                  `json:"lax"`    // do not require Message-Authenticator
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
	if application(settings, n.Application) != nil {
		return ClientView{}, "", &Problem{fmt.Sprintf("there is no application %q", n.Application), "sallyport application add " + n.Application, ErrNotFound}
	}
	source, err := freeSource(settings, n.Name, n.Source)
	if err != nil {
		return ClientView{}, "", err
	}
	c := auth.Client{
		Name: n.Name, Door: "radius", Application: n.Application, Source: source,
		Mode: auth.ModeChallenge, Password: auth.PasswordVerify,
		LaxMessageAuthenticator: n.Lax, RatePerSecond: n.RatePerSecond, Attributes: n.Attributes, Created: a.Now(),
	}
	if err := setClient(&c, n.Mode, n.Password, n.Origin); err != nil {
		return ClientView{}, "", err
	}
	if err := checkRate(n.RatePerSecond); err != nil {
		return ClientView{}, "", err
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
	if err := a.apply(ctx, by, "client.add", c.Name, clientText(&c), AddClient{c}); err != nil {
		return ClientView{}, "", problem(err, fmt.Sprintf("there is already a client %q", c.Name), "sallyport client list shows it")
	}
	return viewClient(&c), secret, nil
}

// setClient sets what is not "" of how a client carries its logins.
func setClient(c *auth.Client, mode, password, origin string) error {
	if mode != "" {
		c.Mode = auth.Mode(mode)
	}
	if password != "" {
		c.Password = auth.PasswordRule(password)
	}
	if c.Mode != auth.ModeChallenge && c.Mode != auth.ModeAppend {
		return invalid("modes are: challenge, append", "there is no mode %q", mode)
	}
	if c.Password != auth.PasswordVerify && c.Password != auth.PasswordNone {
		return invalid("password rules are: verify, none", "there is no password rule %q", password)
	}
	switch origin {
	case "":
	case originCalling:
		c.Origin = auth.OriginCalling
	case string(auth.OriginNone):
		c.Origin = auth.OriginNone
	default:
		return invalid("origins are: "+originCalling+", none", "there is no origin %q", origin)
	}
	return nil
}

// originCalling is the word for auth.OriginCalling.
const originCalling = "calling-station-id"

func originWord(o auth.OriginRule) string {
	if o == auth.OriginCalling {
		return originCalling
	}
	return string(auth.OriginNone)
}

func checkRate(n int) error {
	if n < 0 {
		return invalid("0 means the server's", "a rate cannot be negative")
	}
	return nil
}

// freeSource reads where a client of that name sends from; no other may send
// from there.
func freeSource(s *auth.Settings, name, text string) (string, error) {
	source, err := parseSource(text)
	if err != nil {
		return "", err
	}
	for _, c := range s.Clients {
		if c.Source == source && c.Name != name {
			return "", &Problem{fmt.Sprintf("client %s sends from %s already; a packet must belong to one client", c.Name, source), "use a smaller network, or sallyport client remove " + c.Name, ErrExists}
		}
	}
	return source, nil
}

// clientText is everything about a client but its secrets, on one line, for
// the record.
func clientText(c *auth.Client) string {
	text := fmt.Sprintf("application %s, source %s, mode %s, password %s, origin %s", c.Application, c.Source, c.Mode, c.Password, originWord(c.Origin))
	if c.LaxMessageAuthenticator {
		text += ", message-authenticator optional"
	}
	if c.RatePerSecond != 0 {
		text += fmt.Sprintf(", rate %d", c.RatePerSecond)
	}
	for _, at := range c.Attributes {
		text += ", " + at.Name + "=" + at.Value
	}
	return text
}

// A ClientChange is what ChangeClient is given. What is nil or "" stays as it
// is.
type ClientChange struct {
	Name          string                `json:"name"`
	Application   string                `json:"application,omitzero"`
	Source        string                `json:"source,omitzero"`
	Mode          string                `json:"mode,omitzero"`
	Password      string                `json:"password,omitzero"`
	Origin        string                `json:"origin,omitzero"`
	Lax           *bool                 `json:"lax,omitzero"`
	RatePerSecond *int                  `json:"rate_per_second,omitzero"`
	Attributes    []auth.ReplyAttribute `json:"attributes,omitzero"` // an empty list takes all away
}

// ChangeClient changes how a client is treated, from its next packet on. Its
// name and its secrets stay; see RotateClient.
func (a *Admin) ChangeClient(ctx context.Context, by Actor, n ClientChange) (ClientView, error) {
	s := a.Store.Settings()
	if err := clientNamed(s, n.Name); err != nil {
		return ClientView{}, err
	}
	was := *s.Client(n.Name)
	next := was
	if n.Application != "" {
		if err := application(s, n.Application); err != nil {
			return ClientView{}, err
		}
		next.Application = n.Application
	}
	if n.Source != "" {
		var err error
		if next.Source, err = freeSource(s, n.Name, n.Source); err != nil {
			return ClientView{}, err
		}
	}
	if err := setClient(&next, n.Mode, n.Password, n.Origin); err != nil {
		return ClientView{}, err
	}
	if n.Lax != nil {
		next.LaxMessageAuthenticator = *n.Lax
	}
	if n.RatePerSecond != nil {
		if err := checkRate(*n.RatePerSecond); err != nil {
			return ClientView{}, err
		}
		next.RatePerSecond = *n.RatePerSecond
	}
	if n.Attributes != nil {
		if err := a.checkAttributes(n.Attributes); err != nil {
			return ClientView{}, err
		}
		next.Attributes = n.Attributes
	}
	before := clientText(&was)
	err := a.apply(ctx, by, "client.change", n.Name, "was "+before+"; is "+clientText(&next), UpdateClient{n.Name, func(c *auth.Client) error {
		if clientText(c) != before {
			return invalid("sallyport client list shows it as it is now; then try again", "client %q was changed by somebody else meanwhile; nothing was done", n.Name)
		}
		next.Secrets = c.Secrets // a rotation may have begun meanwhile
		*c = next
		return nil
	}})
	if err != nil {
		return ClientView{}, problem(err, fmt.Sprintf("no client %q", n.Name), "sallyport client list shows the names")
	}
	return viewClient(&next), nil
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
		Origin: originWord(c.Origin), Lax: c.LaxMessageAuthenticator, Rate: c.RatePerSecond,
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
