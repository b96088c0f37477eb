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
	"log/slog"
	"path/filepath"
	"runtime"
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

	// Health for load balancers; console, portal and API in a later release.
	HTTPS HTTPS `yaml:"https"`

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

	// What happens to an account after failures in a row. They are counted over
	// every door and node. SP 800-63B allows at most 100.
	Throttle Throttle `yaml:"throttle"`

	// The cost of hashing local passwords and recovery codes with Argon2id
	// (RFC 9106). Existing hashes keep the cost that they were made with.
	PasswordHash PasswordHash `yaml:"password_hash"`
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
		Telemetry:         "127.0.0.1:9812",
		Log:               Log{Format: "json", Level: slog.LevelInfo},
		Issuer:            "Sallyport",
		ChallengeLifetime: 2 * time.Minute,
		TOTP:              TOTP{DriftSteps: 1},
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

// LaneCount returns how many hashes may be computed at the same time on this
// machine, at least 1.
func (p PasswordHash) LaneCount() int {
	if p.Lanes > 0 {
		return p.Lanes
	}
	return max(1, runtime.GOMAXPROCS(0)-1)
}
