//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/config"
	"sallyport/factor/oath"
	"sallyport/factor/password"
	"sallyport/kdf"
	"sallyport/otp"
	"sallyport/server"
)

// Accounts that log in with a password too are few: hashing is slow.
const passwordAccounts = 4000

// One password serves for all, and one hash: that costs a server as much as
// many, and the preparation much less.
const thePassword = "bench-pass-word"

// A population is a group of accounts with the same kind of password.
type population struct {
	name   string // of the credentials file, and the prefix of account names
	size   int
	hash   string // imported, of thePassword, "" for none
	native bool   // hashed by us
	tokens []otp.Enrolment
}

func (p *population) account(i int) string { return fmt.Sprintf("%.1s%06d", p.name, i) }

// password is what FreeRADIUS's file of plain passwords and mode password use.
func (p *population) password(i int) string {
	if p.hash == "" && !p.native {
		return fmt.Sprintf("password%06d", i)
	}
	return thePassword
}

// prepare makes the accounts of both sides.
func (b *bench) prepare(ctx context.Context) error {
	began := time.Now()
	bcrypted, err := bcrypt.GenerateFromPassword([]byte(thePassword), bcryptCost)
	if err != nil {
		return err
	}
	populations := []*population{
		{name: "code", size: b.accounts},
		{name: "argon2id", size: min(passwordAccounts, b.accounts), native: true},
		{name: "bcrypt", size: min(passwordAccounts, b.accounts), hash: string(bcrypted)},
	}
	if b.database != nil {
		// Nothing is hashed in rows with PostgreSQL.
		populations = populations[:1]
	}
	for _, p := range populations {
		p.tokens = make([]otp.Enrolment, p.size)
		for i := range p.tokens {
			p.tokens[i] = otp.Enrolment{
				Issuer: "bench", Account: p.account(i), Key: otp.NewKey(otp.SHA1),
				Params: otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second},
			}
		}
		if err := b.writeCredentials(p); err != nil {
			return err
		}
	}
	secret := rand.Text()
	if err := os.WriteFile(b.path("secret"), []byte(secret+"\n"), 0o600); err != nil {
		return err
	}
	if b.database != nil {
		if err := b.database.exec(ctx, "postgres", `CREATE DATABASE `+baseDatabase); err != nil {
			return err
		}
		b.codes = populations[0]
	}
	if err := b.fill(ctx, secret, populations); err != nil {
		return fmt.Errorf("fill our data directory: %w", err)
	}
	if b.database != nil {
		empty, err := b.database.size(ctx, "postgres")
		if err != nil {
			return err
		}
		filled, err := b.database.size(ctx, baseDatabase)
		if err != nil {
			return err
		}
		b.accountOctets = float64(filled-empty) / float64(b.accounts)
	}
	if b.radius != "" {
		if err := b.writeUsers(secret, populations[0], populations[1:]); err != nil {
			return fmt.Errorf("set FreeRADIUS up: %w", err)
		}
	}
	fmt.Fprintf(b.tell, "prepared %d accounts in %.1f s\n", b.accounts, time.Since(began).Seconds())
	return nil
}

const bcryptCost = 10

func (b *bench) writeCredentials(p *population) error {
	return b.writeSome(p.name+".txt", p, func(int) bool { return true })
}

// writeSome writes the credentials of some accounts.
func (b *bench) writeSome(name string, p *population, choose func(account int) bool) error {
	return b.write(name, func(w *bufio.Writer) error {
		for i, token := range p.tokens {
			if !choose(i) {
				continue
			}
			uri, err := token.URI()
			if err != nil {
				return err
			}
			fmt.Fprintln(w, p.account(i), p.password(i), uri)
		}
		return nil
	})
}

// write makes a file in the bench's directory.
func (b *bench) write(name string, fill func(*bufio.Writer) error) error {
	f, err := os.OpenFile(b.path(name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// fill makes our data directory: the assembled program is started without
// doors and given many accounts at a time.
func (b *bench) fill(ctx context.Context, secret string, populations []*population) error {
	cfg := config.Default()
	cfg.Data, cfg.RADIUS, cfg.Telemetry, cfg.Local = b.path("data"), nil, "", ""
	if b.database != nil {
		if err := cfg.Set("database", b.database.url(b.database.address(), baseDatabase)); err != nil {
			return err
		}
	}
	s, err := server.Start(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer s.Close()
	by := admin.Operator("bench")
	for _, app := range []string{"codes", "both"} {
		if _, err := s.Admin.AddApplication(ctx, by, app); err != nil {
			return err
		}
	}
	for _, c := range []admin.NewClient{
		{Name: "codes", Application: "codes", Source: "127.0.0.1/32", Mode: string(auth.ModeAppend), Password: string(auth.PasswordNone)},
		{Name: "both", Application: "both", Source: "127.0.0.2/32", Mode: string(auth.ModeAppend), Password: string(auth.PasswordVerify)},
	} {
		c.Secret, c.RatePerSecond = secret, 1_000_000
		if _, _, err := s.Admin.AddClient(ctx, by, c); err != nil {
			return err
		}
	}
	lanes := kdf.NewLanes(runtime.NumCPU(), time.Minute)
	passwords := &password.Factor{Params: kdf.Default, Lanes: lanes}
	for _, p := range populations {
		var secrets auth.Secret
		switch {
		case p.native:
			bound, err := passwords.Bind(ctx, auth.Binding{Secret: auth.Secret(thePassword)})
			if err != nil {
				return err
			}
			secrets = bound.State
		case p.hash != "":
			bound, err := passwords.Bind(ctx, auth.Binding{Secret: auth.Secret(p.hash), Hashed: true})
			if err != nil {
				return err
			}
			secrets = bound.State
		}
		const atOnce = 1000
		for from := 0; from < p.size; from += atOnce {
			if err := b.addAccounts(ctx, s, p, from, min(from+atOnce, p.size), secrets); err != nil {
				return err
			}
		}
	}
	return nil
}

// addAccounts adds accounts from to below to of a population in one
// transaction.
func (b *bench) addAccounts(ctx context.Context, s *server.Server, p *population, from, to int, hash auth.Secret) error {
	now := time.Now()
	changes := make([]admin.Change, 0, 3*(to-from))
	hold := func(account, factor string, bound auth.Bound) error {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		changes = append(changes, admin.AddAuthenticator{Authenticator: auth.Authenticator{
			ID: id.String(), Account: account, Factor: factor, Created: now, State: bound.State, Mark: bound.Mark,
		}})
		return nil
	}
	for i := from; i < to; i++ {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		changes = append(changes, admin.AddAccount{Account: auth.Account{ID: id.String(), Name: p.account(i), Enabled: true, Created: now}})
		if hash != nil {
			if err := hold(id.String(), "password", auth.Bound{State: hash, Mark: auth.NoMark}); err != nil {
				return err
			}
		}
		e := p.tokens[i]
		bound, err := (&oath.Factor{Drift: 1}).Bind(ctx, auth.Binding{Token: &auth.Token{
			Key: auth.Secret(e.Key), Algorithm: e.Params.Algorithm.String(), Digits: e.Params.Digits, Period: e.Params.Period,
		}})
		if err != nil {
			return err
		}
		if err := hold(id.String(), "oath", bound); err != nil {
			return err
		}
	}
	act := admin.Act{Time: now, Actor: "bench", Action: "account.add", Subject: p.account(from), Detail: fmt.Sprintf("%d accounts", to-from)}
	return s.Store.Apply(ctx, act, changes...)
}

// writeUsers writes FreeRADIUS's files of users.
func (b *bench) writeUsers(secret string, code *population, others []*population) error {
	if strings.ContainsAny(secret, `"\`) {
		return fmt.Errorf("the secret cannot be quoted")
	}
	users := func(name string, p *population, line func(i int) string) error {
		return b.write(name, func(w *bufio.Writer) error {
			for i := range p.size {
				fmt.Fprintf(w, "%s %s\n", p.account(i), line(i))
			}
			return nil
		})
	}
	if err := users("users-pap", code, func(i int) string {
		return fmt.Sprintf(`Cleartext-Password := "%s"`, code.password(i))
	}); err != nil {
		return err
	}
	if err := users("users-totp", code, func(i int) string {
		return fmt.Sprintf(`TOTP-Secret := "%s", Auth-Type := totp`, otp.EncodeKey(code.tokens[i].Key))
	}); err != nil {
		return err
	}
	if len(others) == 0 {
		return nil
	}
	both := last(others)
	return users("users-both", both, func(i int) string {
		return fmt.Sprintf(`Crypt-Password := "%s", TOTP-Secret := "%s", Auth-Type := both`, both.hash, otp.EncodeKey(both.tokens[i].Key))
	})
}
