package check

import "strings"

// A service is an MFA service on the Internet that agents are known to call. It
// is data: one literal each.
type service struct {
	name string // "Okta"
	// hosts are exact names; domains also those below.
	hosts, domains []string
	// agent is what calls it, and meaning what an HTTP status then means.
	agent   string
	meaning map[int]string
	// anyAnswer is set if whatever status the root gives shows that the agent
	// can reach what it needs: it calls other paths.
	anyAnswer bool
}

// services are in the order in which they are asked. Microsoft's names are those of
// https://learn.microsoft.com/entra/identity/authentication/howto-mfa-nps-extension,
// what Okta's numbers mean is told in the articles that the causes endpoint-http-401
// to 404 cite, and Duo's in https://duo.com/docs/authapi.
var services = []service{
	{
		name:    "Okta",
		domains: []string{"okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "oktacdn.com"},
		agent:   "the Okta credential provider",
		meaning: map[int]string{
			401: "For the Okta credential provider 401 is a wrong password, a wrong client ID, secret or URL (also a slash at its end), a user who may not log in or is there twice, or a clock that differs.",
			403: "For the Okta credential provider 403 is a user who is not assigned to the RDP application, who has no factor enrolled, or whose network zone the policy denies.",
			404: "For the Okta credential provider 404 is a wrong organization URL, or a user whom the application's user name format does not find.",
		},
		anyAnswer: true,
	},
	{
		name:      "Microsoft Entra multifactor authentication",
		hosts:     []string{"adnotifications.windowsazure.com", "strongauthenticationservice.auth.microsoft.com", "credentials.azure.com", "adnotifications.windowsazure.us", "strongauthenticationservice.auth.microsoft.us", "adnotifications.windowsazure.cn", "strongauthenticationservice.auth.microsoft.cn"},
		agent:     "the NPS extension",
		anyAnswer: true,
	},
	{
		name:      "Microsoft Entra ID",
		domains:   []string{"login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn", "login.windows.net", "login.microsoft.com"},
		agent:     "the NPS extension",
		anyAnswer: true,
	},
	{
		name:    "Duo",
		domains: []string{"duosecurity.com", "duofederal.com"},
		agent:   "Duo's proxy or agent",
		meaning: map[int]string{
			401: "For Duo's API 401 is a wrong integration key or secret key, a signature that was altered on the way, or a clock that differs.",
			403: "For Duo's API 403 is an integration that may not use this call, or an address that it may not come from.",
		},
		anyAnswer: true,
	},
}

// serviceOf returns the service that host belongs to, nil if none.
func serviceOf(host string) *service {
	for i, s := range services {
		for _, h := range s.hosts {
			if host == h {
				return &services[i]
			}
		}
		for _, d := range s.domains {
			if host == d || strings.HasSuffix(host, "."+d) {
				return &services[i]
			}
		}
	}
	return nil
}
