package diagnose

import (
	"slices"
	"strconv"

	"sallyport/auth"
)

// Where the reason codes of NPS are known from.
const (
	npsReasons0   = "https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/dd197464(v=ws.10)"
	npsReasons38  = "https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/dd197521(v=ws.10)"
	npsReasons258 = "https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/dd197582(v=ws.10)"
	npsReasons283 = "https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/dd197508(v=ws.10)"
)

const (
	whoDirectory   = "administrator of the directory"
	whoClient      = "administrator of the RADIUS client"
	whoCertificate = "administrator of the certificates"
)

// An npsReason is one meaning that reason codes of NPS have.
type npsReason struct {
	codes        []int // Reason Code of event 6273, Reason-Code of the log file
	id           string
	stage        auth.Stage // how far the login came
	title, means string
	mfa          bool // whether the multi-factor product is at fault
	sure         Confidence
	who          string
	remedy       []Step
}

// npsReasonRows are the reasons that Microsoft has published. Each meaning is a
// row; NPS has several numbers for some.
var npsReasonRows = []npsReason{
	{
		[]int{1},
		"nps-internal-error", auth.StageVerdict, "NPS failed (reason 1)",
		"Network Policy Server itself broke while it decided. The events of the System and Application logs at the same second say more.",
		false, Proven, whoNPS,
		[]Step{
			{Text: "Read what else NPS wrote at that time.", Commands: []string{"Get-WinEvent -FilterHashtable @{LogName='System';ProviderName='NPS'} -MaxEvents 20 | Format-List TimeCreated,Id,Message"}},
			restartNPS,
		},
	},
	{
		[]int{2},
		"nps-access-rights", auth.StageAccount, "NPS may not read what it needs (reason 2)",
		"The service has too few rights to process the request, mostly to read the account in Active Directory.",
		false, Proven, whoNPS,
		[]Step{{Text: "Register the server in Active Directory, which makes it a member of RAS and IAS Servers.", Commands: []string{"netsh nps add registeredserver"}}, restartNPS},
	},
	{
		[]int{3},
		"nps-malformed-request", auth.StageReach, "The RADIUS client sent a malformed request (reason 3)",
		"NPS could not read the Access-Request: the client breaks the protocol, or something on the way changes its packets.",
		false, Proven, whoClient,
		[]Step{{Text: "Update the client's firmware, and look at one request in a capture.", Commands: []string{"pktmon start --capture --pkt-size 0", "pktmon stop"}}},
	},
	{
		[]int{4, 5, 261},
		"nps-directory-unavailable", auth.StagePrimary, "NPS cannot reach Active Directory (reasons 4, 5 and 261)",
		"No global catalog, no domain controller of the user's domain or no local account database answered, so that NPS could not check anybody.",
		false, Proven, whoDirectory,
		[]Step{
			{Text: "See whether the server finds a controller and its secure channel holds.", Commands: []string{"nltest /dsgetdc:DOMAIN /gc", "Test-ComputerSecureChannel -Verbose", "dcdiag /s:CONTROLLER"}},
			{Text: "Mend name resolution, routes, or the controller; NPS tries the next one by itself."},
		},
	},
	{
		[]int{6},
		"nps-server-unavailable", auth.StageReach, "NPS was not available (reason 6)",
		"The server ran out of memory, or its account database or directory service did not work.",
		false, Proven, whoNPS,
		[]Step{{Text: "See memory and services of the server.", Commands: []string{"Get-Counter '\\Memory\\Available MBytes'", "Get-Service IAS,NTDS,Netlogon"}}, restartNPS},
	},
	{
		[]int{7},
		"nps-no-such-domain", auth.StageAccount, "The user name names a domain that does not exist (reason 7)",
		"The part before the backslash or after the @ of the user name is no domain that NPS knows or trusts.",
		false, Proven, whoPerson,
		[]Step{
			{Text: "Let the person type the name as DOMAIN\\name or name@domain, with a domain that exists."},
			{Text: "If the client adds the domain, correct it there, or let the connection request policy replace it."},
		},
	},
	{
		[]int{8},
		"nps-no-such-user", auth.StageAccount, "The user account does not exist (reason 8)",
		"The domain has no account of this name. A typing error, an account that was deleted or renamed, or a computer that is not a member of the domain.",
		false, Proven, whoPerson,
		[]Step{{Text: "Compare the name in the event with the directory.", Commands: []string{"Get-ADUser -Filter \"SamAccountName -eq 'USERNAME' -or UserPrincipalName -eq 'USERNAME'\""}}},
	},
	{
		[]int{9},
		"nps-request-discarded", auth.StageDelivery, "NPS threw a request away while an earlier one was still open (event 6274, reason 9)",
		"RADIUS clients repeat a request that is not answered in time. With the extension for Azure MFA the answer takes as long as the person does: NPS discards the repetitions meanwhile, " +
			"and for ten seconds after the success. The client gets no answer to them. It is the sign of a time-out that is too short; with a client that gives up, the login fails although the person approves.",
		false, Likely, whoClient,
		[]Step{
			{Text: "Set the client's time-out to 60 seconds or more, 90 to 120 if needed, with one try and no second server before that."},
			{Text: "For RD Gateway: in its NPS, under Remote RADIUS Server Groups, Load Balancing, raise \"Number of seconds without response before request is considered dropped\" from 3 to 60, and \"Number of seconds between requests when server is identified as unavailable\" to at least the same."},
		},
	},
	{
		[]int{10},
		"nps-extension-failed", auth.StageDelivery, "An extension of NPS failed (reason 10)",
		"A DLL that NPS loads, as that of the extension for Azure MFA, broke and cannot do its work.",
		true, Likely, whoNPS,
		[]Step{
			{Text: "See which DLLs NPS loads.", Commands: []string{`Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\AuthSrv\Parameters | Format-List AuthorizationDLLs,ExtensionDLLs`}},
			{Text: "Read the extension's own events, and install it again if it wrote none.", Commands: []string{"Get-WinEvent -LogName AuthZAdminCh,AuthZOptCh -MaxEvents 20 | Format-List TimeCreated,Message"}},
			restartNPS,
		},
	},
	{
		[]int{16},
		"nps-wrong-credentials", auth.StagePrimary, "User name or password was wrong (NPS reason 16)",
		"The first factor did not match: a typing error, an old password that a device has saved, or an account that exists elsewhere. With MS-CHAPv2 a client whose LmCompatibilityLevel or NTLM settings do not fit the domain's looks the same, " +
			"and so does PAP with a wrong shared secret, because the password cannot be decrypted then. The second factor was not asked for.",
		false, Likely, whoPerson,
		[]Step{
			{Text: "Let the person type the password again, and delete saved ones in the VPN client, Wi-Fi profile and credential manager."},
			{Text: "See whether the account is locked and when its password was last wrong.", Commands: []string{"Get-ADUser USERNAME -Properties LockedOut,BadLogonCount,LastBadPasswordAttempt"}},
			{Text: "If everybody of one client fails, set the shared secret anew on both sides, and test it from another machine.", Commands: []string{"sallyport check SERVER:1812", "echo 'User-Name=USERNAME,User-Password=PASSWORD' | radclient SERVER:1812 auth SECRET"}},
		},
	},
	{
		[]int{17},
		"nps-password-change-failed", auth.StagePrimary, "The password could not be changed (reason 17)",
		"The password had to be changed, and the change failed: the new one breaks the domain's rules, or the protocol cannot change it. The extension for Azure MFA supports no change of passwords.",
		false, Proven, whoPerson,
		[]Step{{Text: "Let the person change the password at a computer of the domain or in the self-service portal, and sign in again."}},
	},
	{
		[]int{18},
		"nps-auth-type", auth.StagePrimary, "NPS does not support the client's authentication method (reason 18)",
		"The client uses a protocol that this server does not offer for the connection.",
		false, Proven, whoClient,
		[]Step{{Text: "Choose a method in the client that the network policy allows; with codes as second factor that is PAP."}},
	},
	{
		[]int{19},
		"nps-chap-password", auth.StagePrimary, "CHAP needs a password that is stored reversibly (reason 19)",
		"The client uses CHAP, for which the server needs the password itself, and the directory has only its hash.",
		false, Proven, whoClient,
		[]Step{{Text: "Set the client to MS-CHAPv2, PAP or EAP instead of CHAP."}},
	},
	{
		[]int{20},
		"nps-lan-manager", auth.StagePrimary, "The client uses LAN Manager authentication, which is off (reason 20)",
		"The client answered with a LAN Manager hash, which current servers do not take.",
		false, Proven, whoClient,
		[]Step{{Text: "Set the client to MS-CHAPv2."}},
	},
	{
		[]int{21},
		"nps-extension-rejected", auth.StageAnswer, "An extension of NPS refused the login (reason 21)",
		"The user name and password were right, and a DLL that NPS loads - mostly the extension for Azure MFA - said no. NPS does not know why; the extension's own events, in AuthZ and AuthN under Microsoft, AzureMfa, do.",
		false, Possible, whoNPS,
		[]Step{
			{Text: "Read the extension's events of the same minute, or give their files to this program together with the Security log.", Commands: []string{
				"Get-WinEvent -LogName AuthZAdminCh,AuthZOptCh,AuthNOptCh -MaxEvents 50 | Format-List TimeCreated,Message",
				"wevtutil epl AuthZOptCh AuthZOptCh.evtx", "wevtutil epl AuthZAdminCh AuthZAdminCh.evtx", "sallyport diagnose FOLDER",
			}},
			{Text: "If there are none, see which DLLs NPS loads.", Commands: []string{`Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\AuthSrv\Parameters | Format-List AuthorizationDLLs,ExtensionDLLs`}},
		},
	},
	{
		[]int{22},
		"nps-eap-type", auth.StagePrimary, "Client and server have no EAP type in common (reason 22)",
		"The client wants a type of EAP that the matching policy does not have, or whose certificate the server does not find. After TLS 1.0 was switched off for the server, old clients fail so too.",
		false, Likely, whoNPS,
		[]Step{
			{Text: "Compare the EAP types under Constraints, Authentication Methods of the policy named in the event with the client's."},
			{Text: "See that the certificate that the EAP type names is there and has not ended.", Commands: []string{`Get-ChildItem Cert:\LocalMachine\My | Format-List Subject,NotAfter,EnhancedKeyUsageList`}},
		},
	},
	{
		[]int{23},
		"nps-eap-error", auth.StagePrimary, "EAP broke between client and server (reason 23)",
		"An error arose while NPS used EAP; often the certificate of one side, or a setting that differs.",
		false, Possible, whoNPS,
		[]Step{{Text: "Read the EAP log of the server, and Schannel's events of the same second.", Commands: []string{
			`Get-ChildItem $env:SystemRoot\tracing\*.log`, `Get-WinEvent -FilterHashtable @{LogName='System';ProviderName='Schannel'} -MaxEvents 20 | Format-List TimeCreated,Id,Message`,
		}}},
	},
	{
		[]int{32},
		"nps-local-users-only", auth.StageAccount, "NPS is in a workgroup and was asked for a domain user (reason 32)",
		"The server is not a member of a domain, knows only its own accounts, and the name has a domain.",
		false, Proven, whoNPS,
		[]Step{{Text: "Join the server to the domain, or let it forward such names to a server that is."}},
	},
	{
		[]int{33},
		"nps-password-must-change", auth.StagePrimary, "The password must be changed first (reason 33)",
		"The password has expired or is marked to be changed at the next logon.",
		false, Proven, whoPerson,
		[]Step{{Text: "Let the person change the password at a computer of the domain or in the self-service portal."}},
	},
	{
		[]int{34},
		"nps-account-disabled", auth.StageAccount, "The account is disabled (reason 34)",
		"The directory says that the account is switched off.",
		false, Proven, whoDirectory,
		[]Step{{Text: "If it should not be, switch it on.", Commands: []string{"Enable-ADAccount USERNAME"}}},
	},
	{
		[]int{35},
		"nps-account-expired", auth.StageAccount, "The account has expired (reason 35)",
		"The date until which the account holds has passed.",
		false, Proven, whoDirectory,
		[]Step{{Text: "If the person should still have it, set a new date.", Commands: []string{"Set-ADAccountExpiration USERNAME -DateTime 'DATE'"}}},
	},
	{
		[]int{36},
		"nps-account-locked", auth.StageAccount, "The account is locked after wrong passwords (reason 36)",
		"The domain has locked the account because the password was wrong too often: a saved old password, or somebody who guesses.",
		false, Proven, whoDirectory,
		[]Step{
			{Text: "Find where the wrong passwords come from: event 4740 on the controller that holds the PDC role names the computer.", Commands: []string{"Get-WinEvent -ComputerName (Get-ADDomain).PDCEmulator -FilterHashtable @{LogName='Security';Id=4740} -MaxEvents 20 | Format-List TimeCreated,Message"}},
			{Text: "Then unlock the account.", Commands: []string{"Unlock-ADAccount USERNAME"}},
		},
	},
	{
		[]int{37},
		"nps-logon-hours", auth.StageAccount, "The account may not log on at this time (reason 37)",
		"The logon hours of the account do not include this time.",
		false, Proven, whoDirectory,
		[]Step{{Text: "Change the logon hours if they are wrong: Active Directory Users and Computers, Account, Logon Hours.", Commands: []string{"net user USERNAME /domain"}}},
	},
	{
		[]int{38},
		"nps-account-restriction", auth.StageAccount, "A restriction of the account forbids the login (reason 38)",
		"Something that the account demands was not met, as a password that is not empty, a smart card, or one of the computers that are listed.",
		false, Proven, whoDirectory,
		[]Step{{Text: "Look at the restrictions of the account.", Commands: []string{"Get-ADUser USERNAME -Properties LogonWorkstations,SmartcardLogonRequired,PasswordNotRequired"}}},
	},
	{
		[]int{48},
		"nps-no-network-policy", auth.StagePolicy, "No network policy of NPS fits the request (reason 48)",
		"The conditions of each policy - group, client, port type, time - were compared, and none fits. Mostly the person is not in the group that the policy asks for.",
		false, Proven, whoNPS,
		[]Step{
			{Text: "Compare the conditions with the attributes in the event.", Commands: []string{"netsh nps show np", "Get-ADPrincipalGroupMembership USERNAME | Select-Object Name"}},
			{Text: "Put the person into the group, or correct the policy; the processing order counts."},
		},
	},
	{
		[]int{49},
		"nps-no-connection-policy", auth.StageClient, "No connection request policy of NPS fits the request (reason 49)",
		"These policies say where a request is decided, and none fits: a condition on the client, the realm or the time is wrong.",
		false, Proven, whoNPS,
		[]Step{{Text: "Compare the conditions with the attributes in the event; \"Use Windows authentication for all users\" is the usual last one.", Commands: []string{"netsh nps show crp"}}},
	},
	{
		[]int{64},
		"nps-remote-access-lockout", auth.StageAccount, "NPS itself has locked the person after wrong passwords (reason 64, event 6279)",
		"Account lockout for remote access is on in the registry of NPS, and the person's failures have reached its count. It is not the lockout of the domain.",
		false, Proven, whoNPS,
		[]Step{{Text: "Wait for the automatic reset, or delete the person's value.", Commands: []string{`Get-ChildItem HKLM:\SYSTEM\CurrentControlSet\Services\RemoteAccess\Parameters\AccountLockout`, `Remove-Item "HKLM:\SYSTEM\CurrentControlSet\Services\RemoteAccess\Parameters\AccountLockout\DOMAIN:USERNAME"`}}},
	},
	{
		[]int{65},
		"nps-dial-in-denied", auth.StagePolicy, "The account may not dial in (reason 65)",
		"On the tab Dial-in of the account, Network Access Permission is set to Deny.",
		false, Proven, whoDirectory,
		[]Step{{Text: "Choose \"Control access through NPS Network Policy\" there, which clears the attribute.", Commands: []string{"Get-ADUser USERNAME -Properties msNPAllowDialin", "Set-ADUser USERNAME -Clear msNPAllowDialin"}}},
	},
	{
		[]int{66},
		"nps-method-not-in-policy", auth.StagePolicy, "The network policy does not allow the client's authentication method (reason 66)",
		"A policy fits, and the protocol that the client uses - PAP, MS-CHAPv2, an EAP type - is not ticked under its constraints.",
		false, Proven, whoNPS,
		[]Step{{Text: "Tick the method in the policy that the event names, under Constraints, Authentication Methods, or set the client to one that is."}},
	},
	{
		[]int{67, 68, 69, 70, 71},
		"nps-policy-restriction", auth.StagePolicy, "A constraint of the account or policy forbids the connection (reasons 67 to 71)",
		"The number or address of the caller, the time, the called number, the type of port, or another restriction of the account or of the matching policy does not allow it.",
		false, Proven, whoNPS,
		[]Step{{Text: "Compare the constraints of the policy named in the event - and Verify Caller-ID on the tab Dial-in - with the attributes of the event.", Commands: []string{"netsh nps show np"}}},
	},
	{
		[]int{72},
		"nps-change-password-off", auth.StagePrimary, "The password must be changed, and the policy does not let it (reason 72)",
		"\"User can change password after it has expired\" is not ticked in the matching policy.",
		false, Proven, whoNPS,
		[]Step{{Text: "Tick it under Constraints, Authentication Methods, MS-CHAPv2, or let the person change the password elsewhere."}},
	},
	{
		[]int{80},
		"nps-no-record", auth.StageVerdict, "NPS could not write its accounting record (reason 80)",
		"NPS refuses connections while it cannot log them: the disk is full, the folder is gone, or the database does not answer.",
		false, Likely, whoNPS,
		[]Step{{Text: "See the folder of the log and the room on the disk; \"If logging fails, discard connection requests\" is a setting under Accounting.", Commands: []string{`Get-ChildItem $env:SystemRoot\System32\LogFiles\IN*.log | Sort-Object LastWriteTime | Select-Object -Last 5`, "Get-Volume"}}},
	},
	{
		[]int{96},
		"nps-session-timeout", auth.StageAnswer, "The login took too long for NPS (reason 96)",
		"The exchange with the client was not finished in time: the person was slow, or the client stopped answering.",
		false, Likely, whoClient,
		[]Step{{Text: "Let the person try again at once, and set the client's time-out to 60 seconds or more."}},
	},
	{
		[]int{97, 299},
		"nps-unexpected-request", auth.StagePrimary, "A message came out of its order (reasons 97 and 299)",
		"NPS got a message that does not follow from the one before, as an answer to a challenge that this server did not ask: behind a load balancer the requests of one login reach several servers.",
		false, Likely, "administrator of the RADIUS client or load balancer",
		[]Step{{Text: "Make sessions sticky, by the client's address and Calling-Station-Id, or name the servers as a first and a second one in the client."}},
	},
	{
		[]int{112},
		"nps-remote-rejected", auth.StagePrimary, "The RADIUS server behind NPS did not accept the login (reason 112)",
		"NPS only forwards here; the other server refused or did not process it. Its log has the reason.",
		false, Likely, "administrator of the RADIUS server behind NPS",
		[]Step{{Text: "Read that server's log at the same second, and test it without NPS.", Commands: []string{"echo 'User-Name=USERNAME,User-Password=PASSWORD' | radclient SERVER:1812 auth SECRET"}}},
	},
	{
		[]int{113},
		"nps-remote-group", auth.StageClient, "NPS is to forward to a group of servers that does not exist (reason 113)",
		"The connection request policy names a remote RADIUS server group that is gone.",
		false, Proven, whoNPS,
		[]Step{{Text: "Choose a group that exists in the policy, under Settings, Forwarding Connection Request.", Commands: []string{"netsh nps show remoteservergroup", "netsh nps show crp"}}},
	},
	{
		[]int{115, 116, 117, 118},
		"nps-remote-unreachable", auth.StageReach, "The RADIUS server behind NPS did not answer (reasons 115 to 118)",
		"NPS forwards this login, and the packet could not be sent, got no answer, or got one that is malformed. A wrong shared secret shows as silence too, and so does a server that waits for a person's second factor longer than NPS waits for it.",
		false, Likely, "administrator of the network and of the RADIUS server behind NPS",
		[]Step{
			{Text: "See whether the server answers.", Commands: []string{"sallyport check SERVER:1812", "echo 'Message-Authenticator=0x00' | radclient SERVER:1812 status SECRET"}},
			{Text: "Under Remote RADIUS Server Groups, Load Balancing, raise \"Number of seconds without response before request is considered dropped\" from 3 to 60, so that a person has time to answer."},
		},
	},
	{
		[]int{256, 289},
		"nps-certificate-revoked", auth.StagePrimary, "The client's certificate is revoked (reasons 256 and 289)",
		"The authority has taken the certificate back.",
		false, Proven, whoCertificate,
		[]Step{{Text: "Issue a new certificate to the person or computer.", Commands: []string{"certutil -verify -urlfetch CERTIFICATE.cer"}}},
	},
	{
		[]int{257, 258, 259, 291},
		"nps-revocation-unavailable", auth.StagePrimary, "NPS cannot find out whether the client's certificate is revoked (reasons 257 to 259 and 291)",
		"The revocation list cannot be fetched or has run out, so that no certificate of this authority is taken.",
		false, Proven, whoCertificate,
		[]Step{{Text: "Fetch the list as NPS would, and publish a new one.", Commands: []string{"certutil -verify -urlfetch CERTIFICATE.cer", "certutil -crl"}}},
	},
	{
		[]int{260, 262, 266},
		"nps-message-altered", auth.StagePrimary, "A message of EAP arrived altered, incomplete or out of place (reasons 260, 262 and 266)",
		"What arrived is not what its checksum or the protocol says. Large messages that are cut into fragments on the way are the usual cause, and a different shared secret another.",
		false, Likely, "administrator of the network",
		[]Step{
			{Text: "Set Framed-MTU to 1344 or less in the network policy, so that EAP makes smaller messages."},
			{Text: "Let the firewall pass fragments between client and server, and check the shared secret."},
		},
	},
	{
		[]int{263},
		"nps-incomplete-credentials", auth.StagePrimary, "The credentials were not complete (reason 263)",
		"Something that the method needs, as the password or the certificate, was not in the request.",
		false, Proven, whoPerson,
		[]Step{{Text: "Let the person fill in all fields, and see which credentials the client's profile is set to send."}},
	},
	{
		[]int{264},
		"nps-clock", auth.StagePrimary, "The clocks of NPS and of the client differ (reason 264)",
		"The security package says that the times are too far apart.",
		false, Proven, "administrator of the clocks",
		[]Step{{Text: "Compare the clocks with the domain's, and synchronize.", Commands: []string{"w32tm /monitor", "w32tm /resync /rediscover"}}},
	},
	{
		[]int{265, 280, 286, 287, 288, 290, 294, 295},
		"nps-certificate-untrusted", auth.StagePrimary, "NPS does not trust the authority of the client's certificate (reasons 265, 280, 286 to 288, 290, 294 and 295)",
		"The chain of the certificate does not end at an enterprise root that the server trusts, or an administrator has marked it as not trusted.",
		false, Proven, whoCertificate,
		[]Step{{Text: "Publish the authority to the directory, and see the chain on the NPS server.", Commands: []string{"certutil -dspublish -f ROOT.cer NTAuthCA", "certutil -verify CERTIFICATE.cer", `Get-ChildItem Cert:\LocalMachine\Disallowed`}}},
	},
	{
		[]int{73, 267, 283, 293, 296},
		"nps-certificate-purpose", auth.StagePrimary, "The client's certificate is not made for client authentication (reasons 73, 267, 283, 293 and 296)",
		"The certificate does not have the purpose Client Authentication (1.3.6.1.5.5.7.3.2).",
		false, Proven, whoCertificate,
		[]Step{{Text: "Issue it from a template that has this purpose.", Commands: []string{"certutil -dump CERTIFICATE.cer"}}},
	},
	{
		[]int{268, 278},
		"nps-certificate-expired", auth.StagePrimary, "The client's certificate has expired (reasons 268 and 278)",
		"The time for which the certificate holds is over.",
		false, Proven, whoCertificate,
		[]Step{{Text: "Renew it; see why automatic enrolment did not.", Commands: []string{"certutil -pulse", "gpresult /r"}}},
	},
	{
		[]int{269},
		"nps-no-common-algorithm", auth.StagePrimary, "NPS and the client have no common TLS version or suite (reason 269)",
		"One side has switched off what the other has.",
		false, Proven, whoNPS,
		[]Step{{Text: "Compare what both sides offer.", Commands: []string{"Get-TlsCipherSuite | Format-Table Name", "sallyport check --listen :8443", "sallyport check --registry SCHANNEL.reg"}}},
	},
	{
		[]int{270},
		"nps-smart-card-required", auth.StagePolicy, "The policy asks for a smart card, and the person used something else (reason 270)",
		"The matching network policy lets in with a smart card only.",
		false, Proven, whoPerson,
		[]Step{{Text: "Let the person use the card, or take the person out of the policy's conditions."}},
	},
	{
		[]int{271},
		"nps-shutting-down", auth.StageReach, "NPS was stopping or starting (reason 271)",
		"The request came while the service restarted. It passes by itself.",
		false, Proven, "nobody",
		[]Step{{Text: "Let the person try again; look into the System log if nobody meant to restart the service.", Commands: []string{"Get-Service IAS"}}},
	},
	{
		[]int{272},
		"nps-certificate-many-accounts", auth.StageAccount, "The client's certificate belongs to several accounts (reason 272)",
		"The names in the certificate map to more than one account.",
		false, Proven, whoDirectory,
		[]Step{{Text: "Find the accounts, and leave the mapping on one.", Commands: []string{"Get-ADUser -Filter \"UserPrincipalName -eq 'USER@DOMAIN'\"", "Get-ADObject -LDAPFilter '(altSecurityIdentities=*)' -Properties altSecurityIdentities"}}},
	},
	{
		[]int{273, 274, 275, 276, 277},
		"nps-trust-provider", auth.StagePrimary, "Windows does not trust the program that does EAP (reasons 273 to 277)",
		"The check of signatures (WinVerifyTrust) failed for the module that calls EAP: it is not signed, or the signature or the trust provider is damaged.",
		false, Proven, whoNPS,
		[]Step{{Text: "See the signature of the module, and mend the system's files.", Commands: []string{"Get-AuthenticodeSignature MODULE.dll", "sfc /scannow"}}},
	},
	{
		[]int{279, 281, 282, 284, 285, 300},
		"nps-certificate-malformed", auth.StagePrimary, "The client's certificate or its chain is malformed (reasons 279, 281, 282, 284, 285 and 300)",
		"Dates, path length, issuer, a critical extension or the credential itself in the certificate cannot be right.",
		false, Proven, whoCertificate,
		[]Step{{Text: "Look at the chain, and issue the certificate again.", Commands: []string{"certutil -verify -urlfetch CERTIFICATE.cer"}}},
	},
	{
		[]int{292, 297, 298},
		"nps-certificate-name", auth.StageAccount, "The name in the client's certificate does not fit the user name (reasons 292, 297 and 298)",
		"The certificate has no valid name or user principal name, or another one than User-Name in the request.",
		false, Proven, whoCertificate,
		[]Step{{Text: "Compare the subject alternative name with the account.", Commands: []string{"certutil -dump CERTIFICATE.cer", "Get-ADUser USERNAME -Properties UserPrincipalName"}}},
	},
	{
		[]int{301, 302},
		"nps-cryptobinding", auth.StagePrimary, "The cryptobinding of PEAP is wrong or missing (reasons 301 and 302)",
		"The client did not prove that the inner and outer part of PEAP are one. Old clients cannot; an attacker in the middle cannot either.",
		false, Possible, whoClient,
		[]Step{{Text: "See which client it is. If it is yours and cannot do cryptobinding, update it before you take \"Disconnect Clients without Cryptobinding\" out of the PEAP settings."}},
	},
}

// npsReasonOf is the row of a reason code, nil if there is none.
func npsReasonOf(code int) *npsReason {
	for i := range npsReasonRows {
		if slices.Contains(npsReasonRows[i].codes, code) {
			return &npsReasonRows[i]
		}
	}
	return nil
}

// npsEventCodes are events without a reason that mean the same as a row.
var npsEventCodes = map[string]string{
	"nps-request-discarded":     "nps-event:6274",
	"nps-remote-access-lockout": "nps-event:6279",
}

// npsCauses are the reasons of NPS, and what RD Gateway refuses.
var npsCauses = slices.Concat(npsReasonCauses(), []Cause{
	{
		ID: "nps-reason-other", Title: "NPS refused for a reason that is in no public table",
		Means: "The event has a reason code that Microsoft has not published. The text beside it, in the line of evidence, is all that is known.",
		Who:   whoNPS,
		Remedy: []Step{
			{Text: "Read the text after \"Reason:\" in the event.", Commands: []string{"Get-WinEvent -FilterHashtable @{LogName='Security';Id=6273} -MaxEvents 20 | Format-List TimeCreated,Message"}},
		},
		Verify: npsVerify, Source: []string{npsReasons0, npsReasons38, npsReasons258, npsReasons283},
		Signs: []Sign{{Code: npsReasonSpace + "other", Confidence: Possible, Why: "The log has a number that nobody has explained."}},
		Hides: []string{"nps-ext-primary-rejected"},
	},
	{
		ID: "nps-rd-gateway-policy", Title: "RD Gateway refused by its own policies (events 201 and 301)",
		Means: "The person, the computer or the method does not meet a connection authorization policy (201), or the computer to be reached is not in a resource authorization policy (301). " +
			"With a central NPS, 201 is also what RD Gateway writes when that server said no or did not answer in time.",
		Who: "Windows administrator of the RD Gateway",
		Remedy: []Step{
			{Text: "Read events 6272 to 6274 of the NPS that decides, at the same second: if it refused, the reason is there.", Commands: []string{"Get-WinEvent -FilterHashtable @{LogName='Security';Id=6272,6273,6274} -MaxEvents 20 | Format-List TimeCreated,Message"}},
			{Text: "If it has none, compare group and method with the policies of RD Gateway, and raise its time-out towards the central NPS from 3 to 60 seconds."},
		},
		Verify: []Step{{Text: "The next login brings events 200 and 300, and 302 when it is connected.", Commands: []string{"Get-WinEvent -LogName Microsoft-Windows-TerminalServices-Gateway/Operational -MaxEvents 20 | Format-List TimeCreated,Id,Message"}}},
		Source: []string{"https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/ee891388(v=ws.10)", "https://learn.microsoft.com/entra/identity/authentication/howto-mfa-nps-extension-rdg"},
		Signs: []Sign{
			{Code: "rd-gateway:201", Confidence: Likely, Why: "RD Gateway says that a policy was not met; with a central NPS, that server's answer decides."},
			{Code: "rd-gateway:301", Confidence: Proven, Why: "RD Gateway names its own policy."},
		},
	},
})

// npsVerify is how to see that NPS lets people in.
var npsVerify = []Step{{
	Text:     "Let the person sign in again: NPS writes event 6272 for them.",
	Commands: []string{"Get-WinEvent -FilterHashtable @{LogName='Security';Id=6272,6273,6274} -MaxEvents 20 | Format-List TimeCreated,Message"},
}}

// npsReasonCauses makes a cause of each row. Each of them but the extension's own
// refusal explains why the extension says that the first factor was refused.
func npsReasonCauses() []Cause {
	all := make([]Cause, 0, len(npsReasonRows))
	for i := range npsReasonRows {
		row := &npsReasonRows[i]
		c := Cause{
			ID: row.id, Title: row.title, Means: row.means, MFAAtFault: row.mfa, Who: row.who,
			Remedy: row.remedy, Verify: npsVerify,
		}
		if row.id != "nps-extension-rejected" {
			c.Hides = []string{"nps-ext-primary-rejected"}
		}
		why := "NPS itself gives this as the reason."
		if row.sure != Proven {
			why = "NPS gives this as the reason, and several things lead to it."
		}
		for _, code := range row.codes {
			c.Signs = append(c.Signs, Sign{Code: npsReasonSpace + strconv.Itoa(code), Confidence: row.sure, Why: why})
			source := npsReasons0
			switch {
			case code >= 283:
				source = npsReasons283
			case code >= 258:
				source = npsReasons258
			case code >= 38:
				source = npsReasons38
			}
			if !slices.Contains(c.Source, source) {
				c.Source = append(c.Source, source)
			}
		}
		if event := npsEventCodes[row.id]; event != "" {
			c.Signs = append(c.Signs, Sign{Code: event, Confidence: row.sure, Why: "The event has no other meaning."})
			c.Source = append(c.Source, "https://learn.microsoft.com/windows/security/threat-protection/auditing/audit-network-policy-server", npsHowTo)
		}
		if text := npsTexts[row.id]; text != "" {
			c.Signs = append(c.Signs, Sign{Text: text, Confidence: row.sure, Why: "NPS writes it into the System log by itself."})
		}
		all = append(all, c)
	}
	return all
}

// npsTexts are what NPS writes of these reasons apart from any login: event 4402
// of the System log.
var npsTexts = map[string]string{
	"nps-directory-unavailable": "There is no domain controller available for domain",
}
