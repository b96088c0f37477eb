package check

import (
	"crypto/x509"
	"fmt"
	"time"
)

// An Opinion is what a client makes of a chain.
type Opinion string

const (
	Accepts Opinion = "accepts"
	Depends Opinion = "depends" // on its version or settings; Reasons say on which
	Refuses Opinion = "refuses"
)

// A Verdict is what one kind of client makes of a chain.
type Verdict struct {
	Judge   string   `json:"judge"` // stable: iphone, android, browser, java, windows
	Title   string   `json:"title"`
	Opinion Opinion  `json:"opinion"`
	Reasons []string `json:"reasons,omitempty"` // a sentence each; none if it accepts without more ado
}

// A judge is what one kind of client looks at. Where its makers publish no
// rule, the field is what it is known to do.
type judge struct {
	name, title string

	// missing is what it does about an intermediate that was not sent.
	missing reason
	// known is what it makes of a private CA that the clients are said to have,
	// and private of one that nobody said that they have.
	known, private reason
	// subject is what it makes of a name that stands only in the subject.
	subject reason
	// sha1Private is what it makes of SHA-1 below a private root; below a public
	// one every client refuses it.
	sha1Private reason
	// smallest is the RSA key that it takes; smallestPublic below public roots.
	smallest, smallestPublic int
	// apple is set if Apple's rules for every certificate hold, and shortLived
	// if a certificate of a public CA may last 398 days.
	apple, shortLived bool
	revoked           reason
}

// A reason is an opinion and why.
type reason struct {
	opinion Opinion
	why     string
}

// judges are the clients that MFA is used from. The rules: Apple,
// support.apple.com/HT210176 and HT211025; Android 7, "Changes to Trusted
// Certificate Authorities"; Android 10, "SHA-1 certificates aren't trusted";
// Chrome, certificate verification; OpenJDK, jdk.certpath.disabledAlgorithms;
// Microsoft, CertVerifyCertificateChainPolicy and security advisory 2661254.
var judges = []judge{
	{
		name: "iphone", title: "an app on an iPhone or iPad",
		missing:     reason{Depends, "An intermediate is missing; iOS can fetch it, but not on a network that blocks this, and an app may forbid it."},
		known:       reason{Depends, "A private CA is believed only if its root was installed as a profile and full trust was switched on for it, or MDM did so."},
		private:     reason{Refuses, "No root that a phone comes with leads to this certificate."},
		subject:     reason{Refuses, "The name must stand in the subject alternative names; the subject is not looked at."},
		sha1Private: reason{Refuses, "SHA-1 signatures are not believed."},
		smallest:    2048, smallestPublic: 2048, apple: true, shortLived: true,
		revoked: reason{Depends, "The certificate is revoked; whether iOS notices depends on the CA."},
	},
	{
		name: "android", title: "an app on Android 7 or newer",
		missing:     reason{Refuses, "An intermediate is missing, and Android does not fetch it for apps."},
		known:       reason{Depends, "A private CA is believed only by apps that say that they take CAs installed by a person or by MDM; most do not."},
		private:     reason{Refuses, "No root that a phone comes with leads to this certificate."},
		subject:     reason{Refuses, "The name must stand in the subject alternative names; the subject is not looked at."},
		sha1Private: reason{Refuses, "SHA-1 signatures are not believed from Android 10 on."},
		smallest:    1024, smallestPublic: 1024,
		revoked: reason{Depends, "The certificate is revoked; apps seldom ask."},
	},
	{
		name: "browser", title: "a browser on Windows or macOS",
		missing:     reason{Depends, "An intermediate is missing; Chrome and Edge fetch it, Firefox only knows those of public CAs."},
		known:       reason{Accepts, "The private CA is believed because it is in the store of the operating system; Firefox may have a store of its own."},
		private:     reason{Refuses, "Neither the browser nor the system knows the CA."},
		subject:     reason{Refuses, "The name must stand in the subject alternative names; the subject is not looked at."},
		sha1Private: reason{Refuses, "SHA-1 signatures are not believed."},
		smallest:    1024, smallestPublic: 2048, shortLived: true,
		revoked: reason{Depends, "The certificate is revoked; whether the browser notices depends on the CA."},
	},
	{
		name: "java", title: "a Java program with its own store",
		missing:     reason{Refuses, "An intermediate is missing, and Java does not fetch it unless com.sun.security.enableAIAcaIssuers is set."},
		known:       reason{Depends, "A private CA is believed only if it was imported into the program's own cacerts; that of the operating system is not used."},
		private:     reason{Refuses, "No root in cacerts leads to this certificate."},
		subject:     reason{Depends, "The name stands only in the subject, which some clients in Java still look at and others do not."},
		sha1Private: reason{Accepts, ""},
		smallest:    1024, smallestPublic: 1024,
		revoked: reason{Depends, "The certificate is revoked; Java asks only if com.sun.net.ssl.checkRevocation is set."},
	},
	{
		name: "windows", title: "a Windows service (.NET, WinHTTP)",
		missing:     reason{Depends, "An intermediate is missing; Windows fetches it, if the service can reach the Internet by itself."},
		known:       reason{Accepts, ""},
		private:     reason{Refuses, "No root in the store of the computer leads to this certificate."},
		subject:     reason{Depends, "The name stands only in the subject, which Windows still looks at and newer .NET does not."},
		sha1Private: reason{Accepts, ""},
		smallest:    1024, smallestPublic: 1024,
		revoked: reason{Refuses, "The certificate is revoked, and whoever checks that refuses it."},
	},
}

// Rules of Apple and of the CA/Browser Forum have a day from which certificates
// must follow them.
var (
	apple2019 = time.Date(2019, 7, 1, 0, 0, 0, 0, time.UTC)
	forum2020 = time.Date(2020, 9, 1, 0, 0, 0, 0, time.UTC)
)

const (
	longest       = 825 * 24 * time.Hour // Apple, for every certificate
	longestPublic = 398 * 24 * time.Hour // Apple and Chrome, for those of public CAs
)

// verdicts lets every judge look at the chain.
func (f *facts) verdicts(revoked bool) []Verdict {
	out := make([]Verdict, 0, len(judges))
	for i := range judges {
		out = append(out, judges[i].look(f, revoked))
	}
	return out
}

// look is one judge's verdict. What every client looks at comes first.
func (j *judge) look(f *facts, revoked bool) Verdict {
	v := Verdict{Judge: j.name, Title: j.title, Opinion: Accepts}
	v.hold(len(f.expired) > 0, Refuses, "A certificate has expired.")
	v.hold(len(f.future) > 0, Refuses, "A certificate is not valid yet.")
	v.hold(!f.named && f.commonName == "", Refuses, "The certificate is not for "+f.host+".")
	v.hold(!f.named && f.commonName != "", j.subject.opinion, j.subject.why)
	v.hold(!f.purpose, Refuses, "The certificate says that it is not for servers (extended key usage).")

	public := f.trust == Public || f.trust == Unknown && looksPublic(f.leaf)
	switch f.trust {
	case Public:
	case Known:
		v.hold(true, j.known.opinion, j.known.why)
	case Private:
		v.hold(true, j.private.opinion, j.private.why)
	case Unknown:
		if !public {
			v.hold(true, Refuses, "What was sent leads to no root.")
		}
	}
	// Below a root that nobody believes, more that is missing says nothing.
	v.hold(!f.complete && (public || f.trust == Known), j.missing.opinion, j.missing.why)

	if len(f.sha1) > 0 {
		if public {
			v.hold(true, Refuses, "SHA-1 signatures of public CAs are not believed.")
		} else {
			v.hold(true, j.sha1Private.opinion, j.sha1Private.why)
		}
	}
	smallest := j.smallest
	if public {
		smallest = j.smallestPublic
	}
	if small := f.smallKey(smallest); small != nil {
		v.hold(true, Refuses, fmt.Sprintf("A key of %s is too short; %d bits are the least.", keyOf(small), smallest))
	}
	v.hold(j.apple && !f.purposeSet && !f.leaf.NotBefore.Before(apple2019), Refuses,
		"The certificate does not say that it is for servers (extended key usage), which Apple demands of those made since July 2019.")
	v.hold(j.shortLived && public && f.tooLong(longestPublic, forum2020), Refuses,
		"The certificate of a public CA is valid for more than 398 days.")
	v.hold(j.apple && f.tooLong(longest, apple2019), Refuses, "The certificate is valid for more than 825 days.")
	v.hold(revoked, j.revoked.opinion, j.revoked.why)
	return v
}

// hold notes a reason if it applies; the worst opinion counts.
func (v *Verdict) hold(applies bool, o Opinion, why string) {
	if !applies {
		return
	}
	if o == Refuses || o == Depends && v.Opinion == Accepts {
		v.Opinion = o
	}
	if why != "" {
		v.Reasons = append(v.Reasons, why)
	}
}

// smallKey returns the first certificate with an RSA key below so many bits,
// nil if there is none.
func (f *facts) smallKey(bits int) *x509.Certificate {
	for _, c := range f.path {
		if n := rsaBits(c); n > 0 && n < bits {
			return c
		}
	}
	return nil
}

// tooLong reports whether the certificate is valid for longer than most, and
// was made after the rule came.
func (f *facts) tooLong(most time.Duration, since time.Time) bool {
	return !f.leaf.NotBefore.Before(since) && f.leaf.NotAfter.Sub(f.leaf.NotBefore) > most
}

// broken returns the rules that some client enforces and this certificate does
// not keep, a sentence each, beside those that have findings of their own.
func (f *facts) broken() []string {
	var out []string
	public := f.trust == Public || looksPublic(f.leaf)
	for _, c := range f.sha1 {
		out = append(out, fmt.Sprintf("the certificate of %s is signed with %s", nameOf(c.Subject.String()), c.SignatureAlgorithm))
	}
	if c := f.smallKey(2048); c != nil {
		out = append(out, fmt.Sprintf("the key of %s has only %d bits", nameOf(c.Subject.String()), rsaBits(c)))
	}
	if !f.purpose {
		out = append(out, "its extended key usage does not name server authentication")
	} else if !f.purposeSet && !f.leaf.NotBefore.Before(apple2019) {
		out = append(out, "it has no extended key usage, and Apple's devices demand server authentication there")
	}
	days := int(f.leaf.NotAfter.Sub(f.leaf.NotBefore).Hours() / 24)
	if public && f.tooLong(longestPublic, forum2020) {
		out = append(out, fmt.Sprintf("it is valid for %d days, and 398 are the most for a public CA", days))
	} else if f.tooLong(longest, apple2019) {
		out = append(out, fmt.Sprintf("it is valid for %d days, and Apple's devices take at most 825", days))
	}
	return out
}
