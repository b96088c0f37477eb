// Package config is the start-up configuration: one commented struct that
// loads, validates and documents itself. It hides YAML, its traps and its
// messages.
//
// The file is a small bootstrap: where to listen, where data and key are, and
// the limits that no administrator of the running system may change. All else
// is in the database, where every change has an author and a history.
//
// The comments of the fields below are what an administrator reads: Sample and
// Document take them from this file, and the ranges from the tags.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Config is all that the server is told at start-up. It is plain data; a value
// made by hand must pass Validate before it is used.
type Config struct {
	// The folder of the database. Only the user that runs the server should
	// have access. A relative path is relative to where the server is started.
	Data string `yaml:"data"`

	// The file that holds the key-encryption key. Empty means seal.key in the
	// data folder. Keep a copy apart from the backups of the database: without
	// this key a backup cannot be opened, with it anybody can.
	KEKFile string `yaml:"kek_file"`

	// The UDP addresses at which RADIUS clients are served. An address without
	// a host (":1812") means every interface. An empty list switches RADIUS off.
	RADIUS []string `yaml:"radius" max:"64"`

	// Where the database is: empty for SQLite in the data folder, or the URL of a
	// PostgreSQL database that all nodes share, such as
	// postgres://sallyport@db.example.com/sallyport?sslmode=verify-full. The
	// password may stand in it, in database_password_file, or in the file
	// .pgpass of the user that runs the server.
	Database DatabaseURL `yaml:"database"`

	// The file that holds the password of the database, and nothing else. Empty
	// means that the password is found elsewhere, or none is needed.
	DatabasePasswordFile string `yaml:"database_password_file"`

	// The name of this node in events, anchors and leases. It must differ on
	// each node of one database, and stay the same. Empty means the host name.
	Node string `yaml:"node"`

	// How long events are kept, at least 24h; 720h are 30 days. 0s keeps them
	// for ever. What an export has not delivered is never deleted.
	KeepEvents time.Duration `yaml:"keep_events" min:"0s" max:"876000h"`

	// The file that says each minute how far the events had come, signed. Put it
	// on another disk than the database if you can: it shows that the newest
	// events were cut off, or an old copy of the database was gone on with.
	// Empty means anchors in the data folder.
	Anchors string `yaml:"anchors"`

	// Where events are sent, each to its own place and at its own speed. Logins
	// never wait for it: what cannot be delivered stays in the database.
	Export []Export `yaml:"export" max:"16"`

	// Console, portal and API for browsers and programs of the network.
	HTTPS HTTPS `yaml:"https"`

	// The loopback address at which the same pages are served without TLS: for
	// browsers on this machine, to which http://localhost is as safe, and for a
	// reverse proxy on this machine that ends TLS. Empty switches it off.
	Local string `yaml:"local"`

	// What people may do for themselves.
	Portal Portal `yaml:"portal"`

	// The loopback address of /livez, /readyz and /metrics, which ask for no
	// password. Empty switches them off.
	Telemetry string `yaml:"telemetry"`

	// What the server writes to its standard error. Secrets, codes and
	// passwords are never in it, at any level.
	Log Log `yaml:"log"`

	// The name that authenticator apps show beside the code.
	Issuer string `yaml:"issuer"`

	// Windows and UPN domain names that may be dropped from a typed name, so
	// that CORP\alice and alice@corp.example.com are the account alice. A name
	// with any other domain belongs to no account. An empty list means that
	// every domain is dropped; list yours if there may be an alice in two.
	Domains []string `yaml:"domains" max:"1000"`

	// How long a person has to answer a challenge. SP 800-63B allows at most
	// 10 minutes.
	ChallengeLifetime time.Duration `yaml:"challenge_lifetime" min:"30s" max:"10m"`

	// Codes from authenticator apps and hardware tokens (RFC 6238).
	TOTP TOTP `yaml:"totp"`

	// PINs, which people may set in the portal and then type right after the
	// codes of their app or token.
	PIN PIN `yaml:"pin"`

	// What happens to an account after failures in a row. They are counted over
	// every door and node. SP 800-63B allows at most 100.
	Throttle Throttle `yaml:"throttle"`

	// The cost of hashing local passwords and recovery codes with Argon2id
	// (RFC 9106). Existing hashes keep the cost that they were made with.
	PasswordHash PasswordHash `yaml:"password_hash"`
}

// Export is one place to which events are sent.
type Export struct {
	// What its position is kept under: small letters, digits and hyphens.
	// Another name begins with the oldest event again.
	Name string `yaml:"name"`

	// syslog+udp://HOST:514, syslog+tcp://HOST:514, syslog+tls://HOST:6514,
	// https://HOST/PATH, http:// to this machine only, or file:///PATH.
	URL string `yaml:"url"`

	// The PEM file of the CA that has signed the receiver's certificate,
	// for syslog+tls and https. Empty means those that the system trusts.
	CA string `yaml:"ca"`

	// The file with the secret that signs what is posted, for https and
	// http: at least 16 octets, a line end after them does not count.
	SecretFile string `yaml:"secret_file"`
}

// HTTPS is where browsers and API clients are served.
type HTTPS struct {
	// The TCP address. Empty switches HTTPS off.
	Address string `yaml:"address"`

	// The PEM file with the certificate and its chain. Give both this and key,
	// or neither.
	Certificate string `yaml:"certificate"`

	// The PEM file with the private key of the certificate.
	Key string `yaml:"key"`

	// The address that people type, such as https://mfa.example.com: what
	// invitations lead to, and what passkeys belong to. Passkeys that were made
	// under one address do not work under another. Empty means
	// http://localhost with the port of local.
	URL string `yaml:"url"`

	// Addresses and networks of the reverse proxies that stand before us. Only
	// from these is X-Forwarded-For believed, and only up to the first address
	// in it, from the right, that is none of these.
	Proxies []string `yaml:"proxies" max:"64"`
}

// Portal is what people may do for themselves.
type Portal struct {
	// How long a one-time bypass lasts that people may give themselves at the
	// portal, where they have signed in with both factors. 0 means that they may
	// not.
	BypassSeconds int `yaml:"bypass_seconds" min:"0" max:"86400"`
}

// Log says how the server logs.
type Log struct {
	// One JSON object or one line of text for each entry.
	Format string `yaml:"format" oneof:"json text"`

	// The least important entries that are written.
	Level slog.Level `yaml:"level" oneof:"debug info warn error"`
}

// TOTP says which codes are accepted.
type TOTP struct {
	// How many steps of 30 seconds a code may be early or late. 1 forgives
	// clocks that are a little off, and typing slowly; 0 is strict.
	DriftSteps int `yaml:"drift_steps" min:"0" max:"1"`
}

// PIN says which PINs are taken. Whatever is set, none has the same digit three
// times in a row or three digits that count up or down.
type PIN struct {
	// The shortest that is taken. SP 800-63B asks for 6 where it can be.
	MinDigits int `yaml:"min_digits" min:"4" max:"16"`

	// How many former PINs of a person cannot be taken again.
	Remembered int `yaml:"remembered" min:"0" max:"24"`

	// After so many days a PIN is taken by the portal alone, to be changed there.
	// 0 means never, which is what SP 800-63B advises.
	MaxAgeDays int `yaml:"max_age_days" min:"0" max:"3650"`
}

// Throttle limits guessing.
type Throttle struct {
	// Codes, approvals and all else that comes after the password.
	SecondFactor Limit `yaml:"second_factor"`

	// Passwords that this server checks itself.
	Password Limit `yaml:"password"`
}

// Limit says what consecutive failures lead to.
type Limit struct {
	// So many failures in a row are evaluated without a wait. Then the account
	// has to wait 30 seconds, and longer after each further failure.
	Free int `yaml:"free" min:"1" max:"100"`

	// After so many failures only a person can let the account in again.
	Stop int `yaml:"stop" min:"1" max:"100"`
}

// PasswordHash is the cost of Argon2id. Whatever is set, it is no cheaper than
// one of the equivalent minimum settings of the OWASP Password Storage Cheat
// Sheet.
type PasswordHash struct {
	// Memory for one hash, in KiB. All lanes at work need that much each.
	MemoryKiB int `yaml:"memory_kib" min:"7168" max:"262144"`

	// Passes over the memory.
	Iterations int `yaml:"iterations" min:"1" max:"16"`

	// Threads for one hash.
	Parallelism int `yaml:"parallelism" min:"1" max:"16"`

	// Hashes computed at the same time; more have to wait. 0 means one fewer
	// than there are processors, but at least one, so that a flood of passwords
	// leaves a processor for everything else.
	Lanes int `yaml:"lanes" min:"0" max:"256"`
}

// Default returns what applies where the file says nothing. It is valid.
func Default() Config {
	return Config{
		Data:              "/var/lib/sallyport",
		RADIUS:            []string{":1812"},
		Local:             "127.0.0.1:9480",
		Telemetry:         "127.0.0.1:9812",
		Log:               Log{Format: "json", Level: slog.LevelInfo},
		Issuer:            "Sallyport",
		ChallengeLifetime: 2 * time.Minute,
		TOTP:              TOTP{DriftSteps: 1},
		PIN:               PIN{MinDigits: 6, Remembered: 5},
		Throttle: Throttle{
			SecondFactor: Limit{Free: 10, Stop: 50},
			Password:     Limit{Free: 10, Stop: 50},
		},
		PasswordHash: PasswordHash{MemoryKiB: 19456, Iterations: 2, Parallelism: 1},
	}
}

// KEKPath returns the path of the file that holds the key-encryption key.
func (c Config) KEKPath() string {
	if c.KEKFile != "" {
		return c.KEKFile
	}
	return filepath.Join(c.Data, "seal.key")
}

// AnchorsPath returns the path of the file of anchors.
func (c Config) AnchorsPath() string {
	if c.Anchors != "" {
		return c.Anchors
	}
	return filepath.Join(c.Data, "anchors")
}

// NodeName returns the name of this node: the setting, or the name of the host.
func (c Config) NodeName() (string, error) {
	if c.Node != "" {
		return c.Node, nil
	}
	name, err := os.Hostname()
	if err != nil || !nodeName.MatchString(name) {
		return "", mistake{key: "node", what: "is empty, and the host has no name that could stand for it; give one"}
	}
	return name, nil
}

// DatabaseWithPassword returns the URL of the database, with the password of
// DatabasePasswordFile if there is one. It must not be printed. An empty one
// means SQLite in the data folder.
func (c Config) DatabaseWithPassword() (string, error) {
	if c.DatabasePasswordFile == "" {
		return string(c.Database), nil
	}
	b, err := secretIn(c.DatabasePasswordFile)
	if err != nil {
		return "", mistake{key: "database_password_file", what: err.Error()}
	}
	u, hosts, err := c.Database.parse()
	if err != nil {
		return "", mistake{key: "database", what: notDatabase} // the error would repeat the password
	}
	u.User = url.UserPassword(u.User.Username(), string(b))
	return withHosts(u, hosts), nil
}

// Secret returns what SecretFile holds, nil if none is named.
func (e Export) Secret() ([]byte, error) {
	if e.SecretFile == "" {
		return nil, nil
	}
	b, err := secretIn(e.SecretFile)
	if err == nil && len(b) < exportSecretMin {
		err = fmt.Errorf("%s holds %d octets; a secret needs %d at least", quote(e.SecretFile), len(b), exportSecretMin)
	}
	if err != nil {
		return nil, mistake{key: "export", what: e.Name + ": secret_file: " + err.Error()}
	}
	return b, nil
}

// secretIn reads a file that holds one secret. A line end after it is none of
// it, because editors put one there.
func secretIn(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, secretMax+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("%s is empty", quote(path))
	case len(b) > secretMax:
		return nil, fmt.Errorf("%s is too long to be a secret", quote(path))
	}
	return b, nil
}

const (
	secretMax       = 4096
	exportSecretMin = 16
)

// A DatabaseURL is the address of a database, which can hold a password. It
// prints without it.
type DatabaseURL string

// String returns the URL with the password hidden.
func (d DatabaseURL) String() string {
	if d == "" {
		return ""
	}
	u, hosts, err := d.parse()
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return "(hidden)"
	}
	if q := u.Query(); q.Has("password") || q.Has("sslpassword") {
		for _, k := range []string{"password", "sslpassword"} {
			if q.Has(k) {
				q.Set(k, "xxxxx")
			}
		}
		u.RawQuery = q.Encode()
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	return withHosts(u, hosts)
}

// parse reads the URL. It can have several hosts, each with a port of its own,
// which package url does not know: they come apart from the rest.
func (d DatabaseURL) parse() (u *url.URL, hosts string, err error) {
	scheme, rest, ok := strings.Cut(string(d), "://")
	if !ok {
		u, err = url.Parse(string(d))
		return u, "", err
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	if hosts == "" {
		u, err = url.Parse(string(d))
		return u, "", err
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if one, err := url.Parse("x://" + host); err != nil || one.Host != host || one.Hostname() == "" {
			return nil, "", errors.New("it has a host that is none")
		}
	}
	u, err = url.Parse(scheme + "://" + user + someHost + path)
	return u, hosts, err
}

// someHost stands for the hosts while package url has the rest.
const someHost = "hosts.invalid"

func withHosts(u *url.URL, hosts string) string {
	if hosts == "" {
		return u.String()
	}
	before, after, _ := strings.Cut(u.String(), someHost)
	return before + hosts + after
}

// GoString is String, for formats such as %#v.
func (d DatabaseURL) GoString() string { return d.String() }

// LogValue is String, for logs.
func (d DatabaseURL) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText is String, for JSON.
func (d DatabaseURL) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// LaneCount returns how many hashes may be computed at the same time on this
// machine, at least 1.
func (p PasswordHash) LaneCount() int {
	if p.Lanes > 0 {
		return p.Lanes
	}
	return max(1, runtime.GOMAXPROCS(0)-1)
}

// Site returns the address that people type, without a slash at its end:
// HTTPS.URL, or http://localhost with the port of the local listener, which may
// be another than the one that was asked for.
func (c Config) Site(localPort int) string {
	if c.HTTPS.URL != "" {
		return strings.TrimSuffix(c.HTTPS.URL, "/")
	}
	return "http://localhost:" + strconv.Itoa(localPort)
}

// ProxyPrefixes returns HTTPS.Proxies of a valid configuration.
func (c Config) ProxyPrefixes() []netip.Prefix {
	list := make([]netip.Prefix, 0, len(c.HTTPS.Proxies))
	for _, text := range c.HTTPS.Proxies {
		if p, err := prefix(text); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// prefix reads an address or a network.
func prefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, errors.New("it has a zone")
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Masked() != p {
		err = errors.New("it has bits set behind the network")
	}
	return p, err
}
