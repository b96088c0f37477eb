package diagnose

// unexplainedCauses is the one cause that has no sign: what is left.
var unexplainedCauses = []Cause{{
	ID:    "unexplained",
	Title: "A login failed, and the log does not say why",
	Means: "The product wrote that it refused the login or could not decide it, and no line that belongs to this attempt " +
		"tells the reason. Often the reason is in another log, or the log's level is too low to hold it.",
	Who: "administrator of the product that wrote the log",
	Remedy: []Step{
		{Text: "Look at the lines around the evidence in the file, at the same second and for the same user."},
		{Text: "Add the logs of the other machines that the login passes through - VPN or gateway, RADIUS server, domain controller, MFA product - and read them together.", Commands: []string{"sallyport diagnose FOLDER"}},
		{Text: "Raise the log level of the product, let the person try again, and read the new log."},
	},
	Verify: []Step{{Text: "After the next failure this finding has a cause."}},
	Source: []string{"the log itself"},
}}
