package diagnose

const (
	sourceDuoProxy = "https://duo.com/docs/authproxy-reference"
	sourceDuoAPI   = "https://duo.com/docs/authapi"
	sourceDuoAdmin = "https://duo.com/docs/adminapi"
	sourceDuoUnix  = "https://duo.com/docs/duounix"
	sourceDuoRDP   = "https://duo.com/docs/rdp"
	sourceDuoCode  = "https://github.com/duosecurity/duo_unix/blob/master/lib/duo.c"
)

const whoDuo = "administrator of Duo"

var duoTry = Step{Text: "Duo's own tool is content, and the next login is allowed.", Commands: []string{
	"/opt/duoauthproxy/bin/authproxy_connectivity_tool", `"C:\Program Files\Duo Security Authentication Proxy\bin\authproxy_connectivity_tool.exe"`,
}}

// duoReason is a sign for each reason that Duo's Admin API gives.
func duoReason(reasons ...string) []Sign {
	signs := make([]Sign, 0, len(reasons))
	for _, r := range reasons {
		signs = append(signs, Sign{Code: "duo-reason:" + r, Confidence: Proven, Why: saidDuo})
	}
	return signs
}

const saidDuo = "Duo names this as the reason."

// peerCauses are those of Duo. They are told from its own words.
var peerCauses = []Cause{
	{
		ID:    "duo-credentials",
		Title: "Duo does not accept the integration key or the secret key",
		Means: "The ikey or skey in the settings is not the application's: mistyped, of another application, or made anew in Duo's console since. Nobody can log in through this application.",
		Who:   whoDuo, MFAAtFault: true,
		Remedy: []Step{
			{Text: "Copy integration key, secret key and API host of this application from Duo's Admin Panel into the settings, all three, and restart the program.", Commands: []string{"systemctl restart duoauthproxy", "net stop DuoAuthProxy && net start DuoAuthProxy"}},
			{Text: "If skey_protected is used, encrypt it on this very machine; it cannot be read on another.", Commands: []string{`"C:\Program Files\Duo Security Authentication Proxy\bin\authproxy_passwd.exe"`}},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAPI, sourceDuoProxy, sourceDuoCode, "https://community.duo.com/t/invalid-signature-in-request-credentials/10310"},
		Signs: []Sign{
			{Text: "Invalid signature in request credentials", Confidence: Proven, Why: "Duo's service says that the secret key does not fit the integration key."},
			{Text: "Invalid integration key in request credentials", Confidence: Proven, Why: "Duo's service does not know the integration key."},
			{Text: "Invalid ikey or skey", Confidence: Likely, Why: "Duo Unix writes this whenever Duo's service answers 401; a clock that is off is the rarer reason."},
			{Text: "was not able to validate the provided API credentials", Confidence: Likely, Why: "Duo's connectivity tool says so; a file of CA certificates that cannot be used makes it say the same, with another line after it."},
			{Text: "skey_protected could not be decrypted", Confidence: Proven, Why: "Duo's connectivity tool says so."},
			{Code: "duo:credentials", Verdicts: []Verdict{Accepted, Refused, Faulty}, Confidence: Likely, Why: "Duo's program says that the keys were refused; Duo Unix says so of a clock that is off, too."},
		},
		Hides: []string{"duo-unreachable", "duo-failed-closed", "duo-refused"},
	},
	{
		ID:    "duo-clock",
		Title: "The clock of the machine is too far from Duo's",
		Means: "Every request to Duo carries its time and is refused if that is minutes off. Nobody can log in through this machine.",
		Who:   "administrator of the machine",
		Remedy: []Step{
			{Text: "Set the clock by the network, and see that it stays right.", Commands: []string{"w32tm /resync /force", "chronyc makestep", "timedatectl set-ntp true"}},
			{Text: "If the time is right and the zone is wrong, correct the zone."},
		},
		Verify: []Step{{Text: "The difference is below a few seconds.", Commands: []string{"sallyport check API-HOST:443"}}, duoTry},
		Source: []string{sourceDuoAPI, sourceDuoProxy},
		Signs: []Sign{
			{Text: "Bad request timestamp", Confidence: Proven, Why: "Duo's service says so."},
			{Text: "Bad timestamp in request", Confidence: Likely, Why: "The words say so; Duo has not published them."},
			{Text: "The time drift between the Auth Proxy host and Duo is excessively high", Confidence: Proven, Why: "Duo's connectivity tool measured it."},
			{Code: "duo:clock", Verdicts: []Verdict{Accepted, Refused, Faulty}, Confidence: Proven, Why: "Duo's service says so."},
		},
		Hides: []string{"duo-unreachable", "duo-failed-closed", "duo-refused", "duo-credentials", "clock-skew"},
	},
	{
		ID:    "duo-unreachable",
		Title: "Duo's service was not reached",
		Means: "The API host does not answer by HTTPS from this machine: a name that does not resolve, a firewall or proxy, TLS that was refused, or a disturbance at Duo. What happens to logins then is a setting: they are let through with the password alone (safe) or refused (secure).",
		Who:   "network administrator",
		Remedy: []Step{
			{Text: "See whether the API host is reached from this machine and by which TLS.", Commands: []string{"sallyport check API-HOST:443", "curl -v https://API-HOST/auth/v2/ping"}},
			{Text: "Let TCP 443 to Duo's hosts through, by name, and exempt them from TLS inspection; set http_proxy in Duo's settings if there is a proxy."},
			{Text: "See whether Duo itself has a disturbance: https://status.duo.com."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy, sourceDuoUnix, "https://github.com/duosecurity/duo_unix/issues/33"},
		Signs: []Sign{
			{Code: "duo:unreachable", Verdicts: []Verdict{Accepted, Refused, Faulty}, Confidence: Proven, Why: "Duo's program says that it could not reach the service."},
			{Text: "The Auth Proxy was not able to ping Duo", Confidence: Proven, Why: "Duo's connectivity tool says so."},
			{Text: "could not contact Duo to check the time drift", Confidence: Proven, Why: "Duo's connectivity tool says so."},
			{Text: "was not able to establish a connection to the provided proxy", Confidence: Proven, Why: "Duo's connectivity tool says that its HTTP proxy is not reached."},
			{Text: "API Request Failed:", Not: []string{"timestamp", "credentials"}, Confidence: Likely, Why: "The request to Duo's service failed; the line says how."},
			{Text: "Duo preauth call failed", Confidence: Likely, Why: "The request to Duo's service failed; the lines after it say how."},
			{Text: "Duo auth call failed", Confidence: Likely, Why: "The request to Duo's service failed; the lines after it say how."},
		},
		Hides: []string{"duo-failed-closed", "duo-refused"},
	},
	{
		ID:    "duo-failed-open",
		Title: "People were let in without a second factor, because Duo was not reached",
		Means: "The fail mode is \"safe\": while Duo's service cannot be asked, a right password is enough. The same holds for a while if somebody has put the proxy into its primary-only mode, which its line then names. Whoever knows a password gets in, and nobody notices.",
		Who:   whoDuo, MFAAtFault: true,
		Remedy: []Step{
			{Text: "Mend what keeps the machine from reaching Duo first; it is named beside this finding."},
			{Text: "Decide whether the password alone may be enough; if not, set failmode=secure (authproxy.cfg, pam_duo.conf, login_duo.conf) and restart."},
			{Text: "Look at who was let in so."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy, sourceDuoUnix, "https://github.com/duosecurity/duo_unix/issues/66"},
		Signs: []Sign{
			{Code: "duo:fail-open", Verdicts: []Verdict{Accepted, Refused, Faulty, Challenged, Abandoned}, Confidence: Proven, Why: "Duo's program says that it let the login through."},
			{Text: "Failmode Safe - Allowed Duo login", Confidence: Proven, Why: "Duo's program says that it let the login through."},
			{Text: "Failsafe Duo login", Confidence: Proven, Why: "Duo's program says that it let the login through."},
		},
		Hides: []string{"fail-open"},
	},
	{
		ID:    "duo-failed-closed",
		Title: "Logins were refused because Duo was not reached",
		Means: "The fail mode is \"secure\": while Duo's service cannot be asked, nobody gets in.",
		Who:   "network administrator", MFAAtFault: true,
		Remedy: []Step{
			{Text: "Mend what keeps the machine from reaching Duo.", Commands: []string{"sallyport check API-HOST:443"}},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy, sourceDuoUnix},
		Signs: []Sign{
			{Code: "duo:fail-closed", Confidence: Proven, Why: "Duo's program says so."},
			{Text: "Failmode Secure - Denied Duo login", Confidence: Proven, Why: "Duo's program says so."},
		},
		Hides: []string{"duo-refused"},
	},
	{
		ID:    "duo-not-enrolled",
		Title: "The person is not enrolled with Duo",
		Means: "Duo does not know the name, or knows it without a device. The name is often the matter: Duo is asked for alice@example.com or EXAMPLE\\alice and knows alice.",
		Who:   whoDuo,
		Remedy: []Step{
			{Text: "Compare the name in the log with the one in Duo's Admin Panel; set the username normalization of the application to Simple, or enter the other form as an alias."},
			{Text: "Enrol the person if they are not there."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy, sourceDuoRDP, "https://4sysops.com/archives/duo-2fa-two-factor-authentication-for-rdp/"},
		Signs: append([]Sign{
			{Text: "not enrolled with Duo Security", Confidence: Proven, Why: "Duo says so on the screen."},
			{Code: "duo:not-enrolled", Confidence: Proven, Why: saidDuo},
		}, duoReason("deny_unenrolled_user")...),
		Hides: []string{"duo-refused"},
	},
	{
		ID:    "duo-no-factor",
		Title: "The person has no device that could be used here",
		Means: "The person is known to Duo, and has no device for the methods that this application can use: a phone that is not activated, or only a security key where a push or passcode is needed.",
		Who:   whoDuo,
		Remedy: []Step{
			{Text: "Give the person an activated phone or a token in Duo's Admin Panel, or allow a method that they have."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAdmin, sourceDuoProxy},
		Signs: append([]Sign{
			{Code: "duo:no-factor", Confidence: Proven, Why: saidDuo},
		}, duoReason("no_activated_duo_mobile_account", "factor_restricted", "invalid_device")...),
		Hides: []string{"duo-refused"},
	},
	{
		ID:    "duo-denied",
		Title: "The person said no to the request, or cancelled it",
		Means: "Somebody pressed Deny in the app, hung up, or closed the window. If the person was not logging in, somebody else has their password.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Ask the person whether it was they who logged in. If not, have the password changed at once."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAdmin},
		Signs: append([]Sign{
			{Code: "duo:denied", Confidence: Likely, Why: "Duo says that the request was denied; it is nearly always the person who did."},
		}, duoReason("user_cancelled", "user_mistake", "anomalous_push")...),
		Hides: []string{"duo-refused"},
	},
	{
		ID:    "duo-fraud",
		Title: "The person reported a login as fraud",
		Means: "Somebody logged in with the person's name and password, and the person said in the app that it was not they.",
		Who:   "security officer",
		Remedy: []Step{
			{Text: "Have the password changed at once, and look for other logins from the same address."},
			{Text: "If it was a mistake, tell the person to press Deny only for what they did not begin."},
		},
		Verify: []Step{{Text: "No further requests come that the person did not begin."}},
		Source: []string{sourceDuoAdmin},
		Signs: append([]Sign{
			{Code: "duo:fraud", Confidence: Proven, Why: saidDuo},
		}, duoReason("user_marked_fraud")...),
		Hides: []string{"duo-denied", "duo-refused"},
	},
	{
		ID:    "duo-timeout",
		Title: "Nobody answered Duo's request in time",
		Means: "The push or call was sent and not answered. The phone was away, had no network, or showed the request too late; or several requests came and the wrong one was answered.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Let the person open the app before they log in, or use a passcode."},
			{Text: "Set the time-out of the VPN or other client to 60 seconds or more, or it gives up before the person does."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAdmin, sourceDuoProxy},
		Signs: append([]Sign{
			{Code: "duo:timeout", Confidence: Proven, Why: saidDuo},
		}, duoReason("no_response", "call_timed_out", "no_keys_pressed")...),
		Hides: []string{"duo-denied", "duo-refused"},
	},
	{
		ID:    "duo-wrong-passcode",
		Title: "The passcode for Duo was wrong, or had been used",
		Means: "What was typed is no passcode of this person that is still valid.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Let the person take a new code from the app. A hardware token that was pressed often must be resynchronized in Duo's Admin Panel."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAdmin},
		Signs: append([]Sign{
			{Code: "duo:wrong-passcode", Confidence: Proven, Why: saidDuo},
		}, duoReason("invalid_passcode", "verification_code_incorrect", "verification_code_missing")...),
		Hides: []string{"duo-denied", "duo-refused"},
	},
	{
		ID:    "duo-locked-out",
		Title: "The person is locked out or disabled in Duo",
		Means: "After too many failures, or by an administrator, Duo lets the person in no more.",
		Who:   whoDuo,
		Remedy: []Step{
			{Text: "See in Duo's Admin Panel what locked the person out; set the status back to Active once that is clear."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAdmin},
		Signs: append([]Sign{
			{Code: "duo:locked-out", Confidence: Proven, Why: saidDuo},
			{Code: "duo:disabled", Confidence: Proven, Why: saidDuo},
		}, duoReason("locked_out", "user_disabled", "frequent_attempts")...),
		Hides: []string{"duo-denied", "duo-refused"},
	},
	{
		ID:    "duo-policy",
		Title: "A policy in Duo refused the login",
		Means: "The person, the place, the network or the device does not meet a policy of the application.",
		Who:   whoDuo,
		Remedy: []Step{
			{Text: "Open the login in Duo's authentication log: it names the policy. Change the policy, or bring the device into the state that it asks for."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAdmin},
		Signs: append([]Sign{
			{Code: "duo:policy", Confidence: Likely, Why: "Duo says that it was not permitted."},
		}, duoReason("denied_by_policy", "denied_network", "anonymous_ip", "location_restricted", "platform_restricted", "software_restricted",
			"version_restricted", "rooted_device", "out_of_date", "no_disk_encryption", "no_screen_lock", "touchid_disabled", "touch_id_disabled", "endpoint_is_not_trusted",
			"endpoint_is_not_in_management_system", "endpoint_failed_google_verification", "couldnt_determine_if_endpoint_was_trusted", "could_not_determine_if_endpoint_was_trusted",
			"no_duo_certificate_present", "user_provided_invalid_certificate", "user_not_in_permitted_group", "invalid_management_certificate_collection_state",
			"no_referring_hostname_provided", "invalid_referring_hostname_provided", "no_web_referer_match")...),
		Hides: []string{"duo-denied", "duo-refused"},
	},
	{
		ID:    "duo-service-account",
		Title: "Duo's proxy cannot bind to the directory with its service account",
		Means: "Before it checks a person's password, the proxy binds with an account of its own. That failed: its password or name is wrong, it is locked, or the kind of bind is not allowed. Nobody can log in.",
		Who:   whoDuo, MFAAtFault: true,
		Remedy: []Step{
			{Text: "Try the account's name and password by hand.", Commands: []string{"ldapwhoami -H ldaps://DOMAIN-CONTROLLER -D 'SERVICE@EXAMPLE.COM' -W"}},
			{Text: "Correct service_account_username and service_account_password in [ad_client] of authproxy.cfg, and restart. If the domain controller demands signing or TLS, set transport=ldaps.", Commands: []string{"net stop DuoAuthProxy && net start DuoAuthProxy"}},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy},
		Signs: []Sign{
			{Text: "Initial LDAP bind to AD failed", Confidence: Proven, Why: "The proxy says so."},
			{Text: "service account bind", And: []string{"fail"}, Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The proxy says so; the words around it differ between its versions and uses."},
			{Text: "service account bind", And: []string{"invalid credentials"}, Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The proxy says so; the words around it differ between its versions and uses."},
			{Text: "The Auth Proxy was unable to bind as", Confidence: Proven, Why: "Duo's connectivity tool says so."},
		},
		Hides: []string{"duo-primary-failed", "duo-primary-rejected", "duo-directory"},
	},
	{
		ID:    "duo-directory",
		Title: "Duo's proxy does not reach the directory or the RADIUS server for the password",
		Means: "The first factor is checked by a domain controller or a RADIUS server, and that does not answer the proxy, or ends the connection.",
		Who:   whoDuo,
		Remedy: []Step{
			{Text: "See whether it is reached from the proxy's machine.", Commands: []string{"sallyport check ldaps://DOMAIN-CONTROLLER", "/opt/duoauthproxy/bin/authproxy_connectivity_tool"}},
			{Text: "Correct host, port, transport and ssl_ca_certs_file in authproxy.cfg; enter a second host as host_2."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy},
		Signs: []Sign{
			{Text: "AD Connection failed", Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The proxy says so."},
			{Text: "AD connection timed out", Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The proxy says so."},
			{Text: "AD Connection closed prematurely", Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The proxy says so."},
			{Text: "Error connecting to AD host", Formats: []string{"duo-authproxy"}, Confidence: Proven, Why: "The proxy says so."},
			{Text: "LDAP search on AD service failed", Formats: []string{"duo-authproxy"}, Confidence: Likely, Why: "The proxy says that the search failed; the account may lack the right to search, or search_dn is wrong."},
			{Text: "was not able to establish an LDAP connection to", Confidence: Proven, Why: "Duo's connectivity tool says so."},
			{Text: "was not able to establish a connection to", And: []string{"The Auth Proxy"}, Not: []string{"provided proxy"}, Confidence: Proven, Why: "Duo's connectivity tool says so."},
			{Text: "cannot confirm that the Auth Proxy was able to establish a RADIUS connection", Confidence: Possible, Why: "Duo's connectivity tool got no answer, which a RADIUS server also does by design."},
		},
		Hides: []string{"duo-primary-failed"},
	},
	{
		ID:    "duo-search",
		Title: "Duo's proxy finds no people in the directory",
		Means: "The search base or a filter in the proxy's settings leaves nobody: search_dn names another part of the directory, or security_group_dn a group that nobody is in.",
		Who:   whoDuo, MFAAtFault: true,
		Remedy: []Step{
			{Text: "Compare search_dn, security_group_dn and ldap_filter in [ad_client] with the directory.", Commands: []string{"ldapsearch -H ldaps://DOMAIN-CONTROLLER -D 'SERVICE@EXAMPLE.COM' -W -b 'DC=EXAMPLE,DC=COM' '(sAMAccountName=ALICE)' dn"}},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy},
		Signs: []Sign{
			{Text: "did not get results searching for users in DN", Confidence: Proven, Why: "Duo's connectivity tool says so."},
			{Text: "got an error searching the LDAP DN", Confidence: Proven, Why: "Duo's connectivity tool says so."},
		},
	},
	{
		ID:    "duo-primary-rejected",
		Title: "The password was refused before Duo was asked",
		Means: "The directory or RADIUS server behind Duo's proxy did not accept name and password. Duo's second factor was not asked for.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Let the person type the password again; see whether the account is locked or the password has expired."},
			{Text: "If the person is in another part of the directory, correct search_dn in [ad_client]."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy},
		Signs:  []Sign{{Code: "duo:primary-rejected", Confidence: Proven, Why: "The proxy says that the first factor was refused."}},
		Hides:  []string{"duo-refused"},
	},
	{
		ID:    "duo-primary-failed",
		Title: "The password could not be checked before Duo was asked",
		Means: "The directory or RADIUS server behind Duo's proxy gave no usable answer.",
		Who:   whoDuo,
		Remedy: []Step{
			{Text: "Read the lines before this one in authproxy.log, and let the proxy test its settings.", Commands: []string{"/opt/duoauthproxy/bin/authproxy_connectivity_tool"}},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy},
		Signs:  []Sign{{Code: "duo:primary-error", Confidence: Likely, Why: "The proxy says that it could not check the first factor."}},
		Hides:  []string{"duo-refused"},
	},
	{
		ID:    "duo-protocol",
		Title: "The client speaks a RADIUS protocol that Duo's proxy cannot use",
		Means: "The password came with a protocol that hides it from the proxy, or not at all: MS-CHAPv2, CHAP or EAP need a RADIUS server as the primary, and cannot carry an appended passcode.",
		Who:   "administrator of the RADIUS client",
		Remedy: []Step{
			{Text: "Let the client use PAP, or put [radius_client] with pass_through_all=true behind the proxy for MS-CHAPv2 and EAP."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy},
		Signs:  []Sign{{Code: "duo:no-password", Confidence: Likely, Why: "The proxy found no password in the request that it could read."}},
		Hides:  []string{"duo-refused"},
	},
	{
		ID:    "duo-port-taken",
		Title: "Duo's proxy cannot listen on its port",
		Means: "Another program has the port, mostly NPS or another RADIUS server on the same machine; requests never come to the proxy.",
		Who:   whoDuo, MFAAtFault: true,
		Remedy: []Step{
			{Text: "See which program has the port, and stop it or give the proxy another port in its section of authproxy.cfg.", Commands: []string{"netstat -ano -p udp | findstr :1812", "ss -lunp sport = :1812"}},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy},
		Signs: []Sign{
			{Text: "will not be able to accept connections on port", Confidence: Proven, Why: "Duo's connectivity tool says so."},
		},
	},
	{
		ID:    "duo-configuration",
		Title: "A setting of Duo's proxy or of Duo Unix is missing or wrong",
		Means: "The program could not use its configuration file; the line names what.",
		Who:   whoDuo, MFAAtFault: true,
		Remedy: []Step{
			{Text: "Correct what the line names in authproxy.cfg, pam_duo.conf or login_duo.conf; the file must be readable by root or the service alone."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoProxy, sourceDuoUnix},
		Signs: []Sign{
			{Text: "A required configuration item is missing:", Confidence: Proven, Why: "Duo's program names it."},
			{Text: "There was a configuration problem:", Confidence: Proven, Why: "Duo's program names it."},
			{Text: "Missing host, ikey, or skey in", Confidence: Proven, Why: "Duo's program names it."},
			{Text: "must be readable only by user 'root'", Confidence: Proven, Why: "Duo's program names it."},
			{Text: "Couldn't open Duo API handle", Confidence: Likely, Why: "Duo's program could not begin; its settings are the usual reason."},
			{Text: "Section name is invalid so no tests were run", Confidence: Proven, Why: "Duo's program says so."},
		},
	},
	{
		ID:    "duo-refused",
		Title: "Duo refused the login, for a reason that is not among the usual ones",
		Means: "Duo's answer was no; its words are in the line.",
		Who:   whoDuo,
		Remedy: []Step{
			{Text: "Open the login in Duo's authentication log in the Admin Panel: it gives the reason."},
		},
		Verify: []Step{duoTry},
		Source: []string{sourceDuoAdmin},
		Signs:  []Sign{{Code: "duo:refused", Confidence: Likely, Why: "Duo says that it refused; the words of its reason are not known."}},
	},
}
