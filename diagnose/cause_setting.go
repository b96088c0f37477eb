package diagnose

// Sources for what Windows reads from its registry.
const (
	sourceWinHTTPTLS  = "https://support.microsoft.com/topic/update-to-enable-tls-1-1-and-tls-1-2-as-default-secure-protocols-in-winhttp-in-windows-c4bd73d2-31d7-761e-0178-11268bb10392"
	sourceTLSClients  = "https://learn.microsoft.com/intune/configmgr/core/plan-design/security/enable-tls-1-2-client"
	sourceProtocols   = "https://learn.microsoft.com/windows/win32/secauthn/protocols-in-tls-ssl--schannel-ssp-"
	sourceSuites      = "https://learn.microsoft.com/windows/win32/secauthn/cipher-suites-in-schannel"
	sourceNetReleases = "https://learn.microsoft.com/dotnet/framework/install/how-to-determine-which-versions-are-installed"
	sourceOktaRDP     = "https://help.okta.com/en-us/Content/Topics/Security/proc-mfa-win-creds-rdp.htm"
	sourceCredentials = "https://learn.microsoft.com/windows/win32/secauthn/credential-providers-in-windows"
	sourceTime        = "https://learn.microsoft.com/windows-server/networking/windows-time-service/windows-time-service-tools-and-settings"
)

// judgeAgain is how every cause in settings is seen to be mended.
var judgeAgain = Step{
	Text: "Save the settings anew as an administrator, after the restart, and have them judged.",
	Commands: []string{
		`reg save HKLM\SOFTWARE software.hiv /y`, `reg save HKLM\SYSTEM system.hiv /y`, `reg export "HKU\.DEFAULT\Software" default.reg /y`,
		"sallyport check --registry software.hiv --registry system.hiv --registry default.reg",
	},
}

// mendByScript is the first remedy of what a script can mend.
var mendByScript = Step{
	Text: "Have a script written that mends just what is wrong; it shows what it would do, does it with -Apply, and takes it back with -Undo.",
	Commands: []string{
		"sallyport check --registry FILE --fix mend.ps1", `powershell -ExecutionPolicy Bypass -File mend.ps1`, `powershell -ExecutionPolicy Bypass -File mend.ps1 -Apply`,
	},
}

var restartHost = Step{Text: "Restart the host: services and the logon screen read these values only when they start.", Commands: []string{"shutdown /r /t 0"}}

const windowsAdministrator = "Windows administrator of the host"

// settingCauses are what a registry shows by itself, before anybody logs in.
// They have no signs: package check finds them.
var settingCauses = []Cause{
	{
		ID:    "setting-dotnet-strong-crypto",
		Title: ".NET Framework programs are not told to offer what Windows offers: older ones offer TLS 1.0 only",
		Means: "Programs that were built for .NET Framework before 4.6 offer SSL 3 and TLS 1.0, whatever Windows can do, unless SchUseStrongCrypto is set; " +
			"those built for less than 4.7 leave the choice to Windows only if SystemDefaultTlsVersions is set. Services that take TLS 1.2 and newer alone " +
			"end such a connection. 32-bit programs read values of their own, below Wow6432Node.",
		Who: windowsAdministrator,
		Remedy: []Step{
			mendByScript,
			{Text: "Or set the values by hand, in 64 and in 32 bit.", Commands: strongCrypto},
			restartHost,
		},
		Verify: []Step{judgeAgain, {Text: "What the program offers is TLS 1.2: let it connect to a listener.", Commands: []string{"sallyport check --listen :8443"}}},
		Source: []string{sourceNetTLS, sourceOktaTLS},
	},
	{
		ID:    "setting-dotnet-release",
		Title: "The installed .NET Framework is too old for MFA agents",
		Means: "Before 4.6 a .NET Framework offers TLS 1.2 only to programs that ask for it by name. The Okta agent for RDP is built for 4.6.1 and does not run below it.",
		Who:   windowsAdministrator,
		Remedy: []Step{
			{Text: "See which release is there: 394254 is 4.6.1, 461808 is 4.7.2, 528040 is 4.8.", Commands: []string{`reg query "HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full" /v Release`}},
			{Text: "Install .NET Framework 4.8 (https://dotnet.microsoft.com/download/dotnet-framework), and restart the host.", Commands: []string{"ndp48-x86-x64-allos-enu.exe /q /norestart", "shutdown /r /t 0"}},
		},
		Verify: []Step{{Text: "Release is 394254 or more.", Commands: []string{`reg query "HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full" /v Release`}}},
		Source: []string{sourceNetReleases, sourceOktaRDP},
	},
	{
		ID:    "setting-winhttp-tls12",
		Title: "Programs that use WinHTTP do not offer TLS 1.2",
		Means: "DefaultSecureProtocols says which TLS versions WinHTTP offers to programs that do not choose. The bit of TLS 1.2 (0x800) is not in it, " +
			"or the value is missing on a Windows whose default goes no further than TLS 1.0 (before 8.1 and Server 2012 R2). A browser works all the same.",
		Who: windowsAdministrator,
		Remedy: []Step{
			mendByScript,
			{Text: "Or add 0x800 to the value by hand, in 64 and in 32 bit. 0xA80 is TLS 1.0, 1.1 and 1.2.", Commands: []string{
				`reg add "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp" /v DefaultSecureProtocols /t REG_DWORD /d 0xA80 /f`,
				`reg add "HKLM\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp" /v DefaultSecureProtocols /t REG_DWORD /d 0xA80 /f`,
			}},
			{Text: "Windows 7, Server 2008 R2 and Server 2012 heed the value only with update 3140245."},
			restartHost,
		},
		Verify: []Step{judgeAgain},
		Source: []string{sourceWinHTTPTLS, sourceTLSClients},
	},
	{
		ID:    "setting-wininet-tls12",
		Title: "Internet settings of LocalSystem or of the machine do not offer TLS 1.2",
		Means: "The window in which an agent asks for the second factor at the logon screen runs as LocalSystem, whose settings are those of HKU\\.DEFAULT. " +
			"SecureProtocols there, or for the whole machine, is without TLS 1.2 (0x800). What an administrator sets in Internet Options is for that administrator " +
			"alone: it works in the browser, and the prompt stays blank.",
		Who: windowsAdministrator,
		Remedy: []Step{
			mendByScript,
			{Text: "Or add 0x800 to the value by hand, also for LocalSystem. 0xA80 is TLS 1.0, 1.1 and 1.2.", Commands: []string{
				`reg add "HKU\.DEFAULT\Software\Microsoft\Windows\CurrentVersion\Internet Settings" /v SecureProtocols /t REG_DWORD /d 0xA80 /f`,
				`reg add "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings" /v SecureProtocols /t REG_DWORD /d 0xA80 /f`,
				`reg add "HKLM\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Internet Settings" /v SecureProtocols /t REG_DWORD /d 0xA80 /f`,
			}},
			{Text: "If a policy sets it, change the policy: Administrative Templates, Windows Components, Internet Explorer, Internet Control Panel, Advanced Page, Turn off encryption support.", Commands: []string{"gpresult /h policy.html"}},
			restartHost,
		},
		Verify: []Step{judgeAgain},
		Source: []string{sourceOktaTLS, sourceTLSClients},
	},
	{
		ID:    "setting-schannel-tls12-off",
		Title: "TLS 1.2 is switched off in Windows for outgoing connections",
		Means: "Schannel, the TLS of Windows, has TLS 1.2 disabled for clients, or does not offer it unless a program asks for it by name. " +
			"No setting of .NET, WinHTTP or a browser can offer what Schannel does not have. Hardening scripts do so by mistake, and " +
			"Windows 7 and Server 2008 R2 come so.",
		Who: windowsAdministrator,
		Remedy: []Step{
			mendByScript,
			{Text: "Or enable it by hand.", Commands: schannelClient},
			{Text: "If the values come back, a policy sets them: find it.", Commands: []string{"gpresult /h policy.html"}},
			restartHost,
		},
		Verify: []Step{judgeAgain, {Text: "What the host offers has TLS 1.2.", Commands: []string{"sallyport check --listen :8443"}}},
		Source: []string{sourceSchannel, sourceProtocols},
	},
	{
		ID:    "setting-schannel-server-tls12-off",
		Title: "TLS 1.2 is switched off in Windows for incoming connections",
		Means: "Remote Desktop, LDAP over TLS and IIS of this host are served by Schannel, which has TLS 1.2 disabled for servers. " +
			"Clients that take no less cannot connect: no remote session begins, and an MFA server that asks this domain controller over LDAPS fails.",
		Who: windowsAdministrator,
		Remedy: []Step{
			mendByScript,
			{Text: "Or enable it by hand.", Commands: []string{
				`reg add "HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Server" /v Enabled /t REG_DWORD /d 1 /f`,
				`reg add "HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Server" /v DisabledByDefault /t REG_DWORD /d 0 /f`,
			}},
			restartHost,
		},
		Verify: []Step{judgeAgain, {Text: "The host accepts TLS 1.2.", Commands: []string{"sallyport check tls://HOST:3389", "sallyport check ldaps://HOST"}}},
		Source: []string{sourceSchannel, sourceProtocols},
	},
	{
		ID:    "setting-schannel-old-protocols",
		Title: "SSL 2 or SSL 3 is switched on in Windows",
		Means: "A value switches protocols on that have been broken for years (RFC 6176, RFC 7568). Nobody is kept out by it, but an attacker in between may let both sides fall back to them.",
		Who:   windowsAdministrator, Note: true,
		Remedy: []Step{mendByScript, restartHost},
		Verify: []Step{judgeAgain},
		Source: []string{sourceSchannel, "RFC 6176", "RFC 7568"},
	},
	{
		ID:    "setting-schannel-tls13-unsupported",
		Title: "TLS 1.3 is switched on in a Windows that does not support it",
		Means: "Schannel has TLS 1.3 from Windows 11 and Server 2022 on. In older ones the value switches on what was an experiment; Microsoft says that this is not a safe configuration. Connections to servers that take TLS 1.3 can fail.",
		Who:   windowsAdministrator,
		Remedy: []Step{
			mendByScript,
			{Text: "Or remove the key by hand.", Commands: []string{`reg delete "HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.3" /f`}},
			restartHost,
		},
		Verify: []Step{judgeAgain},
		Source: []string{sourceProtocols},
	},
	{
		ID:    "setting-schannel-ciphers",
		Title: "A policy leaves Windows no cipher suite that servers of today take",
		Means: "The list of cipher suites, or switches for single algorithms, leave none with ephemeral keys and authenticated encryption (ECDHE or DHE with GCM or ChaCha20, or those of TLS 1.3). " +
			"A server that takes nothing else ends the handshake; .NET then says that there is no common algorithm.",
		Who: windowsAdministrator,
		Remedy: []Step{
			{Text: "List what the host may use, and what the server takes.", Commands: []string{"Get-TlsCipherSuite | Format-Table Name", "sallyport check HOST:443"}},
			{Text: "Take suites such as TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 and TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 into the policy, or set it to Not Configured: Computer Configuration, Administrative Templates, Network, SSL Configuration Settings, SSL Cipher Suite Order.", Commands: []string{"gpupdate /force"}},
			{Text: "Remove the values that switch ECDH, AES or SHA-256 off.", Commands: []string{`reg query "HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL" /s`}},
			restartHost,
		},
		Verify: []Step{judgeAgain, {Text: "What the host offers holds a suite that the server takes.", Commands: []string{"sallyport check --listen :8443"}}},
		Source: []string{sourceSuites, sourceSchannel, "RFC 9325, Section 4.2"},
	},
	{
		ID:    "setting-fips",
		Title: "The FIPS mode of Windows is on",
		Means: "Programs may use validated algorithms only. Some .NET programs stop with \"not part of the Windows Platform FIPS validated cryptographic algorithms\", and RADIUS needs MD5 (RFC 2865, Section 3), which an MFA agent may then not have. Most work.",
		Who:   "whoever decided on it, with the Windows administrator", Note: true,
		Remedy: []Step{{Text: "If an agent fails for it, ask its maker; where nothing demands FIPS mode, switch it off (Security Options, System cryptography: Use FIPS compliant algorithms), and restart.", Commands: []string{
			`reg add "HKLM\SYSTEM\CurrentControlSet\Control\Lsa\FipsAlgorithmPolicy" /v Enabled /t REG_DWORD /d 0 /f`, "shutdown /r /t 0",
		}}},
		Verify: []Step{judgeAgain},
		Source: []string{"https://learn.microsoft.com/windows/security/security-foundations/certification/fips-140-validation", "RFC 2865, Section 3"},
	},
	{
		ID:    "setting-proxy-localsystem",
		Title: "LocalSystem does not have the proxy that people have",
		Means: "People on this host reach the Internet through a proxy. LocalSystem, as which the logon screen and most MFA agents run, has no proxy, or one that is switched on without an address; " +
			"it tries the direct way, which a network with a proxy mostly blocks. The prompt stays blank or the agent times out, and all works in the administrator's browser.",
		Who: "Windows administrator of the host, with the network administrator",
		Remedy: []Step{
			{Text: "See what services and LocalSystem use.", Commands: []string{"netsh winhttp show proxy", "bitsadmin /util /getieproxy localsystem"}},
			{Text: "Set the proxy for both, or open the direct way to the MFA service's hosts.", Commands: []string{
				`netsh winhttp set proxy proxy-server="PROXY:8080" bypass-list="<local>"`, `bitsadmin /util /setieproxy localsystem MANUAL_PROXY PROXY:8080 "<local>"`,
			}},
		},
		Verify: []Step{judgeAgain, {Text: "The service is reached as LocalSystem (psexec is of Sysinternals).", Commands: []string{"psexec -s sallyport check HOST:443"}}},
		Source: []string{"https://support.okta.com/help/s/article/prerequisites-to-set-mfa-for-windows-credential-provider", sourceWinHTTP},
	},
	{
		ID:    "setting-credential-filter-alone",
		Title: "A credential provider filter is left without its provider",
		Means: "A filter hides other ways to log in so that its own provider is the only one. Here the filter is registered and its provider is not, or is disabled: " +
			"an uninstallation that broke off, or a switch that was thrown for half of the product. The logon screen can end up with nothing to log in by.",
		Who: windowsAdministrator,
		Remedy: []Step{
			{Text: "Keep a session open. Keep a copy of both keys.", Commands: []string{
				`reg export "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Providers" providers.reg`,
				`reg export "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Provider Filters" filters.reg`,
			}},
			{Text: "Install the product again, or remove the filter.", Commands: []string{`reg delete "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Provider Filters\{CLSID}"`}},
		},
		Verify: []Step{{Text: "A new remote session shows a prompt.", Commands: []string{"mstsc /v:HOST"}}},
		Source: []string{sourceCredentials, "https://learn.microsoft.com/windows/win32/api/credentialprovider/nn-credentialprovider-icredentialproviderfilter"},
	},
	{
		ID:    "setting-clock-unsynchronized",
		Title: "The clock of the host is set by nobody",
		Means: "The time service is told not to ask anybody (NoSync), or does not start. The clock drifts, and one-time codes, signed requests and Kerberos tickets become invalid by and by. " +
			"A virtual machine may have its time from its host instead; then that must be right.",
		Who: windowsAdministrator, Note: true,
		Remedy: []Step{
			{Text: "See how far off the clock is.", Commands: []string{"w32tm /stripchart /computer:pool.ntp.org /samples:3 /dataonly"}},
			{Text: "Let a member of a domain follow its domain, any other host a time server.", Commands: []string{
				"w32tm /config /syncfromflags:domhier /update", `w32tm /config /manualpeerlist:"pool.ntp.org" /syncfromflags:manual /update`, "sc config w32time start= auto", "net start w32time", "w32tm /resync /force",
			}},
		},
		Verify: []Step{{Text: "The source is a time server.", Commands: []string{"w32tm /query /status"}}},
		Source: []string{sourceTime, "RFC 6238, Section 6"},
	},
	{
		ID:    "setting-azure-mfa-registry",
		Title: "Settings of the NPS extension for Entra MFA are missing, empty or of no use",
		Means: "The extension reads its settings from HKLM\\SOFTWARE\\Microsoft\\AzureMfa. Without the addresses of the service or its client ID it can ask nobody, and every login is refused with REGISTRY_CONFIG_ERROR; " +
			"an empty LDAP_ALTERNATE_LOGINID_ATTRIBUTE finds no user; IP_WHITELIST knows single addresses only.",
		MFAAtFault: true,
		Who:        "administrator of the NPS server",
		Remedy: []Step{
			{Text: "Run the extension's setup again: it writes the addresses and the client ID.", Commands: []string{`cd "C:\Program Files\Microsoft\AzureMfa\Config"`, `.\AzureMfaNpsExtnConfigSetup.ps1`}},
			{Text: "Remove an empty LDAP_ALTERNATE_LOGINID_ATTRIBUTE or fill it; list each address of IP_WHITELIST by itself, with ; between them."},
			{Text: "Restart NPS.", Commands: []string{"Restart-Service IAS"}},
		},
		Verify: []Step{{Text: "The settings are judged right.", Commands: []string{`reg export "HKLM\SOFTWARE\Microsoft\AzureMfa" azuremfa.reg /y`, "sallyport check --registry azuremfa.reg"}}},
		Source: []string{npsErrors, npsAdvanced},
	},
	{
		ID:    "setting-azure-mfa-unenrolled",
		Title: "The NPS extension lets people in who have no second factor",
		Means: "REQUIRE_USER_MATCH is FALSE: whoever is not enrolled gets in with the password alone. It is meant for the weeks in which people enrol.",
		Who:   "administrator of the NPS server", MFAAtFault: true, Note: true,
		Remedy: []Step{{Text: "When all are enrolled, set it to TRUE and restart NPS.", Commands: []string{`reg add "HKLM\SOFTWARE\Microsoft\AzureMfa" /v REQUIRE_USER_MATCH /t REG_SZ /d TRUE /f`, "Restart-Service IAS"}}},
		Verify: []Step{{Text: "A test account without a second factor is refused."}},
		Source: []string{npsAdvanced},
	},
}
