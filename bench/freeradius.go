//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// freeRADIUSCommand starts FreeRADIUS with the configuration in a directory.
func (b *bench) freeRADIUSCommand(dir string) []string {
	return []string{b.radius, "-f", "-d", dir, "-n", "radiusd", "-l", "stdout"}
}

// freeRADIUS writes the configuration of one variant, to listen at address, and
// returns its directory. Only the modules that the work needs are loaded, and
// two threads serve: on one core that is the best that was found. A variant
// that logs to PostgreSQL does so at the address database.
func (b *bench) freeRADIUS(variant, address, database string) (string, error) {
	secret, err := os.ReadFile(b.path("secret"))
	if err != nil {
		return "", err
	}
	libraries, err := moduleDirectory()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	dir := b.path("freeradius")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	base, sql := strings.CutSuffix(variant, "-sql")
	base, postgres := strings.CutSuffix(base, "-postgres")
	v := map[string]string{
		"DIR": dir, "LIB": libraries, "PORT": port, "SECRET": strings.TrimSpace(string(secret)),
		"USERS": b.path("users-" + base), "SQL": "", "POSTAUTH": "", "SPLIT": "",
	}
	switch base {
	case "pap":
	case "totp":
		v["SPLIT"] = `
		update request {
			&TOTP-Password := "%{User-Password}"
		}`
	case "both":
		v["SPLIT"] = `
		if (&User-Password =~ /^(.*),([0-9]{6})$/) {
			update request {
				&User-Password := "%{1}"
				&TOTP-Password := "%{2}"
			}
		}`
	default:
		return "", fmt.Errorf("there is no configuration %q of FreeRADIUS", variant)
	}
	switch {
	case sql:
		v["SQL"], v["POSTAUTH"] = expand(freeRADIUSSQL, v), "sql"
	case postgres:
		if v["DBHOST"], v["DBPORT"], err = net.SplitHostPort(database); err != nil {
			return "", err
		}
		v["DBNAME"] = runDatabase
		v["SQL"], v["POSTAUTH"] = expand(freeRADIUSPostgres, v), "sql"
	}
	for name, text := range map[string]string{
		"radiusd.conf": expand(freeRADIUSConfig, v),
		"dictionary":   "",
		"schema.sql":   freeRADIUSSchema,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func moduleDirectory() (string, error) {
	for _, dir := range []string{"/usr/lib/freeradius", "/usr/lib64/freeradius", "/usr/local/lib/freeradius"} {
		if _, err := os.Stat(filepath.Join(dir, "rlm_totp.so")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("the modules of FreeRADIUS (rlm_totp.so) are not where Debian, Fedora or a local build put them")
}

// expand replaces @NAME@ by its value.
func expand(text string, values map[string]string) string {
	for name, value := range values {
		text = strings.ReplaceAll(text, "@"+name+"@", value)
	}
	return text
}

const freeRADIUSConfig = `
prefix = /usr
libdir = @LIB@
confdir = @DIR@
logdir = @DIR@
run_dir = @DIR@
db_dir = @DIR@
name = radiusd
max_request_time = 30
cleanup_delay = 5
max_requests = 65536
hostname_lookups = no
log {
	destination = stdout
	auth = no
}
security {
	max_attributes = 200
	reject_delay = 0
	status_server = no
}
proxy_requests = no
thread pool {
	start_servers = 2
	max_servers = 2
	min_spare_servers = 1
	max_spare_servers = 2
	max_requests_per_server = 0
}
client bench {
	ipaddr = 127.0.0.0/8
	secret = "@SECRET@"
	require_message_authenticator = yes
}
modules {
	pap {
	}
	totp {
	}
	expr {
	}
	files {
		filename = @USERS@
	}
	@SQL@
}
server default {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = @PORT@
		recv_buff = 4194304
	}
	authorize {@SPLIT@
		files
		pap
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type totp {
			totp
		}
		Auth-Type both {
			pap
			totp
		}
	}
	post-auth {
		@POSTAUTH@
	}
}
`

// freeRADIUSSQL logs as the package's own configuration does.
const freeRADIUSSQL = `
	sql {
		driver = "rlm_sql_sqlite"
		dialect = "sqlite"
		sqlite {
			filename = "@DIR@/log.db"
			busy_timeout = 5000
			bootstrap = "@DIR@/schema.sql"
		}
		radius_db = "radius"
		postauth_table = "radpostauth"
		sql_user_name = "%{User-Name}"
		read_groups = no
		read_profiles = no
		read_clients = no
		delete_stale_sessions = no
		pool {
			start = 2
			min = 2
			max = 4
			spare = 2
			uses = 0
			lifetime = 0
			idle_timeout = 0
		}
		post-auth {
			query = "INSERT INTO ${..postauth_table} (username, pass, reply, authdate) VALUES ('%{SQL-User-Name}', '%{%{User-Password}:-%{Chap-Password}}', '%{reply:Packet-Type}', '%S.%M')"
		}
	}
`

// freeRADIUSSchema is the table of the package's own schema without its
// indexes, in the journal mode that is fastest; SQLite's default
// synchronous=FULL makes each INSERT survive a power failure.
const freeRADIUSSchema = `PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS radpostauth (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	username varchar(64) NOT NULL default '',
	pass varchar(64) NOT NULL default '',
	reply varchar(32) NOT NULL default '',
	authdate timestamp NOT NULL
);
`

// freeRADIUSPostgres logs as the package's own configuration does. A thread
// that finds no connection would reject, so there are more than threads.
const freeRADIUSPostgres = `
	sql {
		driver = "rlm_sql_postgresql"
		dialect = "postgresql"
		server = "@DBHOST@"
		port = @DBPORT@
		login = "postgres"
		password = ""
		radius_db = "@DBNAME@"
		postauth_table = "radpostauth"
		sql_user_name = "%{User-Name}"
		read_groups = no
		read_profiles = no
		read_clients = no
		delete_stale_sessions = no
		pool {
			start = 2
			min = 2
			max = 4
			spare = 2
			uses = 0
			lifetime = 0
			idle_timeout = 0
		}
		post-auth {
			query = "INSERT INTO ${..postauth_table} (username, pass, reply, authdate) VALUES ('%{User-Name}', '%{%{User-Password}:-%{Chap-Password}}', '%{reply:Packet-Type}', '%S.%M')"
		}
	}
`

// freeRADIUSPostgresSchema is the table of the package's own schema without its
// two indexes, which would only make it slower.
const freeRADIUSPostgresSchema = `CREATE TABLE radpostauth (
	id bigserial PRIMARY KEY,
	username text NOT NULL,
	pass text,
	reply text,
	CalledStationId text,
	CallingStationId text,
	authdate timestamp with time zone NOT NULL default now(),
	Class text
)`
