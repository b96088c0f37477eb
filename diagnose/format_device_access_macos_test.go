package diagnose

import (
	"testing"
	"time"
)

func TestDeviceAccessMac(t *testing.T) {
	runReadTests(t, deviceAccessMac, []readTest{
		{
			"a registration that failed, with a time, an icon, and quotes in the message",
			`2025/07/23 16:54:59:154 +0530 {❌ "Recovery-Management": {"message": "Registration failed: Error Domain=OktaDAServiceDaemon Code=19 "Cert error: genericError("noMatchingCertificate.")" UserInfo={a=b}", "defaultProperties": "", "location": "CommunicationsManager.swift:registerRecoverySecret():319"}}` + "\n",
			[]string{"2025-07-23T11:24:59 - - recovery PIN client failed okta-device-access:OktaDAServiceDaemon-19 1"},
		},
		{
			"the same, cut within the message",
			`>{ "Recovery-Management": {"message": "Registration failed: Error Domain=OktaDAServiceDaemon Code=-1`,
			[]string{"- - - recovery PIN client failed okta-device-access:OktaDAServiceDaemon--1 1"},
		},
		{"another message is no attempt", `{ "Recovery-Management": {"message": "Creating a new recovery enrollment", "defaultProperties": "", "location": "RecoveryManager.swift:registerRecoverySecret():96"}}`, nil},
		{"JSON of another product", `{"level":"info","msg":{"message": "Registration failed: x"}}`, nil},
		{"not of this form", `"message": "Registration failed: x", "defaultProperties": ""`, nil},
	})
}

func TestParseMacLine(t *testing.T) {
	in := `2025/05/26 02:15:41:804 -0700 {✅ "Factor-Management": {"message": "Offline factor grace period in effect? false; say "now"", "defaultProperties": "a", "location": "FactorRequirementsManager.swift:offlineFactorInEffect(zeroFactorOver:):249"}}`
	got, ok := parseMacLine(in, &Sink{})
	want := macLine{
		at: time.Date(2025, 5, 26, 9, 15, 41, 804_000_000, time.UTC), zoned: true,
		category: "Factor-Management", message: `Offline factor grace period in effect? false; say "now"`,
		file: "FactorRequirementsManager.swift", function: "offlineFactorInEffect(zeroFactorOver:)",
	}
	if !ok || !got.at.Equal(want.at) {
		t.Fatalf("parseMacLine = %+v, %t; want %+v", got, ok, want)
	}
	got.at = want.at
	if got != want {
		t.Errorf("parseMacLine = %+v; want %+v", got, want)
	}
}

func FuzzDeviceAccessMac(f *testing.F) {
	fuzzReader(f, deviceAccessMac, `{"a": {"message": "Registration failed: `)
}
