package diagnose

// unixFormats are the formats of Unix, of RADIUS servers on it, of Duo, and our
// own. Duo Unix is asked before sshd, in whose lines it may write.
var unixFormats = []Format{
	freeradiusFormat, duoUnixFormat, sshdFormat, duoProxyFormat, duoEventFormat, duoAPIFormat, sallyportFormat, sallyportLogFormat,
}
