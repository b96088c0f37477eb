package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/check"
	"sallyport/diagnose"
	"sallyport/radius"
	"sallyport/report"
)

type checkOptions struct {
	ca         string
	secretFile string
	timeout    time.Duration
	registry   registryOptions
	listen     string
	pcap       string
}

func (a *app) checkCommand() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check TARGET",
		Short: "Look at a server as its clients do, and say what would keep them out",
		Long: `Look at a server as its clients do, and say what would keep them out: its name
and addresses, TLS versions and cipher suites, certificates as phones, browsers,
Java and Windows judge them, signs of interception, its clock, and what it answers
over HTTP, LDAP or RADIUS. No server of ours is needed.

With --registry it judges the settings of a Windows host instead, from exports of
its registry: what .NET, WinHTTP, WinINET and Schannel may offer in 64 and in 32
bit, the proxy of LocalSystem, credential providers, the clock, and those of the
MFA agents. --fix writes a script that mends them, and that can take it back.

With --listen it describes each client that connects to an address here: which TLS
versions and suites it offers, and what kind of client sends that. With --pcap it
reads a packet capture (pcap or pcapng; - is standard input), and says of each TLS
handshake who offered what, who ended it, and why.

TARGET is a URL (https, http, tls, ldap, ldaps, radius), host:port, or a host,
which is asked for HTTPS. Nothing is logged in to, and nothing is changed. With
--secret-file a RADIUS server is asked how it is (RFC 5997).

Exit codes: 0 nothing is wrong that stops a client of today; 1 something is, or
the server cannot be reached; 2 the command was not understood, or interrupted.`,
		Example: `  sallyport check https://example.okta.com
  sallyport check mfa.corp.example:8443 --ca corp-ca.pem
  sallyport check radius://10.1.2.3 --secret-file secret.txt
  sallyport check ldaps://dc1.corp.example --json | jq .findings
  sallyport check --registry software.reg --registry system.reg --fix mend.ps1
  sallyport check --listen :8443
  sallyport check --pcap fault.pcap`,
	}
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case len(o.registry.files) > 0:
			return takes()(c, args)
		case o.registry.fix != "":
			return errors.New("--fix needs --registry")
		case o.listen != "", o.pcap != "":
			return takes()(c, args)
		}
		return takes("TARGET")(c, args)
	}
	o.registry.flags(c)
	c.Flags().StringVar(&o.listen, "listen", "", "describe each client that connects to this `address` here, as in :8443")
	c.Flags().StringVar(&o.pcap, "pcap", "", "judge the TLS handshakes in a packet capture, a `file`")
	c.MarkFlagsMutuallyExclusive("registry", "listen", "pcap")
	c.Flags().BoolVar(&a.json, "json", false, "print one JSON object")
	c.Flags().StringVar(&o.ca, "ca", "", "PEM `file` of certificates of a private CA that the clients have")
	c.Flags().StringVar(&o.secretFile, "secret-file", "", "`file` whose first line is the secret that is shared with the RADIUS server")
	c.Flags().DurationVar(&o.timeout, "timeout", 5*time.Second, "how long each step may take")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(o.registry.files) > 0 {
			return a.checkRegistry(c.Context(), o.registry.files, o.registry.fix)
		}
		switch {
		case o.listen != "":
			return a.checkListen(c.Context(), o.listen)
		case o.pcap != "":
			return a.checkCapture(c.Context(), o.pcap)
		}
		return a.check(c.Context(), args[0], o)
	}
	return c
}

func (a *app) check(ctx context.Context, target string, o checkOptions) error {
	if _, err := check.ParseTarget(target); err != nil {
		return misused("sallyport check --help", "%w", err)
	}
	if o.timeout <= 0 {
		return misused("", "--timeout: %s is no time to wait", o.timeout)
	}
	tell := a.progress()
	options := check.Options{Timeout: o.timeout, Now: a.now, Progress: tell}
	var err error
	if options.Roots, err = certificates(o.ca); err != nil {
		return err
	}
	if options.Secret, err = sharedSecret(o.secretFile); err != nil {
		return err
	}
	e, err := check.Examine(ctx, target, options)
	tell("")
	switch {
	case ctx.Err() != nil:
		return unreadable("", "interrupted; nothing was changed")
	case err != nil:
		return unreadable("", "%w", err)
	case a.json:
		err = a.printJSON(e)
	default:
		a.printExamination(e)
	}
	if err == nil && e.Faulty() {
		err = &failure{err: errors.New("something is wrong"), exit: exitFound, quiet: true}
	}
	return err
}

// certificates reads the roots of a private CA, nil if no file is named.
func certificates(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, misused("", "--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, misused("a DER file becomes one with: openssl x509 -inform der -in FILE -out FILE.pem", "--ca: %s holds no certificate in PEM", name)
	}
	return pool, nil
}

// sharedSecret reads the first line of a file, the zero Secret if none is named.
func sharedSecret(name string) (radius.Secret, error) {
	if name == "" {
		return radius.Secret{}, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return radius.Secret{}, misused("", "--secret-file: %w", err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	s, err := radius.NewSecret(bytes.TrimSuffix(line, []byte("\r")))
	if err != nil {
		return radius.Secret{}, misused("", "--secret-file: the first line of %s is empty", name)
	}
	return s, nil
}

// printExamination prints the matter in short, what was seen, and each finding.
func (a *app) printExamination(e *check.Examination) {
	a.printSummary(report.Summarize(&diagnose.Report{Findings: e.Findings}))
	fmt.Fprintln(a.out)
	s := &seen{a: a}
	s.is("target", plain, fmt.Sprintf("%s port %d, %s", e.Target.Host, e.Target.Port, strings.ToUpper(string(e.Target.Protocol))))
	s.dns(e.DNS)
	for _, c := range e.TCP {
		text := fmt.Sprintf("%s %s", c.Address, connectionWords[c.State])
		switch c.State {
		case check.Open:
			text += " (" + millis(c.TookMillis) + ")"
		case check.Broken:
			text += ": " + c.Error
		case check.Refused, check.NoAnswer, check.Unreachable, check.NoRoute: // the words say it
		}
		s.judged("TCP", c.State == check.Open, text)
	}
	s.tls(e.TLS)
	s.chain(e.Chain)
	for _, h := range e.Interception {
		s.is("between", odd, h.Text)
	}
	if e.Proxy != "" {
		s.is("between", odd, "programs on this machine would go through the proxy "+e.Proxy)
	}
	if c := e.Clock; c != nil {
		s.is("clock", plain, clockWords(c))
	}
	if w := e.Web; w != nil {
		text := w.Means
		if w.Service != "" {
			text = w.Service + ": " + text
		}
		s.is("HTTP", plain, text)
		if w.Location != "" {
			s.is("HTTP", plain, "it sends on to "+w.Location)
		}
	}
	s.directory(e.Directory)
	if r := e.Radius; r != nil {
		s.is("RADIUS", plain, r.Means)
	}
	if e.TLS != nil {
		for _, m := range e.TLS.Profiles {
			s.judged("clients", m.Outcome == "accepted", m.Title+": "+m.Says)
		}
	}
	for i := range e.Findings {
		fmt.Fprintln(a.out)
		a.printDiagnosis(i+1, &e.Findings[i])
	}
	for _, w := range e.Warnings {
		a.warnf("%s", w)
	}
}

var connectionWords = map[check.ConnectionState]string{
	check.Open: "open", check.Refused: "refused the connection", check.NoAnswer: "does not answer", check.Unreachable: "is unreachable",
	check.NoRoute: "cannot be tried: this machine has no way to addresses of that kind", check.Broken: "failed",
}

// seen prints what was seen, with the name of each part once.
type seen struct {
	a    *app
	last string
}

func (s *seen) is(part string, st style, text string) {
	lead := part
	if part == s.last {
		lead = ""
	}
	s.last = part
	s.a.wrapped(st, fmt.Sprintf("  %-13s", lead), text)
}

// judged has a sign before what it says in words.
func (s *seen) judged(part string, well bool, text string) {
	if well {
		s.is(part, good, "✓ "+text)
		return
	}
	s.is(part, bad, "✗ "+text)
}

func (s *seen) dns(d *check.DNS) {
	switch {
	case d == nil || d.Literal:
		return
	case d.Error != "":
		s.judged("DNS", false, d.Error)
		return
	}
	var list []string
	for _, a := range d.V4 {
		list = append(list, a.String())
	}
	for _, a := range d.V6 {
		list = append(list, a.String())
	}
	text := strings.Join(list, ", ")
	if d.More > 0 {
		text += fmt.Sprintf(" and %d more", d.More)
	}
	if d.CNAME != "" {
		text = d.CNAME + ": " + text
	}
	s.judged("DNS", true, text+" ("+millis(d.TookMillis)+")")
}

func (s *seen) tls(e *check.Encryption) {
	if e == nil {
		return
	}
	for _, v := range e.Versions {
		text := v.Version + " is accepted"
		if !v.Accepted {
			s.is("TLS", plain, "✗ "+v.Version+" is not accepted: "+v.Answer)
			continue
		}
		st := good
		if v.Version != "TLS 1.2" && v.Version != "TLS 1.3" {
			st = odd // nobody should need it any more (RFC 8996)
		}
		var weak []string
		for _, suite := range v.Suites {
			if suite.Weak != "" {
				weak = append(weak, suite.Name+" ("+suite.Weak+")")
			}
		}
		if len(v.Suites) > 0 {
			text += " with " + report.Plural(len(v.Suites), "suite", "suites")
		}
		if len(weak) > 0 {
			st = odd
			text += ", weak: " + strings.Join(weak, ", ")
		}
		s.is("TLS", st, "✓ "+text)
	}
	for _, n := range []struct {
		is   bool
		text string
	}{
		{e.NeedsName, "clients that send no server name (SNI) are refused"},
		{e.OtherCertificate, "clients that send no server name (SNI) get another certificate"},
		{e.LargeHelloFails, "a large first message is not answered"},
		{e.ClientCertificate, "it asks clients for a certificate"},
		{len(e.Intolerant) > 0, "first messages that offer " + strings.Join(e.Intolerant, ", ") + " are not answered"},
	} {
		if n.is {
			s.is("TLS", odd, n.text)
		}
	}
	if e.Error != "" {
		s.is("TLS", bad, e.Error)
	}
}

func (s *seen) chain(c *check.Chain) {
	if c == nil {
		return
	}
	trust := map[check.Trust]string{
		check.Public: "a public CA", check.Known: "the CA that was named with --ca", check.Private: "a private CA", check.Unknown: "an issuer that nobody can tell",
	}[c.Trust]
	text := "from " + trust
	if c.Authority != "" {
		text += ": " + c.Authority
	}
	if !c.Complete {
		text += "; the chain is not complete"
	}
	if !c.NameMatches {
		text += "; it is for another name"
	}
	s.is("certificate", plain, text)
	for i, cert := range c.Sent {
		s.is("certificate", plain, fmt.Sprintf("%d. %s, %s, until %s", i+1, cert.Subject, cert.Key, s.a.when(cert.NotAfter)))
	}
	for _, v := range c.Verdicts {
		text := v.Title + " "
		switch v.Opinion {
		case check.Accepts:
			text += "accepts it"
		case check.Depends:
			text += "may refuse it"
		case check.Refuses:
			text += "refuses it"
		}
		if len(v.Reasons) > 0 {
			text += ": " + strings.Join(v.Reasons, " ")
		}
		s.judged("judged by", v.Opinion == check.Accepts, text)
	}
	for _, r := range c.Revocation {
		text := fmt.Sprintf("%s of %s: %s", r.Kind, r.Certificate, r.Status)
		if r.Error != "" {
			text += ", " + r.Error
		}
		s.judged("revocation", r.Status == check.Good, text)
	}
	for _, n := range c.Notes {
		s.is("certificate", plain, n)
	}
}

func (s *seen) directory(d *check.Directory) {
	if d == nil {
		return
	}
	if d.Error != "" {
		s.judged("LDAP", false, d.Error)
		return
	}
	text := "answers in clear"
	if d.Encrypted {
		text = "answers within TLS"
	}
	if d.Vendor != "" {
		text = d.Vendor + " " + text
	}
	if d.Host != "" {
		text += ", as " + d.Host
	}
	s.judged("LDAP", true, text)
	if d.StartTLS != "" {
		s.is("LDAP", plain, "StartTLS: "+strings.TrimSpace(d.StartTLS+" "+d.StartTLSError))
	}
}

// clockWords says how far the clock of the server is from ours.
func clockWords(c *check.Clock) string {
	d := time.Duration(c.DifferenceMillis * float64(time.Millisecond))
	precision := time.Duration(c.PrecisionMillis * float64(time.Millisecond))
	switch {
	case d.Abs() <= precision:
		return fmt.Sprintf("as here, within %s (%s)", precision.Round(time.Millisecond), c.How)
	case d > 0:
		return fmt.Sprintf("%s ahead of this machine (%s)", d.Round(time.Second/10), c.How)
	}
	return fmt.Sprintf("%s behind this machine (%s)", (-d).Round(time.Second/10), c.How)
}

func millis(ms float64) string { return took(time.Duration(ms * float64(time.Millisecond))) }
