package diagnose

const (
	sourceFreeRADIUS = "https://www.freeradius.org/documentation/"
	sourceBlast      = "https://www.blastradius.fail"
	sourceNPSMFA     = "https://learn.microsoft.com/entra/identity/authentication/howto-mfa-nps-extension"
)

// radiusTry sends a request with the secret, and shows who answers.
var radiusTry = Step{Text: "A request that is made by hand is answered.", Commands: []string{
	"echo 'User-Name=ALICE,User-Password=PASSWORD,Message-Authenticator=0x00' | radclient -x SERVER:1812 auth SECRET", "sallyport check radius://SERVER:1812",
}}

var radiusCauses = []Cause{
	{
		ID:    "radius-shared-secret",
		Title: "The RADIUS shared secret is not the same on both sides",
		Means: "The server cannot verify what the client has signed, or reads a password of unreadable characters. Where the request carries a Message-Authenticator, " +
			"the server drops it without an answer and the client reports that the server is down; where it does not, every password is wrong. " +
			"Blanks at the end, quotation marks, and secrets that one side cuts are the usual reasons.",
		Who: "administrators of the RADIUS client (VPN, gateway, access point) and of the RADIUS server",
		Remedy: []Step{
			{Text: "Make a new secret of letters and digits, and set it on both sides.", Commands: []string{"openssl rand -hex 24"}},
			{Text: "FreeRADIUS: clients.conf, then restart. NPS: RADIUS Clients, the client's properties. Both must name the address from which the requests really come.", Commands: []string{"systemctl restart freeradius"}},
			{Text: "Where there are several servers or clients behind one address, set it on all of them."},
		},
		Verify: []Step{radiusTry},
		Source: []string{"RFC 2865, Section 3", "RFC 3579, Section 3.2", "https://github.com/MicrosoftDocs/azure-docs/issues/47176", sourceFreeRADIUS},
		Signs: []Sign{
			{Text: "Shared secret is incorrect", Confidence: Proven, Why: "The server computed the Message-Authenticator with its own secret, and it differs."},
			{Text: "with a Message-Authenticator attribute that is not valid", Confidence: Proven, Why: "NPS computed the Message-Authenticator with its own secret, and it differs."},
			{Code: "nps-event:18", Confidence: Proven, Why: "NPS computed the Message-Authenticator with its own secret, and it differs."},
			{Text: "Double-check the shared secret", Confidence: Likely, Why: "The password came out as unreadable characters, as it does with another secret."},
			{Text: "shared secret is probably incorrect", Confidence: Proven, Why: "The client could not verify the server's answer."},
			{Text: "Invalid Message-Authenticator from", Confidence: Proven, Why: "The Message-Authenticator was computed with another secret."},
			{Text: "Cannot decode password", Confidence: Likely, Why: "The password came out as unreadable characters, as it does with another secret."},
			{Code: "radius:shared-secret", Confidence: Likely, Why: "The password came out as unreadable characters, as it does with another secret."},
			{Code: "pam-radius:shared-secret", Confidence: Proven, Why: "The client could not verify the server's answer."},
		},
		Hides: []string{"radius-no-response", "radius-wrong-password", "radius-refused", "unix-pam-refused"},
	},
	{
		ID:    "radius-unknown-client",
		Title: "A RADIUS request came from an address that the server has no client for",
		Means: "The server ignores requests from addresses that are not entered as clients, and does not answer. The device asks from another of its addresses than the one entered, " +
			"is behind address translation, or was never entered.",
		Who: "administrator of the RADIUS server",
		Remedy: []Step{
			{Text: "Enter the address that the line names as a client, with the secret that is set in the device.", Commands: []string{
				"printf 'client vpn {\\n\\tipaddr = ADDRESS\\n\\tsecret = SECRET\\n}\\n' >> /etc/freeradius/3.0/clients.conf && systemctl restart freeradius",
				`netsh nps add client name="vpn" address="ADDRESS" state="enable" sharedsecret="SECRET"`,
				"sallyport client add vpn --application vpn --source ADDRESS",
			}},
			{Text: "Or let the device use the address that is entered, if it has a setting for its source address. If nobody knows the address, somebody else is asking: leave it out."},
		},
		Verify: []Step{radiusTry},
		Source: []string{"RFC 2865, Section 3", "https://github.com/MicrosoftDocs/azure-docs/issues/47176", sourceFreeRADIUS},
		Signs: []Sign{
			{Text: "A RADIUS message was received from the invalid RADIUS client IP address", Confidence: Proven, Why: "NPS says so."},
			{Code: "nps-event:13", Confidence: Proven, Why: "NPS says so."},
			{Text: "from unknown client", And: []string{"Ignoring request to"}, Confidence: Proven, Why: "FreeRADIUS says so."},
			{Text: "Unknown Client: ", Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The Duo Authentication Proxy says so."},
		},
	},
	{
		ID:    "radius-client-timeout",
		Title: "The RADIUS client gave up before the server had decided",
		Means: "The client has stopped waiting and begun anew, with the same identifier, while the server was still busy with the first request. " +
			"The answer to that comes too late for anybody. With a second factor that a person must answer, the client's usual 3 to 5 seconds are too short.",
		Who: "administrator of the RADIUS client (VPN, gateway, access point)",
		Remedy: []Step{
			{Text: "Set the client's RADIUS time-out to 60 seconds or more, and its number of tries to one; 90 to 120 where people are slow."},
			{Text: "If no person has to answer, find out what makes the server slow: a directory, a script, or a home server.", Commands: []string{"freeradius -X"}},
		},
		Verify: []Step{{Text: "The finding is gone in the log of the next day.", Commands: []string{"sallyport diagnose /var/log/freeradius/radius.log"}}},
		Source: []string{"RFC 5080, Section 2.2.1", sourceNPSMFA, "https://github.com/FreeRADIUS/pam_radius/issues/71"},
		Signs: []Sign{
			{Text: "Received conflicting packet from client", Confidence: Proven, Why: "The client has used the identifier again for another request: it no longer waits for the first."},
			{Text: "Giving up on old request", Confidence: Proven, Why: "The client has used the identifier again for another request: it no longer waits for the first."},
			{Text: "Received response to request we are not waiting for", Confidence: Likely, Why: "An answer came after its request had been given up."},
		},
		Hides: []string{"double-prompt-retransmission"},
	},
	{
		ID:    "radius-no-response",
		Title: "A RADIUS server does not answer",
		Means: "Requests were sent to a RADIUS server and nothing came back in time. It is switched off or not reachable, it does not know this client, " +
			"the shared secret is not the same, so that it stays silent, or it waits for a person longer than the client does.",
		Who: "administrator of the RADIUS server that is silent",
		Remedy: []Step{
			{Text: "Look for this client's requests in the log of the server that is silent: an unknown client or a wrong secret is named there."},
			{Text: "See whether the way is free: UDP 1812 there and back.", Commands: []string{"tcpdump -n -i any udp port 1812", "sallyport check radius://SERVER:1812"}},
			{Text: "If the server waits for a person, set the time-out here to 60 seconds or more (FreeRADIUS: response_window in proxy.conf; pam_radius: the third column of its server file)."},
		},
		Verify: []Step{radiusTry},
		Source: []string{"RFC 2865, Section 2.4", sourceFreeRADIUS, "https://github.com/FreeRADIUS/pam_radius"},
		Signs: []Sign{
			{Code: frHomeServer, Confidence: Proven, Why: "The server says that its home server did not answer."},
			{Code: "pam-radius:no-answer", Confidence: Proven, Why: "pam_radius says that no server answered."},
			{Text: "Marking home server", And: []string{"dead"}, Confidence: Proven, Why: "The server says that its home server does not answer."},
			{Text: "Marking home server", And: []string{"zombie"}, Confidence: Likely, Why: "One answer of the home server is missing; it may be back."},
			{Text: "No response to status check", Confidence: Proven, Why: "The server says that its home server does not answer."},
			{Text: "RADIUS auth request timed out", Confidence: Proven, Why: "The Duo Authentication Proxy says that the RADIUS server behind it did not answer."},
			{Text: "Network error: RADIUS server", Confidence: Likely, Why: "The client got no answer."},
		},
		Hides: []string{"unix-pam-refused", "unix-wrong-password", "duo-primary-failed"},
	},
	{
		ID:    "radius-blast",
		Title: "RADIUS requests without a Message-Authenticator are dropped, or let through unsafely",
		Means: "Since CVE-2024-3596 (BlastRADIUS) servers can demand that every request carries a Message-Authenticator. A client that sends none is dropped " +
			"without an answer where that is demanded, and can be attacked where it is not.",
		Who: "administrator of the RADIUS client",
		Remedy: []Step{
			{Text: "Update the client's firmware, and switch Message-Authenticator on in its RADIUS settings."},
			{Text: "Then demand it on the server (FreeRADIUS: require_message_authenticator = yes for the client; NPS: the box in the client's properties)."},
			{Text: "Until it is updated, lift the demand for that client alone, and let nothing but it reach the port.", Commands: []string{"netsh nps set client name=\"CLIENT\" requireauthattrib=\"NO\""}},
		},
		Verify: []Step{radiusTry},
		Source: []string{sourceBlast, "RFC 3579, Section 3.2", "https://github.com/opnsense/plugins/issues/4250"},
		Signs: []Sign{
			{Text: "BlastRADIUS check: Received packet without Message-Authenticator", Confidence: Proven, Why: "The server says so."},
			{Text: "without Message-Authenticator", And: []string{"BlastRADIUS check"}, Confidence: Proven, Why: "The server says so."},
			{Text: "Packet does not contain required Message-Authenticator attribute", Confidence: Proven, Why: "The server says so, and has dropped the request."},
			{Text: "THE PACKET DOES NOT CONTAIN MESSAGE-AUTHENTICATOR", Confidence: Proven, Why: "The server says so."},
			{Text: "without a Message-Authenticator attribute when a Message-Authenticator attribute is required", Confidence: Proven, Why: "NPS says so, and has dropped the request."},
			{Code: "nps-event:17", Confidence: Proven, Why: "NPS says so, and has dropped the request."},
			{Text: "Missing Message-Authenticator", Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The Duo Authentication Proxy says so."},
		},
	},
	{
		ID:    "radius-wrong-password",
		Title: "The password or code that came over RADIUS was wrong",
		Means: "The server knew the person, and what was typed did not match. With a challenge it may be the code that was wrong.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Let the person type it again; see that keyboard layout and capitals are right, and that no saved password is sent."},
			{Text: "If it is so for everybody at once, compare the shared secret on both sides."},
		},
		Verify: []Step{radiusTry},
		Source: []string{sourceFreeRADIUS},
		Signs:  []Sign{{Code: "freeradius:wrong-password", Confidence: Proven, Why: "The server compared the password, and it differs."}},
		Hides:  []string{"radius-refused"},
	},
	{
		ID:    "radius-unknown-user",
		Title: "The RADIUS server does not know that user name",
		Means: "No entry has this name in the form in which it was sent. A domain in front or a realm behind is part of it unless the server takes it off.",
		Who:   "the person, or the administrator of the RADIUS server",
		Remedy: []Step{
			{Text: "Compare the name in the log with the one in the directory: DOMAIN\\alice, alice@example.com and alice are three names."},
			{Text: "Let the server take off what the directory does not have (FreeRADIUS: the realm module and Stripped-User-Name).", Commands: []string{"freeradius -X"}},
		},
		Verify: []Step{radiusTry},
		Source: []string{sourceFreeRADIUS, "RFC 7542, Section 2"},
		Signs: []Sign{
			{Code: "freeradius:unknown-user", Confidence: Proven, Why: "The server says that there is no such user."},
			{Code: "freeradius:no-auth-type", Confidence: Likely, Why: "No module took the request as its own: usually because none knows the name; else because the module for the protocol is off."},
		},
		Hides: []string{"radius-refused", "radius-wrong-password"},
	},
	{
		ID:    "radius-unusable-password",
		Title: "The stored form of the password cannot be used with the protocol that the client speaks",
		Means: "CHAP needs the password itself and MS-CHAP its NT hash on the server. Where the directory keeps only another hash, such logins fail whatever is typed. PAP works with all.",
		Who:   "administrator of the RADIUS server, with the one of the client",
		Remedy: []Step{
			{Text: "Let the client use PAP, or EAP-TTLS with PAP inside where the way is not protected."},
			{Text: "Or give the server a way to the NT hash: ntlm_auth or winbind for Active Directory, or an NT-Password attribute."},
		},
		Verify:     []Step{radiusTry},
		MFAAtFault: false,
		Source:     []string{"https://www.deployingradius.com/documents/protocols/compatibility.html", "RFC 1994, Section 2.2"},
		Signs:      []Sign{{Code: "freeradius:no-usable-password", Confidence: Proven, Why: "The server says which form of the password it lacks."}},
		Hides:      []string{"radius-refused", "radius-wrong-password", "radius-unknown-user"},
	},
	{
		ID:    "radius-multiple-logins",
		Title: "The person was refused because they are logged in already",
		Means: "The server limits how many sessions one person may have, and counts one that is still open, or that ended without the server being told.",
		Who:   "administrator of the RADIUS server",
		Remedy: []Step{
			{Text: "See which sessions the server counts, and take out those that are dead.", Commands: []string{"radwho", "radzap -u ALICE SERVER SECRET"}},
			{Text: "See that the client sends accounting at the end of a session, or raise Simultaneous-Use."},
		},
		Verify: []Step{radiusTry},
		Source: []string{sourceFreeRADIUS, "RFC 2866, Section 2"},
		Signs:  []Sign{{Code: "freeradius:multiple-logins", Confidence: Proven, Why: "The server says so."}},
		Hides:  []string{"radius-refused"},
	},
	{
		ID:    "radius-module-failed",
		Title: "Something that the RADIUS server asks failed or was too slow",
		Means: "A program, directory or database that the server needs for its decision gave no usable answer. The person did nothing wrong.",
		Who:   "administrator of the RADIUS server",
		Remedy: []Step{
			{Text: "See which module fails and why.", Commands: []string{"freeradius -X"}},
			{Text: "For a program: let it answer within the module's timeout, which max_request_time limits. For a directory: see that it is reached, and that the pool has connections."},
		},
		Verify: []Step{radiusTry},
		Source: []string{sourceFreeRADIUS},
		Signs: []Sign{
			{Code: frModule, Confidence: Proven, Why: "The server names the module that failed."},
			{Text: "Unresponsive child for request", Confidence: Proven, Why: "The server says which module does not come back."},
			{Text: "Can't contact LDAP server", And: []string{"rlm_ldap"}, Confidence: Proven, Why: "The server says that its directory is not reached."},
			{Text: "Opening connection failed (", And: []string{"rlm_"}, Formats: []string{"freeradius"}, Confidence: Proven, Why: "The server says that a module cannot connect to what it asks."},
			{Text: "Unresponsive thread", Confidence: Proven, Why: "The server says which module does not come back."},
		},
		Hides: []string{"radius-refused"},
	},
	{
		ID:    "radius-eap-certificate",
		Title: "One side of an EAP login did not accept the other's certificate",
		Means: "Inside EAP-TLS, PEAP or EAP-TTLS the client refused the server's certificate, or the server the client's: an unknown CA, a date that is over, or another purpose.",
		Who:   "administrator of the certificates",
		Remedy: []Step{
			{Text: "See which side sent the alert: \"TLS Alert read\" is the client's, \"write\" the server's."},
			{Text: "Give clients the CA of the RADIUS server's certificate and its name; renew what has expired.", Commands: []string{"openssl x509 -in /etc/freeradius/3.0/certs/server.pem -noout -dates -issuer"}},
		},
		Verify: []Step{{Text: "A login with EAP is accepted.", Commands: []string{"eapol_test -c peap.conf -a SERVER -s SECRET"}}},
		Source: []string{"RFC 5216, Section 2.1.3", sourceFreeRADIUS},
		Signs:  []Sign{{Code: "freeradius:eap-certificate", Confidence: Likely, Why: "The TLS alert inside EAP is about the certificate."}},
		Hides:  []string{"radius-refused"},
	},
	{
		ID:    "radius-eap-version",
		Title: "The two sides of an EAP login have no TLS version in common",
		Means: "Inside EAP one side offers only TLS versions that the other does not take.",
		Who:   "administrator of the RADIUS server, or of the client's operating system",
		Remedy: []Step{
			{Text: "Allow TLS 1.2 on both sides (FreeRADIUS: tls_min_version and tls_max_version in mods-available/eap), and update clients that have only older ones."},
		},
		Verify: []Step{{Text: "A login with EAP is accepted.", Commands: []string{"eapol_test -c peap.conf -a SERVER -s SECRET"}}},
		Source: []string{"RFC 9190", sourceFreeRADIUS},
		Signs:  []Sign{{Code: "freeradius:eap-tls-version", Confidence: Likely, Why: "The TLS alert inside EAP is about the version."}},
		Hides:  []string{"radius-refused", "tls-version"},
	},
	{
		ID:    "radius-no-challenge",
		Title: "The RADIUS client cannot show a challenge",
		Means: "The server answered with an Access-Challenge to ask for a code, and the client took it for a refusal or an error. RD Gateway and many plain clients cannot show a second question.",
		Who:   "administrator of the RADIUS client",
		Remedy: []Step{
			{Text: "Use a method that needs no answer in the client, such as a push or a call, or let password and code come in one field."},
			{Text: "Or use a client that shows challenges: most VPN products do so with PAP only.", Commands: []string{"sallyport client change CLIENT --mode append"}},
		},
		Verify: []Step{radiusTry},
		Source: []string{"RFC 2865, Section 4.4", "https://github.com/MicrosoftDocs/azure-docs/issues/111123"},
		Signs: []Sign{
			{Text: "unexpected Access-Challenge", Confidence: Proven, Why: "The client says that it does not take a challenge."},
			{Text: "Access-Challenge is not supported", Confidence: Proven, Why: "The client says so."},
			{Text: "does not support Access-Challenge", Confidence: Proven, Why: "The client says so."},
		},
		Hides: []string{"radius-refused", "unix-pam-refused"},
	},
	{
		ID:    "radius-refused-behind",
		Title: "The RADIUS server behind this one refused the login",
		Means: "This server only passed the request on. Why it was refused stands in the log of the home server.",
		Who:   "administrator of the home server",
		Remedy: []Step{
			{Text: "Read the home server's log together with this one.", Commands: []string{"sallyport diagnose FOLDER"}},
		},
		Verify: []Step{radiusTry},
		Source: []string{sourceFreeRADIUS},
		Signs:  []Sign{{Code: "freeradius:home-server-says-no", Confidence: Proven, Why: "The server says that its home server refused."}},
		Hides:  []string{"radius-refused"},
	},
	{
		ID:    "radius-refused",
		Title: "A RADIUS server refused the login, for a reason that is not among the usual ones",
		Means: "The server wrote a reason of its own, of a module or of its administrator, or none. It stands in brackets after \"Login incorrect\".",
		Who:   "administrator of the RADIUS server",
		Remedy: []Step{
			{Text: "Read the reason in the line; if there is none, let the server tell every step while the person tries again.", Commands: []string{"freeradius -X", "radmin -e 'debug condition \"(User-Name == alice)\"'"}},
		},
		Verify: []Step{radiusTry},
		Source: []string{sourceFreeRADIUS},
		Signs:  []Sign{{Code: frRefused, Confidence: Likely, Why: "The server says that it refused; the words of its reason are not known."}},
	},
}
