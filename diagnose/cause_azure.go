package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"sallyport/auth"
)

// Where the call statuses are known from: the explanations, and the numbers.
const (
	azureReport  = "https://learn.microsoft.com/azure/active-directory/authentication/howto-mfa-reporting (as of 15 May 2020)"
	azureNumbers = "https://msexchangeguru.com/?p=10215"
	azureMigrate = "https://github.com/MicrosoftDocs/azure-docs/blob/0041674d33cdbd3c1a095f6a3a1532e6bab9ab94/articles/active-directory/authentication/how-to-mfa-server-migration-utility.md"
)

const (
	whoAzure  = "administrator of Azure MFA Server"
	whoPerson = "the person"
)

// azureConstants are the names that reports and the main service's log have for
// call statuses. Only some statuses have a published one.
var azureConstants = map[int]string{
	1: "SUCCESS_WITH_PIN", 2: "SUCCESS_NO_PIN", 3: "SUCCESS_WITH_PIN_BUT_TIMEOUT", 4: "SUCCESS_NO_PIN_BUT_TIMEOUT",
	5: "SUCCESS_PIN_EXPIRED", 6: "SUCCESS_USED_CACHE", 7: "SUCCESS_BYPASSED_AUTH", 8: "SUCCESS_USED_IP_BASED_CACHE",
	9: "SUCCESS_USED_APP_BASED_CACHE", 12: "SUCCESS_INVALID_INPUT", 14: "SUCCESS_USER_BLOCKED",
	19: "SUCCESS_SMS_AUTHENTICATED", 20: "SUCCESS_SMS_SENT", 21: "SUCCESS_PHONE_APP_AUTHENTICATED",
	22: "SUCCESS_OATH_CODE_PENDING", 23: "SUCCESS_OATH_CODE_VERIFIED", 24: "SUCCESS_FALLBACK_OATH_CODE_VERIFIED",
	25: "SUCCESS_FALLBACK_SECURITY_QUESTIONS_ANSWERED", 101: "FAILED_PHONE_BUSY", 102: "CONFIG_ISSUE",
	107: "FAILED_INVALID_PHONENUMBER", 108: "FAILED_USER_HUNGUP_ON_US", 111: "FAILED_INVALID_EXTENSION",
	112: "FAILED_FRAUD_CODE_ENTERED", 117: "FAILED_SERVER_ERROR", 120: "FAILED_SMS_NOT_SENT",
	122: "FAILED_SMS_OTP_INCORRECT", 123: "FAILED_SMS_OTP_PIN_INCORRECT", 129: "FAILED_PHONE_APP_DENIED",
	130: "FAILED_PHONE_APP_INVALID_PIN", 131: "FAILED_PHONE_APP_PIN_NOT_CHANGED", 132: "FAILED_FRAUD_REPORTED",
	133: "FAILED_PHONE_APP_NO_RESPONSE", 135: "FAILED_PHONE_APP_ALL_DEVICES_BLOCKED",
	136: "FAILED_PHONE_APP_NOTIFICATION_FAILED", 137: "FAILED_PHONE_APP_INVALID_RESULT",
	138: "FAILED_OATH_CODE_INCORRECT", 139: "FAILED_OATH_CODE_DUPLICATE", 140: "FAILED_OATH_CODE_OLD",
}

var azureByConstant = func() map[string]int {
	m := make(map[string]int, len(azureConstants))
	for n, constant := range azureConstants {
		m[constant] = n
	}
	return m
}()

// azureByNumber are the rows of the outcome catalogue that are call statuses of
// Azure MFA Server.
var azureByNumber = func() map[int]*auth.Meaning {
	m := map[int]*auth.Meaning{}
	rows := auth.Catalogue()
	for i := range rows {
		if n := int(rows[i].Outcome); n <= 141 {
			m[n] = &rows[i]
		}
	}
	return m
}()

// azureSteps is what there is to do in Azure MFA Server itself, where the
// catalogue's remedy is about this program.
var azureSteps = map[int]string{
	1:    "Look up the person's phone mode in Azure MFA Server: a person in Standard mode must press # only, and in PIN mode the PIN must be right. Reset the PIN if it is forgotten.",
	2:    "Look up the person's phone mode in Azure MFA Server: in PIN mode the PIN has to be typed before #. Tell the person the PIN rules, or set the mode to Standard if a PIN is not wanted.",
	5:    "Clear the mark that the PIN must be changed, or let the person change it in the User Portal.",
	6:    "Look at what refused the login after the second factor: the status says that a cache rule spared the prompt.",
	7:    "Look at what refused the login after the second factor: the status says that a one-time bypass (300 seconds unless set otherwise) spared the prompt.",
	8:    "Look at what refused the login after the second factor: the status says that a cache rule for user, authentication type, application and address spared the prompt.",
	9:    "Look at what refused the login after the second factor: the status says that a cache rule for user, authentication type and application spared the prompt.",
	14:   "Find out in the cloud portal under Block/unblock users why the person is blocked - an administrator, the person during a call, or a fraud report - and unblock there if the reason is gone. A block ends by itself after 90 days.",
	15:   "Look for a later line that brings the result of the same request.",
	17:   "Look at what refused the login after the second factor: the first recording was completed.",
	20:   "Check that the RADIUS client shows challenges, that one-way text messages are not used behind EAP or LDAP, and that a load balancer sends the answer to the server that asked.",
	22:   "Check that the RADIUS client shows challenges, that it speaks PAP or MS-CHAPv2 with this server, and that a load balancer sends the answer to the server that asked.",
	101:  "Set the time-out of the RADIUS or LDAP client to 30 to 60 seconds and its retries to one, so that it does not ask again while the person is still answering; where one sign-on really logs in twice, add a cache rule for user, authentication type, application and address in the cloud portal.",
	102:  "See whether the number in Azure MFA Server is still the person's, and call it.",
	105:  "Wait for the automatic unlock, or lift the lock; the number of denials, the minutes to reset and the minutes to unlock are set under Account lockout in the cloud portal.",
	112:  "Treat it as an attack until it is known to be a mistake: have the password changed, then unblock the person under Block/unblock users in the cloud portal if the fraud report blocked the account.",
	122:  "Let the person use the newest message; if the code is always wrong behind a load balancer, the answer reaches a server that did not ask: make sessions sticky.",
	129:  "Ask the person whether it was they who were signing in; if not, have the password changed.",
	132:  "Treat it as an attack until it is known to be a mistake: have the password changed, then unblock the person under Block/unblock users in the cloud portal if the fraud report blocked the account.",
	117:  "Try another method for this person; if many calls fail, look for a notice of the service in the cloud portal.",
	120:  "Try another method for this person; if many messages fail, look for a notice of the service in the cloud portal.",
	133:  "Set the time-out of the RADIUS client to 60 seconds, and let the person open the app and look for the request by hand.",
	135:  "Let the person open the app on a device that has network, or remove the devices and activate the app again in the User Portal.",
	136:  "Let the person open the app and look for the request by hand; if nothing comes, remove the device and activate the app again in the User Portal.",
	137:  "Let the person update the app, or remove the device and activate the app again in the User Portal.",
	138:  "Let the person set the phone's time to automatic; give the right serial number and secret key to a hardware token.",
	139:  "Let the person wait for the next code. If the same code comes twice within a second, the application sends each login twice: look at its RADIUS retries.",
	140:  "Let the person set the phone's time to automatic and use the newest code; a code older than one that was used is never taken again.",
	-100: "Look at what refused the login beside the second factor: the first factor, or the application.",
	-104: "Look at what refused the login beside the second factor: the first factor, or the application.",
	-101: "Import the person, or let synchronization bring them; check Username Resolution, and whether Require Multi-Factor Authentication user match is meant to be set for this client: it refuses whoever is not in the store.",
	-102: "Enable the person in Azure MFA Server, or find out which synchronization item disabled them.",
	-103: "Give the person a phone number, an activated app or an OATH token: one of them makes an enabled person complete.",
}

// azureMeanings is what a status meant in Azure MFA Server, where the catalogue's
// row tells of this program's own rules.
var azureMeanings = map[int]string{
	1:    "Digits and # were entered in the call. That is right if the person's mode asks for a PIN and the PIN was right; it was refused, so the PIN was wrong, or the person's mode has no PIN and wants # alone.",
	2:    "# alone was pressed in the call. That is right in Standard mode; it was refused, so the person's mode asks for a PIN before #.",
	6:    "A cache rule for the user spared the prompt: the same user had succeeded within its seconds. The second factor counts as given.",
	7:    "An active one-time bypass spared the prompt. The second factor counts as given.",
	8:    "A cache rule for the user, authentication type, application and address spared the prompt. The second factor counts as given.",
	9:    "A cache rule for the user, authentication type and application spared the prompt. The second factor counts as given.",
	14:   "The user is on the block list of the tenant, and was refused without being asked for anything. An administrator has blocked them, or they reported fraud or blocked themselves during a call.",
	22:   "A code from an app or token was asked for, and none has come. If nothing follows, the person gave up, or the application cannot show the question.",
	101:  "Another login of the same person was still being answered, so that this one was refused; the first went on. RADIUS clients that send several requests for one sign-on are the usual cause, or repeat it before the person has answered.",
	105:  "The account was locked after too many denials with a wrong PIN, as the settings under Account lockout say. Nothing was asked for.",
	117:  "The cloud service could not place the call. The phone never rang.",
	120:  "The cloud service could not send the text message.",
	134:  "The subscription was not entitled to the mobile app.",
	135:  "All devices of the person had stopped answering notifications and were blocked by the service, so that there was none to ask: the app was removed, or the phone was reset, replaced or long without network.",
	138:  "The code fits no app or token of this person: a typing error, an entry in the app from another account or an earlier activation, or a clock that is off.",
	139:  "The code was right and had been used before. Each code is taken once: the person typed the same one twice, an application sent it twice, or somebody repeats what they saw.",
	140:  "The code is older than one that was taken already: it was typed too late, or the clock of the phone or token runs behind.",
	-100: "The second factor was not required for this request, so none was asked for.",
	-101: "The user is not in the store of Azure MFA Server, and this client demands that every user is (Require Multi-Factor Authentication user match). Without that demand, people who are not in the store pass with the password alone.",
	-102: "The user is in the store of Azure MFA Server and disabled there.",
	-103: "The user is enabled and has nothing to be asked with: no phone number, no activated app and no OATH token.",
	-104: "The request came from an address in the list of trusted ones, so that no second factor was asked for.",
}

// An azureExtra is a status that the catalogue of 72 does not hold.
type azureExtra struct {
	status, id, title, means string
	atFault                  bool
	who                      string
	step                     string
}

// azureUnnumbered are the statuses whose number nobody has published, and one
// that came later.
var azureUnnumbered = []azureExtra{
	{
		"FAILED_SMS_MAX_OTP_RETRY_REACHED", "sms-max-otp-retry-reached", "Too many wrong codes from text messages",
		"The person typed the code of a text message wrongly until no more tries were allowed.",
		false, whoPerson, "Let the person sign in again and type the code of the newest message.",
	},
	{
		"FAILED_OATH_CODE_PIN_INCORRECT", "oath-code-pin-incorrect", "OATH code or PIN incorrect",
		"The person's OATH mode asks for a PIN too, and the code, the PIN or both were wrong. They are judged together, so the log does not say which.",
		false, whoPerson, "Let the person type PIN and current code again; reset the PIN if it is forgotten.",
	},
	{
		"FAILED_OATH_TOKEN_TIMEOUT", "oath-token-timeout", "No OATH code was typed in time",
		"A code was asked for, and none came before the server gave up. The person was slow, or the application could not show the question.",
		false, whoPerson, "Let the person try again; if nobody can log in through this application, check that it shows RADIUS challenges.",
	},
	{
		"FAILED_SECURITY_QUESTIONS_TIMEOUT", "security-questions-timeout", "The security questions were not answered in time",
		"The primary method had failed, the security questions were shown instead, and no answers came in time.",
		false, whoPerson, "Let the person try again, or mend the primary method.",
	},
	{
		"FAILED_AUTH_RESULT_TIMEOUT", "auth-result-timeout", "The whole login took too long",
		"The second factor was not finished within the time that the service allows for one login.",
		false, whoPerson, "Let the person answer faster; set the time-out of the RADIUS or LDAP client to 30 to 60 seconds.",
	},
	{
		"FAILED_AUTHENTICATION_THROTTLED", "authentication-throttled", "The service throttled the person's logins",
		"There were so many tries for this person in a short time that the cloud service refused to make another.",
		false, whoAzure, "Find out what repeats the request - a client with a short time-out, a script, an attacker - and stop it; then wait.",
	},
	{
		"149", "direct-sdk-not-allowed", "Direct SDK not allowed",
		"A program asked for the second factor through the SDK as the authentication type pfsdk, and the cloud service no longer serves that. The person and the server are not to blame.",
		true, whoAzure, "Let the program ask through another front end - RADIUS, LDAP or the AD FS adapter; the direct SDK is retired.",
	},
}

// azureCauses are the call statuses, and what else goes wrong around the server.
var azureCauses = slices.Concat(azureStatusCauses(), azureExtraCauses(), []Cause{
	{
		ID:    "azure-mfa-other",
		Title: "Azure MFA Server refused with a status that no public table explains",
		Means: "Statuses 1 to 25, 100 to 141 and -100 to -104 are published, and 149 is known. The cloud service had others, whose meaning only its reports told.",
		Who:   whoAzure,
		Remedy: []Step{
			{Text: "Read the description beside the status, in MultiFactorAuthSvc.log or in the usage report of the cloud portal."},
		},
		Verify: azureVerify,
		Source: []string{azureReport, azureNumbers},
		Signs: []Sign{{
			Code: azureSpace + "other", Confidence: Possible,
			Why: "The login was refused, and the status is in no published table.",
		}},
	},
	{
		ID:    "azure-mfa-logon-failure",
		Title: "The first factor failed before Azure MFA Server asked for the second",
		Means: "Azure MFA Server checks the user name and password with Windows, LDAP or another RADIUS server first. " +
			"That refused the logon, so that no second factor was asked for. The words after \"Logon failure:\" are those of the directory.",
		Who: whoPerson,
		Remedy: []Step{
			{Text: "Let the person type the password again, and see in the directory whether the account is locked, disabled or expired.", Commands: []string{
				"Get-ADUser USERNAME -Properties LockedOut,Enabled,AccountExpirationDate,PasswordExpired",
			}},
			{Text: "If nobody can log in, check the bind account and the password in Directory Integration; the password is kept on each server."},
		},
		Verify: azureVerify,
		Source: []string{"https://github.com/ExabeamLabs/Content-Library-CIM2"},
		Signs: []Sign{{
			Code: azureSpace + "logon-failure", Confidence: Proven,
			Why: "The log says that the logon itself failed.",
		}},
	},
	{
		ID:    "azure-server-error",
		Title: "A service of Azure MFA Server wrote an error",
		Means: "The services of Azure MFA Server begin a message with ***** ERROR ***** when something that they need did not work. " +
			"The text after it says what; other logins may have gone on.",
		MFAAtFault: true,
		Who:        whoAzure,
		Remedy: []Step{
			{Text: "Read the text after the asterisks, and look at the lines of the same process and thread around it."},
			{Text: "See whether the server reaches the cloud service on port 443.", Commands: []string{"Test-NetConnection pfd.phonefactor.net -Port 443"}},
		},
		Verify: []Step{{Text: "The message does not come again after the service was restarted."}},
		Source: []string{"https://s4erka.wordpress.com/category/mfa-server/"},
		Signs: []Sign{{
			Text: "***** ERROR *****", Not: []string{"attachment"}, Formats: []string{azureServerName, azureRadiusName}, Confidence: Possible,
			Why: "The server calls it an error; which login it struck, if any, it does not say.",
		}},
	},
	{
		ID:    "azure-server-mail-attachment",
		Title: "Azure MFA Server cannot read a file that its mails are to carry",
		Means: "A mail template names an attachment that the account of the service may not read, or that is not there. " +
			"The mail that tells people how to enrol is not sent, so that they do not know what to do.",
		MFAAtFault: true,
		Who:        whoAzure,
		Remedy: []Step{
			{Text: "Put the file where the template says, and let the account of the service read it.", Commands: []string{`icacls "ATTACHMENT"`, `icacls "ATTACHMENT" /grant "NT AUTHORITY\NETWORK SERVICE:R"`}},
		},
		Verify: []Step{{Text: "Send a mail to one person from the Email section, and see that no error follows in the log."}},
		Source: []string{"https://s4erka.wordpress.com/category/mfa-server/"},
		Signs: []Sign{{
			Text: "***** ERROR *****", And: []string{"attachment"}, Formats: []string{azureServerName, azureRadiusName}, Confidence: Likely,
			Why: "The error message speaks of an attachment, which only mails have.",
		}},
	},
	{
		ID:    "azure-server-subordinate-behind",
		Title: "A subordinate Azure MFA Server does not understand the master's data",
		Means: "The master's data file was upgraded to a newer schema, and this server runs an older build that does not know some of its records. " +
			"It goes on authenticating with what it understands.",
		MFAAtFault: true,
		Note:       true,
		Who:        whoAzure,
		Remedy:     []Step{{Text: "Install the same build of Azure MFA Server on all servers, the subordinates first."}},
		Verify:     []Step{{Text: "After the upgrade, MultiFactorAuthSvc.log has no new line with \"Unhandled SB\"."}},
		Source:     []string{azureMigrate},
		Signs: []Sign{{
			Text: "Unhandled SB", Formats: []string{azureServerName}, Confidence: Likely,
			Why: "The server writes so when it meets a kind of record that its build does not know.",
		}},
	},
	{
		ID:    "azure-activation-private-ca",
		Title: "The app cannot be activated: the web service's certificate is not from a public authority",
		Means: "The Authenticator app reaches the Mobile App Web Service from a phone, which trusts public certification authorities only. " +
			"With a certificate from a private one the app stops at the TLS handshake and says \"The remote server returned an error: NotFound\", " +
			"although browsers of the company's own computers open the same address.",
		MFAAtFault: false,
		Who:        "administrator of the web service's certificate",
		Remedy: []Step{
			{Text: "See as a phone would whether the chain ends at a public root.", Commands: []string{"sallyport check https://SERVER/PA", "openssl s_client -connect SERVER:443 -servername SERVER -showcerts </dev/null"}},
			{Text: "Get a certificate for the public name from a publicly trusted authority, install it with its intermediate certificates, and bind it to the site in IIS or at the proxy that ends TLS."},
			{Text: "Let the person activate the app again with a new code."},
		},
		Verify: []Step{{Text: "The address opens without a warning in the browser of a phone that is not managed, over the mobile network.", Commands: []string{"sallyport check https://SERVER/PA"}}},
		Source: []string{"https://dirteam.com/sander/2017/06/19/knowledgebase-when-you-activate-the-microsoft-authenticator-app-you-receive-the-remote-server-returned-an-error-notfound/"},
		Signs: []Sign{{
			Text: "The remote server returned an error: NotFound", Confidence: Likely,
			Why: "The app words a failed TLS handshake so; a web service that really is not at this address reads the same.",
		}},
	},
	{
		ID:    "azure-activation-sni",
		Title: "The app cannot be activated: it does not name the server in the TLS handshake",
		Means: "On Android 5 the Authenticator app sends no server name indication (RFC 6066, Section 3). A front end that serves several names on one address " +
			"then answers with its default certificate, or with none, and the app says \"Your device does not trust the activation URL\".",
		MFAAtFault: true,
		Who:        "administrator of the web service's front end",
		Remedy: []Step{
			{Text: "Compare what the front end answers with and without a server name.", Commands: []string{"openssl s_client -connect SERVER:443 -noservername </dev/null", "openssl s_client -connect SERVER:443 -servername SERVER </dev/null"}},
			{Text: "Bind the web service's certificate as the default of the address as well, so that clients without a server name get it too.", Commands: []string{"netsh http show sslcert", "netsh http add sslcert ipport=0.0.0.0:443 certhash=THUMBPRINT appid={APPID} certstorename=MY"}},
			{Text: "Or let the person use a phone with a newer Android."},
		},
		Verify: []Step{{Text: "The handshake without a server name gets the right certificate.", Commands: []string{"openssl s_client -connect SERVER:443 -noservername </dev/null"}}},
		Source: []string{
			"https://dirteam.com/sander/2017/06/26/knowledgebase-when-you-activate-the-microsoft-authenticator-app-on-android-5-x-you-receive-your-device-does-not-trust-the-activation-url/",
			"RFC 6066, Section 3",
		},
		Signs: []Sign{{
			Text: "Your device does not trust the activation URL", Confidence: Likely,
			Why: "The app says so when the certificate is not the right one; a certificate from a private authority can lead here too.",
		}},
	},
})

// azureVerify is how to see that logins work again.
var azureVerify = []Step{{
	Text:     "Let the person sign in again: the log then has authResult = 1, or \"Pfauth succeeded\", for them.",
	Commands: []string{`Select-String -Path "LOGFOLDER\MultiFactorAuth*Svc.log" -Pattern "authResult|Pfauth" | Select-Object -Last 10`},
}}

// azureExtraCauses makes a cause of each status that is not in the catalogue.
func azureExtraCauses() []Cause {
	all := make([]Cause, 0, len(azureUnnumbered))
	for _, u := range azureUnnumbered {
		all = append(all, Cause{
			ID: "azure-mfa-" + u.id, Title: u.title + " (Azure MFA)", Means: u.means, MFAAtFault: u.atFault, Who: u.who,
			Remedy: []Step{{Text: u.step}}, Verify: azureVerify, Source: []string{azureReport},
			Signs: []Sign{{Code: azureSpace + u.status, Confidence: Proven, Why: "The server itself names this as the reason."}},
		})
	}
	return all
}

// azureStatusCauses makes a cause of each call status, with the words of the
// outcome catalogue, so that this knowledge is written once. What the catalogue
// says of this program itself is left out: the log is another's.
func azureStatusCauses() []Cause {
	var all []Cause
	for _, m := range auth.Catalogue() {
		n := int(m.Outcome)
		if n > 141 {
			continue
		}
		c := Cause{
			ID: "azure-mfa-" + m.Name, Title: m.Label + " (Azure MFA status " + strconv.Itoa(n) + ")",
			Means: azureMeans(&m), MFAAtFault: m.AtFault, Who: azureWho(&m), Remedy: azureRemedy(&m),
			Verify: azureVerify, Source: []string{azureReport, azureNumbers},
		}
		code := azureSpace + strconv.Itoa(n)
		switch m.Result {
		case auth.Success:
			c.Title = m.Label + ", and the login was refused all the same (Azure MFA status " + strconv.Itoa(n) + ")"
			c.Signs = []Sign{{
				Code: code, Verdicts: []Verdict{Refused, Faulty}, Confidence: Possible,
				Why: "The status is a success and the login is not: what refused it came after the second factor.",
			}}
		case auth.Pending:
			c.Find = unanswered(code)
		case auth.Failure:
			if m.Outcome == auth.AuthInProgress {
				break // the cause request-while-open has the sign, for all products
			}
			c.Signs = []Sign{{Code: code, Confidence: Proven, Why: "The server itself names this as the reason."}}
		case auth.Conditional:
			c.Signs = []Sign{{
				Code: code, Verdicts: []Verdict{Refused, Faulty}, Confidence: Likely,
				Why: "The status can be a success or a failure by the person's settings; the result beside it says that it was a failure.",
			}}
		}
		all = append(all, c)
	}
	return all
}

// unanswered finds attempts that ended with a question, with this code, after
// which the same product decided nothing for the same person within five minutes.
func unanswered(code string) func([]*Attempt) []Match {
	const patience = 5 * 60 // seconds
	return func(attempts []*Attempt) []Match {
		type who struct{ product, user string }
		decided := map[who]*Attempt{} // the next decision, seen from the end
		var found []Match
		for _, a := range slices.Backward(attempts) {
			key := who{a.Product, account(a.User)}
			if a.Verdict != Challenged {
				decided[key] = a
				continue
			}
			if !slices.Contains(a.Codes, code) {
				continue
			}
			if next := decided[key]; next != nil && next.Time.Sub(a.Time).Seconds() <= patience {
				continue
			}
			found = append(found, Match{
				Attempts: []*Attempt{a}, Confidence: Possible,
				Why: "The log has the question and no decision after it: the person gave up, or the application does not show questions, or the answer went to another server.",
			})
		}
		slices.Reverse(found)
		return found
	}
}

// azureMeans says of a status how it is called, what happened to the person, and
// what is behind it.
func azureMeans(m *auth.Meaning) string {
	text := "Call status " + strconv.Itoa(int(m.Outcome))
	if constant := azureConstants[int(m.Outcome)]; constant != "" {
		text += ", in reports " + constant
		if m.Result == auth.Failure && strings.HasPrefix(constant, "SUCCESS_") {
			text += " (which only says that the call or message ran to its end, not that it was right)"
		}
	}
	text += ". "
	if own := azureMeanings[int(m.Outcome)]; own != "" {
		return text + own
	}
	person, _, _ := strings.Cut(m.HelpDesk, " Tell the caller: ")
	if person = aboutOthers(person); person != "" {
		text += person + " "
	}
	if _, meant, found := strings.Cut(m.Administrator, ", where it meant: "); found {
		return strings.TrimSpace(text + aboutOthers(capital(meant)))
	}
	return strings.TrimSpace(text + aboutOthers(m.Administrator))
}

// azureRemedy is the catalogue's remedy, a step for each who has something to do,
// after what there is to do in Azure MFA Server.
func azureRemedy(m *auth.Meaning) []Step {
	var steps []Step
	if own := azureSteps[int(m.Outcome)]; own != "" {
		steps = append(steps, Step{Text: own})
	}
	if azureMeanings[int(m.Outcome)] != "" && len(steps) > 0 {
		return steps // the catalogue's remedy is about this program's rules as well
	}
	for _, part := range byRole(m.Remedy) {
		if text := aboutOthers(part.text); text != "" && part.role != "Nobody" {
			steps = append(steps, Step{Text: part.role + ": " + text})
		}
	}
	if _, tell, found := strings.Cut(m.HelpDesk, "Tell the caller: "); found && !m.Foreign {
		if tell = aboutOthers(capital(tell)); tell != "" && m.Result != auth.Success {
			steps = append(steps, Step{Text: "Tell the person: " + tell})
		}
	}
	if m.Foreign || len(steps) == 0 {
		steps = append(steps, Step{Text: "Where the server is already gone there is nothing left to mend: Azure MFA Server stopped serving on 30 September 2024. Give the person a method of the product that came after it."})
	}
	return steps
}

func azureWho(m *auth.Meaning) string {
	if m.AtFault || m.Foreign {
		return whoAzure
	}
	if azureSteps[int(m.Outcome)] != "" && m.Outcome < 0 {
		return whoAzure
	}
	for _, part := range byRole(m.Remedy) {
		switch part.role {
		case "Person":
			return whoPerson
		case "Help desk":
			return "help desk"
		case "Administrator":
			return whoAzure
		}
	}
	return whoAzure
}

// A rolePart is what one of the roles that a remedy names has to do.
type rolePart struct{ role, text string }

// byRole splits "Person: do this. Administrator: do that." by who acts.
func byRole(remedy string) []rolePart {
	var parts []rolePart
	for _, s := range sentences(remedy) {
		for _, role := range []string{"Person", "Help desk", "Administrator", "Nobody"} {
			if text, found := strings.CutPrefix(s, role+": "); found {
				parts = append(parts, rolePart{role: role})
				s = capital(text)
				break
			}
		}
		if len(parts) == 0 {
			continue
		}
		p := &parts[len(parts)-1]
		p.text = strings.TrimSpace(p.text + " " + s)
	}
	return parts
}

// aboutOthers leaves out the sentences that speak of this program.
func aboutOthers(text string) string {
	var rest []string
	for _, s := range sentences(text) {
		if !strings.Contains(s, "allyport") && !strings.Contains(s, "The trace") && !strings.Contains(s, "the trace") &&
			!strings.Contains(s, "This comes from a log of Azure MFA Server") {
			rest = append(rest, s)
		}
	}
	return strings.Join(rest, " ")
}

// sentences cuts after each full stop that a blank follows.
func sentences(text string) []string {
	var all []string
	for text != "" {
		i := strings.Index(text, ". ")
		if i < 0 {
			all = append(all, text)
			break
		}
		all = append(all, text[:i+1])
		text = strings.TrimSpace(text[i+2:])
	}
	return all
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
