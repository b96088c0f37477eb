package diagnose

// Where the extension's errors are known from.
const (
	npsErrors   = "https://learn.microsoft.com/entra/identity/authentication/howto-mfa-nps-extension-errors"
	npsHowTo    = "https://learn.microsoft.com/entra/identity/authentication/howto-mfa-nps-extension"
	npsAdvanced = "https://learn.microsoft.com/entra/identity/authentication/howto-mfa-nps-extension-advanced"
	npsNumber   = "https://learn.microsoft.com/entra/identity/authentication/how-to-mfa-number-match"
)

const (
	whoNPS    = "Windows administrator of the NPS server"
	whoTenant = "administrator of the Microsoft Entra tenant"
)

const azureMfaKey = `HKLM:\SOFTWARE\Microsoft\AzureMfa`

// npsRejected are the symptoms that a reason given by the extension explains: the
// Security event that its refusal leads to.
var npsRejected = []string{"nps-extension-rejected"}

// npsExtensionCodes are the errors and answers that have a cause of their own.
var npsExtensionCodes = []string{
	"challenge", "primary-rejected",
	"CONTACT_SUPPORT", "CLIENT_CERT_INSTALL_ERROR", "ESTS_TOKEN_ERROR", "HTTPS_COMMUNICATION_ERROR", "HTTP_CONNECT_ERROR",
	"REGISTRY_CONFIG_ERROR", "REQUEST_FORMAT_ERROR", "REQUEST_MISSING_CODE", "USERNAME_CANONICALIZATION_ERROR", "ALTERNATE_LOGIN_ID_ERROR",
	"AccessDenied", "AuthenticationMethodNotConfigured", "AuthenticationMethodNotSupported", "BecAccessDenied",
	"InvalidFormat", "StrongAuthenticationServiceInvalidParameter", "InvalidSession", "NoDefaultAuthenticationMethodIsConfigured",
	"OathCodePinIncorrect", "SMSAuthFailedWrongCodePinEntered", "ProofDataNotFound", "TenantIsBlocked", "UserNotFound",
	"OathCodeIncorrect", "SMSAuthFailedWrongCodeEntered", "SMSAuthFailedMaxAllowedCodeRetryReached",
	"AuthenticationThrottled", "AuthenticationMethodLimitReached", "InvalidParameter", "InternalError", "VersionNotSupported", "MFAPinNotSetup",
}

// npsExtensionVerify is how to see that logins through the extension work again. The
// words of the extension for it stand in no table of Microsoft, only in logs that
// people have shown, such as https://github.com/MicrosoftDocs/azure-docs/issues/57289.
var npsExtensionVerify = []Step{{
	Text: "Let the person sign in again: the extension writes \"Access Accepted for user\", and NPS event 6272.",
	Commands: []string{
		"Get-WinEvent -LogName AuthZOptCh -MaxEvents 20 | Format-List TimeCreated,Message",
		"Get-WinEvent -FilterHashtable @{LogName='Security';Id=6272,6273,6274} -MaxEvents 20 | Format-List TimeCreated,Message",
	},
}}

var restartNPS = Step{Text: "Restart NPS.", Commands: []string{"Restart-Service IAS"}}

// says makes the signs of an error of the extension: its name in an attempt.
func says(names ...string) []Sign {
	var signs []Sign
	for _, name := range names {
		signs = append(signs, Sign{
			Code: npsExtensionSpace + name, Confidence: Proven,
			Why: "The extension itself names this as the reason.",
		})
	}
	return signs
}

// contactSupport is the remedy for what Microsoft names no other for.
var contactSupport = []Step{
	{Text: "Let the extension log all it knows, repeat the login, and turn it off again.", Commands: []string{
		`Set-ItemProperty "` + azureMfaKey + `" VERBOSE_LOG TRUE`, "Restart-Service IAS", `Set-ItemProperty "` + azureMfaKey + `" VERBOSE_LOG FALSE`,
	}},
	{Text: "Take the channels out of the event log, and ask Microsoft's support with them, the tenant's ID, the person's user principal name, the time, and the CID of the message.", Commands: []string{
		`wevtutil epl AuthNOptCh AuthNOptCh.evtx`, `wevtutil epl AuthZOptCh AuthZOptCh.evtx`, `wevtutil epl AuthZAdminCh AuthZAdminCh.evtx`,
	}},
}

var extensionCertificate = []Step{
	{Text: "See whether the extension's certificate (subject CN=TENANT-ID,OU=Microsoft NPS Extension) is in the store of the computer, when it ends - it is made for two years - and whether it has a private key.", Commands: []string{
		`Get-ChildItem Cert:\LocalMachine\My | Where-Object Subject -like "*Microsoft NPS Extension*" | Format-List Subject,NotAfter,Thumbprint,HasPrivateKey`,
	}},
	{Text: "See whether the service principal of the extension exists in the tenant and is enabled, and whether it carries that certificate.", Commands: []string{
		`Get-MgServicePrincipal -Filter "appId eq '981f26a1-7f43-403b-a875-f8b09b8cd720'" | Format-List AccountEnabled,KeyCredentials`,
	}},
	{Text: "If the certificate is missing, expired or another, run the setup script of the extension again: it makes one, ties it to the tenant and lets NETWORK SERVICE read its key. Delete an expired one afterwards, for it can stop the extension. From version 1.2.2893.1 on CLIENT_CERT_IDENTIFIER in the registry may name another certificate, by its thumbprint.", Commands: []string{
		`Set-Location "C:\Program Files\Microsoft\AzureMfa\Config"`, `.\AzureMfaNpsExtnConfigSetup.ps1`,
	}},
	restartNPS,
}

var extensionNetwork = []Step{
	{Text: "See from the NPS server whether the services answer on port 443.", Commands: []string{
		"Test-NetConnection adnotifications.windowsazure.com -Port 443", "Test-NetConnection login.microsoftonline.com -Port 443", "Test-NetConnection strongauthenticationservice.auth.microsoft.com -Port 443",
		"sallyport check https://adnotifications.windowsazure.com",
	}},
	{Text: "Open the firewall and the proxy for these names, and exclude them from TLS inspection. The service runs as NETWORK SERVICE, which uses the proxy of WinHTTP and not that of a person.", Commands: []string{"netsh winhttp show proxy"}},
	{Text: "See that TLS 1.2 is on for clients, and event 36871 of Schannel is not in the System log.", Commands: []string{
		`Get-WinEvent -FilterHashtable @{LogName='System';ProviderName='Schannel'} -MaxEvents 20 | Format-List TimeCreated,Id,Message`,
	}},
	restartNPS,
}

var extensionMethods = []Step{
	{Text: "Let the person open https://aka.ms/mfasetup, add a method and choose a default one: the extension can use only the default method."},
	{Text: "See which methods the person has.", Commands: []string{"Get-MgUserAuthenticationMethod -UserId USER@DOMAIN"}},
}

// npsExtensionCauses are the errors of the NPS extension for Azure MFA.
var npsExtensionCauses = []Cause{
	{
		ID: "nps-ext-contact-support", Title: "The NPS extension failed in a way that it has no name for (CONTACT_SUPPORT)",
		Means:      "The extension met an error that it does not classify. The text after \"Msg::\" is all that it says of it.",
		MFAAtFault: true, Who: whoNPS, Remedy: contactSupport, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("CONTACT_SUPPORT"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-client-certificate", Title: "The NPS extension's client certificate is not installed or not tied to the tenant",
		Means:      "The extension proves to Microsoft Entra which tenant it serves with a certificate that its setup script makes. It could not find that certificate, or could not use its key, or the tenant does not know it. Nobody can log in.",
		MFAAtFault: true, Who: whoNPS, Remedy: extensionCertificate, Verify: npsExtensionVerify, Source: []string{npsErrors, npsHowTo},
		Signs: says("CLIENT_CERT_INSTALL_ERROR"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-ests-token", Title: "The NPS extension got no token: certificate, service principal or token service",
		Means: "Before each second factor the extension fetches a token from the token service (STS_URL), with its client certificate. It got none: " +
			"the certificate has expired - it lasts two years -, is not in the tenant or cannot be read by NETWORK SERVICE; or the extension's application is disabled in the tenant; or the token service cannot be reached. Nobody can log in.",
		MFAAtFault: true, Who: whoNPS, Remedy: append(extensionCertificate[:len(extensionCertificate)-1:len(extensionCertificate)-1], extensionNetwork...),
		Verify: npsExtensionVerify,
		Source: []string{npsErrors, npsHowTo, "https://www.risual.com/2019/09/azure-mfa-integration-with-nps-adfs-not-working/"},
		Signs:  says("ESTS_TOKEN_ERROR"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-https", Title: "The NPS extension got no answer from the MFA service (HTTPS_COMMUNICATION_ERROR)",
		Means:      "The request went out and no answer came back: a firewall or proxy that lets one direction through only, an inspection of TLS, or TLS 1.2 switched off on the server.",
		MFAAtFault: false, Who: "administrator of the network and of the NPS server", Remedy: extensionNetwork, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("HTTPS_COMMUNICATION_ERROR"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-connect", Title: "The NPS extension cannot connect to the MFA service (HTTP_CONNECT_ERROR)",
		Means:      "No connection from the NPS server to the notification or login service came about: name resolution, a firewall, or a proxy that the service account does not use.",
		MFAAtFault: false, Who: "administrator of the network and of the NPS server", Remedy: extensionNetwork, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("HTTP_CONNECT_ERROR"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-primary-rejected", Title: "The first factor was refused before the NPS extension was asked",
		Means: "The extension acts only after NPS has accepted the user name and password. It was handed a request that NPS had refused already, and ignored it: " +
			"the password was wrong, the account may not dial in, no network policy fits, or - more rarely - the service did not answer or the person has no licence. The Security event 6273 of the same second has NPS's reason.",
		MFAAtFault: false, Who: whoNPS,
		Remedy: []Step{
			{Text: "Read the reason in event 6273 for the same user. If there is none, failures are not audited: switch that on.", Commands: []string{
				`auditpol /set /subcategory:"Network Policy Server" /success:enable /failure:enable`,
				"Get-WinEvent -FilterHashtable @{LogName='Security';Id=6273} -MaxEvents 20 | Format-List TimeCreated,Message",
			}},
			{Text: "On the tab Dial-in of the account, choose \"Control access through NPS Network Policy\"."},
			{Text: "See that the person has a licence that includes MFA, and that the server reaches the service.", Commands: []string{"Test-NetConnection adnotifications.windowsazure.com -Port 443"}},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: []Sign{{
			Code: npsExtensionSpace + "primary-rejected", Confidence: Likely,
			Why: "The extension says that NPS had refused before; why, only NPS's own event tells.",
		}},
	},
	{
		ID: "nps-ext-inner-challenge", Title: "The NPS extension let a step of the first factor pass by (AccessChallenge)",
		Means: "The first factor takes several messages, as EAP does, and the extension was handed one of them that is not the last. It leaves it alone; accept or reject follows. It is not an error.",
		Note:  true, Who: "nobody",
		Remedy: []Step{{Text: "Nothing, if logins work. If people get in without a second factor, look at the policies: the client may finish with another server."}},
		Verify: npsExtensionVerify, Source: []string{"https://github.com/MicrosoftDocs/azure-docs/issues/111710", npsErrors},
		Signs: []Sign{{
			Text: "only performs Secondary Auth", And: []string{"response state AccessChallenge"}, Confidence: Proven,
			Why: "The extension says that it ignored a challenge.",
		}},
	},
	{
		ID: "nps-ext-registry-config", Title: "A registry value that the NPS extension needs is missing",
		Means:      "The extension reads its settings under HKLM\\SOFTWARE\\Microsoft\\AzureMfa, and one is not there; the message names it. Mostly the setup script was not run after the installation or after an upgrade.",
		MFAAtFault: true, Who: whoNPS,
		Remedy: []Step{
			{Text: "Compare the values with those that the setup script writes.", Commands: []string{`Get-ItemProperty "` + azureMfaKey + `"`}},
			{Text: "Run the setup script of the extension again.", Commands: []string{`Set-Location "C:\Program Files\Microsoft\AzureMfa\Config"`, `.\AzureMfaNpsExtnConfigSetup.ps1`}},
			restartNPS,
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors, npsAdvanced},
		Signs: []Sign{{
			Text: "REGISTRY_CONFIG_ERROR", Not: []string{"IP_WHITELIST"}, Confidence: Proven, Why: "The extension says which value it did not find.",
		}},
		Hides: npsRejected,
	},
	{
		ID: "nps-ext-ip-whitelist", Title: "The NPS extension has no list of addresses that need no second factor",
		Means: "The value IP_WHITELIST is not in the registry, so that nobody is excepted. The extension says so at each request, in the words of an error; logins are not touched by it.",
		Note:  true, Who: whoNPS,
		Remedy: []Step{{Text: "Create the value, empty, to silence it.", Commands: []string{`New-ItemProperty "` + azureMfaKey + `" -Name IP_WHITELIST -PropertyType String -Value ""`, "Restart-Service IAS"}}},
		Verify: []Step{{Text: "The next login brings no message with IP_WHITELIST."}}, Source: []string{npsErrors, "https://github.com/MicrosoftDocs/azure-docs/issues/57289"},
		Signs: []Sign{{Text: "REGISTRY_CONFIG_ERROR", And: []string{"IP_WHITELIST"}, Confidence: Proven, Why: "The message names the value."}},
	},
	{
		ID: "nps-ext-nas-attributes", Title: "RADIUS requests name neither NAS-Identifier nor NAS-IP-Address",
		Means: "RFC 2865, Section 4.1 asks for one of the two. Without NAS-IP-Address the extension cannot apply IP_WHITELIST. It says itself that this is not an error.",
		Note:  true, Who: "administrator of the RADIUS client",
		Remedy: []Step{{Text: "Let the VPN gateway or other client send NAS-IP-Address or NAS-Identifier; mostly it is one setting beside the RADIUS server's address."}},
		Verify: []Step{{Text: "Event 6272 has a value at NAS IPv4 Address or NAS Identifier."}},
		Source: []string{"https://github.com/MicrosoftDocs/azure-docs/issues/47176", "RFC 2865, Section 4.1", npsAdvanced},
		Signs:  []Sign{{Text: "Radius request is missing NAS Identifier", Confidence: Proven, Why: "The extension says so."}},
	},
	{
		ID: "nps-ext-request-format", Title: "The NPS extension was given a request without a user name",
		Means:      "There was no User-Name and no identifier in the request. Mostly the extension is installed on an NPS that receives no RADIUS, as the one that comes with RD Gateway or RRAS for its own use.",
		MFAAtFault: true, Who: whoNPS,
		Remedy: []Step{
			{Text: "Install the extension on a separate NPS server, and let RD Gateway or RRAS send RADIUS to that one."},
			{Text: "Uninstall the extension where NPS is only a part of RD Gateway or RRAS."},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("REQUEST_FORMAT_ERROR"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-missing-code", Title: "The person's method needs a code, and the protocol cannot carry one (REQUEST_MISSING_CODE)",
		Means:      "Codes from text messages, apps and tokens come back as the password of a second request, which only PAP can carry. With MS-CHAPv2 or EAP only a call or an app notification works.",
		MFAAtFault: true, Who: whoNPS,
		Remedy: []Step{
			{Text: "Set the RADIUS client and the network policy to PAP, in a network that is trusted or over IPsec, for PAP hides the password with the shared secret only."},
			{Text: "Or let the person choose a call or an app notification as the default method."},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors, npsHowTo},
		Signs: says("REQUEST_MISSING_CODE"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-challenge-non-pap", Title: "A code was asked for, and no answer came: the protocol or the application cannot carry it",
		Means: "The extension wanted a code from the person - since version 1.2.2216.1 it does so for everybody who has a code method, because NPS cannot show a number to match. " +
			"That needs PAP and a client that shows a challenge. RD Gateway, MS-CHAPv2 and EAP cannot, so that the login ends here.",
		MFAAtFault: true, Who: whoNPS,
		Remedy: []Step{
			{Text: "Where the client can show a challenge, let it speak PAP to NPS."},
			{Text: "Where it cannot, as RD Gateway, let the extension ask for approval instead of a code.", Commands: []string{
				`New-ItemProperty "` + azureMfaKey + `" -Name OVERRIDE_NUMBER_MATCHING_WITH_OTP -PropertyType String -Value FALSE -Force`, "Restart-Service IAS",
			}},
		},
		Verify: npsExtensionVerify,
		Source: []string{npsNumber, "https://github.com/MicrosoftDocs/azure-docs/blob/00d10cfd8bdfc15e762ea70a7834af7bb8c59057/articles/active-directory/authentication/how-to-mfa-number-match.md"},
		Signs: []Sign{{
			Code: npsExtensionSpace + "challenge", Verdicts: []Verdict{Challenged}, Confidence: Likely,
			Why: "The log has the question and no decision after it. A person who gave up would look the same.",
		}},
		Hides: npsRejected,
	},
	{
		ID: "nps-ext-code-prompt", Title: "The RADIUS client was asked for a verification code",
		Means: "\"Enter your Microsoft validation code\" is the text of an Access-Challenge of the NPS extension. It is no error: the client should show it with a field. " +
			"Where it shows as an error message, the client does not support challenges, or it shows them after it has given up.",
		Note: true, Who: "administrator of the RADIUS client",
		Remedy: []Step{
			{Text: "Let the person type the code into the field that belongs to the message."},
			{Text: "If there is no field, switch challenges on in the client, or let the extension ask for approval instead of a code.", Commands: []string{
				`New-ItemProperty "` + azureMfaKey + `" -Name OVERRIDE_NUMBER_MATCHING_WITH_OTP -PropertyType String -Value FALSE -Force`, "Restart-Service IAS",
			}},
		},
		Verify: npsExtensionVerify, Source: []string{"https://github.com/FreeRADIUS/pam_radius/issues/67", npsNumber},
		Signs: []Sign{{Text: "Enter your Microsoft validation code", Confidence: Likely, Why: "No other product words its question so; whether the client can answer it, the line does not say."}},
	},
	{
		ID: "nps-ext-canonicalization", Title: "The NPS extension cannot find the user in Active Directory (USERNAME_CANONICALIZATION_ERROR)",
		Means:      "The extension looks up the account that NPS has accepted, to get its user principal name, and did not find it or may not read it. Trusts between forests lead here too.",
		MFAAtFault: false, Who: whoNPS,
		Remedy: []Step{
			{Text: "See that the account exists and has a user principal name.", Commands: []string{"Get-ADUser USERNAME -Properties UserPrincipalName,CanonicalName"}},
			{Text: "Register the NPS server in Active Directory, so that it may read accounts.", Commands: []string{"netsh nps add registeredserver"}},
			{Text: "For people of another forest, set LDAP_LOOKUP_FORESTS, or ask Microsoft's support."},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors, npsAdvanced},
		Signs: says("USERNAME_CANONICALIZATION_ERROR"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-alternate-id-sid", Title: "Alternate login ID: the user was not found on the premises",
		Means:      "The extension looks for the account by its SID (userObjectSid) before it reads the alternate login ID, and did not find it.",
		MFAAtFault: false, Who: whoNPS,
		Remedy: []Step{{Text: "See that the account exists in the forest of the NPS server; for other forests, set LDAP_LOOKUP_FORESTS.", Commands: []string{"Get-ADUser USERNAME -Properties objectSid"}}},
		Verify: npsExtensionVerify, Source: []string{npsErrors, npsAdvanced},
		Signs: []Sign{{Text: "userObjectSid lookup failed", Confidence: Proven, Why: "The extension says which step failed."}},
		Hides: npsRejected,
	},
	{
		ID: "nps-ext-alternate-id-lookup", Title: "Alternate login ID: the attribute cannot be looked up",
		Means:      "LDAP_ALTERNATE_LOGINID_ATTRIBUTE names no attribute of Active Directory, or the lookup goes to a global catalog that does not hold this attribute, or the list of forests is wrong.",
		MFAAtFault: true, Who: whoNPS,
		Remedy: []Step{
			{Text: "Check the three settings: the attribute's name, and, if there is more than one forest, semicolons and no blanks between them.", Commands: []string{`Get-ItemProperty "` + azureMfaKey + `" | Format-List LDAP_ALTERNATE_LOGINID_ATTRIBUTE,LDAP_FORCE_GLOBAL_CATALOG,LDAP_LOOKUP_FORESTS`}},
			{Text: "If a global catalog is asked, see that the attribute is in it.", Commands: []string{`Get-ADObject -SearchBase (Get-ADRootDSE).schemaNamingContext -LDAPFilter "(lDAPDisplayName=ATTRIBUTE)" -Properties isMemberOfPartialAttributeSet`}},
			restartNPS,
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors, npsAdvanced},
		Signs: []Sign{{Text: "Alternate LoginId lookup failed", Confidence: Proven, Why: "The extension says which step failed."}},
		Hides: npsRejected,
	},
	{
		ID: "nps-ext-alternate-id-empty", Title: "Alternate login ID: the user's attribute is empty",
		Means:      "The extension is set to take the user name for the cloud from an attribute of the account, and this account has nothing there.",
		MFAAtFault: false, Who: "administrator of the directory",
		Remedy: []Step{{Text: "Fill the attribute.", Commands: []string{`Set-ADUser USERNAME -Replace @{ATTRIBUTE="USER@DOMAIN"}`}}},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: []Sign{{Text: "Alternate LoginId value is empty", Confidence: Proven, Why: "The extension says so."}},
		Hides: npsRejected,
	},
	{
		ID: "nps-ext-access-denied", Title: "The user is not of the tenant that the NPS extension belongs to (AccessDenied)",
		Means:      "The domain of the person's user principal name is not one of the tenant whose certificate the extension has.",
		MFAAtFault: false, Who: whoTenant,
		Remedy: []Step{
			{Text: "Compare the user principal name's domain with the tenant's domains and the tenant's ID with the registry.", Commands: []string{`(Get-ItemProperty "` + azureMfaKey + `").TENANT_ID`, "Get-MgDomain"}},
			{Text: "If the names differ on purpose, set LDAP_ALTERNATE_LOGINID_ATTRIBUTE to the attribute with the cloud's name."},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("AccessDenied"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-method-not-configured", Title: "The user has not set up the method (AuthenticationMethodNotConfigured)",
		Means:      "The method that was to be used is not registered for this person.",
		MFAAtFault: false, Who: whoPerson, Remedy: extensionMethods, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("AuthenticationMethodNotConfigured"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-method-not-supported", Title: "The user's method is not supported (AuthenticationMethodNotSupported)",
		Means:      "The service does not offer the person's default method to the extension.",
		MFAAtFault: true, Who: whoTenant, Remedy: append(extensionMethods[:2:2], contactSupport...), Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("AuthenticationMethodNotSupported"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-bec-access-denied", Title: "The user is not in the tenant (BecAccessDenied)",
		Means:      "The account is in Active Directory and was not brought into the tenant by synchronization, or it was taken out of it.",
		MFAAtFault: false, Who: whoTenant,
		Remedy: []Step{
			{Text: "See whether the tenant has the person.", Commands: []string{"Get-MgUser -UserId USER@DOMAIN"}},
			{Text: "Take the account into the scope of synchronization and start it.", Commands: []string{"Start-ADSyncSyncCycle -PolicyType Delta"}},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("BecAccessDenied"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-phone-format", Title: "The user's phone number is in a form that cannot be used",
		Means:      "The service cannot read the phone number of the method (InvalidFormat, StrongAuthenticationServiceInvalidParameter).",
		MFAAtFault: true, Who: whoPerson,
		Remedy: []Step{{Text: "Correct the number: + and country code, a blank, the number, and x before an extension.", Commands: []string{"Get-MgUserAuthenticationPhoneMethod -UserId USER@DOMAIN"}}},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("InvalidFormat", "StrongAuthenticationServiceInvalidParameter"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-invalid-session", Title: "The second factor took longer than three minutes (InvalidSession)",
		Means:      "The session of the second factor ends after three minutes. The person answered later, or the network between client, NPS and service was slow, or the answer belongs to another session.",
		MFAAtFault: false, Who: whoPerson,
		Remedy: []Step{
			{Text: "Let the person answer within three minutes."},
			{Text: "Set the RADIUS client's time-out to 60 seconds or more (90 to 120 if needed), with one try, so that it does not open a second session meanwhile."},
			{Text: "See how long the way from the NPS server is.", Commands: []string{"Test-NetConnection adnotifications.windowsazure.com -Port 443 -InformationLevel Detailed"}},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors, npsHowTo},
		Signs: says("InvalidSession"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-no-default-method", Title: "The user has no default method (NoDefaultAuthenticationMethodIsConfigured)",
		Means:      "The extension uses only the default method, and the person has none.",
		MFAAtFault: false, Who: whoPerson, Remedy: extensionMethods, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("NoDefaultAuthenticationMethodIsConfigured"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-wrong-code-pin", Title: "Wrong code and PIN, an answer that the NPS extension should not get",
		Means:      "The service says that a code with a PIN was wrong (OathCodePinIncorrect, SMSAuthFailedWrongCodePinEntered). The extension has no PINs, so that Microsoft does not expect this.",
		MFAAtFault: true, Who: whoTenant, Remedy: contactSupport, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("OathCodePinIncorrect", "SMSAuthFailedWrongCodePinEntered"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-proof-data", Title: "The user's method has no data (ProofDataNotFound)",
		Means:      "The method is the person's default, and what it needs - the number, the app - is not there.",
		MFAAtFault: true, Who: whoPerson, Remedy: append(extensionMethods[:2:2], Step{Text: "If it stays so with a new method, ask Microsoft's support."}),
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("ProofDataNotFound"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-tenant-blocked", Title: "The tenant is blocked (TenantIsBlocked)",
		Means:      "Microsoft has blocked the tenant's use of the MFA service. Nobody can log in.",
		MFAAtFault: true, Who: whoTenant, Remedy: []Step{{Text: "Ask Microsoft's support, with the directory ID of the tenant.", Commands: []string{`(Get-ItemProperty "` + azureMfaKey + `").TENANT_ID`}}},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("TenantIsBlocked"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-user-not-found", Title: "The MFA service does not know the user, or the tenant (UserNotFound)",
		Means: "The service was asked about a name that is in no account of the tenant: the person is not synchronized, or has another user principal name there, or the tenant is not active any more. " +
			"Where REQUIRE_USER_MATCH is TRUE or absent, a person who is not enrolled is refused so; FALSE lets those through who are in the tenant and not enrolled, and does not help for a name that the tenant does not have.",
		MFAAtFault: false, Who: whoTenant,
		Remedy: []Step{
			{Text: "See whether the tenant has an account with exactly the name of the message.", Commands: []string{"Get-MgUser -UserId USER@DOMAIN"}},
			{Text: "If the name differs from that in Active Directory, set LDAP_ALTERNATE_LOGINID_ATTRIBUTE to the attribute that has the cloud's name; if the account is missing, synchronize it.", Commands: []string{"Start-ADSyncSyncCycle -PolicyType Delta"}},
			{Text: "If it strikes everybody: see that the subscription is active, the extension's application is in the tenant and enabled, and the certificate's subject has the right tenant.", Commands: []string{`Get-ChildItem Cert:\LocalMachine\My | Where-Object Subject -like "*Microsoft NPS Extension*" | Format-List Subject,NotAfter`}},
			{Text: "While people enrol, REQUIRE_USER_MATCH set to FALSE lets those in with the password alone who have no method yet.", Commands: []string{`Set-ItemProperty "` + azureMfaKey + `" REQUIRE_USER_MATCH FALSE`, "Restart-Service IAS"}},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors, npsHowTo},
		Signs: says("UserNotFound"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-wrong-code", Title: "The user typed a wrong code",
		Means:      "The code from the app, the token or the text message did not match (OathCodeIncorrect, SMSAuthFailedWrongCodeEntered). Nothing is broken, unless it is always so for one person: then the clock of the phone or the registration is wrong.",
		MFAAtFault: false, Who: whoPerson,
		Remedy: []Step{{Text: "Let the person sign in again and type the newest code; set the phone's time to automatic."}},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("OathCodeIncorrect", "SMSAuthFailedWrongCodeEntered"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-max-code-retry", Title: "The user typed too many wrong codes",
		Means:      "The challenge failed too often (SMSAuthFailedMaxAllowedCodeRetryReached). By the tenant's settings the person may be blocked now.",
		MFAAtFault: false, Who: whoTenant,
		Remedy: []Step{{Text: "Let the person wait and sign in again; unblock them under Multifactor authentication, Block/unblock users, if they are on the list."}},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("SMSAuthFailedMaxAllowedCodeRetryReached"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-throttled", Title: "Too many second factors in a short time",
		Means: "The service has throttled the person (AuthenticationThrottled), or one of the person's methods, as calls or text messages (AuthenticationMethodLimitReached). " +
			"Mostly a RADIUS client repeats its request while the person is still answering, or somebody has the password and tries on.",
		MFAAtFault: false, Who: "administrator of the RADIUS client",
		Remedy: []Step{
			{Text: "Set the RADIUS client's time-out to 60 seconds or more, with one try."},
			{Text: "Ask the person whether it was they who were signing in; if not, change the password."},
			{Text: "Let the person wait, or use a code or the app instead of calls and text messages."},
		},
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("AuthenticationThrottled", "AuthenticationMethodLimitReached"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-invalid-parameter", Title: "The MFA service calls the NPS extension's request invalid (InvalidParameter)",
		Means:      "One value of the request was missing, too long or unreadable; the message says which. Microsoft names no remedy.",
		MFAAtFault: true, Who: whoTenant, Remedy: contactSupport, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("InvalidParameter"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-internal-error", Title: "The MFA service failed (InternalError)",
		Means:      "The service itself broke while it decided. Microsoft names no remedy.",
		MFAAtFault: true, Who: whoTenant, Remedy: contactSupport, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("InternalError"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-version", Title: "The MFA service no longer takes this version of the NPS extension (VersionNotSupported)",
		Means:      "The extension speaks a version of the protocol that the service does not serve.",
		MFAAtFault: true, Who: whoNPS,
		Remedy: append([]Step{{Text: "See which version is installed, and install the current one.", Commands: []string{`Get-Item "C:\Program Files\Microsoft\AzureMfa\Extensions\MfaNpsAuthzExt.dll" | Select-Object -ExpandProperty VersionInfo`}}, restartNPS}, contactSupport...),
		Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("VersionNotSupported"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-pin-not-set", Title: "The user's method wants a PIN that was never set (MFAPinNotSetup)",
		Means:      "The service expects a PIN for the person's method, and there is none. Microsoft names no remedy.",
		MFAAtFault: true, Who: whoTenant, Remedy: append(extensionMethods[:1:1], contactSupport...), Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: says("MFAPinNotSetup"), Hides: npsRejected,
	},
	{
		ID: "nps-ext-other", Title: "The NPS extension refused for a reason that Microsoft does not explain",
		Means:      "The extension names an error or an answer of the service that is in no public table. The text beside it is all that is known.",
		MFAAtFault: true, Who: whoTenant, Remedy: contactSupport, Verify: npsExtensionVerify, Source: []string{npsErrors},
		Signs: []Sign{{Code: npsExtensionSpace + "other", Confidence: Possible, Why: "The name is not in Microsoft's table."}},
		Hides: npsRejected,
	},
	{
		ID: "nps-ext-service-principal", Title: "The NPS extension's application is not in the tenant",
		Means:      "The setup script found no service principal for the application of the extension (981f26a1-7f43-403b-a875-f8b09b8cd720): it was never made or has been disabled. Without it the extension gets no token.",
		MFAAtFault: true, Who: whoTenant,
		Remedy: []Step{
			{Text: "Create it, and enable it.", Commands: []string{`New-MgServicePrincipal -AppId 981f26a1-7f43-403b-a875-f8b09b8cd720`, `Update-MgServicePrincipal -ServicePrincipalId OBJECT-ID -AccountEnabled:$true`}},
			{Text: "Run the setup script again.", Commands: []string{`Set-Location "C:\Program Files\Microsoft\AzureMfa\Config"`, `.\AzureMfaNpsExtnConfigSetup.ps1`}},
		},
		Verify: npsExtensionVerify, Source: []string{npsHowTo},
		Signs: []Sign{{Text: "Service principal was not found", Confidence: Likely, Why: "The setup script says so; other programs of the tenant's administrators may use the same words."}},
	},
}
