package diagnose

// What Microsoft and others have published on TLS errors.
const (
	sourceOktaTLS   = "https://support.okta.com/help/s/article/Troubleshooting-Okta-MFA-Credential-Provider-RDP-Errors"
	sourceNetTLS    = "https://learn.microsoft.com/dotnet/framework/network-programming/tls"
	sourceSchannel  = "https://learn.microsoft.com/windows-server/security/tls/tls-registry-settings"
	sourceWinHTTP   = "https://learn.microsoft.com/windows/win32/winhttp/error-messages"
	sourceSchEvents = "https://learn.microsoft.com/windows/win32/secauthn/schannel-error-codes-for-tls-and-ssl-alerts"
	sourceAlerts    = "RFC 8446, Section 6.2"
	sourceVerify    = "https://docs.openssl.org/master/man1/openssl-verification-options/"
)

// strongCrypto are the settings that let .NET, WinHTTP and Schannel offer TLS
// 1.2, in 64 and in 32 bit. 0xA80 is TLS 1.0, 1.1 and 1.2; 0x800 is TLS 1.2 alone.
var strongCrypto = []string{
	`reg add "HKLM\SOFTWARE\Microsoft\.NETFramework\v4.0.30319" /v SchUseStrongCrypto /t REG_DWORD /d 1 /f`,
	`reg add "HKLM\SOFTWARE\Microsoft\.NETFramework\v4.0.30319" /v SystemDefaultTlsVersions /t REG_DWORD /d 1 /f`,
	`reg add "HKLM\SOFTWARE\Wow6432Node\Microsoft\.NETFramework\v4.0.30319" /v SchUseStrongCrypto /t REG_DWORD /d 1 /f`,
	`reg add "HKLM\SOFTWARE\Wow6432Node\Microsoft\.NETFramework\v4.0.30319" /v SystemDefaultTlsVersions /t REG_DWORD /d 1 /f`,
}

var tls12Bits = []string{
	`reg add "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp" /v DefaultSecureProtocols /t REG_DWORD /d 0x800 /f`,
	`reg add "HKLM\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp" /v DefaultSecureProtocols /t REG_DWORD /d 0x800 /f`,
	`reg add "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings" /v SecureProtocols /t REG_DWORD /d 0x800 /f`,
	`reg add "HKLM\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Internet Settings" /v SecureProtocols /t REG_DWORD /d 0x800 /f`,
	`reg add "HKU\.DEFAULT\Software\Microsoft\Windows\CurrentVersion\Internet Settings" /v SecureProtocols /t REG_DWORD /d 0x800 /f`,
}

var schannelClient = []string{
	`reg add "HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client" /v Enabled /t REG_DWORD /d 1 /f`,
	`reg add "HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client" /v DisabledByDefault /t REG_DWORD /d 0 /f`,
}

// checkTarget is how every cause of TLS is seen from outside.
var checkTarget = Step{Text: "Examine the server from the machine that has the fault.", Commands: []string{"sallyport check HOST:443"}}

var tlsCauses = []Cause{
	{
		ID:    "tls-version",
		Title: "The two sides have no TLS version in common: the client offers only old ones",
		Means: "The program that calls the MFA service offers TLS 1.0 or 1.1, and the service takes 1.2 and newer only. It answers the " +
			"first message with an alert and closes or resets the connection, so that the program reports a channel that could not be created, " +
			"an error on a send, or a connection that was forcibly closed. .NET Framework programs do so when strong cryptography is not switched on; " +
			"at the Windows logon the settings of the machine and of the SYSTEM account count, not those of the administrator who tries it in a browser. " +
			"The person's password and second factor were not even looked at.",
		Who: "Windows administrator of the host that wrote the log",
		Remedy: []Step{
			{Text: "See what is set on the host, in 64 and in 32 bit; the script that is written mends just what is wrong, and has its undo.", Commands: []string{
				`reg export "HKLM\SOFTWARE\Microsoft\.NETFramework" net.reg`, "sallyport check --registry net.reg --fix mend.ps1",
			}},
			{Text: "Let .NET Framework 4 use what Windows offers, in both.", Commands: strongCrypto},
			{Text: "Let WinHTTP and WinINET offer TLS 1.2, also for the SYSTEM account. If the value is there already, add the bit 0x800 to it instead.", Commands: tls12Bits},
			{Text: "Where a policy has disabled TLS 1.2 in Schannel, enable it for clients.", Commands: schannelClient},
			{Text: "Install .NET Framework 4.6 or newer if the host has an older one, and restart the host: services read these values only when they start.", Commands: []string{"shutdown /r /t 0"}},
		},
		Verify: []Step{
			{Text: "The registry of the host is judged right.", Commands: []string{`reg export "HKLM\SOFTWARE\Microsoft\.NETFramework" net.reg`, "sallyport check --registry net.reg"}},
			{Text: "What the host really offers is TLS 1.2 or newer: let it connect to a listener.", Commands: []string{"sallyport check --listen :8443"}},
			checkTarget,
		},
		Source: []string{sourceOktaTLS, sourceNetTLS, sourceSchannel, sourceAlerts},
		Signs: []Sign{
			{Text: "Could not create SSL/TLS secure channel", Confidence: Likely, Why: "The .NET client gave up during the TLS handshake; the version that it offers is by far the usual reason."},
			{Text: "The underlying connection was closed: An unexpected error occurred on a send", Confidence: Likely, Why: "The other side ended the connection when it had seen the first TLS message; that is how a refused version shows in .NET."},
			{Text: "The underlying connection was closed: An unexpected error occurred on a receive", Confidence: Likely, Why: "The other side ended the connection during the handshake; that is how a refused version shows in .NET."},
			{Text: "Unable to read data from the transport connection", And: []string{"forcibly closed"}, Confidence: Likely, Why: "The other side reset a .NET client's connection; with MFA services the refused TLS version is the usual reason, a firewall a rarer one."},
			{Text: "System.Net.Sockets.SocketException", And: []string{"forcibly closed"}, Confidence: Likely, Why: "The other side reset a .NET client's connection; with MFA services the refused TLS version is the usual reason, a firewall a rarer one."},
			{Text: "Authentication failed because the remote party has closed the transport stream", Confidence: Likely, Why: "The other side closed during the TLS handshake without an alert that .NET could show."},
			{Text: "The message received was unexpected or badly formatted", Confidence: Possible, Why: "Schannel could not read the answer: another TLS version, no TLS at all, or a device in between."},
			{Text: "0x80090326", Confidence: Possible, Why: "SEC_E_ILLEGAL_MESSAGE: the answer was not what the handshake allows, most often an alert about the version."},
			{Text: "A call to SSPI failed", Not: []string{"common algorithm", "certificate chain"}, Confidence: Possible, Why: "It only says that Schannel failed during the handshake."},
			{Text: "SEC_E_UNSUPPORTED_FUNCTION", Confidence: Likely, Why: "Schannel was asked for a version that it may not use."},
			{Text: "protocol_version", And: []string{"alert"}, Confidence: Proven, Why: "The alert protocol_version says that the offered version is not accepted."},
			{Text: "alert protocol version", Confidence: Proven, Why: "The alert protocol_version says that the offered version is not accepted."},
			{Text: "alert: protocol version", Confidence: Proven, Why: "The alert protocol_version says that the offered version is not accepted."},
			{Text: "SSL routines", And: []string{"unsupported protocol"}, Confidence: Proven, Why: "OpenSSL says that the other side's version is one that it may not use."},
			{Text: "ssl3_get_record:unsupported protocol", Confidence: Proven, Why: "OpenSSL says that the other side's version is one that it may not use."},
			{Text: "UNSUPPORTED_PROTOCOL", And: []string{"ssl"}, Not: []string{"SSL routines"}, Confidence: Proven, Why: "The TLS library says that the version is one that it may not use."},
			{Text: "tls: protocol version not supported", Confidence: Proven, Why: "Go's TLS says that there is no version in common."},
			{Text: "tls: server selected unsupported protocol version", Confidence: Proven, Why: "Go's TLS says that the server chose a version that it may not use."},
			{Text: "tls: client offered only unsupported versions", Confidence: Proven, Why: "Go's TLS says that the client offers no version that the server takes."},
			{Text: "No appropriate protocol", Confidence: Proven, Why: "Java says that the versions it may use are not among those of the other side, or are switched off."},
			{Text: "ERR_SSL_VERSION_OR_CIPHER_MISMATCH", Confidence: Likely, Why: "The browser says that version or cipher suites do not match, not which."},
			{Text: "ERROR_INTERNET_SECURITY_CHANNEL_ERROR", Confidence: Likely, Why: "WinINET or WinHTTP could not set up the secure channel; the version is the usual reason."},
			{Text: "WinHTTP error 12157", Confidence: Likely, Why: "12157 is a secure channel that could not be set up; the version is the usual reason."},
			{Text: "fatal alert was received from the remote endpoint", And: []string{"code is 70"}, Confidence: Proven, Why: "Alert 70 is protocol_version."},
			{Text: ">36887</EventID>", And: []string{"Schannel", ">70</Data>"}, Confidence: Proven, Why: "Schannel event 36887 without its text. Alert 70 is protocol_version."},
			{Text: "fatal alert was generated and sent to the remote endpoint", And: []string{"code is 70"}, Confidence: Proven, Why: "Alert 70 is protocol_version."},
			{Text: ">36888</EventID>", And: []string{"Schannel", ">70</Data>"}, Confidence: Proven, Why: "Schannel event 36888 without its text. Alert 70 is protocol_version."},
		},
		Hides: []string{"tls-reset"},
	},
	{
		ID:    "tls-no-common-suite",
		Title: "The two sides have no cipher suite or other algorithm in common",
		Means: "Both speak the same protocol, and none of the cipher suites, curves or signature algorithms that one offers is accepted by the other. " +
			"It appears when a policy or a hardening script narrows the suites of one side, or when the system is too old to know the newer ones. " +
			"A client that offers only old TLS versions offers only their suites, and can be told the same.",
		Who: "administrator of whichever side has the narrower list: usually the Windows host",
		Remedy: []Step{
			{Text: "List what the host may use, and what the server takes.", Commands: []string{"Get-TlsCipherSuite | Format-Table Name", "sallyport check HOST:443"}},
			{Text: "Switch strong cryptography on for .NET, in 64 and in 32 bit; without it only old versions and suites are offered.", Commands: strongCrypto},
			{Text: "Take a suite that both have into the order of suites: Group Policy, Computer Configuration, Administrative Templates, Network, SSL Configuration Settings.", Commands: []string{"Enable-TlsCipherSuite -Name TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "gpupdate /force"}},
			{Text: "Restart the host.", Commands: []string{"shutdown /r /t 0"}},
		},
		Verify: []Step{checkTarget, {Text: "What the host offers holds a suite that the server takes.", Commands: []string{"sallyport check --listen :8443"}}},
		Source: []string{sourceOktaTLS, sourceSchannel, sourceSchEvents, sourceAlerts},
		Signs: []Sign{
			{Text: "do not possess a common algorithm", Confidence: Proven, Why: "The text says that there is no algorithm in common."},
			{Text: "0x80090331", Confidence: Proven, Why: "SEC_E_ALGORITHM_MISMATCH: there is no algorithm in common."},
			{Text: "no cipher suites in common", Confidence: Proven, Why: "The text says so."},
			{Text: "tls: no cipher suite supported by both client and server", Confidence: Proven, Why: "The text says so."},
			{Text: "no shared cipher", Confidence: Proven, Why: "OpenSSL says so."},
			{Text: "no cipher match", Confidence: Likely, Why: "OpenSSL was given a list of suites of which it knows none."},
			{Text: "alert handshake failure", Confidence: Likely, Why: "The alert handshake_failure means that no acceptable parameters were found; a missing client certificate is a rarer reason."},
			{Text: "alert: handshake failure", Confidence: Likely, Why: "The alert handshake_failure means that no acceptable parameters were found."},
			{Text: "handshake_failure", And: []string{"alert"}, Confidence: Likely, Why: "The alert handshake_failure means that no acceptable parameters were found; a missing client certificate is a rarer reason."},
			{Text: "tls: handshake failure", Confidence: Likely, Why: "The alert handshake_failure means that no acceptable parameters were found."},
			{Text: "None of the cipher suites supported by the client application are supported by the server", Confidence: Proven, Why: "Schannel's event says so."},
			{Text: "dh key too small", Confidence: Proven, Why: "OpenSSL refuses the server's weak Diffie-Hellman parameters."},
			{Text: "fatal alert was received from the remote endpoint", And: []string{"code is 40"}, Confidence: Likely, Why: "Alert 40 is handshake_failure."},
			{Text: ">36887</EventID>", And: []string{"Schannel", ">40</Data>"}, Confidence: Likely, Why: "Schannel event 36887 without its text. Alert 40 is handshake_failure."},
			{Text: "fatal alert was generated and sent to the remote endpoint", And: []string{"code is 40"}, Confidence: Likely, Why: "Alert 40 is handshake_failure."},
			{Text: ">36888</EventID>", And: []string{"Schannel", ">40</Data>"}, Confidence: Likely, Why: "Schannel event 36888 without its text. Alert 40 is handshake_failure."},
		},
		Hides: []string{"tls-reset"},
	},
	{
		ID:    "tls-inspection",
		Title: "A device in between opens TLS and presents a certificate of its own",
		Means: "A firewall or proxy answers in the service's name with a certificate that its own CA has made. A client that pins the service's " +
			"certificate, or does not trust that CA, refuses it. MFA agents often pin, and a service account does not have the CAs of the administrator.",
		Who: "network administrator who runs the proxy or firewall",
		Remedy: []Step{
			{Text: "See who has issued the certificate that this host gets.", Commands: []string{"sallyport check HOST:443"}},
			{Text: "Exempt the hosts of the MFA service from inspection."},
			{Text: "If that cannot be, put the device's root into the machine's store, not a user's, and switch pinning off in the agent (Okta: SslPinningEnabled in rdp_app_config.json).", Commands: []string{"certutil -addstore -f Root ROOT.cer"}},
		},
		Verify: []Step{checkTarget},
		Source: []string{sourceOktaTLS},
		Signs: []Sign{
			{Text: "The remote certificate is invalid according to the validation procedure", Confidence: Likely, Why: "For a public MFA service the certificate is only wrong if something in between re-signs it, or the host's roots or clock are wrong."},
			{Text: "The remote certificate was rejected by the provided RemoteCertificateValidationCallback", Confidence: Likely, Why: "The agent compares the certificate with what it expects, and it is another."},
			{Text: "certificate pinning failure", Confidence: Likely, Why: "The certificate is not the pinned one."},
			{Text: "Pin verification failed", Confidence: Likely, Why: "The certificate is not the pinned one."},
		},
		Hides: []string{"tls-reset", "tls-version", "tls-chain-private-ca"},
	},
	{
		ID:    "tls-chain-private-ca",
		Title: "The server's certificate comes from a CA that this client does not trust",
		Means: "The chain ends at a root that is not in the client's store: a private CA, a self-signed certificate, or a device that re-signs. " +
			"Phones and Java keep stores of their own, so that what works in the administrator's browser fails there.",
		Who: "administrator of the server's certificate",
		Remedy: []Step{
			{Text: "See the chain as a phone, a browser, Java and Windows would judge it.", Commands: []string{"sallyport check HOST:443"}},
			{Text: "For what phones and foreign machines call, use a certificate of a public CA."},
			{Text: "Otherwise give the private root to every store that needs it: the machine's on Windows, the system's on Linux, Java's.", Commands: []string{
				"certutil -addstore -f Root ROOT.cer", "cp ROOT.crt /usr/local/share/ca-certificates/ && update-ca-certificates", "keytool -importcert -cacerts -alias private-root -file ROOT.cer",
			}},
		},
		Verify: []Step{checkTarget, {Text: "OpenSSL verifies the chain.", Commands: []string{"openssl s_client -connect HOST:443 -servername HOST -verify_return_error </dev/null"}}},
		Source: []string{"https://dirteam.com/sander/2017/06/19/knowledgebase-when-you-activate-the-microsoft-authenticator-app-you-receive-the-remote-server-returned-an-error-notfound/", sourceVerify},
		Signs: []Sign{
			{Text: "Could not establish trust relationship for the SSL/TLS secure channel", Confidence: Likely, Why: "The .NET client does not accept the certificate: its CA is not trusted, or the name or the date is wrong."},
			{Text: "self-signed certificate in certificate chain", Confidence: Proven, Why: "The chain ends at a root that this client does not trust."},
			{Text: "self signed certificate", Confidence: Proven, Why: "The certificate or its root is not one that this client trusts."},
			{Text: "self-signed certificate", Not: []string{"in certificate chain", "generat", "creat"}, Confidence: Likely, Why: "The certificate is its own issuer, and this client does not trust it."},
			{Text: "PKIX path building failed", Confidence: Proven, Why: "Java found no chain to a root in its own store."},
			{Text: "x509: certificate signed by unknown authority", Confidence: Proven, Why: "Go found no chain to a root that it trusts."},
			{Text: "0x800B0109", Confidence: Proven, Why: "CERT_E_UNTRUSTEDROOT: the chain ends at a root that is not trusted."},
			{Text: "0x80090325", Confidence: Proven, Why: "SEC_E_UNTRUSTED_ROOT: the chain ends at a root that is not trusted."},
			{Text: "terminated in a root certificate which is not trusted", Confidence: Proven, Why: "The text says so."},
			{Text: "issued by an authority that is not trusted", Confidence: Proven, Why: "The text says so."},
			{Text: "alert unknown ca", Confidence: Proven, Why: "The other side's alert unknown_ca says that it does not know the CA."},
			{Text: "unknown_ca", And: []string{"alert"}, Confidence: Proven, Why: "The alert unknown_ca says that the CA is not known."},
			{Text: "fatal alert was received from the remote endpoint", And: []string{"code is 48"}, Confidence: Proven, Why: "Alert 48 is unknown_ca."},
			{Text: ">36887</EventID>", And: []string{"Schannel", ">48</Data>"}, Confidence: Proven, Why: "Schannel event 36887 without its text. Alert 48 is unknown_ca."},
			{Text: "fatal alert was generated and sent to the remote endpoint", And: []string{"code is 48"}, Confidence: Proven, Why: "Alert 48 is unknown_ca."},
			{Text: ">36888</EventID>", And: []string{"Schannel", ">48</Data>"}, Confidence: Proven, Why: "Schannel event 36888 without its text. Alert 48 is unknown_ca."},
		},
		Hides: []string{"tls-reset"},
	},
	{
		ID:    "tls-chain-missing-intermediate",
		Title: "The server does not send the intermediate certificate of its CA",
		Means: "The server sends its own certificate and not the one between that and the root. Clients that fetch or remember the missing one work, " +
			"others do not: browsers, iPhones and Windows hide the fault as long as they reach the CA, while Android, Java, OpenSSL and services that are kept from the Internet show it.",
		Who: "administrator of the server's certificate",
		Remedy: []Step{
			{Text: "See which certificates the server sends.", Commands: []string{"openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null", "sallyport check HOST:443"}},
			{Text: "Put the CA's intermediate after the server's own certificate in its certificate file (nginx: ssl_certificate; Apache: SSLCertificateFile; IIS: into the machine's store of intermediate authorities), and reload.", Commands: []string{"cat server.crt intermediate.crt > fullchain.crt"}},
		},
		Verify: []Step{checkTarget},
		Source: []string{
			"RFC 8446, Section 4.4.2", sourceVerify, "https://developer.android.com/privacy-and-security/security-ssl",
			"https://learn.microsoft.com/dotnet/core/extensions/sslstream-troubleshooting", "https://mail.openjdk.org/pipermail/security-dev/2024-April/039248.html",
		},
		Signs: []Sign{
			{Text: "unable to get local issuer certificate", Confidence: Likely, Why: "The issuer of a certificate was not found: the server does not send the intermediate one, or the root is private."},
			{Text: "unable to verify the first certificate", Confidence: Likely, Why: "The server's certificate came without the one that signed it."},
			{Text: "unable to get issuer certificate", Confidence: Likely, Why: "The issuer of a certificate was not found."},
		},
		Hides: []string{"tls-reset"},
	},
	{
		ID:    "tls-name",
		Title: "The certificate is for another name than the one that was called",
		Means: "The name in the address is not among those in the certificate: the service is called by a short name, an alias or an address, " +
			"or a name server or a proxy leads to another machine.",
		Who: "administrator of the server's certificate, or of the client's setting of the address",
		Remedy: []Step{
			{Text: "See which names the certificate has.", Commands: []string{"sallyport check HOST:443"}},
			{Text: "Call the service by one of them in the client's setting, or have a certificate made that has the name as a subjectAltName."},
		},
		Verify: []Step{checkTarget},
		Source: []string{"RFC 9525, Section 6", sourceVerify},
		Signs: []Sign{
			{Text: "RemoteCertificateNameMismatch", Confidence: Proven, Why: "The text says so."},
			{Text: "0x80090322", Confidence: Likely, Why: "SEC_E_WRONG_PRINCIPAL: the name is not the certificate's; Kerberos uses the same number for a wrong service account."},
			{Text: "target principal name is incorrect", Confidence: Likely, Why: "The name is not the certificate's; Kerberos uses the same text for a wrong service account."},
			{Text: "certificate name validation failed", Confidence: Proven, Why: "The text says so."},
			{Text: "does not match target host name", Confidence: Proven, Why: "The text says so."},
			{Text: "hostname mismatch", Confidence: Proven, Why: "The text says so."},
			{Text: "doesn't match any of the subject alternative names", Confidence: Proven, Why: "The text says so."},
			{Text: "No subject alternative names", And: []string{"found"}, Confidence: Proven, Why: "Java says that none of the names in the certificate is the one that was called."},
			{Text: "No subject alternative DNS name matching", Confidence: Proven, Why: "Java says so."},
			{Text: "x509: certificate is valid for", And: []string{", not "}, Confidence: Proven, Why: "Go says which names the certificate has, and which was called."},
			{Text: "no alternative certificate subject name matches target", Confidence: Proven, Why: "curl says so."},
			{Text: "ERR_CERT_COMMON_NAME_INVALID", Confidence: Proven, Why: "The browser says so."},
		},
		Hides: []string{"tls-reset", "tls-inspection", "tls-chain-private-ca"},
	},
	{
		ID:    "tls-expired",
		Title: "A certificate has expired, or is not valid yet",
		Means: "By the clock of the side that checks, the certificate's time is over or has not begun. If several hosts see it, the certificate must be renewed; " +
			"if only one does, its clock is wrong.",
		Who: "administrator of the server's certificate, or of the clock of the host that complains",
		Remedy: []Step{
			{Text: "See the certificate's dates and the difference between the clocks.", Commands: []string{"sallyport check HOST:443"}},
			{Text: "Renew the certificate and reload the server; remove the old one from the store.", Commands: []string{"openssl s_client -connect HOST:443 -servername HOST </dev/null | openssl x509 -noout -dates"}},
			{Text: "If the certificate is in date, set the host's clock.", Commands: []string{"w32tm /resync /force", "chronyc makestep"}},
		},
		Verify: []Step{checkTarget},
		Source: []string{"RFC 5280, Section 4.1.2.5", sourceVerify},
		Signs: []Sign{
			{Text: "certificate has expired", Confidence: Proven, Why: "The text says so."},
			{Text: "certificate is not yet valid", Confidence: Proven, Why: "The text says so."},
			{Text: "x509: certificate has expired or is not yet valid", Confidence: Proven, Why: "The text says so."},
			{Text: "alert certificate expired", Confidence: Proven, Why: "The alert certificate_expired says so."},
			{Text: "certificate_expired", And: []string{"alert"}, Confidence: Proven, Why: "The alert certificate_expired says so."},
			{Text: "0x80090328", Confidence: Proven, Why: "SEC_E_CERT_EXPIRED."},
			{Text: "0x800B0101", Confidence: Proven, Why: "CERT_E_EXPIRED."},
			{Text: "NotTimeValid", Confidence: Proven, Why: "The chain's status says so."},
			{Text: "CertificateExpiredException", Confidence: Proven, Why: "Java says so."},
			{Text: "CertificateNotYetValidException", Confidence: Proven, Why: "Java says so."},
			{Text: "fatal alert was received from the remote endpoint", And: []string{"code is 45"}, Confidence: Proven, Why: "Alert 45 is certificate_expired."},
			{Text: ">36887</EventID>", And: []string{"Schannel", ">45</Data>"}, Confidence: Proven, Why: "Schannel event 36887 without its text. Alert 45 is certificate_expired."},
			{Text: "ERR_CERT_DATE_INVALID", Confidence: Proven, Why: "The browser says so."},
		},
		Hides: []string{"tls-reset", "tls-inspection", "tls-chain-private-ca", "tls-chain-missing-intermediate"},
	},
	{
		ID:    "tls-revocation",
		Title: "The certificate's revocation could not be checked, or it is revoked",
		Means: "Windows asks the CA by HTTP whether a certificate was revoked. A host that may only reach the MFA service, and not the addresses in the certificate, " +
			"gets no answer and refuses, or waits long. The SYSTEM account goes without the proxy of the administrator.",
		Who: "network administrator",
		Remedy: []Step{
			{Text: "See which addresses must be reached, and whether they are.", Commands: []string{"sallyport check HOST:443", "certutil -url CERTIFICATE.cer"}},
			{Text: "Let the host reach the CRL and OCSP addresses of the CA by port 80, also as SYSTEM; set the machine's proxy if there is one.", Commands: []string{"netsh winhttp show proxy", `netsh winhttp set proxy proxy-server="PROXY:8080" bypass-list="*.local"`}},
			{Text: "If it is revoked, replace the certificate."},
		},
		Verify: []Step{checkTarget, {Text: "The chain verifies with its revocation lists.", Commands: []string{"certutil -verify -urlfetch CERTIFICATE.cer"}}},
		Source: []string{"RFC 5280, Section 5", "RFC 6960", "https://support.okta.com/help/s/article/okta-certificate-issue-with-rdp"},
		Signs: []Sign{
			{Text: "0x80092013", Confidence: Proven, Why: "CRYPT_E_REVOCATION_OFFLINE: the revocation server was not reached."},
			{Text: "revocation server was offline", Confidence: Proven, Why: "The text says so."},
			{Text: "The revocation function was unable to check revocation", Confidence: Proven, Why: "The text says so."},
			{Text: "0x80092012", Confidence: Proven, Why: "CRYPT_E_NO_REVOCATION_CHECK: revocation could not be checked."},
			{Text: "CRYPT_E_NO_REVOCATION_CHECK", Confidence: Proven, Why: "The text says so."},
			{Text: "RevocationStatusUnknown", Confidence: Proven, Why: "The chain's status says so."},
			{Text: "certificate was revoked", Confidence: Proven, Why: "The text says so."},
			{Text: "certificate revoked", Confidence: Proven, Why: "The text says so."},
			{Text: "unable to get certificate CRL", Confidence: Proven, Why: "OpenSSL was told to check the CRL, and has none."},
			{Text: "WinHTTP", And: []string{"12057"}, Confidence: Proven, Why: "WinHTTP error 12057 is a revocation check that failed."},
			{Text: "ERROR_WINHTTP_SECURE_CERT_REV_FAILED", Confidence: Proven, Why: "The text says so."},
		},
		Hides: []string{"tls-reset", "tls-inspection", "tls-chain-private-ca"},
	},
	{
		ID:    "tls-sni",
		Title: "The front end needs the server's name in the first TLS message, and the client does not send it",
		Means: "Several names share one address, and the front end chooses by the name in the ClientHello (SNI). A client that does not send it, " +
			"such as an old phone, Java 6 or a proxy, gets another certificate, an alert or a reset.",
		Who: "administrator of the front end",
		Remedy: []Step{
			{Text: "See what the server answers with and without the name.", Commands: []string{"sallyport check HOST:443"}},
			{Text: "Bind a default certificate for clients without SNI (IIS: a binding without \"Require Server Name Indication\"; nginx: default_server), or give the service an address of its own.", Commands: []string{"netsh http add sslcert ipport=0.0.0.0:443 certhash=THUMBPRINT appid={00000000-0000-0000-0000-000000000000}"}},
		},
		Verify: []Step{{Text: "The answer without the name is the right certificate too.", Commands: []string{"openssl s_client -connect HOST:443 -noservername </dev/null", "sallyport check HOST:443"}}},
		Source: []string{"RFC 6066, Section 3", "https://dirteam.com/sander/2017/06/26/knowledgebase-when-you-activate-the-microsoft-authenticator-app-on-android-5-x-you-receive-your-device-does-not-trust-the-activation-url/"},
		Signs: []Sign{
			{Text: "unrecognized_name", Confidence: Proven, Why: "The alert unrecognized_name says that the server does not know the name."},
			{Text: "alert unrecognized name", Confidence: Proven, Why: "The alert unrecognized_name says that the server does not know the name."},
			{Text: "tls: unrecognized name", Confidence: Proven, Why: "The alert unrecognized_name says that the server does not know the name."},
			{Text: "fatal alert was received from the remote endpoint", And: []string{"code is 112"}, Confidence: Proven, Why: "Alert 112 is unrecognized_name."},
			{Text: ">36887</EventID>", And: []string{"Schannel", ">112</Data>"}, Confidence: Proven, Why: "Schannel event 36887 without its text. Alert 112 is unrecognized_name."},
		},
		Hides: []string{"tls-reset"},
	},
	{
		ID:    "tls-not-tls",
		Title: "What answers on that port does not speak TLS",
		Means: "The client began TLS and was answered in plain text: the port is one for HTTP or LDAP without TLS, the address is that of a proxy, " +
			"or a page of a firewall or a sign-in portal came instead.",
		Who: "administrator of the client's setting of the address, or of the proxy",
		Remedy: []Step{
			{Text: "See what the port answers.", Commands: []string{"sallyport check HOST:PORT"}},
			{Text: "Correct the address, port or proxy in the client's settings: https with 443, LDAP over TLS with 636."},
		},
		Verify: []Step{checkTarget},
		Source: []string{sourceVerify, "RFC 8446, Section 5.1"},
		Signs: []Sign{
			{Text: "wrong version number", And: []string{"ssl"}, Confidence: Likely, Why: "OpenSSL read something that is no TLS record; nearly always it is plain text."},
			{Text: "The handshake failed due to an unexpected packet format", Confidence: Likely, Why: ".NET read something that is no TLS record; nearly always it is plain text."},
			{Text: "first record does not look like a TLS handshake", Confidence: Proven, Why: "Go says so."},
			{Text: "server gave HTTP response to HTTPS client", Confidence: Proven, Why: "Go says so."},
			{Text: "Unrecognized SSL message, plaintext connection", Confidence: Proven, Why: "Java says so."},
		},
		Hides: []string{"tls-reset"},
	},
	{
		ID:    "tls-reset",
		Title: "A connection was reset or closed during the TLS handshake",
		Means: "The other side, or a device in between, ended the connection without a word. By itself it does not tell why: a refused TLS version, " +
			"a firewall, a server that restarts or a port without a service look alike.",
		Who: "administrator of the host that wrote the log, with the network administrator",
		Remedy: []Step{
			{Text: "See which TLS versions the server takes, and whether the way to it is free.", Commands: []string{"sallyport check HOST:443"}},
			{Text: "Capture an attempt, and see who ended it and why.", Commands: []string{"tcpdump -s 0 -w fault.pcap host HOST and port 443", "sallyport check --pcap fault.pcap"}},
		},
		Verify: []Step{checkTarget},
		Source: []string{sourceOktaTLS, sourceWinHTTP, "RFC 9293, Section 3.5.2"},
		Signs: []Sign{
			{Text: "An existing connection was forcibly closed by the remote host", Confidence: Possible, Why: "The line tells only that the connection was reset."},
			{Text: "SSL_connect: Connection reset by peer", Confidence: Possible, Why: "The line tells only that the connection was reset."},
			{Text: "SSL_ERROR_SYSCALL", Confidence: Possible, Why: "The line tells only that the connection ended during TLS."},
			{Text: "ssl/tls handshake", And: []string{"connection reset"}, Confidence: Possible, Why: "The line tells only that the connection was reset."},
			{Text: "unexpected eof while reading", Confidence: Possible, Why: "The line tells only that the connection ended during TLS."},
			{Text: "Remote host terminated the handshake", Confidence: Possible, Why: "The line tells only that the connection ended during TLS."},
			{Text: "Remote host closed connection during handshake", Confidence: Possible, Why: "The line tells only that the connection ended during TLS."},
			{Text: "tls: failed to", And: []string{"EOF"}, Confidence: Possible, Why: "The line tells only that the connection ended during TLS."},
			{Text: "ERROR_WINHTTP_CONNECTION_ERROR", Confidence: Possible, Why: "WinHTTP 12030: the connection was reset or closed."},
			{Text: "WinHTTP", And: []string{"12030"}, Confidence: Possible, Why: "WinHTTP 12030: the connection was reset or closed."},
			{Text: "WinHTTP", And: []string{"12175"}, Confidence: Possible, Why: "WinHTTP 12175: something was wrong in TLS; it does not say what."},
			{Text: "ERROR_WINHTTP_SECURE_FAILURE", Confidence: Possible, Why: "WinHTTP 12175: something was wrong in TLS; it does not say what."},
			{Text: "A fatal error occurred while creating a TLS client credential", Confidence: Possible, Why: "Schannel event 36871: a program asked for TLS with settings that do not go together."},
			{Text: ">36871</EventID>", And: []string{"Schannel"}, Confidence: Possible, Why: "Schannel event 36871: a program asked for TLS with settings that do not go together."},
			{Text: "A fatal error occurred while creating an SSL client credential", Confidence: Possible, Why: "Schannel event 36871: a program asked for TLS with settings that do not go together."},
			{Text: "0x80090308", Confidence: Possible, Why: "SEC_E_INVALID_TOKEN: the answer was no TLS that Schannel understood; it does not say why."},
		},
	},
}
