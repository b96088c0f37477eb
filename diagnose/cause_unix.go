package diagnose

import "sallyport/auth"

const (
	sourceSSHD   = "https://man.openbsd.org/sshd_config"
	sourceSSH    = "https://github.com/openssh/openssh-portable"
	sourcePAM    = "https://github.com/linux-pam/linux-pam"
	sourceGAuth  = "https://github.com/google/google-authenticator-libpam"
	sourcePAMRAD = "https://github.com/FreeRADIUS/pam_radius"
	sourceSudo   = "https://www.sudo.ws/docs/man/sudoers.man/"
)

var sshTry = Step{Text: "The person gets in, and the log says Accepted.", Commands: []string{"ssh -v ALICE@HOST true", "journalctl -t sshd -n 20"}}

// unixCauses are those of sshd, PAM and sudo, and Sallyport's own outcomes.
var unixCauses = append([]Cause{
	{
		ID:    "unix-wrong-password",
		Title: "A wrong password was typed",
		Means: "The name is known on this machine and the password did not match. The second factor was not asked for, or is checked together with it.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Let the person type it again. Many failures of many names from one address are somebody guessing: shut them out at the firewall.", Commands: []string{"journalctl -t sshd --since today | grep 'Failed password'"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceSSHD, sourceSSH, sourcePAM, sourceSudo},
		Signs: []Sign{
			{Code: "sshd:wrong-password", Confidence: Proven, Why: "sshd says that the password failed for a known user."},
			{Code: "pam:wrong-password", Confidence: Proven, Why: "The PAM module compared the password, and it differs."},
			{Code: "sudo:wrong-password", Confidence: Proven, Why: "sudo says so."},
		},
		Hides: []string{"unix-pam-refused"},
	},
	{
		ID:    "unix-unknown-user",
		Title: "That user name does not exist on the machine",
		Means: "The machine has no account of this name, or cannot see it: a directory that is not joined or not reached, or a domain in front or behind that is not expected. On the internet it is nearly always somebody guessing.",
		Who:   "the person, or the administrator of the machine",
		Remedy: []Step{
			{Text: "See whether the machine knows the name, in all forms in which it is typed.", Commands: []string{"getent passwd ALICE", "sssctl domain-status DOMAIN"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceSSHD, sourceSSH},
		Signs: []Sign{
			{Code: "sshd:unknown-user", Confidence: Proven, Why: "sshd says that there is no such user."},
			{Code: "pam:user-unknown", Confidence: Proven, Why: "The PAM module does not know the user."},
		},
		Hides: []string{"unix-wrong-password", "unix-pam-refused", "unix-too-many-tries"},
	},
	{
		ID:    "unix-not-allowed",
		Title: "The user may not log in here",
		Means: "The name is right, and the settings of sshd, PAM or sudo keep it out: AllowUsers or AllowGroups, a shell that does not exist, an access rule, or the list of sudoers.",
		Who:   "administrator of the machine",
		Remedy: []Step{
			{Text: "See what is set for this user.", Commands: []string{"sshd -T -C user=ALICE,addr=ADDRESS | grep -i 'allow\\|deny'", "sudo -l -U ALICE"}},
			{Text: "Put the user into the group or list that is allowed, and reload sshd.", Commands: []string{"usermod -aG GROUP ALICE", "systemctl reload ssh"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceSSHD, sourceSSH, sourceSudo, sourcePAM},
		Signs: []Sign{
			{Code: "sshd:not-allowed", Confidence: Proven, Why: "sshd says by which setting it is not allowed."},
			{Code: "pam:perm-denied", Confidence: Likely, Why: "A PAM module refused access, after or beside the password."},
			{Code: pamAccount, Confidence: Likely, Why: "sshd says that PAM's rules for the account refused; which of them, no module says."},
			{Code: "sudo:not-allowed", Confidence: Proven, Why: "sudo says so."},
		},
		Hides: []string{"unix-unknown-user", "unix-wrong-password", "unix-pam-refused"},
	},
	{
		ID:    "unix-locked",
		Title: "The account is locked",
		Means: "After too many failures, or by an administrator, the account lets nobody in, whatever is typed.",
		Who:   "administrator of the machine",
		Remedy: []Step{
			{Text: "Find out where the failures came from, and then lift the lock.", Commands: []string{"faillock --user ALICE", "faillock --user ALICE --reset", "passwd -S ALICE", "passwd -u ALICE"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourcePAM, sourceSSHD, sourceSSH},
		Signs: []Sign{
			{Code: "pam:locked", Confidence: Proven, Why: "The PAM module says so."},
			{Code: "sshd:account-locked", Confidence: Proven, Why: "sshd says so."},
			{Code: "pam:maxtries", Confidence: Likely, Why: "PAM says that there were too many tries."},
		},
		Hides: []string{"unix-wrong-password", "unix-unknown-user", "unix-pam-refused", "unix-not-allowed"},
	},
	{
		ID:    "unix-expired",
		Title: "The account or its password has expired",
		Means: "The date that is set for the account or the password is over.",
		Who:   "administrator of the machine",
		Remedy: []Step{
			{Text: "See the dates, and set new ones.", Commands: []string{"chage -l ALICE", "chage -E -1 ALICE"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourcePAM},
		Signs: []Sign{
			{Code: "pam:account-expired", Confidence: Proven, Why: "PAM says so."},
			{Code: "pam:password-expired", Confidence: Proven, Why: "PAM says so."},
		},
		Hides: []string{"unix-not-allowed", "unix-wrong-password", "unix-pam-refused"},
	},
	{
		ID:    "unix-too-many-tries",
		Title: "The client used up its tries before it came to the right method",
		Means: "sshd counts every key that the client offers, and ends the connection after MaxAuthTries. An agent with many keys is at the end before the password or the second factor is asked for.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Offer only the key that is meant.", Commands: []string{"ssh -o IdentitiesOnly=yes -i KEY ALICE@HOST", "ssh -o PubkeyAuthentication=no ALICE@HOST"}},
			{Text: "If wrong passwords are in the log as well, they were what was counted."},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceSSHD, sourceSSH},
		Signs:  []Sign{{Code: "sshd:too-many-tries", Confidence: Proven, Why: "sshd says so."}},
		Hides:  []string{"unix-key-refused"},
	},
	{
		ID:    "unix-login-timeout",
		Title: "The login took longer than sshd waits",
		Means: "sshd closes a connection that has not logged in within LoginGraceTime, 120 seconds unless it is set. A person who must find their phone, or a program that only connects, comes to it.",
		Who:   "administrator of the machine",
		Remedy: []Step{
			{Text: "If people are meant, give them more time, and reload sshd.", Commands: []string{"printf 'LoginGraceTime 300\\n' > /etc/ssh/sshd_config.d/grace.conf && systemctl reload ssh"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceSSHD, sourceSSH},
		Signs: []Sign{{
			Code: "sshd:timeout", Verdicts: []Verdict{Refused, Faulty}, Confidence: Proven,
			Why: "sshd says that somebody who had begun to log in ran out of time.",
		}},
	},
	{
		ID:    "unix-key-refused",
		Title: "The key was not accepted",
		Means: "The key that the client offered is not in the person's authorized_keys, the file or its folder may be written by others, or its algorithm is switched off.",
		Who:   "the person, or the administrator of the machine",
		Remedy: []Step{
			{Text: "See which keys are accepted, and whether only the owner may write the files.", Commands: []string{"ssh-keygen -lf ~ALICE/.ssh/authorized_keys", "chmod go-w ~ALICE ~ALICE/.ssh ~ALICE/.ssh/authorized_keys"}},
			{Text: "If the log names ssh-rsa as not in the accepted algorithms, make a new key.", Commands: []string{"ssh-keygen -t ed25519"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceSSHD, sourceSSH},
		Signs: []Sign{
			{Code: "sshd:key-refused", Confidence: Likely, Why: "sshd says that the key failed; clients offer several and one may be meant that was not offered."},
			{Code: "sshd:key-file-modes", Confidence: Proven, Why: "sshd says that others may write the file or a folder above it."},
			{Code: "sshd:key-algorithm", Confidence: Proven, Why: "sshd says that the algorithm is switched off."},
		},
	},
	{
		ID:    "unix-ssh-algorithms",
		Title: "The SSH client and server have no algorithm in common",
		Means: "Key exchange, host key, cipher or MAC: one of the lists that the client offers has nothing that the server takes. One side is too old.",
		Who:   "administrator of the older side",
		Remedy: []Step{
			{Text: "The line lists what the client offers; compare it with what the server takes, and update the older one.", Commands: []string{"sshd -T | grep -i 'kexalgorithms\\|ciphers\\|macs\\|hostkeyalgorithms'", "ssh -Q kex"}},
		},
		Verify: []Step{sshTry},
		Source: []string{"RFC 4253, Section 7.1", sourceSSHD, sourceSSH},
		Signs:  []Sign{{Code: "sshd:no-common-algorithm", Confidence: Proven, Why: "sshd lists what was offered."}},
	},
	{
		ID:    "unix-code-wrong",
		Title: "The code from the authenticator app was wrong",
		Means: "The code did not match any of the time steps that are allowed. It was mistyped, belongs to another account, or the clock of the phone or of this machine is off.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Let the person type the code that is shown now, of the right account."},
			{Text: "If it is so for everybody, compare the machine's clock.", Commands: []string{"timedatectl", "chronyc tracking"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceGAuth, "RFC 6238, Section 6"},
		Signs:  []Sign{{Code: "totp:wrong-code", Confidence: Proven, Why: "The PAM module compared the code, and it differs."}},
		Hides:  []string{"unix-pam-refused"},
	},
	{
		ID:    "unix-code-reused",
		Title: "A code was used a second time",
		Means: "Each code is accepted once. A client that sends the same code again, or a person who is faster than the 30 seconds of a code, is refused.",
		Who:   "the person",
		Remedy: []Step{
			{Text: "Wait for the next code before the next login."},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceGAuth, "RFC 6238, Section 5.2"},
		Signs:  []Sign{{Code: "totp:reused", Confidence: Proven, Why: "The PAM module says so."}},
		Hides:  []string{"unix-pam-refused", "unix-code-wrong"},
	},
	{
		ID:         "unix-code-throttled",
		Title:      "Too many tries with codes: the module makes the person wait",
		Means:      "The limit that is set in the person's file of codes (RATE_LIMIT) is reached. Right codes are refused as well until the time is over.",
		Who:        "the person",
		MFAAtFault: true,
		Remedy: []Step{
			{Text: "Wait half a minute, and try once."},
			{Text: "If a program tries all the time, stop it; the limit is the line RATE_LIMIT in the file.", Commands: []string{"grep RATE_LIMIT ~ALICE/.google_authenticator"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceGAuth},
		Signs:  []Sign{{Code: "totp:throttled", Confidence: Proven, Why: "The PAM module says so."}},
		Hides:  []string{"unix-pam-refused", "unix-code-wrong"},
	},
	{
		ID:         "unix-code-not-set-up",
		Title:      "The person has no authenticator set up on the machine",
		Means:      "The file with the person's secret is missing or cannot be read. The module asks for a code all the same, so that nobody can tell, and refuses every one.",
		Who:        "administrator of the machine",
		MFAAtFault: true,
		Remedy: []Step{
			{Text: "Let the person set it up, while somebody else keeps a session open.", Commands: []string{"su - ALICE -c google-authenticator"}},
			{Text: "If the file is there, see who owns it: it must belong to the person and be readable by nobody else.", Commands: []string{"ls -l ~ALICE/.google_authenticator", "chmod 400 ~ALICE/.google_authenticator"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceGAuth, "https://www.nongnu.org/oath-toolkit/pam_oath.html"},
		Signs: []Sign{
			{Code: "totp:not-set-up", Confidence: Proven, Why: "The PAM module says that there is no secret for the person."},
			{Code: "totp:secret-file", Confidence: Proven, Why: "The PAM module says what is wrong with the file of the secret."},
		},
		Hides: []string{"unix-code-wrong", "unix-pam-refused"},
	},
	{
		ID:         "unix-pam-broken",
		Title:      "A PAM module is missing or failed",
		Means:      "PAM could not load a module that its configuration names, or the module broke. Whatever is typed is refused.",
		Who:        "administrator of the machine",
		MFAAtFault: true,
		Remedy: []Step{
			{Text: "See whether every module that is named is there.", Commands: []string{"grep -v '^#' /etc/pam.d/sshd", "ls /lib/*/security /usr/lib*/security"}},
			{Text: "Keep a root session open while you change it, and restart sshd afterwards.", Commands: []string{"systemctl restart ssh"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourcePAM},
		Signs: []Sign{
			{Code: "pam:module-unknown", Confidence: Proven, Why: "PAM says that the module is unknown."},
			{Code: "pam:system-err", Confidence: Likely, Why: "PAM says that the system failed it."},
			{Code: "pam:service-err", Confidence: Likely, Why: "PAM says that a module failed."},
			{Text: "PAM unable to dlopen", Confidence: Proven, Why: "PAM cannot load the module."},
			{Text: "PAM adding faulty module", Confidence: Proven, Why: "PAM cannot load the module."},
		},
		Hides: []string{"unix-not-allowed", "unix-wrong-password", "unix-pam-refused"},
	},
	{
		ID:    "unix-sudo-password",
		Title: "sudo needed a password and could not ask for it",
		Means: "A program called sudo without a terminal, and sudo would have had to ask.",
		Who:   "administrator of the machine",
		Remedy: []Step{
			{Text: "Give the program the one command that it needs without a password.", Commands: []string{"visudo -f /etc/sudoers.d/PROGRAM"}},
		},
		Verify: []Step{{Text: "The command works without a question.", Commands: []string{"sudo -n -l -U ALICE"}}},
		Source: []string{sourceSudo},
		Signs:  []Sign{{Code: "sudo:password-required", Confidence: Proven, Why: "sudo says so."}},
	},
	{
		ID:    "unix-pam-refused",
		Title: "PAM refused the login, and no module says why",
		Means: "sshd got a refusal from PAM: a wrong password, a wrong code or a missing set-up of the second factor all look so, and the module that knows did not write a line.",
		Who:   "administrator of the machine",
		Remedy: []Step{
			{Text: "Let the module write more (pam_radius and pam_google_authenticator: debug; pam_oath: debug), and let the person try again.", Commands: []string{"grep -v '^#' /etc/pam.d/sshd"}},
			{Text: "Read the log of the server that the module asks, together with this one.", Commands: []string{"sallyport diagnose FOLDER"}},
		},
		Verify: []Step{sshTry},
		Source: []string{sourceSSHD, sourceSSH, sourcePAM},
		Signs: []Sign{
			{Code: "pam:auth-err", Confidence: Possible, Why: "sshd only says that PAM refused."},
			{Code: "pam:authinfo-unavail", Confidence: Possible, Why: "sshd only says that PAM could not ask what it needs to know."},
			{Code: "pam:error", Confidence: Possible, Why: "sshd only says that PAM refused."},
			{Code: "sshd:refused", Confidence: Possible, Why: "sshd only says that the method failed."},
		},
	},
	{
		ID:         "sallyport-login-not-decided",
		Title:      "Sallyport could not decide a login, or not answer it",
		Means:      "Something that Sallyport needs failed during the login: mostly its database. The line's err says what. Nothing is accepted that could not be recorded.",
		Who:        "administrator of Sallyport",
		MFAAtFault: true,
		Remedy: []Step{
			{Text: "Read the err of the line; see whether the server is well, and its disk and database.", Commands: []string{"sallyport findings", "sallyport events --since 1h"}},
		},
		Verify: []Step{{Text: "The next logins are decided.", Commands: []string{"sallyport events --since 15m"}}},
		Source: []string{"docs/operating.md of Sallyport"},
		Signs: []Sign{
			{Code: "sallyport-log:not-decided", Confidence: Proven, Why: "The server says so."},
			{Code: "sallyport-log:not-answered", Confidence: Proven, Why: "The server says so."},
			{Text: "the database cannot be used; nothing is accepted", Formats: []string{"sallyport-log"}, Confidence: Proven, Why: "The server says so."},
			{Text: "the database failed; nothing more is written", Formats: []string{"sallyport-log"}, Confidence: Proven, Why: "The server says so."},
		},
	},
}, sallyportCauses()...)

// sallyportCauses makes a cause of each outcome with which Sallyport refuses, of
// what the catalogue says about it.
func sallyportCauses() []Cause {
	var all []Cause
	for _, m := range auth.Catalogue() {
		if m.Foreign || m.Verdict == auth.Accept || m.Verdict == auth.Challenge || m.Outcome == auth.AuthInProgress {
			continue
		}
		all = append(all, Cause{
			ID: "sallyport-" + m.Name, Title: m.Label + " (Sallyport outcome " + sallyportCode(m.Outcome)[len("sallyport:"):] + ")",
			Means: m.Administrator, MFAAtFault: m.AtFault, Who: sallyportWho(&m), Remedy: sallyportRemedy(&m),
			Verify: []Step{{Text: "The next login of the person is accepted.", Commands: []string{"sallyport events --account NAME --since 15m"}}},
			Source: []string{"docs/outcomes.md of Sallyport"},
			Signs:  []Sign{{Code: sallyportCode(m.Outcome), Confidence: Proven, Why: "Sallyport itself names this as the reason."}},
		})
	}
	return all
}

func sallyportWho(m *auth.Meaning) string {
	for _, part := range byRole(m.Remedy) {
		switch part.role {
		case "Person":
			return "the person"
		case "Help desk":
			return "help desk"
		}
	}
	return "administrator of Sallyport"
}

func sallyportRemedy(m *auth.Meaning) []Step {
	var steps []Step
	for _, part := range byRole(m.Remedy) {
		if part.role == "Nobody" {
			steps = append(steps, Step{Text: part.text})
		} else {
			steps = append(steps, Step{Text: part.role + ": " + part.text})
		}
	}
	if len(steps) == 0 {
		steps = append(steps, Step{Text: m.Remedy})
	}
	return steps
}
