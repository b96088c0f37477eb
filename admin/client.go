package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// A ClientView is a client as administrators see it: never its secret.
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
	Warnings    []string  `json:"warnings" prose:"true"`
	Created     time.Time `json:"created"`
	Door        string    `json:"door"`              // radius or https
	Origins     []string  `json:"origins,omitempty"` // of the door https: where it may send people back to
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
	Door          string                `json:"door,omitempty"`    // radius or https; "" for radius
	Origins       []string              `json:"origins,omitempty"` // of the door https: https://wiki.example.org
}

// The doors that clients can be of.
const (
	radiusDoor = "radius"
	httpsDoor  = "https" // programs with an API key, and what stands behind a reverse proxy
)

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

// reserved are the names of the clients that are built in, which no client and
// no application can have.
func reserved(kind, name string) error {
	if name == auth.ConsoleClient || name == auth.PortalClient {
		return invalid("choose another name", "%s is built in and cannot be the name of a %s", name, kind)
	}
	return nil
}

// AddClient makes a client and returns it with its secret if one was made here;
// it cannot be read again. A client of the door "https" has neither source nor
// secret: it shows an API key.
func (a *Admin) AddClient(ctx context.Context, by Actor, n NewClient) (view ClientView, secret string, err error) {
	if err := checkName("client", n.Name); err != nil {
		return ClientView{}, "", err
	}
	if err := reserved("client", n.Name); err != nil {
		return ClientView{}, "", err
	}
	settings := a.Store.Settings()
	if application(settings, n.Application) != nil {
		return ClientView{}, "", &Problem{fmt.Sprintf("there is no application %q", n.Application), "sallyport application add " + n.Application, ErrNotFound}
	}
	c := auth.Client{
		Name: n.Name, Door: radiusDoor, Application: n.Application,
		Mode: auth.ModeChallenge, Password: auth.PasswordVerify,
		LaxMessageAuthenticator: n.Lax, RatePerSecond: n.RatePerSecond, Attributes: n.Attributes, Created: a.moment(),
	}
	if n.Door != "" {
		c.Door = n.Door
	}
	switch c.Door {
	case radiusDoor:
		if len(n.Origins) > 0 {
			return ClientView{}, "", onlyHTTPS("origins")
		}
		if c.Source, err = freeSource(settings, n.Name, n.Source); err != nil {
			return ClientView{}, "", err
		}
	case httpsDoor:
		if n.Source != "" || n.Secret != "" || n.Lax {
			return ClientView{}, "", onlyRADIUS("source, secret and message-authenticator")
		}
		if c.Origins, err = parseOrigins(n.Origins); err != nil {
			return ClientView{}, "", err
		}
	default:
		return ClientView{}, "", invalid("doors are: radius, https", "clients have no door %q", n.Door)
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
	if c.Door == radiusDoor {
		given := n.Secret
		if given == "" {
			secret = rand.Text() + rand.Text()[:6] // 32 characters of base 32: 160 random bits
			given = secret
		}
		if err := checkSecret(given); err != nil {
			return ClientView{}, "", err
		}
		c.Secrets = []auth.Secret{auth.Secret(given)}
	}
	if c.ID, err = newID(); err != nil {
		return ClientView{}, "", err
	}
	view = viewClient(&c)
	if err := a.applyTo(ctx, by, act{action: "client.add", subject: c.Name, detail: clientText(&c), after: view}, AddClient{c}); err != nil {
		return ClientView{}, "", problem(err, fmt.Sprintf("there is already a client %q", c.Name), "sallyport client list shows it")
	}
	return view, secret, nil
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
	if len(c.Origins) > 0 && (c.Password != auth.PasswordVerify || c.Mode != auth.ModeChallenge) {
		return invalid("leave out the origins, or choose the password rule verify and the mode challenge",
			"people who come back to an origin sign in on our own page, which checks the password and asks for the second factor")
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
	if c.Door == httpsDoor {
		text := fmt.Sprintf("application %s, door https, mode %s, password %s, origin %s", c.Application, c.Mode, c.Password, originWord(c.Origin))
		if c.RatePerSecond != 0 {
			text += fmt.Sprintf(", rate %d", c.RatePerSecond)
		}
		for _, o := range c.Origins {
			text += ", sends people back to " + o
		}
		for _, at := range c.Attributes {
			text += ", " + at.Name + "=" + at.Value
		}
		return text
	}
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
	Origins       []string              `json:"origins,omitzero"`    // of the door https; an empty list takes all away
	Expect        string                `json:"-"`                   // Tag of the client as it was seen, "" for any
}

// ChangeClient changes how a client is treated, from its next packet on. Its
// name and its secrets stay; see RotateClient.
func (a *Admin) ChangeClient(ctx context.Context, by Actor, n ClientChange) (ClientView, error) {
	s := a.Store.Settings()
	if err := reserved("client", n.Name); err != nil {
		return ClientView{}, err
	}
	if err := clientNamed(s, n.Name); err != nil {
		return ClientView{}, err
	}
	was := *s.Client(n.Name)
	if err := expected(n.Expect, viewClient(&was)); err != nil {
		return ClientView{}, err
	}
	if was.Door == httpsDoor && (n.Source != "" || n.Lax != nil) {
		return ClientView{}, onlyRADIUS("source and message-authenticator")
	}
	if was.Door != httpsDoor && n.Origins != nil {
		return ClientView{}, onlyHTTPS("origins")
	}
	next := was
	if n.Origins != nil {
		var err error
		if next.Origins, err = parseOrigins(n.Origins); err != nil {
			return ClientView{}, err
		}
	}
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
	view := viewClient(&next)
	err := a.applyTo(ctx, by, act{
		action: "client.change", subject: n.Name, detail: "was " + before + "; is " + clientText(&next), before: viewClient(&was), after: view,
	}, UpdateClient{n.Name, func(c *auth.Client) error {
		if clientText(c) != before {
			if n.Expect != "" {
				return changed()
			}
			return invalid("sallyport client list shows it as it is now; then try again", "client %q was changed by somebody else meanwhile; nothing was done", n.Name)
		}
		next.Secrets = c.Secrets // a rotation may have begun meanwhile
		*c = next
		return nil
	}})
	if err != nil {
		return ClientView{}, problem(err, fmt.Sprintf("no client %q", n.Name), "sallyport client list shows the names")
	}
	return view, nil
}

// onlyRADIUS and onlyHTTPS refuse what clients of the other door do not have.
func onlyRADIUS(what string) error {
	return invalid("it shows an API key instead", "a client of the door https has no %s", what)
}

func onlyHTTPS(what string) error {
	return invalid("", "a client of the door radius has no %s", what)
}

// maxOrigins bounds the origins of one client, maxOrigin each in octets.
const maxOrigins, maxOrigin = 20, 300

// parseOrigins reads origins as browsers write them (RFC 6454, Section 6.2).
// Without TLS only this machine itself is trusted: a cookie that travels in
// clear is anybody's.
func parseOrigins(texts []string) ([]string, error) {
	if len(texts) > maxOrigins {
		return nil, invalid("make another client for the rest", "a client has at most %d origins", maxOrigins)
	}
	var origins []string
	for _, text := range texts {
		u, err := url.Parse(text)
		if len(text) > maxOrigin || err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
			return nil, invalid("write https://wiki.example.org", "%q is no origin", printable(text, 200))
		}
		host := strings.ToLower(u.Hostname())
		if !hostForm.MatchString(host) || u.Port() == "" && strings.HasSuffix(u.Host, ":") {
			return nil, invalid("write https://wiki.example.org", "%q is no origin", printable(text, 200))
		}
		if u.Scheme != "https" && (u.Scheme != "http" || host != "localhost") {
			return nil, invalid("use https; http is for localhost alone", "%q can be read by whoever sits on the path", printable(text, 200))
		}
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if p := u.Port(); p != "" && (u.Scheme != "https" || p != "443") && (u.Scheme != "http" || p != "80") {
			host += ":" + p
		}
		if o := u.Scheme + "://" + host; !slices.Contains(origins, o) {
			origins = append(origins, o)
		}
	}
	return origins, nil
}

// hostForm is what the host of an origin looks like: a name in its ASCII form,
// or an address.
var hostForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|[0-9a-f:.]*:[0-9a-f:.]*)$`)

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
		if len(c.Secrets) == 0 {
			return onlyRADIUS("secret")
		}
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

// RemoveClient ends a client: from the next packet on it is unknown. expect is
// the Tag of the client as it was seen, "" for any.
func (a *Admin) RemoveClient(ctx context.Context, by Actor, name, expect string) error {
	const hint = "sallyport client list shows the names"
	none := fmt.Sprintf("no client %q", name)
	if err := reserved("client", name); err != nil {
		return err
	}
	c := a.Store.Settings().Client(name)
	if c == nil {
		return &Problem{none, hint, ErrNotFound}
	}
	if err := expected(expect, viewClient(c)); err != nil {
		return err
	}
	changes := []Change{RemoveClient{name}}
	if expect != "" {
		changes = slices.Insert(changes, 0, Change(UpdateClient{name, func(now *auth.Client) error { return expected(expect, viewClient(now)) }}))
	}
	return problem(a.applyTo(ctx, by, act{action: "client.remove", subject: name, before: viewClient(c)}, changes...), none, hint)
}

// ShowClient returns one client.
func (a *Admin) ShowClient(name string) (ClientView, error) {
	c := a.Store.Settings().Client(name)
	if c == nil || reserved("client", name) != nil {
		return ClientView{}, &Problem{fmt.Sprintf("no client %q", name), "sallyport client list shows the names", ErrNotFound}
	}
	return viewClient(c), nil
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
		Secrets: len(c.Secrets), Attributes: []string{}, Warnings: []string{}, Created: c.Created, Door: c.Door, Origins: c.Origins,
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
	if err := reserved("application", name); err != nil {
		return auth.Application{}, err
	}
	p := auth.Application{Name: name, Created: a.moment()}
	return p, problem(a.applyTo(ctx, by, act{action: "application.add", subject: name, after: map[string]string{"name": name}}, AddApplication{p}),
		fmt.Sprintf("there is already an application %q", name), "sallyport application list shows it")
}

// RemoveApplication ends an application that nothing refers to any more.
func (a *Admin) RemoveApplication(ctx context.Context, by Actor, name string) error {
	s := a.Store.Settings()
	if err := application(s, name); err != nil {
		return err
	}
	var uses []string
	for i := range s.Clients {
		if s.Clients[i].Application == name {
			uses = append(uses, "client "+s.Clients[i].Name)
		}
	}
	for i := range s.Rules {
		if slices.Contains(s.Rules[i].Match.Applications, name) {
			uses = append(uses, "rule "+s.Rules[i].Name)
		}
	}
	for i := range s.Trusted {
		if s.Trusted[i].Application == name {
			uses = append(uses, "trusted network "+s.Trusted[i].Range.String())
		}
	}
	for i := range s.CacheRules {
		if s.CacheRules[i].Application == name {
			uses = append(uses, "its cache rule")
		}
	}
	if len(uses) > 0 {
		return inUse("application "+name, uses)
	}
	err := a.applyTo(ctx, by, act{action: "application.remove", subject: name, before: map[string]string{"name": name}}, RemoveApplication{name})
	return problem(err, fmt.Sprintf("there is no application %q", name), "sallyport application list shows the names")
}

// maxUses bounds how many uses an error names.
const maxUses = 5

func inUse(what string, uses []string) error {
	text := strings.Join(uses[:min(len(uses), maxUses)], ", ")
	if more := len(uses) - maxUses; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return invalid("change or remove what uses it first", "%s is in use: %s", what, text)
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
	g := auth.Group{Name: name, Attributes: attributes, Created: a.moment()}
	return g, problem(a.applyTo(ctx, by, act{action: "group.add", subject: name, after: groupRecord(&g)}, AddGroup{g}),
		fmt.Sprintf("there is already a group %q", name), "sallyport group list shows it")
}

// ChangeGroup gives the members of a group other reply attributes. expect is the
// Tag of the group as it was seen, "" for any.
func (a *Admin) ChangeGroup(ctx context.Context, by Actor, name string, attributes []auth.ReplyAttribute, expect string) (auth.Group, error) {
	if err := a.checkAttributes(attributes); err != nil {
		return auth.Group{}, err
	}
	g := a.Store.Settings().Group(name)
	if g == nil {
		return auth.Group{}, noGroup(name)
	}
	was := *g
	if err := expected(expect, was); err != nil {
		return auth.Group{}, err
	}
	next := was
	next.Attributes = attributes
	err := a.applyTo(ctx, by, act{action: "group.change", subject: name, detail: groupText(&next), before: groupRecord(&was), after: groupRecord(&next)},
		UpdateGroup{name, func(now *auth.Group) error {
			if !slices.Equal(now.Attributes, was.Attributes) {
				return changed()
			}
			now.Attributes = attributes
			return nil
		}})
	return next, problem(err, fmt.Sprintf("there is no group %q", name), "sallyport group list shows the names")
}

// RemoveGroup ends a group that has no members and that no rule names.
func (a *Admin) RemoveGroup(ctx context.Context, by Actor, name string) error {
	s := a.Store.Settings()
	g := s.Group(name)
	if g == nil {
		return noGroup(name)
	}
	var uses []string
	for i := range s.Rules {
		if slices.Contains(s.Rules[i].Match.Groups, name) {
			uses = append(uses, "rule "+s.Rules[i].Name)
		}
	}
	members, err := a.Store.SearchAccounts(ctx, AccountSearch{Group: name, Now: a.moment(), Limit: maxUses + 1})
	if err != nil {
		return err
	}
	for i := range members {
		uses = append(uses, "account "+members[i].Name)
	}
	if len(uses) > 0 {
		return inUse("group "+name, uses)
	}
	err = a.applyTo(ctx, by, act{action: "group.remove", subject: name, before: groupRecord(g)}, RemoveGroup{name})
	return problem(err, fmt.Sprintf("there is no group %q", name), "sallyport group list shows the names")
}

// A groupView is a group in the record of acts.
type groupView struct {
	Name       string   `json:"name"`
	Attributes []string `json:"attributes"`
}

func groupRecord(g *auth.Group) groupView {
	v := groupView{Name: g.Name, Attributes: []string{}}
	for _, at := range g.Attributes {
		v.Attributes = append(v.Attributes, at.Name+"="+at.Value)
	}
	return v
}

func groupText(g *auth.Group) string { return strings.Join(groupRecord(g).Attributes, ", ") }

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
