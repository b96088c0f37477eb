package pskc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Values and structure of the examples of RFC 6030, Figures 2 to 10. The RFC's
// secret is "12345678901234567890" except in Figures 2 and 5, whose "1234" is
// too short to be a key.
const (
	rfcHead = `<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" Id="exampleID1" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">
`
	rfcDevice = `<DeviceInfo><Manufacturer>Manufacturer</Manufacturer><SerialNo>987654321</SerialNo></DeviceInfo>
<CryptoModuleInfo><Id>CM_ID_001</Id></CryptoModuleInfo>
`
	rfcKey = `<Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
<Issuer>Issuer</Issuer>
<AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>
`
	rfcData = `<Data>
<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=
</PlainValue></Secret>
<Counter><PlainValue>0</PlainValue></Counter>
</Data>
`

	figure2 = rfcHead + `<KeyPackage>
<Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
<Issuer>Issuer-A</Issuer>
<Data><Secret><PlainValue>MTIzNA==
</PlainValue></Secret></Data>
</Key>
</KeyPackage>
</KeyContainer>`

	figure3 = rfcHead + `<KeyPackage>
<DeviceInfo><Manufacturer>Manufacturer</Manufacturer><SerialNo>987654321</SerialNo>
<UserId>DC=example-bank,DC=net</UserId></DeviceInfo>
<CryptoModuleInfo><Id>CM_ID_001</Id></CryptoModuleInfo>
` + rfcKey + rfcData + `<UserId>UID=jsmith,DC=example-bank,DC=net</UserId>
</Key>
</KeyPackage>
</KeyContainer>`

	figure4 = rfcHead + `<KeyPackage>
` + rfcDevice + rfcKey + `<KeyProfileId>keyProfile1</KeyProfileId>
<KeyReference>MasterKeyLabel
</KeyReference>
<Data><Counter><PlainValue>0</PlainValue></Counter></Data>
<Policy><KeyUsage>OTP</KeyUsage></Policy>
</Key>
</KeyPackage>
</KeyContainer>`

	figure5 = rfcHead + `<KeyPackage>
` + rfcDevice + rfcKey + rfcData + `<Policy>
<PINPolicy MinLength="4" MaxLength="4" PINKeyId="123456781" PINEncoding="DECIMAL" PINUsageMode="Local"/>
<KeyUsage>OTP</KeyUsage>
</Policy>
</Key>
</KeyPackage>
<KeyPackage>
` + rfcDevice + `<Key Id="123456781" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:pin">
<Issuer>Issuer</Issuer>
<AlgorithmParameters><ResponseFormat Length="4" Encoding="DECIMAL"/></AlgorithmParameters>
<Data><Secret><PlainValue>MTIzNA==</PlainValue></Secret></Data>
</Key>
</KeyPackage>
</KeyContainer>`

	figure6 = `<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"
  xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">
<EncryptionKey><ds:KeyName>Pre-shared-key</ds:KeyName></EncryptionKey>
<MACMethod Algorithm="http://www.w3.org/2000/09/xmldsig#hmac-sha1">
<MACKey>
<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
<xenc:CipherData><xenc:CipherValue>
ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX
</xenc:CipherValue></xenc:CipherData>
</MACKey>
</MACMethod>
<KeyPackage>
` + rfcDevice + rfcKey + `<Data>
<Secret>
<EncryptedValue>
<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
<xenc:CipherData><xenc:CipherValue>
AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv
</xenc:CipherValue></xenc:CipherData>
</EncryptedValue>
<ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=
</ValueMAC>
</Secret>
<Counter><PlainValue>0</PlainValue></Counter>
</Data>
</Key>
</KeyPackage>
</KeyContainer>`

	figure7 = `<?xml version="1.0" encoding="UTF-8"?>
<pskc:KeyContainer xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc"
  xmlns:xenc11="http://www.w3.org/2009/xmlenc11#"
  xmlns:pkcs5="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"
  xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Version="1.0">
<pskc:EncryptionKey>
<xenc11:DerivedKey>
<xenc11:KeyDerivationMethod Algorithm="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2">
<pkcs5:PBKDF2-params>
<Salt><Specified>Ej7/PEpyEpw=</Specified></Salt>
<IterationCount>1000</IterationCount>
<KeyLength>16</KeyLength>
<PRF/>
</pkcs5:PBKDF2-params>
</xenc11:KeyDerivationMethod>
<xenc:ReferenceList><xenc:DataReference URI="#ED"/></xenc:ReferenceList>
<xenc11:MasterKeyName>My Password 1</xenc11:MasterKeyName>
</xenc11:DerivedKey>
</pskc:EncryptionKey>
<pskc:MACMethod Algorithm="http://www.w3.org/2000/09/xmldsig#hmac-sha1">
<pskc:MACKey>
<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
<xenc:CipherData><xenc:CipherValue>
2GTTnLwM3I4e5IO5FkufoOEiOhNj91fhKRQBtBJYluUDsPOLTfUvoU2dStyOwYZx
</xenc:CipherValue></xenc:CipherData>
</pskc:MACKey>
</pskc:MACMethod>
<pskc:KeyPackage>
<pskc:DeviceInfo><pskc:Manufacturer>TokenVendorAcme</pskc:Manufacturer><pskc:SerialNo>987654321</pskc:SerialNo></pskc:DeviceInfo>
<pskc:CryptoModuleInfo><pskc:Id>CM_ID_001</pskc:Id></pskc:CryptoModuleInfo>
<pskc:Key Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp" Id="123456">
<pskc:Issuer>Example-Issuer</pskc:Issuer>
<pskc:AlgorithmParameters><pskc:ResponseFormat Length="8" Encoding="DECIMAL"/></pskc:AlgorithmParameters>
<pskc:Data>
<pskc:Secret>
<pskc:EncryptedValue Id="ED">
<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
<xenc:CipherData><xenc:CipherValue>
oTvo+S22nsmS2Z/RtcoF8Hfh+jzMe0RkiafpoDpnoZTjPYZu6V+A4aEn032yCr4f
</xenc:CipherValue></xenc:CipherData>
</pskc:EncryptedValue>
<pskc:ValueMAC>LP6xMvjtypbfT9PdkJhBZ+D6O4w=
</pskc:ValueMAC>
</pskc:Secret>
</pskc:Data>
</pskc:Key>
</pskc:KeyPackage>
</pskc:KeyContainer>`

	// Figure 8 without its certificate, which is not looked at.
	figure8 = `<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer xmlns="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"
  xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" id="KC0001" Version="1.0">
<EncryptionKey><ds:X509Data><ds:X509Certificate/></ds:X509Data></EncryptionKey>
<KeyPackage>
<DeviceInfo><Manufacturer>TokenVendorAcme</Manufacturer><SerialNo>987654321</SerialNo></DeviceInfo>
<Key Id="MBK000000001" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
<Issuer>Example-Issuer</Issuer>
<AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
<Data>
<Secret><EncryptedValue>
<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa_1_5"/>
<xenc:CipherData><xenc:CipherValue>hJ+fvpoMPMO9BYpK2rdyQYGIxiATYHTHC7e/sPLKYo5/r1v+4xTYG3gJolCWuVMydJ7Ta0GaiBPHcWa8ctCVYmHKfSz5fdeV5nqbZApe6dofTqhRwZK6Yx4ufevi91cjN2vBpSxYafvN3c3+xIgk0EnTV4iVPRCR0rBwyfFrPc4=</xenc:CipherValue></xenc:CipherData>
</EncryptedValue></Secret>
<Counter><PlainValue>0</PlainValue></Counter>
</Data>
</Key>
</KeyPackage>
</KeyContainer>`

	// Figure 9 with the Signature in the namespace that erratum 3418 gives it.
	figure9 = `<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer xmlns="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Version="1.0">
<KeyPackage>
<DeviceInfo><Manufacturer>TokenVendorAcme</Manufacturer><SerialNo>0755225266</SerialNo></DeviceInfo>
<Key Id="123" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
<Issuer>Example-Issuer</Issuer>
<AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
` + rfcData + `</Key>
</KeyPackage>
<ds:Signature>
<ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
<ds:SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/>
<ds:Reference URI="#Device">
<ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>
<ds:DigestValue>j6lwx3rvEPO0vKtMup4NbeVu8nk=</ds:DigestValue>
</ds:Reference>
</ds:SignedInfo>
<ds:SignatureValue>j6lwx3rvEPO0vKtMup4NbeVu8nk=</ds:SignatureValue>
</ds:Signature>
</KeyContainer>`
)

// figure10 is the bulk file of Figure 10: four keys, two of them for one device.
func figure10() string {
	var b strings.Builder
	b.WriteString(rfcHead)
	for _, row := range [][4]string{
		{"1", "654321", "2006-05-01", "2006-05-31"},
		{"2", "123456", "2006-05-01", "2006-05-31"},
		{"3", "9999999", "2006-03-01", "2006-03-31"},
		{"4", "9999999", "2006-04-01", "2006-04-30"},
	} {
		b.WriteString(`<KeyPackage><DeviceInfo><Manufacturer>TokenVendorAcme</Manufacturer><SerialNo>` + row[1] + `</SerialNo></DeviceInfo>
<Key Id="` + row[0] + `" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><Issuer>Issuer</Issuer>
<AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>
` + rfcData + `<Policy><StartDate>` + row[2] + `T00:00:00Z</StartDate><ExpiryDate>` + row[3] + `T00:00:00Z</ExpiryDate></Policy>
</Key></KeyPackage>
`)
	}
	b.WriteString("</KeyContainer>")
	return b.String()
}

// Keys of Figures 6 and 7.
var (
	figure6Keys = Keys{PreShared: unhex("12345678901234567890123456789012")}
	figure7Keys = Keys{Password: "qwerty"}
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func day(year, month, d int) *time.Time {
	t := time.Date(year, time.Month(month), d, 0, 0, 0, 0, time.UTC)
	return &t
}

func TestRFC6030Figures(t *testing.T) {
	secret := Key("12345678901234567890")
	hotp := func(line int, serial, manufacturer string, digits int) Token {
		return Token{Line: line, Serial: serial, Manufacturer: manufacturer, Kind: HOTP, Algorithm: "SHA1", Digits: digits, Key: secret}
	}
	owned := hotp(7, "987654321", "Manufacturer", 8)
	owned.Owner = "UID=jsmith,DC=example-bank,DC=net"
	bulk := []Token{
		hotp(4, "654321", "TokenVendorAcme", 8),
		hotp(14, "123456", "TokenVendorAcme", 8),
		hotp(24, "9999999", "TokenVendorAcme", 8),
	}
	bulk[0].StartDate, bulk[0].ExpiryDate = day(2006, 5, 1), day(2006, 5, 31)
	bulk[1].StartDate, bulk[1].ExpiryDate = day(2006, 5, 1), day(2006, 5, 31)
	bulk[2].StartDate, bulk[2].ExpiryDate = day(2006, 3, 1), day(2006, 3, 31)

	tests := []struct {
		name     string
		document string
		keys     Keys
		want     []Token
		wantBad  []BadRow
	}{
		{
			"Figure 2, whose key is an example of form only", figure2,
			Keys{},
			nil,
			[]BadRow{{4, "12345678", "the format of the codes is missing"}},
		},
		{"Figure 3, all about a token", figure3, Keys{}, []Token{owned}, nil},
		{
			"Figure 4, a key that both sides derive", figure4,
			Keys{},
			nil,
			[]BadRow{{6, "987654321", "the file does not hold the key itself"}},
		},
		{
			"Figure 5, a token with a PIN", figure5,
			Keys{},
			[]Token{hotp(6, "987654321", "Manufacturer", 8)},
			[]BadRow{{23, "987654321", "the key is not for HOTP or TOTP codes"}},
		},
		{"Figure 6, encrypted with a pre-shared key", figure6, figure6Keys, []Token{hotp(16, "987654321", "Manufacturer", 8)}, nil},
		{"Figure 7, encrypted with a password", figure7, figure7Keys, []Token{hotp(31, "987654321", "TokenVendorAcme", 8)}, nil},
		{
			"Figure 8, encrypted to a certificate", figure8, figure6Keys, nil,
			[]BadRow{{7, "987654321", "the value is encrypted to a certificate, which is not supported"}},
		},
		{"Figure 9, signed", figure9, Keys{}, []Token{hotp(5, "0755225266", "TokenVendorAcme", 6)}, nil},
		{
			"Figure 10, many tokens", figure10(),
			Keys{},
			bulk,
			[]BadRow{{34, "9999999", "the serial number was already on line 24"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad, err := Read(strings.NewReader(tt.document), tt.keys)
			if err != nil || !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(bad, tt.wantBad) {
				t.Errorf("Read = %+v\nbad %+v\nerr %v\nwant %+v\nbad %+v", got, bad, err, tt.want, tt.wantBad)
			}
		})
	}
}

// TestWrongKeys: what the caller is told depends on what it must ask for.
func TestWrongKeys(t *testing.T) {
	tests := []struct {
		name     string
		document string
		keys     Keys
		want     error
	}{
		{"no pre-shared key", figure6, Keys{}, ErrKeyNeeded},
		{"a password where a key is asked for", figure6, Keys{Password: "qwerty"}, ErrKeyNeeded},
		{"a key where a password is asked for", figure7, figure6Keys, ErrKeyNeeded},
		{"wrong pre-shared key", figure6, Keys{PreShared: unhex("12345678901234567890123456789013")}, ErrWrongKey},
		{"pre-shared key of another size", figure6, Keys{PreShared: unhex("1234567890123456789012345678901212345678901234567890123456789012")}, ErrWrongKey},
		{"wrong password", figure7, Keys{Password: "Qwerty"}, ErrWrongKey},
		{"altered MAC", strings.Replace(figure6, "Su+Nvt", "Su+NvT", 1), figure6Keys, ErrWrongKey},
		{"altered ciphertext", strings.Replace(figure6, "IUqGv", "IUqGw", 1), figure6Keys, ErrWrongKey},
		{"altered initialization vector", strings.Replace(figure6, "AAECAw", "AAECAx", 1), figure6Keys, ErrWrongKey},
		{"altered MAC key", strings.Replace(figure6, "ESIzRF", "ESIzRE", 1), figure6Keys, ErrWrongKey},
		{"truncated MAC", strings.Replace(figure6, "Su+NvtQfmvfJzF6bmQiJqoLRExc=", "Su+NvtQfmvfJzF6b", 1), figure6Keys, ErrWrongKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens, bad, err := Read(strings.NewReader(tt.document), tt.keys)
			if !errors.Is(err, tt.want) || tokens != nil || bad != nil {
				t.Errorf("Read = %+v, %+v, %v; want %v alone", tokens, bad, err, tt.want)
			}
		})
	}
	_, _, err := Read(strings.NewReader(figure7), Keys{})
	if err == nil || !strings.Contains(err.Error(), `a password called "My Password 1"`) {
		t.Errorf("the error does not say which password is asked for: %v", err)
	}
}

// TestEveryBitOfAnEncryptedValueIsGuarded flips each bit of the ciphertext in
// Figure 6, initialization vector included.
func TestEveryBitOfAnEncryptedValueIsGuarded(t *testing.T) {
	const value = "AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv"
	var r reading
	octets := r.base64(value, "test")
	if r.err != nil {
		t.Fatal(r.err)
	}
	for bit := range len(octets) * 8 {
		flipped := bytes.Clone(octets)
		flipped[bit/8] ^= 1 << (bit % 8)
		document := strings.Replace(figure6, value, b64(flipped), 1)
		if tokens, _, err := Read(strings.NewReader(document), figure6Keys); !errors.Is(err, ErrWrongKey) || tokens != nil {
			t.Fatalf("bit %d flipped: %+v, %v; want ErrWrongKey", bit, tokens, err)
		}
	}
}
