package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// with returns Default with changes, for tables.
func with(change func(*Config)) Config {
	c := Default()
	change(&c)
	return c
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		text string
		want Config
	}{
		{"empty", "", Default()},
		{"only comments", "# radius: [\":1645\"]\n\n", Default()},
		{"an empty document", "---\n", Default()},
		{"everything at once", `
data: /srv/sallyport
kek_file: /etc/sallyport/seal.key
radius: [":1812", '192.0.2.1:1645']
https: {address: ":443", certificate: /c.pem, key: /k.pem, url: "https://mfa.example.com", proxies: [192.0.2.9, "2001:db8::/64"]}
local: "[::1]:80"
portal: {bypass_seconds: 300}
telemetry: "[::1]:9000"
log: {format: text, level: debug}
database: postgresql://sally@db/sally
database_password_file: /etc/sallyport/db
node: a.example.com
keep_events: 720h
anchors: /mnt/anchors
export:
- {name: siem, url: "syslog+tls://siem.example.com:6514", ca: /ca.pem}
- name: hook
  url: https://hook.example.com/in?tenant=7
  secret_file: /etc/sallyport/hook
issuer: Example Ltd
domains: [CORP, corp.example.com]
challenge_lifetime: 90s
totp: {drift_steps: 0}
pin: {min_digits: 8, remembered: 12, max_age_days: 90}
throttle:
  second_factor: {free: 3, stop: 10}
  password: {free: 5, stop: 5}
password_hash: {memory_kib: 65536, iterations: 3, parallelism: 4, lanes: 2}
`, Config{
			Data:                 "/srv/sallyport",
			KEKFile:              "/etc/sallyport/seal.key",
			RADIUS:               []string{":1812", "192.0.2.1:1645"},
			HTTPS:                HTTPS{Address: ":443", Certificate: "/c.pem", Key: "/k.pem", URL: "https://mfa.example.com", Proxies: []string{"192.0.2.9", "2001:db8::/64"}},
			Local:                "[::1]:80",
			Portal:               Portal{BypassSeconds: 300},
			Telemetry:            "[::1]:9000",
			Log:                  Log{Format: "text", Level: slog.LevelDebug},
			Database:             "postgresql://sally@db/sally",
			DatabasePasswordFile: "/etc/sallyport/db",
			Node:                 "a.example.com",
			KeepEvents:           720 * time.Hour,
			Anchors:              "/mnt/anchors",
			Export: []Export{
				{Name: "siem", URL: "syslog+tls://siem.example.com:6514", CA: "/ca.pem"},
				{Name: "hook", URL: "https://hook.example.com/in?tenant=7", SecretFile: "/etc/sallyport/hook"},
			},
			Issuer:            "Example Ltd",
			Domains:           []string{"CORP", "corp.example.com"},
			ChallengeLifetime: 90 * time.Second,
			TOTP:              TOTP{DriftSteps: 0},
			Throttle:          Throttle{SecondFactor: Limit{3, 10}, Password: Limit{5, 5}},
			PIN:               PIN{MinDigits: 8, Remembered: 12, MaxAgeDays: 90},
			PasswordHash:      PasswordHash{MemoryKiB: 65536, Iterations: 3, Parallelism: 4, Lanes: 2},
		}},
		{
			"one key of a group leaves the others", "throttle: {password: {stop: 20}}\n",
			with(func(c *Config) { c.Throttle.Password.Stop = 20 }),
		},
		{
			"an empty list replaces the default", "radius: []\nhttps: {address: \":443\"}\n",
			with(func(c *Config) { c.RADIUS = nil; c.HTTPS.Address = ":443" }),
		},
		{
			"a list in lines", "radius:\n  - :1812\n  - :1645\n",
			with(func(c *Config) { c.RADIUS = []string{":1812", ":1645"} }),
		},
		{"no exports", "export: []\n", Default()},
		{"for ever", "keep_events: 0s\n", Default()},
		{"a day", "keep_events: 24h\n", with(func(c *Config) { c.KeepEvents = 24 * time.Hour })},
		{"a database on two hosts", "database: postgres://u@a:5432,b:5433/d?target_session_attrs=read-write\n", with(func(c *Config) {
			c.Database = "postgres://u@a:5432,b:5433/d?target_session_attrs=read-write"
		})},
		{"a database behind a socket", "database: postgres:///sally?host=/run/postgresql\n", with(func(c *Config) {
			c.Database = "postgres:///sally?host=/run/postgresql"
		})},
		{"exports of every kind", "export:\n" +
			"- {name: a, url: 'syslog+udp://192.0.2.1:514'}\n- {name: b, url: 'syslog+tcp://[2001:db8::1]'}\n" +
			"- {name: c, url: 'http://127.0.0.1:8080/', secret_file: /s}\n- {name: d-2, url: 'file:///var/log/a.jsonl'}\n", with(func(c *Config) {
			c.Export = []Export{
				{Name: "a", URL: "syslog+udp://192.0.2.1:514"},
				{Name: "b", URL: "syslog+tcp://[2001:db8::1]"},
				{Name: "c", URL: "http://127.0.0.1:8080/", SecretFile: "/s"},
				{Name: "d-2", URL: "file:///var/log/a.jsonl"},
			}
		})},
		{"telemetry off", "telemetry: ''\n", with(func(c *Config) { c.Telemetry = "" })},
		{"a domain that YAML 1.1 takes for false", "domains: [NO]\n", with(func(c *Config) { c.Domains = []string{"NO"} })},
		{"a name made of digits", "issuer: 007\n", with(func(c *Config) { c.Issuer = "007" })},
		{
			"port 0 twice, for tests", "radius: ['127.0.0.1:0', '127.0.0.1:0']\n",
			with(func(c *Config) { c.RADIUS = []string{"127.0.0.1:0", "127.0.0.1:0"} }),
		},
		{
			"one port at two hosts", "radius: ['192.0.2.1:1812', '192.0.2.2:1812']\n",
			with(func(c *Config) { c.RADIUS = []string{"192.0.2.1:1812", "192.0.2.2:1812"} }),
		},
		{"another loopback address", "telemetry: 127.0.0.53:1\n", with(func(c *Config) { c.Telemetry = "127.0.0.53:1" })},
		{
			"the cheapest hash with the least memory", "password_hash: {memory_kib: 7168, iterations: 5}\n",
			with(func(c *Config) { c.PasswordHash.MemoryKiB, c.PasswordHash.Iterations = 7168, 5 }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("sallyport.yaml", []byte(tt.text))
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

// Each text must be refused with exactly these lines.
func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"a slip of the finger", "issuer: x\nradus: []\n", []string{`:2: unknown key "radus"; did you mean "radius"?`}},
		{"two letters changed places", "raduis: []\n", []string{`:1: unknown key "raduis"; did you mean "radius"?`}},
		{"hyphen and capitals", "KEK-file: x\n", []string{`:1: unknown key "KEK-file"; did you mean "kek_file"?`}},
		{"a slip within a group", "log:\n  lvl: info\n", []string{`:2: unknown key "lvl"; did you mean "level"? (in "log")`}},
		{"right key, wrong place", "drift_steps: 0\n", []string{`:1: unknown key "drift_steps"; did you mean "totp.drift_steps"?`}},
		{"nothing like it", "totp:\n  colour: red\n", []string{`:2: unknown key "colour"; known here: drift_steps (in "totp")`}},
		{"twice", "issuer: a\ndata: /d\nissuer: b\n", []string{":3: issuer: was given in line 1 already; delete one of the two"}},
		{"twice in a group", "log:\n  level: info\n  level: warn\n", []string{":3: log.level: was given in line 2 already; delete one of the two"}},
		{"no value", "data:\n", []string{`:1: data: has no value; give one, or delete the line for the default "/var/lib/sallyport"`}},
		{"a list without items", "radius:\n# - :1812\n", []string{`:1: radius: has no value; give one, or delete the line for the default [":1812"]`}},
		{"a group without keys", "log:\n# level: info\n", []string{":1: log: must have keys below it, indented: format, level; or delete the line for the defaults"}},
		{"a group with a value", "log: debug\n", []string{":1: log: must have keys below it, indented: format, level; or delete the line for the defaults"}},
		{"a value for a list", "radius: :1645\n", []string{`:1: radius: must be a list; write [":1645"]`}},
		{"a group for a list", "radius: {a: b}\n", []string{":1: radius: must be a list; write [] for an empty one"}},
		{"a list for a value", "issuer: [a]\n", []string{`:1: issuer: must be a single value, such as "Sallyport"`}},
		{"a list in a list", "radius:\n- :1\n- [a]\n- \n", []string{
			":3: radius[1]: must be a single value; write it, or delete the item",
			":4: radius[2]: must be a single value; write it, or delete the item",
		}},
		{"not a number", "totp:\n  drift_steps: one\n", []string{`:2: totp.drift_steps: "one" is not a whole number; write digits only`}},
		{"an octal number", "throttle: {password: {stop: 010}}\n", []string{`:1: throttle.password.stop: "010" is not a whole number; write digits only`}},
		{"a number with a sign", "totp: {drift_steps: +1}\n", []string{`:1: totp.drift_steps: "+1" is not a whole number; write digits only`}},
		{"a number too large for any type", "totp: {drift_steps: 99999999999999999999}\n", []string{`:1: totp.drift_steps: "99999999999999999999" is not a whole number; write digits only`}},
		{"no unit", "challenge_lifetime: 120\n", []string{`:1: challenge_lifetime: "120" is not a length of time; write a number and a unit, such as 90s or 2m`}},
		{"not a level", "log: {level: INFO}\n", []string{`:1: log.level: "INFO" is not a level; write debug, info, warn or error`}},
		{"an anchor", "issuer: &a x\n", []string{":1: issuer: has an anchor (&); delete it"}},
		{"an alias", "data: &a /d\nkek_file: *a\n", []string{
			":1: data: has an anchor (&); delete it",
			":2: kek_file: uses an alias (*); write the value itself",
		}},
		{"a tag", "issuer: !!binary aGk=\n", []string{":1: issuer: has a tag (!); delete it"}},
		{"a tag in a list", "radius: [!!str ':1']\n", []string{":1: radius[0]: has a tag (!); delete it"}},
		{"a tag on everything", "!x\nissuer: x\n", []string{":1: has a tag (!); delete it"}},
		{"a merge key", "log:\n  <<: {level: info}\n", []string{`:2: unknown key "<<"; known here: format, level (in "log")`}},
		{"a key that is a list", "? [a]\n: b\n", []string{":1: a key must be a plain word"}},
		{"an anchor on a key", "&a issuer: x\n", []string{":1: a key must be a plain word"}},
		{"two documents", "issuer: x\n---\nissuer: y\n", []string{`:2: there is a second document; delete the line "---" and what follows`}},
		{"a list for a file", "- issuer\n", []string{`:1: the file must be a list of keys with values, such as "issuer: Example"`}},
		{"null for a file", "~\n", []string{`:1: the file must be a list of keys with values, such as "issuer: Example"`}},

		{"out of range", "challenge_lifetime: 11m\ntotp: {drift_steps: 2}\n", []string{
			":1: challenge_lifetime: 11m is not allowed; choose from 30s to 10m",
			":2: totp.drift_steps: 2 is not allowed; choose from 0 to 1",
		}},
		{"too short", "challenge_lifetime: 29999ms\n", []string{":1: challenge_lifetime: 29.999s is not allowed; choose from 30s to 10m"}},
		{"a log format that does not exist", "log: {format: xml}\n", []string{`:1: log.format: "xml" is not allowed; choose from json, text`}},
		{"more guesses than SP 800-63B allows", "throttle:\n  second_factor:\n    stop: 101\n  password:\n    free: 0\n", []string{
			":3: throttle.second_factor.stop: 101 is not allowed; choose from 1 to 100",
			":5: throttle.password.free: 0 is not allowed; choose from 1 to 100",
		}},
		{"free beyond stop", "throttle:\n  password:\n    free: 20\n    stop: 10\n", []string{
			":3: throttle.password.free: 20 is more than throttle.password.stop, which is 10; make it smaller",
		}},
		{"free beyond the default stop", "throttle: {second_factor: {free: 60}}\n", []string{
			":1: throttle.second_factor.free: 60 is more than throttle.second_factor.stop, which is 50; make it smaller",
		}},
		{"no conclusion from what could not be read", "throttle: {second_factor: {free: 60, stop: x}}\n", []string{
			`:1: throttle.second_factor.stop: "x" is not a whole number; write digits only`,
		}},
		{"a hash that is too cheap", "password_hash: {iterations: 1}\n", []string{
			":1: password_hash.memory_kib: 19456 with 1 iterations is too cheap to guess against; " +
				"choose at least 47104 with 1, 19456 with 2, 12288 with 3, 9216 with 4 or 7168 with 5",
		}},
		{"telemetry for everybody", "telemetry: :9812\n", []string{
			`:1: telemetry: ":9812" can be reached from other machines, and asks for no password; ` +
				"write 127.0.0.1:9812, and let a collector on this machine pass it on",
		}},
		{"telemetry at a name", "telemetry: localhost:9812\n", []string{
			`:1: telemetry: "localhost:9812" is not an IP address and port; write it like 192.0.2.1:443, [2001:db8::1]:443, or :443 for every interface`,
		}},
		{"no port", "radius: [192.0.2.1]\n", []string{
			`:1: radius[0]: "192.0.2.1" is not an IP address and port; write it like 192.0.2.1:443, [2001:db8::1]:443, or :443 for every interface`,
		}},
		{"a port by name", "radius: ['192.0.2.1:radius']\n", []string{
			`:1: radius[0]: "192.0.2.1:radius" is not an IP address and port; write it like 192.0.2.1:443, [2001:db8::1]:443, or :443 for every interface`,
		}},
		{"a port too large", "https: {address: ':65536'}\n", []string{
			`:1: https.address: ":65536" is not an IP address and port; write it like 192.0.2.1:443, [2001:db8::1]:443, or :443 for every interface`,
		}},
		{"an address twice", "radius:\n- :1812\n- 192.0.2.1:1812\n", []string{
			":3: radius[1]: port 1812 is in use by radius[0] already; choose another address or port",
		}},
		{"an address in two spellings", "radius:\n- 192.0.2.1:1812\n- '[::ffff:192.0.2.1]:1812'\n", []string{
			":3: radius[1]: port 1812 is in use by radius[0] already; choose another address or port",
		}},
		{"telemetry where https is", "https: {address: ':9812'}\n", []string{
			": telemetry: port 9812 is in use by https.address already; choose another address or port",
		}},
		{"nobody could log in", "radius: []\nlocal: ''\n", []string{
			":1: radius: none of radius, https.address and local has an address, so nobody could log in; give at least one",
		}},
		{"pages without TLS for everybody", "local: :9480\n", []string{
			`:1: local: ":9480" can be reached from other machines, and has no TLS; write 127.0.0.1:9480, and use https.address for other machines`,
		}},
		{"pages where the telemetry is", "local: 127.0.0.1:9812\n", []string{
			":1: local: port 9812 is in use by telemetry already; choose another address or port",
		}},
		{"an address without TLS for people", "https:\n  url: http://mfa.example.com\n", []string{
			`:2: https.url: "http://mfa.example.com" is not an address for browsers; write it like https://mfa.example.com`,
		}},
		{"an address with a path", "https:\n  url: https://example.com/mfa\n", []string{
			`:2: https.url: "https://example.com/mfa" has more in it than https://, a host name and perhaps a port; write it like https://mfa.example.com`,
		}},
		{"an address that is a number", "https:\n  url: https://192.0.2.1\n", []string{
			`:2: https.url: "https://192.0.2.1" has an IP address for a host, and passkeys belong to names; give the host a name`,
		}},
		{"an address in capitals", "https:\n  url: https://MFA.example.com\n", []string{
			`:2: https.url: "https://MFA.example.com" has capital letters, which browsers make small; write it in small letters`,
		}},
		{"proxies everywhere", "https:\n  proxies: [0.0.0.0/0, 192.0.2.1/24, proxy]\n", []string{
			`:2: https.proxies[0]: "0.0.0.0/0" is neither an address nor a network; write it like 192.0.2.10 or 192.0.2.0/28`,
			`:2: https.proxies[1]: "192.0.2.1/24" is neither an address nor a network; write it like 192.0.2.10 or 192.0.2.0/28`,
			`:2: https.proxies[2]: "proxy" is neither an address nor a network; write it like 192.0.2.10 or 192.0.2.0/28`,
		}},
		{"half a certificate", "https:\n  address: :443\n  certificate: /c\n", []string{
			":1: https.key: is empty, but https.certificate is given; give both or neither",
		}},
		{"the other half", "https:\n  key: /k\n", []string{
			":1: https.certificate: is empty, but https.key is given; give both or neither",
		}},
		{"no data", "data: ''\n", []string{":1: data: is empty; name the folder of the database"}},
		{"white space around", "data: ' /d'\n", []string{`:1: data: " /d" begins or ends with white space; delete it`}},
		{"what cannot be seen", "data: \"/d\\u200b\"\ndomains: [\"a\\tb\"]\n", []string{
			`:1: data: "/d\u200b" has characters that cannot be shown; delete them`,
			`:2: domains[0]: "a\tb" has characters that cannot be shown; delete them`,
			`:2: domains[0]: "a\tb" is not a domain name; write the name alone, such as CORP or corp.example.com`,
		}},
		{"no issuer", "issuer: ''\n", []string{":1: issuer: is empty; give the name that people know this service by"}},
		{"an issuer with a colon", "issuer: 'a:b'\n", []string{`:1: issuer: "a:b" has a colon, which separates issuer and account in authenticator apps; leave it out`}},
		{"an issuer too long", "issuer: " + strings.Repeat("ä", 65) + "\n", []string{":1: issuer: has more than 64 characters; shorten it, since apps cut it off"}},
		{"domains as people write them", "domains:\n- CORP\n- corp\n- \"@example.com\"\n- 'CORP\\'\n- ''\n- " + strings.Repeat("a", 256) + "\n", []string{
			`:3: domains[1]: "corp" is in the list already; delete it`,
			`:4: domains[2]: "@example.com" is not a domain name; write the name alone, such as CORP or corp.example.com`,
			`:5: domains[3]: "CORP\\" is not a domain name; write the name alone, such as CORP or corp.example.com`,
			":6: domains[4]: is empty; give a name or delete the item",
			":7: domains[5]: is longer than the 255 octets of a domain name; check it",
		}},
		{"too many addresses", "radius: [" + strings.Repeat("':0', ", 65) + "]\n", []string{":1: radius: has 65 items; at most 64 are allowed"}},
		{"a long text is not repeated whole", "telemetry: " + strings.Repeat("a", 100) + "\n", []string{
			`:1: telemetry: "` + strings.Repeat("a", 80) + `"... is not an IP address and port; write it like 192.0.2.1:443, [2001:db8::1]:443, or :443 for every interface`,
		}},
		{"a database of another kind", "database: mysql://u:hunter2@h/d\n", []string{
			":1: database: it is not the URL of a database; write it like postgres://USER@HOST/NAME, or leave it empty for SQLite in the data folder",
		}},
		{"a database without a name", "database: postgres://u:hunter2@h\n", []string{
			":1: database: it is not the URL of a database; write it like postgres://USER@HOST/NAME, or leave it empty for SQLite in the data folder",
		}},
		{"a database URL that does not parse", "database: 'postgres://u:hunter2@h:x/d'\n", []string{
			":1: database: it is not the URL of a database; write it like postgres://USER@HOST/NAME, or leave it empty for SQLite in the data folder",
		}},
		{"a database with a space", "database: 'postgres://u:hunter2@h/d '\n", []string{
			":1: database: it has white space around it, or characters that cannot be shown; delete them",
		}},
		{"a password without a database", "database_password_file: /p\n", []string{
			":1: database_password_file: is given, but database is empty; SQLite needs no password",
		}},
		{"two passwords", "database: postgres://u:hunter2@h/d\ndatabase_password_file: /p\n", []string{
			":2: database_password_file: is given, but database has a password as well; take one of the two away",
		}},
		{"a node with a space", "node: my node\n", []string{
			`:1: node: "my node" is no name for a node; use up to 64 letters, digits and signs of ASCII, without spaces`,
		}},
		{"events for an hour", "keep_events: 1h\n", []string{
			":1: keep_events: 1h is too short; keep events for 24h at least, or for ever with 0s",
		}},
		{"events for a negative time", "keep_events: -1h\n", []string{":1: keep_events: -1h is not allowed; choose from 0s to 876000h"}},
		{"an export that is a word", "export: siem\n", []string{
			`:1: export: must be a list; write "- " before the first key of each item, and [] for an empty list`,
		}},
		{"an export without its hyphen", "export:\n  name: siem\n  url: file:///a\n", []string{
			`:2: export: must be a list; write "- " before the first key of each item, and [] for an empty list`,
		}},
		{"exports that are words", "export:\n- siem\n- ~\n", []string{
			":2: export[0]: must have keys: name, url, ca, secret_file; write them, or delete the item",
			":3: export[1]: must have keys: name, url, ca, secret_file; write them, or delete the item",
		}},
		{"a slip within an export", "export:\n- name: a\n  secretfile: /s\n  url: file:///a\n", []string{
			`:3: unknown key "secretfile"; did you mean "secret_file"? (in "export[0]")`,
		}},
		{"twice in an export", "export:\n- name: a\n  url: file:///a\n  name: b\n", []string{
			":4: export[0].name: was given in line 2 already; delete one of the two",
		}},
		{"an export without a value", "export:\n- name: a\n  url:\n", []string{
			`:3: export[0].url: has no value; give one, or delete the line for the default ""`,
		}},
		{"an export of nothing", "export:\n- {}\n", []string{
			`:2: export[0].name: "" is no name for an export; use up to 32 small letters, digits and hyphens, such as siem`,
			`:2: export[0].url: "" is not an address; write it like syslog+tls://siem.example.com:6514, https://siem.example.com/events or file:///var/log/sallyport.jsonl`,
		}},
		{"one export twice", "export:\n- {name: a, url: 'file:///a'}\n- {name: a, url: 'file:///a'}\n", []string{
			`:3: export[1].name: "a" is in the list already; each export has a name of its own`,
			`:3: export[1].url: "file:///a" is in the list already; delete one of the two`,
		}},
		{"in clear over the network", "export:\n- {name: a, url: 'http://siem.example.com/', secret_file: /s}\n", []string{
			`:2: export[0].url: "http://siem.example.com/" would send events in clear over the network; use https, which http may stand for only on this machine (127.0.0.1)`,
		}},
		{"a webhook without a secret", "export:\n- {name: a, url: 'https://siem.example.com/'}\n", []string{
			":2: export[0].secret_file: is empty, so that the receiver could not tell our events from anybody else's; name a file with a secret that it knows too",
		}},
		{"a secret for syslog", "export:\n- {name: a, url: 'syslog+tls://h', secret_file: /s}\n", []string{
			":2: export[0].secret_file: is given, but syslog+tls has no use for a secret; delete it",
		}},
		{"a CA where there is no TLS", "export:\n- {name: a, url: 'syslog+tcp://h', ca: /c}\n", []string{
			":2: export[0].ca: is given, but syslog+tcp uses no certificates; delete it, or use syslog+tls or https",
		}},
		{"a password in the address", "export:\n- {name: a, url: 'https://u:hunter2@h/', secret_file: /s}\n", []string{
			":2: export[0].url: it has a user or password in it, which would be printed; what is posted is signed with the secret of secret_file instead",
		}},
		{"an unknown protocol", "export:\n- {name: a, url: 'syslog://h'}\n", []string{
			`:2: export[0].url: "syslog://h" begins with an unknown word; use syslog+udp, syslog+tcp, syslog+tls, https, http to this machine, or file`,
		}},
		{"no host", "export:\n- {name: a, url: 'syslog+tcp://:514'}\n", []string{
			`:2: export[0].url: "syslog+tcp://:514" has no host that could be reached; write it like syslog+tls://siem.example.com:6514`,
		}},
		{"a port too large for an export", "export:\n- {name: a, url: 'syslog+tcp://h:65536'}\n", []string{
			`:2: export[0].url: "syslog+tcp://h:65536" has no port from 1 to 65535`,
		}},
		{"a path for syslog", "export:\n- {name: a, url: 'syslog+tcp://h/x'}\n", []string{
			`:2: export[0].url: "syslog+tcp://h/x" has something after host and port, which means nothing to syslog; delete it`,
		}},
		{"a file that is not whole", "export:\n- {name: a, url: 'file://log/a'}\n", []string{
			`:2: export[0].url: "file://log/a" is not the address of a file; write it with three slashes and the whole path, like file:///var/log/sallyport.jsonl`,
		}},
		{"too many exports", "export: [" + strings.Repeat("{name: a, url: 'file:///a'}, ", 17) + "]\n", append([]string{
			":1: export: has 17 items; at most 16 are allowed",
		}, repeatedExports(15)...)},
		{"all mistakes at once, by line", "radus: []\nlog: {level: loud}\nissuer: ''\nthrottle:\n  password: {stop: 500}\n", []string{
			`:1: unknown key "radus"; did you mean "radius"?`,
			`:2: log.level: "loud" is not a level; write debug, info, warn or error`,
			":3: issuer: is empty; give the name that people know this service by",
			":5: throttle.password.stop: 500 is not allowed; choose from 1 to 100",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("sallyport.yaml", []byte(tt.text))
			if err == nil {
				t.Fatalf("Parse accepted it as %+v", got)
			}
			want := make([]string, len(tt.want))
			for i, w := range tt.want {
				want[i] = "config: sallyport.yaml" + w
			}
			if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
			if !reflect.DeepEqual(got, Config{}) {
				t.Errorf("a refused file still gave %+v", got)
			}
		})
	}
}

// repeatedExports are the mistakes of n exports that are like the first.
func repeatedExports(n int) []string {
	var lines []string
	for i := range n {
		lines = append(
			lines,
			fmt.Sprintf(`:1: export[%d].name: "a" is in the list already; each export has a name of its own`, i+1),
			fmt.Sprintf(`:1: export[%d].url: "file:///a" is in the list already; delete one of the two`, i+1),
		)
	}
	return lines
}

// A password in the URL of a database shows in nothing that is printed or
// logged, whatever is wrong with it.
func TestDatabasePasswordIsNotPrinted(t *testing.T) {
	const password = "hunter2-hunter2"
	for _, text := range []string{
		"postgres://sally:" + password + "@db/sally",
		"postgres://sally:" + password + "@a:1,b:2/sally",
		"postgres://sally:" + password + "@a:1,b:x/sally",
		"postgres://sally@db/sally?password=" + password,
		"postgres://sally@db/sally?sslpassword=" + password,
		"postgres://sally:" + password + "@db:x/sally", // does not parse
		"mysql://sally:" + password + "@db/sally",
		"sally:" + password,
		password,
	} {
		c := with(func(c *Config) { c.Database = DatabaseURL(text) })
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "database", c.Database)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "database", c.Database)
		printed := []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), log.String()}
		if err := c.Validate(); err != nil {
			printed = append(printed, err.Error())
		}
		if _, err := Parse("f", []byte("database: \""+text+"\"\n")); err != nil {
			printed = append(printed, err.Error())
		}
		for _, p := range printed {
			if text != password && strings.Contains(p, password) {
				t.Errorf("%s is printed: %s", text, p)
			}
		}
	}
}

func TestDatabaseWithPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("p@ss/word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		database DatabaseURL
		file     string
		want     string
	}{
		{"", "", ""},
		{"postgres://sally:x@db/sally", "", "postgres://sally:x@db/sally"},
		{"postgres://sally@a:5432,b:5433/sally?target_session_attrs=read-write", file, "postgres://sally:p%40ss%2Fword@a:5432,b:5433/sally?target_session_attrs=read-write"},
		{"postgres:///sally?host=/run/pg", file, "postgres://:p%40ss%2Fword@/sally?host=/run/pg"},
		{"postgres://sally@db/sally?sslmode=disable", file, "postgres://sally:p%40ss%2Fword@db/sally?sslmode=disable"},
	}
	for _, tt := range tests {
		c := with(func(c *Config) { c.Database, c.DatabasePasswordFile = tt.database, tt.file })
		if got, err := c.DatabaseWithPassword(); got != tt.want || err != nil {
			t.Errorf("with %q and %q = %q, %v; want %q", string(tt.database), tt.file, got, err, tt.want)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{empty: "is empty", empty + "no": "cannot be read"} {
		c := with(func(c *Config) { c.Database, c.DatabasePasswordFile = "postgres://db/sally", file })
		if _, err := c.DatabaseWithPassword(); err == nil || !strings.HasPrefix(err.Error(), "config: database_password_file: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("with %s = %v; want %q", file, err, want)
		}
	}
}

func TestExportSecret(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name, text, want, err string
	}{
		{"long enough", "0123456789abcdef\r\n", "0123456789abcdef", ""},
		{"no line end", "0123456789abcdef", "0123456789abcdef", ""},
		{"too short", "0123456789abcde\n", "", "holds 15 octets; a secret needs 16 at least"},
		{"too long", strings.Repeat("x", 5000), "", "too long to be a secret"},
	}
	for i, tt := range tests {
		file := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Export{Name: "siem", SecretFile: file}.Secret()
		if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %q, %v; want %q, %q", tt.name, got, err, tt.want, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: the secret is in the error: %v", tt.name, err)
		}
	}
	if got, err := (Export{Name: "siem"}).Secret(); got != nil || err != nil {
		t.Errorf("without a file: %q, %v", got, err)
	}
}

// Node and anchors at two values each: what is set, and what stands for it.
func TestNodeAndAnchors(t *testing.T) {
	c := with(func(c *Config) { c.Data = "/d" })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.NodeName(); got != host || err != nil {
		t.Errorf("NodeName = %q, %v; want the host's, %q", got, err, host)
	}
	if got := c.AnchorsPath(); got != filepath.Join("/d", "anchors") {
		t.Errorf("AnchorsPath = %q", got)
	}
	c.Node, c.Anchors = "b", "/mnt/anchors"
	if got, err := c.NodeName(); got != "b" || err != nil {
		t.Errorf("NodeName = %q, %v; want b", got, err)
	}
	if got := c.AnchorsPath(); got != "/mnt/anchors" {
		t.Errorf("AnchorsPath = %q", got)
	}
}

// The words of syntax errors are the YAML library's; the line is ours to check.
func TestParseSyntaxErrors(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"a list that is not closed", "issuer: x\n\nradius: [\":1\"\ndata: /d\n", "config: f:4: this is not YAML: "},
		{"a tab", "log:\n\tlevel: info\n", "config: f:2: this is not YAML: "},
		{"an alias to nothing", "issuer: *x\n", "config: f:1: this is not YAML: "},
		{"not UTF-8", "issuer: \xff\n", "config: f: this is not YAML: "},
		{"in the second document", "issuer: x\n---\n]\n", "config: f:3: this is not YAML: "},
		{"nested without end", strings.Repeat("[", 200_000), "config: f:1: this is not YAML: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse("f", []byte(tt.text)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Parse = %v; want %s...", err, tt.want)
			}
		})
	}
}

// A file of nothing but mistakes does not flood the log, nor take long.
func TestParseReportsABoundedNumberOfMistakes(t *testing.T) {
	for _, line := range []string{"k%d: x\n", "k%d: &a x\n"} {
		var b strings.Builder
		for i := range 20_000 {
			fmt.Fprintf(&b, line, i)
		}
		_, err := Parse("f", []byte(b.String()))
		if err == nil {
			t.Fatal("Parse accepted it")
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != mistakesMax+1 || lines[mistakesMax] != "config: f: there are more mistakes; mend these first" {
			t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
		}
	}
	_, err := Parse("f", []byte("radius: ["+strings.Repeat("~, ", 20_000)+"]"))
	if err == nil || strings.Count(err.Error(), "\n") != mistakesMax {
		t.Errorf("a list of mistakes gave %d lines", strings.Count(err.Error(), "\n"))
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sallyport.yaml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "create it") {
		t.Errorf("Load of a missing file = %v; want fs.ErrNotExist, the path, and advice", err)
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.HasPrefix(err.Error(), "config: ") {
		t.Errorf("Load of a folder = %v; want an error", err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("issuer: Example\n")
	got, err := Load(path)
	if diff := cmp.Diff(with(func(c *Config) { c.Issuer = "Example" }), got); err != nil || diff != "" {
		t.Errorf("Load: %v (-want +got):\n%s", err, diff)
	}
	write("\nissuer: ''\n")
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), "config: "+path+":2: issuer: ") {
		t.Errorf("Load = %v; want path and line", err)
	}
	write(strings.Repeat("#", fileMax))
	if _, err := Load(path); err != nil {
		t.Errorf("Load of the largest file = %v", err)
	}
	write(strings.Repeat("#", fileMax+1))
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "over 1 MiB") {
		t.Errorf("Load of a larger file = %v; want it refused", err)
	}
}

func TestSet(t *testing.T) {
	tests := []struct {
		key, text string
		want      Config // if err is ""
		err       string
	}{
		{"data", "/d", with(func(c *Config) { c.Data = "/d" }), ""},
		{"log.level", "debug", with(func(c *Config) { c.Log.Level = slog.LevelDebug }), ""},
		{"throttle.password.stop", "20", with(func(c *Config) { c.Throttle.Password.Stop = 20 }), ""},
		{"challenge_lifetime", "1m", with(func(c *Config) { c.ChallengeLifetime = time.Minute }), ""},
		{"radius", ":1812, :1645", with(func(c *Config) { c.RADIUS = []string{":1812", ":1645"} }), ""},
		{"radius", "", with(func(c *Config) { c.RADIUS = nil }), ""},
		{"telemetry", "", with(func(c *Config) { c.Telemetry = "" }), ""},
		{"local", "", with(func(c *Config) { c.Local = "" }), ""},
		{"log.level", "loud", Config{}, `config: log.level: "loud" is not a level; write debug, info, warn or error`},
		{"keep_events", "48h", with(func(c *Config) { c.KeepEvents = 48 * time.Hour }), ""},
		{"database", "postgres://h/d", with(func(c *Config) { c.Database = "postgres://h/d" }), ""},
		{"export", "x", Config{}, "config: export: is a list of groups; write it in the file"},
		{"log", "debug", Config{}, "config: log: is a group; set one of its keys: format, level"},
		{"throttle.password", "20", Config{}, "config: throttle.password: is a group; set one of its keys: free, stop"},
		{"log.lvel", "debug", Config{}, `config: unknown key "log.lvel"; did you mean "log.level"?`},
		{"level", "debug", Config{}, `config: unknown key "level"; did you mean "log.level"?`},
	}
	for _, tt := range tests {
		t.Run(tt.key+"="+tt.text, func(t *testing.T) {
			c := Default()
			err := c.Set(tt.key, tt.text)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("Set = %v; want %s", err, tt.err)
				}
				tt.want = Default() // nothing has changed
			} else if err != nil {
				t.Errorf("Set = %v", err)
			}
			if diff := cmp.Diff(tt.want, c); diff != "" {
				t.Errorf("after Set (-want +got):\n%s", diff)
			}
		})
	}

	// Set does not validate, so that flags may come in any order.
	c := Default()
	if err := c.Set("throttle.password.stop", "500"); err != nil {
		t.Error(err)
	}
	want := "config: throttle.password.stop: 500 is not allowed; choose from 1 to 100"
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("Validate = %v; want %s", err, want)
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("Default is not valid: %v", err)
	}
	// The zero Config is refused, not taken for one without limits.
	err := Config{}.Validate()
	if err == nil {
		t.Fatal("the zero Config is valid")
	}
	for _, key := range []string{
		"data", "radius", "log.format", "issuer", "challenge_lifetime", "throttle.second_factor.stop",
		"throttle.password.stop", "throttle.second_factor.free", "password_hash.memory_kib", "password_hash.iterations",
	} {
		if !strings.Contains(err.Error(), "config: "+key+": ") {
			t.Errorf("Validate of the zero Config says nothing of %s:\n%v", key, err)
		}
	}
	c := Default()
	c.Log.Level = 3
	if err := c.Validate(); err == nil {
		t.Error("a level between two was accepted")
	}
	// Validate works on a copy.
	c = Default()
	c.RADIUS = make([]string, 100)
	if err := c.Validate(); err == nil || len(c.RADIUS) != 100 {
		t.Errorf("Validate = %v, leaving %d addresses; want an error and all 100", err, len(c.RADIUS))
	}
}

func TestKEKPath(t *testing.T) {
	c := Config{Data: "/d"}
	if got := c.KEKPath(); got != filepath.Join("/d", "seal.key") {
		t.Errorf("KEKPath = %q", got)
	}
	c.KEKFile = "/k/key"
	if got := c.KEKPath(); got != "/k/key" {
		t.Errorf("KEKPath = %q; want /k/key", got)
	}
}

func TestLaneCount(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, tt := range []struct{ processors, lanes, want int }{{1, 0, 1}, {2, 0, 1}, {8, 0, 7}, {8, 3, 3}, {1, 3, 3}} {
		runtime.GOMAXPROCS(tt.processors)
		if got := (PasswordHash{Lanes: tt.lanes}).LaneCount(); got != tt.want {
			t.Errorf("with %d processors, LaneCount of %d = %d; want %d", tt.processors, tt.lanes, got, tt.want)
		}
	}
}

// Every field can be loaded, printed and checked: its type is known, its tags
// make sense, and it has a comment.
func TestEveryFieldIsComplete(t *testing.T) {
	docs := comments()
	seen := make(map[string]bool)
	for _, s := range flat(settings()) {
		if s.name == "" || seen[s.path] {
			t.Errorf("%s has no key, or one that is there twice: %q", s.doc, s.path)
		}
		seen[s.path] = true
		if doc := docs[s.doc]; len(doc) < 15 || !strings.HasSuffix(doc, ".") {
			t.Errorf("%s has no comment of whole sentences: %q", s.doc, doc)
		}
		if s.isGroup() {
			continue
		}
		switch x := s.of(new(Default())).Interface().(type) {
		case string, slog.Level, DatabaseURL:
		case []Export:
			if most, err := strconv.Atoi(s.tag.Get("max")); err != nil || most < 1 || len(x) > most {
				t.Errorf("%s is not bounded: %v", s.doc, err)
			}
			for _, key := range s.item {
				if doc := docs[key.doc]; len(doc) < 15 || !strings.HasSuffix(doc, ".") || key.name == "" {
					t.Errorf("%s has no key, or no comment of whole sentences: %q", key.doc, doc)
				}
				if key.typ.Kind() != reflect.String {
					t.Errorf("%s has a type that items cannot have: %v", key.doc, key.typ)
				}
			}
		case []string:
			if most, err := strconv.Atoi(s.tag.Get("max")); err != nil || most < 1 {
				t.Errorf("%s is not bounded: %v", s.doc, err)
			}
		case int:
			low, err1 := strconv.Atoi(s.tag.Get("min"))
			high, err2 := strconv.Atoi(s.tag.Get("max"))
			if err1 != nil || err2 != nil || low > x || x > high {
				t.Errorf("%s is not within its range %q to %q", s.doc, s.tag.Get("min"), s.tag.Get("max"))
			}
		case time.Duration:
			low, err1 := time.ParseDuration(s.tag.Get("min"))
			high, err2 := time.ParseDuration(s.tag.Get("max"))
			if err1 != nil || err2 != nil || low > x || x > high {
				t.Errorf("%s is not within its range %q to %q", s.doc, s.tag.Get("min"), s.tag.Get("max"))
			}
		default:
			t.Errorf("%s has the type %T, which nothing here reads", s.doc, x)
		}
	}
}

// SP 800-63B, Section 3.2.2: no setting allows more than 100 failures in a row.
func TestNoThrottleAboveOneHundred(t *testing.T) {
	for _, s := range leaves(settings()) {
		if !strings.HasPrefix(s.path, "throttle.") {
			continue
		}
		for n, want := range map[string]bool{"100": true, "101": false, "1000000": false, "0": false, "-1": false} {
			c := Default()
			c.Throttle = Throttle{SecondFactor: Limit{1, 100}, Password: Limit{1, 100}}
			if err := c.Set(s.path, n); err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); (err == nil) != want {
				t.Errorf("%s: %s gave %v; want allowed: %t", s.path, n, err, want)
			}
		}
	}
}

func TestSampleIsDefault(t *testing.T) {
	got, err := Parse("sample", []byte(Sample()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("the sample differs from Default (-want +got):\n%s", diff)
	}
	for line := range strings.Lines(Sample()) {
		if len(line) > 81 || strings.TrimRight(line, " \n")+"\n" != line {
			t.Errorf("a line of the sample is too long, or ends with a space: %q", line)
		}
	}
	// A key is set where it stands: change each in the sample, and see it change.
	for _, s := range leaves(settings()) {
		if s.typ.Kind() == reflect.Int {
			name := s.name + ": " + s.spell(s.of(new(Default())))
			if !strings.Contains(Sample(), name) {
				t.Errorf("the sample does not have %q", name)
			}
		}
	}
}

func TestDocumentHasEveryKey(t *testing.T) {
	doc := Document()
	for _, s := range flat(settings()) {
		if strings.Count(doc, "\n### `"+s.path+"`\n") != 1 {
			t.Errorf("the document does not have the heading %s once", s.path)
		}
	}
	for _, want := range []string{
		"Default: `2m`. Allowed: 30s to 10m.", "Default: `json`. Allowed: one of json, text.",
		"Default: `[]`. Allowed: at most 1000 items.", `CORP\\alice`, "Default: `\"127.0.0.1:9812\"`.",
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("the document does not say %q", want)
		}
	}
}

// FuzzLoad checks that a text is either refused, with nothing of it used and
// each mistake in the form of the others, or gives a configuration that is
// valid and, written out again, means the same.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(Sample()))
	f.Add([]byte(Default().YAML()))
	for _, text := range []string{
		"", "# nothing\n", "---\n...\n", "{}", "~", "[]", "a", "\ufeffissuer: x\n",
		"radus: []\n", "radius: [':1812', '[::1]:0']\n", "radius:\n- :1\n- :1\n",
		"issuer: \"\\u00a0x\\U0001F511\"\n", "issuer: |\n  two\n  lines\n", "issuer: >-\n  folded\n  text\n",
		"data: &a /d\nkek_file: *a\n", "log: {<<: {level: info}}\n", "? a\n: b\n", "log: !!map {level: info}\n",
		"issuer: x\nissuer: y\n", "issuer: x\n---\nissuer: y\n",
		"challenge_lifetime: 1m30.5s\n", "challenge_lifetime: 9999999h\n", "throttle: {password: {free: 1, stop: 1}}\n",
		"domains: [NO, 1.0, 0x10, müller.example]\n", "password_hash: {memory_kib: 7168, iterations: 5, lanes: 256}\n",
		"export:\n- {name: a, url: 'syslog+tls://h', ca: /c}\n- {name: b, url: 'https://h/?x', secret_file: /s}\n",
		"database: postgres://u:p@h/d\nnode: a\nkeep_events: 48h\nanchors: /a\n", "export: [{}]", "export: [{name: [a]}]",
		"https: {address: ':443', certificate: /c, key: /k}\ntelemetry: ''\n", "issuer: \xff\n", "a: b: c\n", "\t\n", "issuer: 'x\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text)
		if err != nil {
			if !reflect.DeepEqual(c, Config{}) {
				t.Fatalf("a refused text still gave %+v", c)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "config: f:") {
					t.Fatalf("a mistake is told in another form: %q", line)
				}
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("a loaded configuration is not valid: %v", err)
		}
		again, err := Parse("f", []byte(c.YAML()))
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Fatalf("written out and read again, %v:\n%s\n%s", err, cmp.Diff(c, again), c.YAML())
		}
	})
}

func BenchmarkParseSample(b *testing.B) {
	text := []byte(Sample())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("sample", text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEntriesHideThePassword(t *testing.T) {
	c := with(func(c *Config) {
		c.Database = "postgres://sally:guess-me@db/sally"
		c.HTTPS.Address = ":443"
	})
	seen := make(map[string]Entry)
	for _, e := range c.Entries() {
		if strings.Contains(e.Value, "guess-me") {
			t.Errorf("%s shows the password: %s", e.Key, e.Value)
		}
		if e.Help == "" {
			t.Errorf("%s says nothing of what it is for", e.Key)
		}
		seen[e.Key] = e
	}
	if e := seen["https.address"]; e.Value != `":443"` && e.Value != ":443" {
		t.Errorf("https.address is shown as %s", e.Value)
	}
	if e := seen["database"]; !strings.Contains(e.Value, "sally:xxxxx@db") {
		t.Errorf("database is shown as %s", e.Value)
	}
}
