package tlsprobe

// A Profile is a kind of client and the hello that it sends.
//
// The hellos are those of clients as they come out of the box, from captures
// that the clients made themselves: the Windows, Java, OpenSSL, Android and iOS
// ones are in the client database of SSL Labs
// (https://api.ssllabs.com/api/v3/getClients), Windows Server 2022 is after
// Microsoft's list of suites
// (https://learn.microsoft.com/windows/win32/secauthn/tls-cipher-suites-in-windows-server-2022),
// and OpenSSL 3, Java 17 and the browser were captured from the programs.
//
// Approximate are: the .NET profiles, which send what Schannel of the Windows
// version named sends with the versions that .NET allows, without the
// revocation and ALPN extensions that only browsers ask for; the order of
// extensions, which recent browsers shuffle; and extensions that have no
// meaning for whether a server accepts the hello (token binding, trust anchors)
// and are left out.
type Profile struct {
	Name  string // for scripts, such as "dotnet45"
	Title string // for people
	Offer Offer  // without a server name
}

// To is the offer of the client for a server of this name. Clients that do not
// send a server name do not do so here either.
func (p Profile) To(serverName string) Offer {
	o := p.Offer
	o.ServerName = serverName
	return o
}

// LookupProfile returns the profile of this name.
func LookupProfile(name string) (Profile, bool) {
	for _, p := range Profiles() {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}

// Profiles returns all profiles, the oldest kind of each client first. The
// caller may change what it gets.
func Profiles() []Profile {
	// Schannel before and after the update of 2015 that put forward secrecy
	// first (KB3042058).
	vista := []uint16{0x002f, 0x0035, 0x0005, 0x000a, 0xc013, 0xc014, 0xc009, 0xc00a, 0x0032, 0x0038, 0x0013, 0x0004}
	windows7 := []uint16{0xc014, 0xc013, 0x0035, 0x002f, 0xc00a, 0xc009, 0x0038, 0x0032, 0x000a, 0x0013, 0x0005, 0x0004}
	windows81 := []uint16{
		0xc028, 0xc027, 0xc014, 0xc013, 0x009f, 0x009e, 0x0039, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f,
		0xc02c, 0xc02b, 0xc024, 0xc023, 0xc00a, 0xc009, 0x006a, 0x0040, 0x0038, 0x0032, 0x000a, 0x0013,
	}
	windows10 := []uint16{
		0xc02c, 0xc02b, 0xc030, 0xc02f, 0x009f, 0x009e, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009, 0xc014, 0xc013,
		0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x000a,
	}
	schannelSignatures := []uint16{0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203, 0x0202, 0x0601, 0x0603}
	schannel := func(more ...uint16) []uint16 {
		return append([]uint16{extServerName, extGroups, extPointFormats}, more...)
	}
	allCurves := []uint16{14, 13, 25, 11, 12, 24, 9, 10, 22, 23, 8, 6, 7, 20, 21, 4, 5, 18, 19, 1, 2, 3, 15, 16, 17}
	javaCurves := []uint16{23, 1, 3, 19, 21, 6, 7, 9, 10, 24, 11, 12, 25, 13, 14, 15, 16, 17, 2, 18, 4, 5, 20, 8, 22}
	modern := []uint16{29, 23, 30, 25, 24, 256, 257, 258, 259, 260}

	return []Profile{
		{"dotnet35", ".NET 3.5 or 4.0 as installed (SSL 3.0 and TLS 1.0), Windows Server 2008", Offer{
			Versions: []Version{SSL30, TLS10}, Suites: vista,
			Extensions: schannel(extRenegotiation), Groups: []uint16{23, 24, 25},
		}},
		{"dotnet45", ".NET 4.5 service without strong crypto (SSL 3.0 and TLS 1.0), Windows Server 2008 R2 or 2012", Offer{
			Versions: []Version{SSL30, TLS10}, Suites: windows7,
			Extensions: schannel(extRenegotiation), Groups: []uint16{23, 24, 25},
		}},
		{"dotnet46", ".NET 4.6 or later with strong crypto (TLS 1.2), Windows Server 2012 R2", Offer{
			// Strong crypto takes out RC4, DES, export and NULL; none is left here.
			Versions: []Version{TLS10, TLS11, TLS12}, Suites: windows81, Record: TLS12,
			Extensions:          schannel(extSignatureAlgorithms, extSessionTicket, 23, extRenegotiation),
			SignatureAlgorithms: []uint16{0x0401, 0x0501, 0x0601, 0x0201, 0x0403, 0x0503, 0x0603, 0x0203, 0x0202},
			Groups:              []uint16{23, 24},
		}},
		{"winhttp7", "Windows 7 or Server 2008 R2, WinHTTP as installed (SSL 3.0 and TLS 1.0)", Offer{
			Versions: []Version{SSL30, TLS10}, Suites: windows7,
			Extensions: []uint16{extServerName, extStatusRequest, extGroups, extPointFormats, extRenegotiation},
			Groups:     []uint16{23, 24, 25},
		}},
		{"schannel2012r2", "Windows 8.1 or Server 2012 R2 (TLS 1.2)", Offer{
			Versions: []Version{TLS10, TLS11, TLS12}, Suites: windows81, Record: TLS12,
			Extensions:          []uint16{extServerName, extStatusRequest, extGroups, extPointFormats, extSignatureAlgorithms, extSessionTicket, 23, extRenegotiation},
			SignatureAlgorithms: []uint16{0x0401, 0x0501, 0x0601, 0x0201, 0x0403, 0x0503, 0x0603, 0x0203, 0x0202},
			Groups:              []uint16{23, 24},
		}},
		{"schannel2016", "Windows 10, Server 2016 or 2019 (TLS 1.2)", Offer{
			Versions: []Version{TLS10, TLS11, TLS12}, Suites: windows10, Record: TLS12,
			Extensions:          []uint16{extServerName, extStatusRequest, extGroups, extPointFormats, extSignatureAlgorithms, extSessionTicket, 23, extRenegotiation},
			SignatureAlgorithms: schannelSignatures,
			Groups:              []uint16{29, 23, 24},
		}},
		{"schannel2022", "Windows 11 or Server 2022 (TLS 1.3)", Offer{
			Versions: []Version{TLS12, TLS13}, Record: TLS12,
			Suites:     append([]uint16{0x1302, 0x1301}, windows10[:20]...),
			Extensions: []uint16{extSupportedVersions, extServerName, extStatusRequest, extGroups, extPointFormats, extSignatureAlgorithms, extSessionTicket, 23, extKeyShare, extPSKModes, extRenegotiation},
			SignatureAlgorithms: []uint16{
				0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203, 0x0202, 0x0601, 0x0603,
			},
			Groups: []uint16{29, 23, 24}, KeyShares: []uint16{29, 23},
		}},
		{"java6", "Java 6 (SSL 3.0 and TLS 1.0, no server name)", Offer{
			// Java 6 frames this in SSL 2.0 by default; servers that do not
			// understand that refuse it even where this hello would pass.
			Versions: []Version{SSL30, TLS10},
			Suites: []uint16{
				0x0004, 0x0005, 0x002f, 0x0033, 0x0032, 0x000a, 0x0016, 0x0013, 0x0009, 0x0015, 0x0012, 0x0003, 0x0008,
				0x0014, 0x0011, RenegotiationSCSV,
			},
			Extensions: []uint16{},
		}},
		{"java7", "Java 7 as installed (TLS 1.0)", Offer{
			Versions: []Version{SSL30, TLS10},
			Suites: []uint16{
				0xc009, 0xc013, 0x002f, 0xc004, 0xc00e, 0x0033, 0x0032, 0xc007, 0xc011, 0x0005, 0xc002, 0xc00c, 0xc008,
				0xc012, 0x000a, 0xc003, 0xc00d, 0x0016, 0x0013, 0x0004, RenegotiationSCSV,
			},
			Extensions: []uint16{extGroups, extPointFormats, extServerName}, Groups: javaCurves,
		}},
		{"java8", "Java 8 (TLS 1.2)", Offer{
			Versions: []Version{TLS10, TLS11, TLS12}, Record: TLS12,
			Suites: []uint16{
				0xc024, 0xc028, 0x003d, 0xc026, 0xc02a, 0x006b, 0x006a, 0xc00a, 0xc014, 0x0035, 0xc005, 0xc00f, 0x0039,
				0x0038, 0xc023, 0xc027, 0x003c, 0xc025, 0xc029, 0x0067, 0x0040, 0xc009, 0xc013, 0x002f, 0xc004, 0xc00e,
				0x0033, 0x0032, 0xc02c, 0xc02b, 0xc030, 0x009d, 0xc02e, 0xc032, 0x009f, 0x00a3, 0xc02f, 0x009c, 0xc02d,
				0xc031, 0x009e, 0x00a2, 0xc008, 0xc012, 0x000a, 0xc003, 0xc00d, 0x0016, 0x0013, RenegotiationSCSV,
			},
			Extensions:          []uint16{extGroups, extPointFormats, extSignatureAlgorithms, 23, extServerName},
			Groups:              []uint16{23, 24, 25, 9, 10, 11, 12, 13, 14, 22},
			SignatureAlgorithms: []uint16{0x0603, 0x0601, 0x0503, 0x0501, 0x0403, 0x0401, 0x0402, 0x0203, 0x0201, 0x0202},
		}},
		{"java11", "Java 11 or later (TLS 1.3 and 1.2)", Offer{
			Versions: []Version{TLS12, TLS13}, Record: TLS12,
			Suites: []uint16{
				0x1302, 0x1301, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xcca8, 0xc02f, 0x009f, 0xccaa, 0x00a3, 0x009e,
				0x00a2, 0xc024, 0xc028, 0xc023, 0xc027, 0x006b, 0x006a, 0x0067, 0x0040, 0xc00a, 0xc014, 0xc009, 0xc013,
				0x0039, 0x0038, 0x0033, 0x0032, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, RenegotiationSCSV,
			},
			Extensions: []uint16{
				extServerName, extStatusRequest, extGroups, extPointFormats, extStatusRequestV2, 23, extSessionTicket,
				extSignatureAlgorithms, extSupportedVersions, extPSKModes, extSignaturesCert, extKeyShare,
			},
			Groups: []uint16{29, 23, 24, 25, 30, 256, 257, 258, 259, 260}, KeyShares: []uint16{29, 23},
			SignatureAlgorithms: []uint16{
				0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501,
				0x0601, 0x0402, 0x0303, 0x0301, 0x0302, 0x0203, 0x0201, 0x0202,
			},
		}},
		{"openssl101", "OpenSSL 1.0.1 (TLS 1.2)", Offer{
			Versions: []Version{SSL30, TLS10, TLS11, TLS12},
			Suites: []uint16{
				0xc030, 0xc02c, 0xc028, 0xc024, 0xc014, 0xc00a, 0x00a3, 0x009f, 0x006b, 0x006a, 0x0039, 0x0038, 0x0088,
				0x0087, 0xc032, 0xc02e, 0xc02a, 0xc026, 0xc00f, 0xc005, 0x009d, 0x003d, 0x0035, 0x0084, 0xc02f, 0xc02b,
				0xc027, 0xc023, 0xc013, 0xc009, 0x00a2, 0x009e, 0x0067, 0x0040, 0x0033, 0x0032, 0x009a, 0x0099, 0x0045,
				0x0044, 0xc031, 0xc02d, 0xc029, 0xc025, 0xc00e, 0xc004, 0x009c, 0x003c, 0x002f, 0x0096, 0x0041, 0x0007,
				0xc011, 0xc007, 0xc00c, 0xc002, 0x0005, 0x0004, 0xc012, 0xc008, 0x0016, 0x0013, 0xc00d, 0xc003, 0x000a,
				0x0015, 0x0012, 0x0009, 0x0014, 0x0011, 0x0008, 0x0006, 0x0003, RenegotiationSCSV,
			},
			Extensions: []uint16{extServerName, extPointFormats, extGroups, extSessionTicket, extSignatureAlgorithms, extHeartbeat},
			Groups:     allCurves, PointFormats: []byte{0, 1, 2},
			SignatureAlgorithms: []uint16{
				0x0601, 0x0602, 0x0603, 0x0501, 0x0502, 0x0503, 0x0401, 0x0402, 0x0403, 0x0301, 0x0302, 0x0303, 0x0201,
				0x0202, 0x0203,
			},
		}},
		{"openssl3", "OpenSSL 3 (TLS 1.3 and 1.2; Python, curl and PHP on Linux)", Offer{
			Versions: []Version{TLS12, TLS13},
			Suites: []uint16{
				0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e, 0xc024,
				0xc028, 0x006b, 0xc023, 0xc027, 0x0067, 0xc00a, 0xc014, 0x0039, 0xc009, 0xc013, 0x0033, 0x009d, 0x009c,
				0x003d, 0x003c, 0x0035, 0x002f, RenegotiationSCSV,
			},
			Extensions: []uint16{
				extServerName, extPointFormats, extGroups, extSessionTicket, 22, 23, extSignatureAlgorithms,
				extSupportedVersions, extPSKModes, extKeyShare,
			},
			Groups: modern, KeyShares: []uint16{29}, PointFormats: []byte{0, 1, 2},
			SignatureAlgorithms: []uint16{
				0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501,
				0x0601, 0x0303, 0x0301, 0x0302, 0x0402, 0x0502, 0x0602,
			},
		}},
		{"android44", "Android 4.4 (TLS 1.2)", Offer{
			Versions: []Version{SSL30, TLS10, TLS11, TLS12},
			Suites: []uint16{
				0xc030, 0xc02c, 0xc014, 0xc00a, 0x00a3, 0x009f, 0x006b, 0x006a, 0x0039, 0x0038, 0x009d, 0x003d, 0x0035,
				0xc012, 0xc008, 0x0016, 0x0013, 0x000a, 0xc02f, 0xc02b, 0xc027, 0xc023, 0xc013, 0xc009, 0x00a2, 0x009e,
				0x0067, 0x0040, 0x0033, 0x0032, 0x009c, 0x003c, 0x002f, 0xc011, 0xc007, 0x0005, 0x0004, RenegotiationSCSV,
			},
			Extensions: []uint16{extServerName, extPointFormats, extGroups, extSessionTicket, extSignatureAlgorithms, 13172},
			Groups:     []uint16{25, 24, 23},
			SignatureAlgorithms: []uint16{
				0x0601, 0x0602, 0x0603, 0x0501, 0x0502, 0x0503, 0x0401, 0x0402, 0x0403, 0x0301, 0x0302, 0x0303, 0x0201,
				0x0202, 0x0203, 0x0101,
			},
		}},
		{"android5nosni", "Android 5, an app that sends no server name (old authenticator apps)", Offer{
			Versions: []Version{TLS10, TLS11, TLS12},
			Suites: []uint16{
				0xcc14, 0xcc13, 0xcc15, 0xc014, 0xc00a, 0x0039, 0x0038, 0x0035, 0xc012, 0xc008, 0x0016, 0x0013, 0x000a,
				0xc02f, 0xc02b, 0xc013, 0xc009, 0x00a2, 0x009e, 0x0033, 0x0032, 0x009c, 0x002f, 0xc011, 0xc007, 0x0005,
				0x0004, RenegotiationSCSV,
			},
			Extensions: []uint16{extSessionTicket, extSignatureAlgorithms, 13172, extPointFormats, extGroups},
			Groups:     []uint16{25, 24, 23},
			SignatureAlgorithms: []uint16{
				0x0601, 0x0602, 0x0603, 0x0501, 0x0502, 0x0503, 0x0401, 0x0402, 0x0403, 0x0301, 0x0302, 0x0303, 0x0201,
				0x0202, 0x0203, 0x0101,
			},
		}},
		{"ios9ats", "iOS 9 or later, an app with App Transport Security (TLS 1.2 with forward secrecy only)", Offer{
			Versions: []Version{TLS12}, Record: TLS12,
			Suites: []uint16{
				RenegotiationSCSV, 0xc02c, 0xc02b, 0xc024, 0xc00a, 0xc023, 0xc009, 0xc030, 0xc02f, 0xc028, 0xc027, 0xc013,
			},
			Extensions: []uint16{
				extServerName, extGroups, extPointFormats, extSignatureAlgorithms, 13172, extALPN, extStatusRequest, 18,
			},
			Groups: []uint16{23, 24, 25}, ALPN: []string{"h2", "http/1.1"},
			SignatureAlgorithms: []uint16{0x0501, 0x0401, 0x0201, 0x0503, 0x0403, 0x0203},
		}},
		{"browser", "a current browser (Chromium, TLS 1.3 and 1.2, post-quantum)", Offer{
			Versions: []Version{TLS12, TLS13}, GREASE: true,
			Suites: []uint16{
				0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
				0x002f, 0x0035,
			},
			Extensions: []uint16{
				extPSKModes, extRenegotiation, extKeyShare, extSessionTicket, extGroups, extALPN, 23, extServerName,
				extStatusRequest, extSignatureAlgorithms, extCompressCertificate, extECH, extSupportedVersions,
				extPointFormats, 18, extALPS,
			},
			Groups: []uint16{GroupX25519MLKEM768, 29, 23, 24}, KeyShares: []uint16{GroupX25519MLKEM768, 29},
			ALPN: []string{"h2", "http/1.1"},
			SignatureAlgorithms: []uint16{
				0x0904, 0x0905, 0x0906, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
			},
		}},
	}
}
