package diagnose

// Where the knowledge about Okta Device Access is from.
const (
	odaMacRecovery = "https://support.okta.com/help/s/article/macos-desktop-mfa-recovery-troubleshooting"
	odaWinRecovery = "https://support.okta.com/help/s/article/windows-desktop-mfa-recovery-troubleshooting"
	odaRecovery    = "https://help.okta.com/oie/en-us/content/topics/oda/windows-mfa/desktop-mfa-recovery-win.htm"
	odaMacSign     = "https://support.okta.com/help/s/article/resolving-sign-in-issues-for-macos-desktop-mfa"
	odaOffline     = "https://support.okta.com/help/s/article/users-are-unable-to-login-using-the-offline-device-access-code"
	odaPeriod      = "https://support.okta.com/help/s/article/maximum-value-for-the-loginperiodwithofflinefactor-parameter-in-macos-mfa-policies"
	odaWinTrouble  = "https://help.okta.com/oie/en-us/content/topics/oda/windows-mfa/troubleshoot-win-mfa.htm"
	odaMacTrouble  = "https://help.okta.com/oie/en-us/content/topics/oda/macos-mfa/troubleshoot-macos-mfa.htm"
	odaWinPolicy   = "https://help.okta.com/oie/en-us/content/topics/oda/windows-mfa/configure-win-mfa-policies.htm"
	odaMacPolicy   = "https://help.okta.com/oie/en-us/content/topics/oda/macos-mfa/configure-and-deploy-macos-mfa-policies.htm"
	odaSCEP        = "https://help.okta.com/oie/en-us/content/topics/oda/oda-as-scep.htm"
	odaFAQ         = "https://help.okta.com/oie/en-us/content/topics/identity-engine/devices/devices-client-certificates-FAQs.htm"
	odaExclude     = "https://support.okta.com/help/s/article/exclude-credential-provider-from-desktop-mfa"
	odaVerifyURL   = "https://support.okta.com/help/s/article/okta-verify-enrollment-on-windows-fails-with-a-sign-in-url-is-not-secure-or-generic-enrollment-error"
	odaVerifyKey   = "https://support.okta.com/help/s/article/okta-verify-fails-to-launch-with-error-supportlib-loadappsecret-failed-to-load-secret-element-not-found-0x80070490"

	odaWinLogs = `C:\Windows\System32\config\systemprofile\AppData\Local\Okta Device Access\Logs`
	odaPolicy  = `HKLM\Software\Policies\Okta\Okta Device Access`
	odaState   = `HKLM\Software\Okta\Okta Device Access\User Policies`

	deviceAdmin = "administrator of the device management (MDM)"
)

var readDeviceLog = Step{
	Text: "Let the person sign in while the computer is online, and read the newest lines of the log.",
	Commands: []string{
		"sudo tail -n 50 /var/log/com.okta.deviceaccess/OktaDeviceAccess.log",
		`sallyport diagnose "` + odaWinLogs + `"`,
	},
}

// deviceAccessCauses are what goes wrong with Okta Device Access: Desktop MFA, its
// recovery PIN and its certificates.
var deviceAccessCauses = []Cause{
	{
		ID:    "desktop-mfa-certificate-missing",
		Title: "The computer has no valid Device Access certificate, so Desktop MFA cannot register it for recovery",
		Means: "The client proves the computer to Okta with a certificate that the MDM fetches by SCEP. It found none that is valid and made for Device Access: the profile is missing or failed, the certificate expired, " +
			"or it is the one for endpoint management, which is issued on another tab and does not count. Without it no recovery PIN can be made.",
		MFAAtFault: true,
		Who:        deviceAdmin,
		Remedy: []Step{
			{Text: "Look for the certificate on a Mac, in the System keychain.", Commands: []string{"security find-certificate -a /Library/Keychains/System.keychain", "profiles show -type configuration"}},
			{Text: "Look for it on Windows, in the store of the computer.", Commands: []string{`Get-ChildItem Cert:\LocalMachine\My | Format-List Subject, Issuer, NotAfter, HasPrivateKey`}},
			{Text: "In the Okta console, take SCEP address and challenge from Security, Device integrations, tab Device Access - not from Endpoint management."},
			{Text: "Distribute the profile again: for the computer, RSA 2048, digital signature only, and on macOS with the key open to all apps."},
		},
		Verify: []Step{readDeviceLog},
		Source: []string{odaMacRecovery, odaWinRecovery, odaSCEP},
		Signs: []Sign{
			{Text: "noMatchingCertificate", Confidence: Proven, Why: "the client says itself that no certificate matched"},
			{Text: "Could not find a valid certificate for device authentication", Confidence: Proven, Why: "the client says itself that it found no valid certificate"},
			{Code: "okta-device-access:not-eligible", Confidence: Likely, Why: "Okta publishes this line together with that of the missing certificate"},
		},
		Hides: []string{"desktop-mfa-recovery-unavailable"},
	},
	{
		ID:         "desktop-mfa-device-deleted",
		Title:      "Okta refuses the computer's registration for recovery: it was deleted in the console",
		Means:      "The client expected an answer with an id and got something else, which is how a refusal looks to it. Okta refuses the certificate of a computer that was deleted in the console, although the computer still has it.",
		MFAAtFault: true,
		Who:        deviceAdmin,
		Remedy: []Step{
			{Text: "Remove the SCEP profile from the computer through the MDM."},
			{Text: "See that the old certificate is gone with it.", Commands: []string{"security find-certificate -a /Library/Keychains/System.keychain | grep labl", `Get-ChildItem Cert:\LocalMachine\My`}},
			{Text: "Distribute the profile again, and let the person sign in online. Offline factors must be enrolled anew."},
		},
		Verify: []Step{readDeviceLog},
		Source: []string{odaMacRecovery, odaFAQ},
		Signs: []Sign{{
			Text: `keyNotFound(CodingKeys(stringValue: "id"`, Confidence: Likely,
			Why: "Okta names a deleted device as the reason of this line; any other refusal would look the same to the client",
		}},
		Hides: []string{"desktop-mfa-recovery-unavailable"},
	},
	{
		ID:         "desktop-mfa-not-online-since-enrolment",
		Title:      "The computer was never registered for recovery: nobody has signed in online since Desktop MFA was enrolled",
		Means:      "A computer registers for the recovery PIN at the first sign-in after the enrolment at which it is online; until then the console can make no PIN for it. On Windows, Okta Verify older than 6.1.1 cannot register at all.",
		MFAAtFault: true,
		Who:        "the person, with the Okta administrator",
		Remedy: []Step{
			{Text: "On Windows, see that Okta Verify is 6.1.1 or newer, and update it.", Commands: []string{`Get-ItemProperty HKLM:\Software\Microsoft\Windows\CurrentVersion\Uninstall\*, HKLM:\Software\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\* | Where-Object DisplayName -like "Okta Verify*" | Select-Object DisplayName, DisplayVersion`}},
			{Text: "Connect the computer, sign out, and sign in with an online factor. On macOS it must have been online within the last seven days."},
			{Text: "If the person cannot sign in at all, take them off the required list for the time being.", Commands: []string{`reg query "` + odaPolicy + `" /v MFARequiredList`}},
		},
		Verify: []Step{{Text: "The console shows a PIN for this computer and person."}, readDeviceLog},
		Source: []string{odaWinRecovery, odaMacRecovery, odaRecovery},
		Signs: []Sign{{
			Text: "Device is not registered, admin recovery unavailable", Confidence: Likely,
			Why: "the client says that it is not registered; Okta names an old Okta Verify or no online sign-in as the reasons",
		}},
		Hides: []string{"desktop-mfa-recovery-unavailable"},
	},
	{
		ID:         "desktop-mfa-recovery-permission-missing",
		Title:      "The console does not offer View Recovery PIN: the administrator lacks the permission",
		Means:      "Super, organization and help desk administrators may make recovery PINs; a custom role needs the permission Generate device recovery PIN, and in older orgs that of managing devices.",
		MFAAtFault: true,
		Who:        oktaAdmin + " with the role of a super administrator",
		Remedy:     []Step{{Text: "Under Security, Administrators, Roles, add Generate device recovery PIN to the custom role, or give the administrator one of the standard roles."}},
		Verify:     []Step{{Text: "The administrator signs in anew and sees View Recovery PIN at the device."}},
		Source:     []string{odaWinRecovery, odaRecovery},
		Signs: []Sign{
			{Text: "View Recovery PIN option is missing", Confidence: Likely, Why: "Okta gives this symptom the missing permission; a setting that is off hides the option too"},
			{Code: "okta-system-log:recovery-pin-generate", Confidence: Possible, Why: "the System Log says that making a PIN failed; a missing permission is one reason"},
		},
		Hides: []string{"desktop-mfa-recovery-unavailable"},
	},
	{
		ID:         "desktop-mfa-recovery-setting-off",
		Title:      "Device recovery PINs are switched off in the org",
		Means:      "The feature is off until a super administrator switches it on, so that no computer registers for it and the console offers no PIN.",
		MFAAtFault: true,
		Who:        oktaAdmin + " with the role of a super administrator",
		Remedy:     []Step{{Text: "Under Security, General, Okta Device Access, set Enable Device Recovery PIN for Desktop MFA to Enabled. Computers register at their next online sign-in."}},
		Verify:     []Step{{Text: "The event of the change is in the System Log.", Commands: []string{`eventType eq "device.desktop_mfa.configuration.update"`}}},
		Source:     []string{odaWinRecovery, odaRecovery},
		Signs: []Sign{
			{Text: "Device Recovery PIN not enabled", Confidence: Likely, Why: "it is Okta's name for the setting that is off"},
		},
		Hides: []string{"desktop-mfa-recovery-unavailable"},
	},
	{
		ID:         "desktop-mfa-recovery-unavailable",
		Title:      "The console can make no recovery PIN for this computer",
		Means:      "Either the computer never registered - it was offline since Desktop MFA was enrolled, or has no certificate - or its recovery secret has expired: it is renewed at an online sign-in within DeviceRecoveryValidityInDays. The log of the computer tells which.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy: []Step{
			{Text: "Let the person sign in once while the computer is online, by any factor that they have."},
			{Text: "If they cannot, read the log of the computer for the reason.", Commands: readDeviceLog.Commands},
			{Text: "Compare how often people are online with the rotation interval (days).", Commands: []string{`reg query "` + odaPolicy + `" /v DeviceRecoveryValidityInDays`}},
		},
		Verify: []Step{{Text: "The console shows a PIN, and device.desktop_mfa.recovery_pin.generate is a success in the System Log."}},
		Source: []string{odaMacRecovery, odaRecovery},
		Signs: []Sign{{
			Text: "recovery PIN cannot be generated", Confidence: Possible,
			Why: "it is what the administrator sees; several causes look so",
		}},
	},
	{
		ID:    "desktop-mfa-pin-refused",
		Title: "A recovery PIN is refused",
		Means: "A PIN must be entered within two minutes. It is refused later, on another computer than the one it was made for, after the computer's secret was renewed, and probably if the computer's clock is off. No log line is known for it.",
		Who:   "the person, with the help desk",
		Remedy: []Step{
			{Text: "Compare name and serial number that the logon screen shows with the device in the console."},
			{Text: "Compare the clock of the computer with the right time."},
			{Text: "Make a new PIN while the person waits at the password prompt."},
		},
		Verify: []Step{{Text: "The person is in, and enrols a factor again."}},
		Source: []string{odaRecovery, odaMacTrouble},
	},
	{
		ID:         "desktop-mfa-enrolment-allowance-used",
		Title:      "The sign-ins without an enrolled offline method are used up",
		Means:      "Windows lets a person sign in a number of times before an offline method is enrolled (MaxLoginsWithoutEnrolledFactors, 50 unless set). They are used up, and the computer is offline or the person enrols nothing.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Connect the computer, and let the person sign in online and enrol a method."},
			{Text: "Or set the person's counter back. The key is named after the person, without the ending of the domain.", Commands: []string{
				`reg query "` + odaState + `"`,
				`reg add "` + odaState + `\USER@DOMAIN" /v LoginsWithoutEnrolledFactorsCounter /t REG_DWORD /d 0 /f`,
			}},
			{Text: "Or take the person off MFARequiredList by policy, and restart.", Commands: []string{`reg query "` + odaPolicy + `" /v MFARequiredList`}},
		},
		Verify: []Step{{Text: "The person is in and enrols an offline method; the counter starts again.", Commands: []string{`reg query "` + odaState + `\USER@DOMAIN"`}}},
		Source: []string{odaWinTrouble, odaWinPolicy},
		Signs: []Sign{{
			Text: "Your organization requires an offline method to verify your identity", Confidence: Proven,
			Why: "the screen shows this sentence only when the allowance is used up",
		}},
	},
	{
		ID:         "desktop-mfa-offline-period-expired",
		Title:      "The time for which offline factors are accepted on this Mac has passed",
		Means:      "LoginPeriodWithOfflineFactor (hours, 168 unless set) has gone by since the last sign-in with an online factor. Only a sign-in after a restart or a full log-out renews it; unlocking the screen does not.",
		MFAAtFault: true,
		Who:        "the person",
		Remedy: []Step{
			{Text: "Connect the Mac, restart it or log out fully, and sign in with an online factor."},
			{Text: "If people are offline for longer, raise LoginPeriodWithOfflineFactor in the profile com.okta.deviceaccess.servicedaemon: the interval of forced restarts plus the time of travel.", Commands: []string{"sudo defaults read /Library/Managed\\ Preferences/com.okta.deviceaccess.servicedaemon LoginPeriodWithOfflineFactor"}},
		},
		Verify: []Step{{Text: "The newest line of the grace period says true.", Commands: []string{`grep "Offline factor grace period" /var/log/com.okta.deviceaccess/OktaDeviceAccess.log | tail -n 1`}}},
		Source: []string{odaOffline, odaPeriod, odaMacPolicy},
		Signs: []Sign{
			{Text: "Offline factor grace period in effect? false", Confidence: Proven, Why: "the log compares the end of the period with the time, in UTC"},
			{Text: "Periodically your organization's security policy requires a different method", Confidence: Proven, Why: "the screen shows this sentence only after the period"},
		},
	},
	{
		ID:    "desktop-mfa-device-code-wrong",
		Title: "The device access code is refused",
		Means: "Each computer has an entry of its own in Okta Verify, called Device access code with the computer's name or serial number. Reading another entry gives a wrong code; so does a clock that is off on the phone or the computer, as it is after a battery ran empty offline. No log line is known for it.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Choose the entry that carries this computer's serial number."},
			{Text: "Set the clocks of phone and computer.", Commands: []string{"sudo sntp -sS time.apple.com", "w32tm /resync"}},
			{Text: "If it stays wrong, sign in online and enrol the code anew."},
		},
		Verify: []Step{{Text: "The next code is accepted while the computer is offline."}},
		Source: []string{odaMacSign, odaMacTrouble},
	},
	{
		ID:         "desktop-mfa-user-not-assigned",
		Title:      "The user is not assigned to the Desktop MFA app",
		Means:      "Okta refuses the factor of a user who is not assigned to the app, whatever it is: codes are called wrong, and a push fails at once as expired or declined.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy: []Step{
			{Text: "Assign the user, or a group of theirs, to the app Desktop MFA: Applications, the app, Assignments."},
			{Text: "See that the client ID of the computer is that of the app.", Commands: []string{"sudo defaults read /Library/Managed\\ Preferences/com.okta.deviceaccess.servicedaemon DMFAClientID"}},
			{Text: "See that the user name format of the app yields the name that the computer sends."},
		},
		Verify: []Step{{Text: "The System Log shows a success for this user.", Commands: []string{`actor.alternateId eq "USER" and outcome.reason eq "user_not_assigned"`}}},
		Source: []string{odaMacSign},
		Signs: []Sign{
			{Code: "okta-system-log:user_not_assigned", Confidence: Proven, Why: "it is the reason that Okta's System Log gives"},
			{Text: "FAILURE : user_not_assigned", Confidence: Proven, Why: "it is the reason that Okta's System Log gives"},
			{Text: "FAILURE: user_not_assigned", Confidence: Proven, Why: "it is the reason that Okta's System Log gives"},
		},
		Hides: []string{"okta-wrong-credentials"},
	},
	{
		ID:         "desktop-mfa-push-not-enabled",
		Title:      "The push of Desktop MFA fails at once as expired or declined",
		Means:      "Nothing was sent to the phone: the user is not assigned to the Desktop MFA app, or the push of Okta Verify is not enabled in the org. Okta answers so fast that nobody can have declined. No log line is known for it.",
		MFAAtFault: true,
		Who:        oktaAdmin,
		Remedy: []Step{
			{Text: "Assign the user to the Desktop MFA app."},
			{Text: "Under Security, Authenticators, Okta Verify, allow push notifications; and see that the grant Interaction Code is on for the app."},
		},
		Verify: []Step{{Text: "The phone shows the push."}},
		Source: []string{odaMacSign},
	},
	{
		ID:    "desktop-mfa-no-keys",
		Title: "The person has no security key set up on this computer",
		Means: "A device access key is enrolled for each computer. One that is set up in the person's Okta account for web sign-ins does not count at the logon screen, and some kinds of key cannot be used there.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Sign in with another factor while the computer is online, and enrol the key in Okta Verify as an offline method."},
			{Text: "Use a FIDO2 key for USB on a Mac, and one with OATH, such as a YubiKey 5, on Windows."},
			{Text: "See that the policy allows keys.", Commands: []string{`reg query "` + odaPolicy + `" /v AllowedFactors`, "sudo defaults read /Library/Managed\\ Preferences/com.okta.deviceaccess.servicedaemon AllowedFactors"}},
		},
		Verify: []Step{{Text: "The logon screen accepts the key while the computer is offline."}},
		Source: []string{odaMacSign},
		Signs:  []Sign{{Text: "You don't have any keys set up", Confidence: Proven, Why: "it is the sentence that the logon screen shows for it"}},
	},
	{
		ID:         "desktop-mfa-not-required",
		Title:      "Desktop MFA does not ask a person who should be asked",
		Means:      "Only people of MFARequiredList are asked, and MFABypassList wins over it. Local users are in neither. Groups resolve only after one online sign-in within the corporate network, and a change takes up to ten minutes. No log line is known for it.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Read both lists on the computer: an empty required list means nobody.", Commands: []string{`reg query "` + odaPolicy + `" /v MFARequiredList`, `reg query "` + odaPolicy + `" /v MFABypassList`}},
			{Text: "Let the person sign in once within the network, if the lists name groups."},
			{Text: "Within MFAGracePeriodInMinutes an unlock asks for nothing: that is meant."},
		},
		Verify: []Step{{Text: "Ten minutes later, after a restart, the person is asked."}},
		Source: []string{odaWinPolicy},
	},
	{
		ID:         "desktop-mfa-allowed-factors",
		Title:      "The logon screen offers no factor: AllowedFactors is wrong",
		Means:      "AllowedFactors knows OV_Push, OV_TOTP, Offline_TOTP, FIDO2_USB_key and Offline_Security_key. A misspelt value, or one that OnlineLoginAllowed or OfflineLoginAllowed contradicts, leaves nothing to choose, and everybody is locked out. On Windows it needs UseDirectAuth.",
		MFAAtFault: true,
		Who:        deviceAdmin,
		Remedy: []Step{
			{Text: "Read the values.", Commands: []string{`reg query "` + odaPolicy + `"`, `reg query "HKLM\SOFTWARE\Okta\Okta Device Access" /v UseDirectAuth`, "sudo defaults read /Library/Managed\\ Preferences/com.okta.deviceaccess.servicedaemon"}},
			{Text: "Distribute corrected ones through the MDM; a single * allows all."},
		},
		Verify: []Step{{Text: "The logon screen offers the factors after the next restart."}},
		Source: []string{odaWinPolicy, odaMacPolicy, "https://iamse.blog/2025/01/30/okta-device-access-allowed-factors-on-windows"},
	},
	{
		ID:    "desktop-mfa-user-renamed",
		Title: "A renamed person is asked to enrol again",
		Means: "Windows keeps enrolments and counters by user name; another name is another person to it. That is how it is made, and harms nothing.",
		Note:  true,
		Who:   "nobody",
		Remedy: []Step{
			{Text: "Let the person enrol under the new name, and remove what is left of the old one.", Commands: []string{`reg delete "` + odaState + `\OLDUSER@DOMAIN"`}},
		},
		Verify: []Step{{Text: "The person signs in offline under the new name."}},
		Source: []string{odaWinTrouble},
	},
	{
		ID:         "desktop-mfa-other-tile",
		Title:      "Another tile of the logon screen lets people in without Desktop MFA",
		Means:      "Desktop MFA hides the password provider of Windows only. A provider of another vendor stays visible and takes the password by itself.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "Sign in once with the other tile, and read which provider it is.", Commands: []string{`reg query "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\LogonUI" /v LastLoggedOnProvider`}},
			{Text: "Add its GUID to CredProvidersToExclude by policy, and see that ExcludePasswordCredProvider is 1.", Commands: []string{`reg query "` + odaPolicy + `" /v CredProvidersToExclude`, `reg query "` + odaPolicy + `" /v ExcludePasswordCredProvider`}},
		},
		Verify: []Step{{Text: "The logon screen offers Okta's tile alone."}},
		Source: []string{odaExclude, odaWinPolicy},
	},
	{
		ID:         "desktop-mfa-profile-late",
		Title:      "Desktop MFA was not installed on a Mac: the package came before the profile",
		Means:      "The installer of Okta Verify puts Desktop MFA on a Mac only if its configuration profile is there already.",
		MFAAtFault: true,
		Who:        deviceAdmin,
		Remedy: []Step{
			{Text: "See whether the parts are missing.", Commands: []string{"ls /usr/local/bin/OktaDAServiceDaemon /Library/Security/SecurityAgentPlugins/OktaDAAuthPlugin.bundle", "profiles show -type configuration | grep com.okta.deviceaccess.servicedaemon"}},
			{Text: "Let the MDM install the profile first, and then the package again."},
		},
		Verify: []Step{{Text: "The daemon runs.", Commands: []string{"sudo launchctl print system/com.okta.deviceaccess.servicedaemon"}}},
		Source: []string{odaMacPolicy},
	},
	{
		ID:    "desktop-mfa-pinning",
		Title: "Okta Verify refuses the connection: something on the way re-signs Okta's certificate",
		Means: "Okta Verify accepts only keys that it knows for Okta's domains. A proxy, gateway or security program that inspects TLS presents another, so enrolment and sign-ins fail on this network and work elsewhere.",
		Who:   "network administrator",
		Remedy: []Step{
			{Text: "See who presents a certificate.", Commands: []string{"sallyport check https://ORG.okta.com"}},
			{Text: "Exempt *.okta.com, *.oktapreview.com and *.oktacdn.com from inspection, on gateways and in endpoint security alike. Pinning cannot be switched off here."},
		},
		Verify: []Step{{Text: "The issuer of the certificate is a public authority, and enrolment works on this network.", Commands: []string{"sallyport check https://ORG.okta.com"}}},
		Source: []string{odaVerifyURL},
		Signs: []Sign{
			{Text: "did not match pinned keys/certs, validation failed", Confidence: Proven, Why: "the client compared the key with those that it knows"},
			{Text: "The sign-in URL is not secure", Confidence: Likely, Why: "Okta Verify shows this for a connection that it does not trust; Okta names TLS inspection as the reason"},
		},
	},
	{
		ID:         "desktop-mfa-app-secret-missing",
		Title:      "Okta Verify does not start: its secret is gone from the Windows Credential Manager",
		Means:      "Okta Verify encrypts its database with a key that it keeps in the Credential Manager (OKTA_VERIFY_STORE_...). After a reset of the Windows password, or after a program cleaned up, the key is gone, and the database cannot be read any more.",
		MFAAtFault: true,
		Who:        windowsHost,
		Remedy: []Step{
			{Text: "See whether the key is there.", Commands: []string{"cmdkey /list"}},
			{Text: "End Okta Verify, delete its database with the script that Okta's article names, and start it again; the account must be enrolled anew.", Commands: []string{"Stop-Process -Name OktaVerify"}},
			{Text: "Find out what deletes entries of the Credential Manager, or it comes back."},
		},
		Verify: []Step{{Text: "Okta Verify starts and shows its account.", Commands: []string{"Get-Process OktaVerify"}}},
		Source: []string{odaVerifyKey},
		Signs:  []Sign{{Text: "SupportLib.LoadAppSecret: Failed to load secret", Confidence: Proven, Why: "the program names what it could not load"}},
	},
	{
		ID:         "desktop-mfa-dynamic-scep",
		Title:      "Device Access certificates fail with Workspace ONE and dynamic SCEP",
		Means:      "With a dynamic challenge the MDM fetches a password from Okta for each certificate. Workspace ONE is known not to get on with it, and Okta advises the static challenge there.",
		MFAAtFault: true,
		Who:        deviceAdmin,
		Remedy:     []Step{{Text: "Under Security, Device integrations, tab Device Access, make a configuration with a static challenge, and put address and secret into the profile."}},
		Verify:     []Step{{Text: "A computer gets the certificate.", Commands: []string{`Get-ChildItem Cert:\LocalMachine\My`}}},
		Source:     []string{odaSCEP},
	},
	{
		ID:         "desktop-mfa-certificate-not-renewed",
		Title:      "Registration and rotation of recovery stop after the certificate's life",
		Means:      "Okta's authority does not renew certificates. When the one of a computer expires, it is as if it had none, until the profile is distributed anew. That it stops rotation too is our conclusion.",
		MFAAtFault: true,
		Who:        deviceAdmin,
		Remedy: []Step{
			{Text: "Find out when the certificates of the computers expire.", Commands: []string{`Get-ChildItem Cert:\LocalMachine\My | Format-List Subject, NotAfter`, "security find-certificate -c NAME -p /Library/Keychains/System.keychain | openssl x509 -noout -subject -enddate"}},
			{Text: "Let the MDM distribute the profile again well before that day, and put it into its calendar."},
		},
		Verify: []Step{{Text: "The certificate of a computer is newer than the profile."}},
		Source: []string{odaSCEP, odaFAQ},
	},
}
