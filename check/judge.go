package check

import (
	"crypto/x509"
	"fmt"
	"slices"
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
	// sha1Private is what it makes of SHA-1 below a private root, and sha1Public
	// below a public one, where nearly every client refuses it.
	sha1Private, sha1Public reason
	// md5 is set if MD5 below a private root is judged as SHA-1 is.
	md5 bool
	// smallest is the RSA key that it takes; smallestPublic below public roots.
	smallest, smallestPublic int
	// apple is set if Apple's rules for every certificate hold.
	apple bool
	// lifetimes are how long a certificate of a public CA may be valid, the
	// newest rule first; none if it does not look.
	lifetimes []lifetime
	revoked   reason
}

// A reason is an opinion and why.
type reason struct {
	opinion Opinion
	why     string
}

// judges are the clients that MFA is used from. Where the rules are published:
//
// Apple: https://support.apple.com/103769 (keys, hashes, names, purpose, 825
// days), https://support.apple.com/102028 (398 days) and
// https://developer.apple.com/documentation/security/creating-a-trust-object
// (missing certificates may be downloaded).
//
// Android: https://developer.android.com/privacy-and-security/security-config
// (who believes added CAs since Android 7),
// https://developer.android.com/privacy-and-security/security-ssl (missing
// intermediates) and
// https://developer.android.com/about/versions/10/behavior-changes-all (SHA-1).
// Its least key is not published.
//
// Browsers: https://security.googleblog.com/2016/11/sha-1-certificates-in-chrome.html,
// https://wiki.mozilla.org/Security/CryptoEngineering/Intermediate_Preloading and,
// for lifetimes, HasTooLongValidity in Chromium's net/cert/cert_verify_proc.cc.
//
// Java: jdk.certpath.disabledAlgorithms in the file java.security of OpenJDK
// (keys, MD5, and SHA-1 only below the roots that it comes with), and
// https://mail.openjdk.org/pipermail/security-dev/2024-April/039248.html (why
// it does not fetch).
//
// Windows: https://learn.microsoft.com/archive/blogs/pki/rsa-keys-under-1024-bits-are-blocked
// (keys), https://blogs.windows.com/msedgedev/2016/11/18/countdown-to-sha-1-deprecation/
// (SHA-1 is refused by Microsoft's browsers, below public roots),
// https://learn.microsoft.com/dotnet/api/system.net.servicepointmanager.checkcertificaterevocationlist
// (revocation is not asked for unless it is switched on) and
// https://learn.microsoft.com/dotnet/api/system.security.cryptography.x509certificates.x509chainpolicy.disablecertificatedownloads
// (missing certificates are downloaded).
var judges = []judge{
	{
		name: "iphone", title: "an app on an iPhone or iPad",
		missing:     reason{Depends, "An intermediate is missing; iOS may fetch it, but not on a network that blocks this, and an app may forbid it."},
		known:       reason{Depends, "A private CA is believed only if its root was installed as a profile and full trust was switched on for it, or MDM did so."},
		private:     reason{Refuses, "No root that a phone comes with leads to this certificate."},
		subject:     reason{Refuses, "The name must stand in the subject alternative names; the subject is not looked at."},
		sha1Private: reason{Refuses, "SHA-1 signatures are not believed."},
		smallest:    2048, smallestPublic: 2048, apple: true, lifetimes: appleLifetimes,
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
		smallest:    1024, smallestPublic: 2048, lifetimes: forumLifetimes,
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
		subject:     reason{Depends, "The name stands only in the subject; .NET leaves the comparison to Windows, and Microsoft does not say whether that looks there."},
		sha1Private: reason{Accepts, ""},
		sha1Public:  reason{Depends, "SHA-1 signatures of public CAs are refused by Microsoft's browsers; of other programs Microsoft does not say so."},
		md5:         true,
		smallest:    1024, smallestPublic: 1024,
		revoked: reason{Depends, "The certificate is revoked; .NET and WinHTTP ask only if the program switches that on."},
	},
}

// apple2019 is the day from which certificates must follow Apple's rules.
var apple2019 = time.Date(2019, 7, 1, 0, 0, 0, 0, time.UTC)

// longest is how long Apple lets any certificate made since then be valid.
const longest = 825

// A lifetime is how many days a certificate of a public CA may be valid if it
// was made since a day.
type lifetime struct {
	since time.Time
	days  int
}

var (
	// appleLifetimes is what Apple has published of its devices.
	appleLifetimes = []lifetime{{time.Date(2020, 9, 1, 0, 0, 0, 0, time.UTC), 398}}
	// forumLifetimes are the steps of the CA/Browser Forum's ballot SC-081v3,
	// which Chromium enforces.
	forumLifetimes = []lifetime{
		{time.Date(2029, 3, 15, 0, 0, 0, 0, time.UTC), 47},
		{time.Date(2027, 3, 15, 0, 0, 0, 0, time.UTC), 100},
		{time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC), 200},
		{time.Date(2020, 9, 1, 0, 0, 0, 0, time.UTC), 398},
	}
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
		switch {
		case !j.md5 && slices.ContainsFunc(f.sha1, olderThanSHA1):
			v.hold(true, Refuses, "MD5 signatures are not believed.")
		case !public:
			v.hold(true, j.sha1Private.opinion, j.sha1Private.why)
		case j.sha1Public.why != "":
			v.hold(true, j.sha1Public.opinion, j.sha1Public.why)
		default:
			v.hold(true, Refuses, "SHA-1 signatures of public CAs are not believed.")
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
	if days := f.allowed(j.lifetimes); public && days > 0 {
		v.hold(f.longerThan(days), Refuses, fmt.Sprintf("The certificate of a public CA is valid for more than %d days.", days))
	}
	v.hold(j.apple && f.tooLong(), Refuses, fmt.Sprintf("The certificate is valid for more than %d days.", longest))
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

// olderThanSHA1 reports whether a certificate is signed with MD5 or worse.
func olderThanSHA1(c *x509.Certificate) bool {
	return c.SignatureAlgorithm == x509.MD5WithRSA || c.SignatureAlgorithm == x509.MD2WithRSA
}

// allowed returns how many days the certificate may be valid by the rule of the
// day on which it was made, 0 if there was none.
func (f *facts) allowed(rules []lifetime) int {
	for _, r := range rules {
		if !f.leaf.NotBefore.Before(r.since) {
			return r.days
		}
	}
	return 0
}

func (f *facts) longerThan(days int) bool {
	return f.leaf.NotAfter.Sub(f.leaf.NotBefore) > time.Duration(days)*24*time.Hour
}

// tooLong reports whether the certificate is valid for longer than Apple lets any be.
func (f *facts) tooLong() bool {
	return !f.leaf.NotBefore.Before(apple2019) && f.longerThan(longest)
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
	if most := f.allowed(forumLifetimes); public && most > 0 && f.longerThan(most) {
		out = append(out, fmt.Sprintf("it is valid for %d days, and %d are the most for a public CA", days, most))
	} else if f.tooLong() {
		out = append(out, fmt.Sprintf("it is valid for %d days, and Apple's devices take at most %d", days, longest))
	}
	return out
}
