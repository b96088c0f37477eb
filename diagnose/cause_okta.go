package diagnose

// Where the knowledge about Okta's agent for Windows is from.
const (
	oktaGuide   = "https://support.okta.com/help/s/article/Troubleshooting-Okta-MFA-Credential-Provider-RDP-Errors"
	oktaTrouble = "https://help.okta.com/en-us/Content/Topics/Security/proc-mfa-win-creds-rdp-ts.htm"
	oktaAgent   = "https://help.okta.com/en-us/Content/Topics/Security/proc-mfa-win-creds-rdp.htm"
	oktaInstall = "https://help.okta.com/en-us/Content/Topics/Security/proc-mfa-win-creds-rdp-install.htm"
	oktaAssign  = "https://help.okta.com/en-us/Content/Topics/Security/proc-mfa-win-creds-rdp-assign-users.htm"
	oktaNeeds   = "https://support.okta.com/help/s/article/prerequisites-to-set-mfa-for-windows-credential-provider"
	okta401     = "https://support.okta.com/help/s/article/RDP-Error-The-Remote-Server-Returned-an-Error-401-Unauthorized"
	okta403     = "https://support.okta.com/help/s/article/rdp-error-the-remote-server-returned-an-error-403-forbidden"
	okta404     = "https://support.okta.com/help/s/article/RDP-Error-The-Remote-Server-Returned-an-Error-404-Not-Found"
	oktaHS256   = "https://support.okta.com/help/s/article/rdp-error-the-encryption-algorithm-hs256-requires-a-key-size-of-at-least-128-bits"
	oktaBlocked = "https://support.okta.com/help/s/article/okta-certificate-issue-with-rdp"
	oktaEvents  = "https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/"

	oktaConfig = `C:\Program Files\Okta\Okta Windows Credential Provider\config\rdp_app_config.json`
	oktaLogs   = `C:\Program Files\Okta\Okta Windows Credential Provider\logs`

	oktaAdmin   = "Okta administrator"
	windowsHost = "Windows administrator of the host"
)

// seeOktaConfig shows what the agent is set to. The secret is encrypted in it.
var seeOktaConfig = Step{
	Text:     "Look at the settings of the agent on the host.",
	Commands: []string{`Get-Content "` + oktaConfig + `"`},
}

var tryOktaLogin = Step{
	Text:     "Log in by RDP again, and see that the newest lines of the log hold no exception.",
	Commands: []string{`Get-Content "` + oktaLogs + `\OktaWidget.log" -Tail 20`, `sallyport diagnose "` + oktaLogs + `"`},
}

// reinstallOkta is what mends a stored secret: it cannot be written by hand.
var reinstallOkta = []Step{
	{Text: "Keep a copy of the agent's folder.", Commands: []string{`Copy-Item -Recurse "C:\Program Files\Okta\Okta Windows Credential Provider" "C:\OktaAgentBackup"`}},
	{Text: "Uninstall the agent under Programs and Features, and delete what is left of its folder.", Commands: []string{`Remove-Item -Recurse "C:\Program Files\Okta\Okta Windows Credential Provider"`}},
	{Text: "Copy client ID and client secret anew from the General tab of the app Microsoft RDP (MFA), and install with them and with the address of the org: https, no slash at its end.", Commands: []string{`msiexec /i OKTA-AGENT.msi CLIENT_ID=ID CLIENT_SECRET=SECRET OKTA_URL=https://ORG.okta.com`}},
}

// oktaCauses are what goes wrong with Okta MFA Credential Provider for Windows,
// and with logins that the System Log tells of.
var oktaCauses = []Cause{
	{
		ID:    "okta-unauthorized",
		Title: "Okta answered the agent with 401 Unauthorized",
		Means: "The agent signs a token with the client secret of the app Microsoft RDP (MFA) and asks the org with it for a state token; only then is a second factor asked for. Okta did not accept that token. " +
			"The usual reasons, in the order in which they are worth a look: client ID, client secret or org address are wrong; the address has a slash at its end; the clock of the host is off, so that the token seems not yet valid or expired; two Okta users match the name; the user name or password was wrong; the person may not log in by RDP at all.",
		MFAAtFault: true,
		Who:        windowsHost + ", with the Okta administrator",
		Remedy: []Step{
			{Text: "If one person alone is struck, let them type name and password anew, and look in Okta for two users of that name."},
			{Text: "Compare the clock of the host with a time server; more than a few seconds must be mended.", Commands: []string{"w32tm /query /status", "w32tm /stripchart /computer:time.windows.com /samples:3 /dataonly", "w32tm /resync"}},
			seeOktaConfig,
			{Text: "The client ID must be that of the General tab of the app Microsoft RDP (MFA), the org address https and without a slash at its end. Both can be mended in the file.", Commands: []string{"sallyport check https://ORG.okta.com"}},
			{Text: "If the client secret was changed in the console, or nothing else is wrong, reinstall the agent: the secret is encrypted during installation and cannot be written by hand."},
			{Text: "See that the person is in the group Remote Desktop Users of the host.", Commands: []string{`Get-LocalGroupMember "Remote Desktop Users"`}},
		},
		Verify: []Step{tryOktaLogin},
		Source: []string{okta401, oktaInstall},
		Signs: []Sign{{
			Code: "okta-widget:http-401", Confidence: Proven,
			Why: "the agent logged the HTTP status 401 of the org; which of the reasons it has, the log does not say",
		}},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-forbidden",
		Title: "Okta answered the agent with 403 Forbidden",
		Means: "The org knows the agent and the user, and its rules forbid the login: the user is not assigned to the app Microsoft RDP (MFA), has no second factor enrolled (the agent cannot enrol one), " +
			"or a rule of the enrolment policy that is bound to a network zone denies requests from the address of this host.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy: []Step{
			{Text: "Assign the user, or a group of theirs, to the app Microsoft RDP (MFA): Applications, the app, Assignments."},
			{Text: "See under Directory, People, the user, that a factor is enrolled. If none is, let the person enrol one on the Okta dashboard, under Settings, Security Methods."},
			{Text: "Look at the rules of the enrolment policy for conditions on network zones, and see in which zone the outgoing address of the host is."},
			{Text: "Search the System Log for the user at that minute: it names the rule.", Commands: []string{`outcome.result eq "DENY" and actor.alternateId eq "USER"`}},
		},
		Verify: []Step{tryOktaLogin},
		Source: []string{okta403, oktaAssign},
		Signs: []Sign{{
			Code: "okta-widget:http-403", Confidence: Proven,
			Why: "the agent logged the HTTP status 403 of the org",
		}},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-not-found",
		Title: "Okta answered the agent with 404 Not Found",
		Means: "Okta has no user of the app Microsoft RDP (MFA) with the name that Windows gave, or the org address of the agent leads nowhere. " +
			"The app's user name format must yield exactly what the person types into Windows, such as the name before the at sign.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy: []Step{
			{Text: "Compare the name in the log with the user's name under Applications, Microsoft RDP (MFA), Assignments: they must be equal."},
			{Text: "Choose Okta username prefix, or the form of the sAMAccountName, as Application username format under Sign On; or mend the name of the one user by hand in the assignment."},
			seeOktaConfig,
			{Text: "If everybody is struck, the org address is wrong.", Commands: []string{"sallyport check https://ORG.okta.com"}},
		},
		Verify: []Step{tryOktaLogin},
		Source: []string{okta404, oktaAssign},
		Signs: []Sign{{
			Code: "okta-widget:http-404", Confidence: Proven,
			Why: "the agent logged the HTTP status 404 of the org",
		}},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-client-secret-unreadable",
		Title: "The Okta agent cannot use its client secret",
		Means: "The agent keeps the client secret encrypted in rdp_app_config.json and signs its token (HS256) with it. What it reads there is no such secret: " +
			"it was typed wrongly during installation, or the file was edited afterwards.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy:     reinstallOkta,
		Verify:     []Step{tryOktaLogin},
		Source:     []string{oktaHS256, oktaInstall},
		Signs: []Sign{
			{Code: "okta-widget:client-secret", Confidence: Proven, Why: "the agent failed while it decoded its own secret, before anything was sent"},
			{Text: "The algorithm: 'HS256' requires the SecurityKey.KeySize to be greater than", Confidence: Proven, Why: "the text is that of a token being signed with too short a key"},
			{Text: "The encryption algorithm 'HS256' requires a key size of at least", Confidence: Proven, Why: "the text is that of a token being signed with too short a key"},
		},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-cp-conflict",
		Title: "Another credential provider or filter took the remote login away from Okta's agent",
		Means: "In a remote session the agent was asked for the credential that the RDP client had sent, and had none (80004001 is E_NOTIMPL). Windows gives such a credential to one provider only, and a filter decides to which: " +
			"another vendor's filter may have claimed it, the agent's own filter may be off, Network Level Authentication may be off, or the client sent something else than a password (smart card, Remote Credential Guard, Restricted Admin).",
		Who: windowsHost,
		Remedy: []Step{
			{Text: "List all credential providers and filters of the host, and see which are not of Microsoft or Okta.", Commands: []string{
				`reg query "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Providers" /s`,
				`reg query "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Provider Filters" /s`,
			}},
			{Text: "Uninstall the other provider, or set it to leave remote sessions alone."},
			{Text: "Turn the agent's own filter on: set FilterCredentialProvider to true.", Commands: []string{`notepad "` + oktaConfig + `"`}},
			{Text: "See that Network Level Authentication is on (1).", Commands: []string{`reg query "HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp" /v UserAuthentication`}},
			{Text: "Log in with a plain RDP client and a password: no smart card, no /restrictedAdmin, no /remoteGuard.", Commands: []string{"mstsc /v:HOST"}},
		},
		Verify: []Step{{Text: "Log in by RDP again, and see that no new line CopySerializedCred is in the log.", Commands: []string{`Select-String CopySerializedCred "` + oktaLogs + `\OktaCP.log"`}}},
		Source: []string{oktaGuide, "https://learn.microsoft.com/windows/win32/api/credentialprovider/nf-credentialprovider-icredentialproviderfilter-updateremotecredential"},
		Signs: []Sign{
			{Code: "okta-cp:copyserializedcred-80004001", Confidence: Likely, Why: "the remote credential did not reach the agent; which of the other parties kept it does not show in its log"},
			{Code: "okta-cp:copyserializedcred", Confidence: Possible, Why: "the remote credential did not reach the agent; only the code 80004001 is published as the sign of a conflict"},
		},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-timeout",
		Title: "The org did not answer Okta's agent in time",
		Means: "A connection was made, or tried, and nothing came back in time: packets are dropped on the way, or the proxy waits for something. The agent has no proxy setting of its own; it runs within the logon screen as LocalSystem, so the proxy of the administrator who tries it in a browser does not count.",
		Who:   "network administrator",
		Remedy: []Step{
			{Text: "Try name and port from the host.", Commands: []string{"Resolve-DnsName ORG.okta.com", "Test-NetConnection ORG.okta.com -Port 443"}},
			{Text: "Look at the proxy of the computer and at that of LocalSystem, and set them if the way out leads through one.", Commands: []string{"netsh winhttp show proxy", "bitsadmin /util /getieproxy localsystem"}},
			{Text: "If logins must go on while the internet is away, set InternetFailOpenOption to true: a correct password is then enough. Weigh that against what the host protects."},
		},
		Verify: []Step{{Text: "The org answers from this host.", Commands: []string{"sallyport check https://ORG.okta.com"}}, tryOktaLogin},
		Source: []string{oktaAgent, oktaNeeds},
		Signs:  []Sign{{Code: "okta-widget:timeout", Confidence: Proven, Why: "the text is that of .NET for a request that was not answered in time"}},
		Hides:  []string{"okta-generic-failure"},
	},
	{
		ID:         "okta-tenant-error",
		Title:      "Okta answered the agent with a fault of its own",
		Means:      "The org, or something on the way that answers in its place, gave an HTTP status that says that it could not serve the request (500 to 504), or that there were too many (429). Neither the person nor the host did anything wrong.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy: []Step{
			{Text: "Look at https://status.okta.com for the cell of the org."},
			{Text: "For 429, look in the console under Reports, Rate Limits what uses them up, and spread it."},
			{Text: "If only some hosts are struck, see what answers there: a proxy gives 502 to 504 too.", Commands: []string{"sallyport check https://ORG.okta.com"}},
		},
		Verify: []Step{tryOktaLogin},
		Source: []string{"RFC 9110, Section 15.6", "RFC 6585, Section 4", oktaAgent},
		Signs: []Sign{
			{Code: "okta-widget:http-429", Confidence: Proven, Why: "the agent logged the HTTP status 429"},
			{Code: "okta-widget:http-500", Confidence: Likely, Why: "the agent logged the HTTP status 500; something on the way can answer so too"},
			{Code: "okta-widget:http-502", Confidence: Likely, Why: "the agent logged the HTTP status 502; something on the way can answer so too"},
			{Code: "okta-widget:http-503", Confidence: Likely, Why: "the agent logged the HTTP status 503; something on the way can answer so too"},
			{Code: "okta-widget:http-504", Confidence: Likely, Why: "the agent logged the HTTP status 504; something on the way can answer so too"},
		},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-content-blocked",
		Title: "The prompt of Okta's agent is blocked: its certificate is not trusted on this host",
		Means: "The browser within the prompt refuses the sign-in page. On this host the root that Okta's certificate leads to is missing, or the addresses where revocation is looked up cannot be reached. " +
			"Windows loads missing roots from the internet by itself, unless that is switched off or blocked.",
		Who: windowsHost,
		Remedy: []Step{
			{Text: "See to which root the chain leads, and whether the host can build it.", Commands: []string{"sallyport check https://ORG.okta.com"}},
			{Text: "Look for the root among those of the computer.", Commands: []string{`Get-ChildItem Cert:\LocalMachine\Root, Cert:\LocalMachine\AuthRoot | Where-Object Subject -like "*DigiCert*"`}},
			{Text: "Load the roots of Windows' own list and install the one that is missing.", Commands: []string{"certutil -generateSSTFromWU C:\\roots.sst", "Import-Certificate -FilePath DIGICERT-ROOT.crt -CertStoreLocation Cert:\\LocalMachine\\Root"}},
			{Text: "Open the way to the addresses of CRL and OCSP that the certificates name, for LocalSystem.", Commands: []string{"certutil -url CERTIFICATE.cer"}},
		},
		Verify: []Step{{Text: "The chain is good on the host itself.", Commands: []string{"certutil -verify -urlfetch CERTIFICATE.cer"}}, tryOktaLogin},
		Source: []string{oktaBlocked},
		Signs: []Sign{{
			Text: "Content was blocked because it was not signed by a valid security certificate", Confidence: Likely,
			Why: "the browser within the prompt shows this for any certificate that it does not trust; a missing root is what Okta names, a certificate re-signed on the way looks the same",
		}},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:         "okta-installer-validation",
		Title:      "The installer of Okta's agent could not validate client ID and client secret",
		Means:      "The installer tries its settings at the org and stops with Error 1001 if that fails: client ID or secret are wrong, the org address is, or the org cannot be reached from this host, by TLS older than 1.2 for example.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Copy client ID and client secret anew from the General tab of the app Microsoft RDP (MFA); give the org address with https and without a slash at its end.", Commands: []string{`msiexec /i OKTA-AGENT.msi CLIENT_ID=ID CLIENT_SECRET=SECRET OKTA_URL=https://ORG.okta.com /l*v C:\okta-install.log`}},
			{Text: "See that the org can be reached from the host, and with which TLS.", Commands: []string{"sallyport check https://ORG.okta.com"}},
			{Text: "The address must be of okta.com, oktapreview.com, okta-emea.com or okta-gov.com, not one of your own."},
		},
		Verify: []Step{{Text: "The installer ends without an error, and its folder is there.", Commands: []string{`Test-Path "` + oktaConfig + `"`}}},
		Source: []string{oktaGuide, oktaInstall},
		Signs: []Sign{{
			Text: "Failed to validate configuration. ClientID or ClientSecret are not valid", Confidence: Likely,
			Why: "the installer says so of wrong values; an org that it cannot reach looks the same",
		}},
	},
	{
		ID:         "okta-mfa-bypass",
		Title:      "Okta's agent shows the dialog MFA Bypass: no rule asks this user for a second factor",
		Means:      "Only the sign-on policy of the app Microsoft RDP (MFA) counts for the agent, not the one of the org. The user is in none of its rules that require a factor, so there is nothing to ask for.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy: []Step{
			{Text: "Under Applications, Microsoft RDP (MFA), Sign On, add a rule that covers the user and asks for a factor at every sign-on, or add the user to the group of one."},
		},
		Verify: []Step{{Text: "The user is asked for a factor at the next RDP login."}},
		Source: []string{oktaTrouble},
		Signs:  []Sign{{Code: "okta-screen:mfa-bypass", Confidence: Likely, Why: "the dialog has this title; the line was not written by the agent's log"}},
		Hides:  []string{"okta-generic-failure"},
	},
	{
		ID:         "okta-display-failed",
		Title:      "Okta's agent shows the dialog Display Failed",
		Means:      "The agent could not get a prompt to show: client ID, client secret or org address are wrong, or the name that was typed into Windows is not the user's name in Okta. The log on the host tells which: 401, 404, or a secret that cannot be read.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Read the log of the agent on the host, which is more exact.", Commands: []string{`sallyport diagnose "` + oktaLogs + `"`}},
			seeOktaConfig,
			{Text: "Compare the name that was typed with the user's name under Applications, Microsoft RDP (MFA), Assignments."},
		},
		Verify: []Step{tryOktaLogin},
		Source: []string{oktaTrouble},
		Signs:  []Sign{{Code: "okta-screen:display-failed", Confidence: Likely, Why: "the dialog has this title; which of its reasons it had is in the agent's log"}},
		Hides:  []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-rdp-not-allowed",
		Title: "Windows refused the remote login before Okta's agent could ask",
		Means: "The refusal is Windows' own: the person may not log in through Remote Desktop Services, remote connections are off, or the client does not support Network Level Authentication, which the agent needs. No second factor was involved.",
		Who:   windowsHost,
		Remedy: []Step{
			{Text: "Put the person into the group Remote Desktop Users.", Commands: []string{`Add-LocalGroupMember -Group "Remote Desktop Users" -Member DOMAIN\USER`}},
			{Text: "Allow remote connections, with Network Level Authentication.", Commands: []string{
				`reg query "HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server" /v fDenyTSConnections`,
				`reg query "HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp" /v UserAuthentication`,
			}},
			{Text: "See that a policy does not take the right away: Allow log on through Remote Desktop Services.", Commands: []string{`gpresult /h C:\gp.html`}},
		},
		Verify: []Step{{Text: "The RDP client reaches the prompt of the agent.", Commands: []string{"mstsc /v:HOST"}}},
		Source: []string{oktaTrouble, "https://learn.microsoft.com/windows/security/threat-protection/security-policy-settings/allow-log-on-through-remote-desktop-services"},
		Signs: []Sign{
			{Text: "need the right to sign in through Remote Desktop Services", Confidence: Proven, Why: "it is Windows' own message for a person who lacks this right"},
			{Text: "requires Network Level Authentication, which your computer does not support", Confidence: Proven, Why: "it is Windows' own message for a client without Network Level Authentication"},
		},
		Hides: []string{"okta-generic-failure"},
	},
	{
		ID:    "okta-blank-prompt",
		Title: "The prompt of Okta's agent stays blank",
		Means: "The browser within the prompt runs as LocalSystem and cannot load the sign-in page: the internet or the proxy is not open for that account, hosts that the page loads from are blocked, or the security zone of Internet Explorer forbids its scripts. No log line is known for it.",
		Who:   windowsHost,
		Remedy: []Step{
			{Text: "Try from LocalSystem, not as the administrator: Sysinternals PsExec opens a shell of it.", Commands: []string{"psexec -s -i powershell", "Test-NetConnection ORG.okta.com -Port 443", "Invoke-WebRequest https://ORG.okta.com -UseBasicParsing"}},
			{Text: "Set the proxy of LocalSystem.", Commands: []string{"netsh winhttp show proxy", "bitsadmin /util /setieproxy localsystem MANUAL_PROXY PROXY:PORT NULL"}},
			{Text: "Open port 443 to the org and to the hosts that Okta serves the page from (*.okta.com, *.oktacdn.com)."},
		},
		Verify: []Step{{Text: "The page loads as LocalSystem, and the prompt shows it."}},
		Source: []string{oktaGuide, oktaNeeds},
	},
	{
		ID:         "okta-session-terminated",
		Title:      "Okta's agent ends the Windows session on an error or time-out, and unsaved work is lost",
		Means:      "As it is installed, the agent terminates the session if the prompt fails or is not answered in time. DisconnectSessionOnError makes it disconnect instead, which keeps the session.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Set DisconnectSessionOnError to true, and WidgetTimeOutInSeconds to what people need, at most 120 and below the idle time-out of the logon screen.", Commands: []string{`notepad "` + oktaConfig + `"`}},
		},
		Verify: []Step{{Text: "Let a prompt expire in a session with an open document: after the next login it is still open."}},
		Source: []string{oktaInstall, oktaAgent},
	},
	{
		ID:         "okta-filter-off",
		Title:      "RDP asks for no second factor because the filter of Okta's agent is off",
		Means:      "Without a filter, Windows gives the credential of an RDP client straight to its own password provider, and the agent is never asked. The same happens where an old session is reconnected.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Set FilterCredentialProvider to true; RdpOnly decides whether the console asks too.", Commands: []string{`notepad "` + oktaConfig + `"`}},
			{Text: "See that no other filter undoes it.", Commands: []string{`reg query "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Provider Filters" /s`}},
		},
		Verify: []Step{{Text: "Disconnect an RDP session and connect again: the prompt comes."}},
		Source: []string{oktaInstall, "https://github.com/privacyidea/privacyidea-credential-provider/issues/86"},
	},
	{
		ID:         "okta-host-locked-out",
		Title:      "Nobody can log in to a host, because Okta's agent fails and hides every other way",
		Means:      "The agent is broken or cannot reach the org, and its filter hides the providers that Windows would offer. Switching the agent off in the registry, from another machine or from the recovery console, gives the password login back.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Find the agent's provider and filter over the network, or in the registry of the disk if the host was started from other media.", Commands: []string{
				`reg query "\\HOST\HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Providers" /s /f Okta`,
				`reg query "\\HOST\HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Provider Filters" /s /f Okta`,
			}},
			{Text: "Switch off the provider, and export and remove the filter too: a filter left alone can hide everything.", Commands: []string{
				`reg add "\\HOST\HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Providers\CLSID" /v Disabled /t REG_DWORD /d 1 /f`,
				`reg delete "\\HOST\HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Provider Filters\CLSID"`,
			}},
			{Text: "Log in, mend what the agent's log tells, and switch it on again.", Commands: []string{`sallyport diagnose "` + oktaLogs + `"`}},
		},
		Verify: []Step{{Text: "A person logs in with a second factor, and the break-glass steps are written down where they can be read without this host."}},
		Source: []string{oktaGuide, "https://learn.microsoft.com/windows/win32/secauthn/credential-providers-in-windows"},
	},
	{
		ID:    "okta-wrong-credentials",
		Title: "Okta refused what the person typed or answered",
		Means: "The System Log says that password, code or answer did not match. A person mistyped, uses an old password, or reads the code of another account; many in a short time from one address are guesses.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Let the person try again, with the code of the account that carries the org's address."},
			{Text: "If codes are always wrong, compare the clock of the phone; enrol the factor anew if that is right."},
		},
		Verify: []Step{{Text: "The next event of this user is a success.", Commands: []string{`eventType eq "user.authentication.auth_via_mfa" and actor.alternateId eq "USER"`}}},
		Source: []string{oktaEvents},
		Signs: []Sign{
			{Code: "okta-system-log:invalid_credentials", Confidence: Proven, Why: "it is the reason that Okta gave"},
			{Code: "okta-system-log:verification_error", Confidence: Likely, Why: "it is Okta's reason for an answer that did not verify"},
		},
	},
	{
		ID:     "okta-locked-out",
		Title:  "The user is locked out in Okta",
		Means:  "After too many failures the org locked the account; until it is unlocked, the right password and factor are refused too.",
		Who:    oktaAdmin,
		Remedy: []Step{{Text: "Find where the failures came from before unlocking: a device with an old password locks the account again at once.", Commands: []string{`eventType eq "user.session.start" and outcome.result eq "FAILURE" and actor.alternateId eq "USER"`}}, {Text: "Unlock the person under Directory, People."}},
		Verify: []Step{{Text: "The next sign-in of this user is a success."}},
		Source: []string{oktaEvents},
		Signs:  []Sign{{Code: "okta-system-log:locked_out", Confidence: Proven, Why: "it is the reason that Okta gave"}},
	},
	{
		ID:     "okta-push-denied",
		Title:  "The person rejected the push of Okta Verify",
		Means:  "Somebody pressed No. Either the person did not recognize the request, or did not make it: then somebody else knows the password.",
		Who:    "the person",
		Remedy: []Step{{Text: "Ask the person, by another way than this login, whether the request was theirs."}, {Text: "If it was not, reset the password and end the sessions of the user in Okta."}},
		Verify: []Step{{Text: "The person approves a push of their own, and no further ones come."}},
		Source: []string{oktaEvents},
		Signs:  []Sign{{Code: "okta-system-log:deny-push", Confidence: Proven, Why: "it is the event of a rejected push"}},
	},
	{
		ID:         "okta-policy-deny",
		Title:      "A sign-on policy of Okta denied the login",
		Means:      "A rule that says DENY matched first: by network zone, device, group or risk. The event names policy and rule among its targets.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy:     []Step{{Text: "Open the event in the System Log and read its targets: PolicyEntity and PolicyRule.", Commands: []string{`eventType eq "policy.evaluate_sign_on" and outcome.result eq "DENY"`}}, {Text: "Mend the rule's conditions, or put a rule for these people before it."}},
		Verify:     []Step{{Text: "The evaluation for this user ends in ALLOW or CHALLENGE."}},
		Source:     []string{oktaEvents},
		Signs:      []Sign{{Code: "okta-system-log:policy-deny", Confidence: Proven, Why: "the evaluation of the policy ended in DENY"}},
	},
	{
		ID:    "okta-generic-failure",
		Title: "Okta's agent shows Multi Factor Authentication Failed",
		Means: "The logon screen shows this one sentence for every failure: TLS, wrong secret, a user who is not assigned, another credential provider, and a wrong password alike. It does not say that the second factor was wrong. The reason is in the logs on the host.",
		Who:   windowsHost,
		Remedy: []Step{
			{Text: "Read the two logs of the agent on the host.", Commands: []string{`sallyport diagnose "` + oktaLogs + `"`}},
			{Text: "Search OktaWidget.log for the name of the user.", Commands: []string{`Select-String USER "` + oktaLogs + `\OktaWidget.log"`}},
		},
		Verify: []Step{{Text: "The finding is replaced by one that names the reason."}},
		Source: []string{oktaGuide},
		Signs: []Sign{
			{Text: "Multi Factor Authentication Failed", Confidence: Possible, Why: "the sentence stands for any failure of the agent"},
			{Text: "Multi-Factor Authentication Failed", Confidence: Possible, Why: "the sentence stands for any failure of the agent"},
		},
	},
}
