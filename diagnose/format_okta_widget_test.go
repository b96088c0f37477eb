package diagnose

import "testing"

const widgetFrames = " at System.Net.HttpWebRequest.GetResponse()<CR><LF> at OktaWidget.JwtService.GetStateTokenUsingJwt(String username)<CR><LF> at OktaWidget.OktaWidgetClass.displayWidget(Int64 parent, String username, Int64 flow)"

func TestOktaWidget(t *testing.T) {
	runReadTests(t, oktaWidget, []readTest{
		{
			"a record of a newer agent, without a time",
			"exception thrown is = System.Net.WebException: The remote server returned an error: (401) Unauthorized.<CR><LF>" + widgetFrames + "\n",
			[]string{"- - - - client failed okta-widget:http-401,okta-widget:agent-newer 1"},
		},
		{
			"a record of an older agent, which has no line ends in it",
			"InvalidOperationException thrown System.Net.WebException: The remote server returned an error: (404) Not Found. at System.Net.HttpWebRequest.GetResponse()at OktaWidget.OktaWidgetForm..ctor(String username, Int64 parent, Boolean doMfaChallenge)at OktaWidget.OktaWidgetClass.displayWidget(Int64 parent, String username)\n",
			[]string{"- - - - account failed okta-widget:http-404,okta-widget:agent-older 1"},
		},
		{
			"real line ends, a time and a level before the record, and the next failure after it",
			"2026-03-02 09:12:44.120 [5] ERROR - exception thrown is = System.Net.WebException: The remote server returned an error: (403) Forbidden.\n   at System.Net.HttpWebRequest.GetResponse()\n   at OktaWidget.JwtService.GetStateTokenUsingJwt(String username)\n2026-03-02 09:15:01 ERROR exception thrown is = System.Net.WebException: The remote server returned an error: (403) Forbidden.\n",
			[]string{
				"2026-03-02T09:12:44? - - - policy failed okta-widget:http-403 1+2+3",
				"2026-03-02T09:15:01? - - - policy failed okta-widget:http-403 4",
			},
		},
		{
			"exceptions inside each other are one failure, also in records of their own",
			"exception thrown is = System.Net.WebException: The underlying connection was closed: An unexpected error occurred on a send.\nSystem.IO.IOException: Unable to read data from the transport connection\n ---> System.Net.Sockets.SocketException: An existing connection was forcibly closed by the remote host\nSystem.Net.WebException: The underlying connection was closed\n",
			[]string{"- - - - reach failed - 1+2+3", "- - - - reach failed - 4"},
		},
		{
			"the key that is too short and the secret that cannot be decoded are one failure",
			"The encryption algorithm 'HS256' requires a key size of at least '128' bits.\nException thrown System.FormatExceptiondata = System.FormatException: Invalid length for a Base-64 char array or string.<CR><LF> at OktaWidget.SecurityService.unencryptData(String encryptedText)\n",
			[]string{"- - - - client failed okta-widget:client-secret 1+2"},
		},
		{
			"other releases say otherwise that the key is too short, with and without names and sizes",
			"exception thrown is = System.ArgumentOutOfRangeException: IDX10603: The algorithm: 'HS256' requires the SecurityKey.KeySize to be greater than '128' bits. KeySize reported: '88'.\n" +
				"exception thrown is = System.ArgumentOutOfRangeException: IDX10653: The encryption algorithm '[PII is hidden]' requires a key size of at least '[PII is hidden]' bits.\n" +
				"exception thrown is = System.ArgumentException: IDX10703: Cannot create a 'Microsoft.IdentityModel.Tokens.SymmetricSecurityKey', key length is zero.\n" +
				"ERROR - System.ArgumentOutOfRangeException: IDX10720: Unable to create KeyedHashAlgorithm for algorithm 'HS256', the key size must be greater than: '256' bits, key has '88' bits.\n",
			[]string{
				"- - - - client failed okta-widget:client-secret 1", "- - - - client failed okta-widget:client-secret 2",
				"- - - - client failed okta-widget:client-secret 3", "- - - - client failed okta-widget:client-secret 4",
			},
		},
		{
			"a key of another program that is too short",
			"System.ArgumentOutOfRangeException: IDX10720: Unable to create KeyedHashAlgorithm for algorithm 'HS512', the key size must be greater than: '512' bits, key has '216' bits.\n", nil,
		},
		{
			"a line nearby names the user",
			"login for username = DOMAIN\\alice\nexception thrown is = System.Net.WebException: The operation has timed out\n",
			[]string{"- DOMAIN\\alice - - reach failed okta-widget:timeout 2"},
		},
		{"a frame by itself is of nothing that this file tells", "   at OktaWidget.OktaWidgetForm..ctor(String username, Int64 parent, Int64 widgetFlow)\n", nil},
		{"the same exceptions of another program are not Okta's", "2026-03-02 09:12:44 ERROR System.Net.WebException: The operation has timed out\n   at System.Net.HttpWebRequest.GetResponse()\n", nil},
		{"a record that was cut", "exception thrown is = System.Net.WebExc", []string{"- - - - reach failed - 1"}},
	})
}

func FuzzOktaWidget(f *testing.F) {
	fuzzReader(f, oktaWidget, "exception thrown is = System.Net.WebException: x\nSystem.IO.IOException: y\nusername = z\n")
}
