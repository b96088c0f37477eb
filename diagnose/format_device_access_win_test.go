package diagnose

import "testing"

func TestDeviceAccessWindows(t *testing.T) {
	const (
		err = "2025-07-23 16:54:59.154 +05:30 [ERR] [DevicePrincipalAuthenticator.CanRegisterClient] Device cannot be registered: Could not find a valid certificate for device authentication.\n"
		inf = "2025-07-23 16:54:59.154 +05:30 [INF] [ 🟦 ] [DeviceRegistrationJob::RunRegistrationLoop] Device Registration: Device not eligible for registration\n"
		wrn = "[WRN] [ 🟠 ] [UserLogonSession::GetAdminRecoveryChallengeAsync] Device is not registered, admin recovery unavailable\n"
	)
	runReadTests(t, deviceAccessWindows, []readTest{
		{"why it cannot register, and that it cannot, are one try", err + inf, []string{"2025-07-23T11:24:59 - - device registration client failed okta-device-access:no-certificate,okta-device-access:not-eligible 1+2"}},
		{"the reason alone", err, []string{"2025-07-23T11:24:59 - - device registration client failed okta-device-access:no-certificate 1"}},
		{"without a time, with an icon", wrn, []string{"- - - recovery PIN client failed okta-device-access:not-registered 1"}},
		{"two tries", inf + inf, []string{
			"2025-07-23T11:24:59 - - device registration client failed okta-device-access:not-eligible 1",
			"2025-07-23T11:24:59 - - device registration client failed okta-device-access:not-eligible 2",
		}},
		{"other lines are no attempts", "2025-07-23 16:54:59.154 +05:30 [INF] [ 🟦 ] [A::B] started\n", nil},
		{"another program's log of this kind", "2025-07-23 16:54:59.154 +05:30 [INF] [Microsoft.Hosting.Lifetime] Device is not registered\n[INF] [12] Device is not registered\n", nil},
	})
}

func FuzzDeviceAccessWindows(f *testing.F) { fuzzReader(f, deviceAccessWindows) }
