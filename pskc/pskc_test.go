package pskc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// encrypt is the writer's side of RFC 6030, Section 6.1: an EncryptedValue and
// its MAC with HMAC-SHA256.
func encrypt(key, macKey, plain []byte) string {
	value, mac := encryptParts(key, macKey, plain)
	return "<EncryptedValue>" + value + "</EncryptedValue><ValueMAC>" + mac + "</ValueMAC>"
}

func encryptParts(key, macKey, plain []byte) (value, mac string) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	n := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	data := make([]byte, aes.BlockSize+len(padded))
	rand.Read(data[:aes.BlockSize])
	cipher.NewCBCEncrypter(block, data[:aes.BlockSize]).CryptBlocks(data[aes.BlockSize:], padded)
	h := hmac.New(sha256.New, macKey)
	h.Write(data)
	return fmt.Sprintf(`<x:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes%d-cbc"/><x:CipherData><x:CipherValue>%s</x:CipherValue></x:CipherData>`,
		len(key)*8, b64(data)), b64(h.Sum(nil))
}

const (
	head   = `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:x="http://www.w3.org/2001/04/xmlenc#" xmlns:d="http://www.w3.org/2000/09/xmldsig#">` + "\n"
	tail   = "</KeyContainer>\n"
	format = `<AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>`
	secret = `<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>`
)

// pack makes a KeyPackage on one line. body is what is in its Key.
func pack(serial, kind, body string) string {
	return `<KeyPackage><DeviceInfo><SerialNo>` + serial + `</SerialNo></DeviceInfo><Key Id="k` + serial +
		`" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:` + kind + `">` + body + "</Key></KeyPackage>\n"
}

// encryptedHead begins a container of values made by encrypt.
func encryptedHead(key, macKey []byte, encryptionKey string) string {
	value, _ := encryptParts(key, macKey, macKey)
	return head + encryptionKey + `<MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"><MACKey>` + value + "</MACKey></MACMethod>\n"
}

const preShared = `<EncryptionKey><d:KeyName>K</d:KeyName></EncryptionKey>`

func derivedKey(iterations, keyLength, prf string) string {
	return `<EncryptionKey><y:DerivedKey xmlns:y="http://www.w3.org/2009/xmlenc11#">` +
		`<y:KeyDerivationMethod Algorithm="http://www.w3.org/2009/xmlenc11#pbkdf2"><y:PBKDF2-params>` +
		`<y:Salt><y:Specified>c2FsdA==</y:Specified></y:Salt><y:IterationCount>` + iterations + `</y:IterationCount>` +
		keyLength + prf + `</y:PBKDF2-params></y:KeyDerivationMethod></y:DerivedKey></EncryptionKey>`
}

// TestOneKey reads PSKC files of one key that differ in one thing.
func TestOneKey(t *testing.T) {
	hotp := Token{Line: 2, Serial: "7", Kind: HOTP, Algorithm: "SHA1", Digits: 6, Key: Key("12345678901234567890")}
	totp := hotp
	totp.Kind, totp.Period = TOTP, 30*time.Second
	with := func(t Token, change func(*Token)) *Token {
		change(&t)
		return &t
	}
	data := func(more string) string { return "<Data>" + secret + more + "</Data>" }
	suite := func(s string) string {
		return `<AlgorithmParameters><Suite>` + s + `</Suite><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>`
	}
	response := func(attrs string) string {
		return `<AlgorithmParameters><ResponseFormat ` + attrs + `/></AlgorithmParameters>`
	}
	policy := func(s string) string { return format + data("") + "<Policy>" + s + "</Policy>" }

	tests := []struct {
		name   string
		row    string
		want   *Token // nil for a bad row
		reason string // part of it
	}{
		{"HOTP", pack("7", "hotp", format+data("")), &hotp, ""},
		{
			"HOTP counter", pack("7", "hotp", format+data("<Counter><PlainValue> 41 </PlainValue></Counter>")),
			with(hotp, func(t *Token) { t.Counter = 41 }), "",
		},
		{
			"largest counter", pack("7", "hotp", format+data("<Counter><PlainValue>9223372036854775807</PlainValue></Counter>")),
			with(hotp, func(t *Token) { t.Counter = 1<<63 - 1 }), "",
		},
		{"counter too large", pack("7", "hotp", format+data("<Counter><PlainValue>9223372036854775808</PlainValue></Counter>")), nil, "counter"},
		{"negative counter", pack("7", "hotp", format+data("<Counter><PlainValue>-1</PlainValue></Counter>")), nil, "counter"},
		{"counter not a number", pack("7", "hotp", format+data("<Counter><PlainValue>AAAAAAAAACo=</PlainValue></Counter>")), nil, "counter"},
		{"two counters", pack("7", "hotp", format+data("<Counter><PlainValue>1</PlainValue></Counter><Counter><PlainValue>2</PlainValue></Counter>")), nil, "more than one Counter"},
		{"TOTP", pack("7", "totp", format+data("")), &totp, ""},
		{
			"TOTP of a minute with a clock that is off", pack("7", "totp", format+data("<Time><PlainValue>53123456</PlainValue></Time><TimeInterval><PlainValue>60</PlainValue></TimeInterval><TimeDrift><PlainValue>-4</PlainValue></TimeDrift>")),
			with(totp, func(t *Token) { t.Period, t.TimeDrift = time.Minute, -4 }), "",
		},
		{"TOTP of 45 seconds", pack("7", "totp", format+data("<TimeInterval><PlainValue>45</PlainValue></TimeInterval>")), nil, "time interval"},
		{"TOTP of two days", pack("7", "totp", format+data("<TimeInterval><PlainValue>172800</PlainValue></TimeInterval>")), nil, "time interval"},
		{"clock off by a month", pack("7", "totp", format+data("<TimeDrift><PlainValue>90000</PlainValue></TimeDrift>")), nil, "time drift"},
		{"SHA-256", pack("7", "totp", suite("HMAC-SHA256")+data("")), with(totp, func(t *Token) { t.Algorithm = "SHA256" }), ""},
		{"SHA-512, spelled another way", pack("7", "totp", suite("HmacSHA512")+data("")), with(totp, func(t *Token) { t.Algorithm = "SHA512" }), ""},
		{"SHA-1, said", pack("7", "totp", suite("HMAC-SHA-1")+data("")), &totp, ""},
		{"MD5", pack("7", "totp", suite("HMAC-MD5")+data("")), nil, "hash algorithm"},
		{"OCRA", pack("7", "ocra", suite("OCRA-1:HOTP-SHA1-6:QN08")+data("")), nil, "not for HOTP or TOTP"},
		{"5 digits", pack("7", "hotp", response(`Length="5" Encoding="DECIMAL"`)+data("")), nil, "digits"},
		{"length not a number", pack("7", "hotp", response(`Length="six" Encoding="DECIMAL"`)+data("")), nil, "length of the codes"},
		{"length absent", pack("7", "hotp", response(`Encoding="DECIMAL"`)+data("")), nil, "length of the codes"},
		{"hexadecimal codes", pack("7", "hotp", response(`Length="6" Encoding="HEXADECIMAL"`)+data("")), nil, "decimal"},
		{"encoding absent", pack("7", "hotp", response(`Length="6"`)+data("")), nil, "decimal"},
		{"check digits", pack("7", "hotp", response(`Length="6" Encoding="DECIMAL" CheckDigits="true"`)+data("")), nil, "check digit"},
		{"no check digits", pack("7", "hotp", response(`Length="6" Encoding="DECIMAL" CheckDigits="false"`)+data("")), &hotp, ""},
		{"no response format", pack("7", "hotp", data("")), nil, "format of the codes"},
		{"no key material", pack("7", "hotp", format), nil, "does not hold the key"},
		{"no value", pack("7", "hotp", format+"<Data><Secret/></Data>"), nil, "missing"},
		{"key of 120 bits", pack("7", "hotp", format+"<Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1</PlainValue></Secret></Data>"), nil, "120 bits"},
		{"empty key", pack("7", "hotp", format+"<Data><Secret><PlainValue></PlainValue></Secret></Data>"), nil, "0 bits"},
		{"key over several lines", pack("7", "hotp", format+"<Data><Secret><PlainValue>\nMTIzNDU2Nzg5MDE\tyMzQ1Njc4OTA=\n</PlainValue></Secret></Data>"), &hotp, ""},
		{"key interrupted by a comment", pack("7", "hotp", format+"<Data><Secret><PlainValue>MTIzNDU2Nzg5<!-- x -->MDEyMzQ1Njc4OTA=</PlainValue></Secret></Data>"), &hotp, ""},
		{"key not Base64", pack("7", "hotp", format+"<Data><Secret><PlainValue>31323334*</PlainValue></Secret></Data>"), nil, "not Base64"},
		{"two keys in one", pack("7", "hotp", format+"<Data>"+secret+secret+"</Data>"), nil, "more than one Secret"},
		{"two values", pack("7", "hotp", format+"<Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue><PlainValue/></Secret></Data>"), nil, "more than one PlainValue"},
		{"foreign elements", pack("7", "hotp", format+`<Data><e:Secret xmlns:e="urn:e"><PlainValue>x</PlainValue></e:Secret>`+secret+"</Data>"), &hotp, ""},
		{"no serial number, so the key's name", `<KeyPackage><Key Id="7" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">` + format + data("") + `</Key></KeyPackage>`, &hotp, ""},
		{"neither serial number nor name", `<KeyPackage><Key Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">` + format + data("") + `</Key></KeyPackage>`, nil, "serial number is missing"},
		{"two serial numbers", strings.Replace(pack("7", "hotp", format+data("")), "</SerialNo>", "</SerialNo><SerialNo>8</SerialNo>", 1), nil, "more than one SerialNo"},
		{"a device without a key", `<KeyPackage><DeviceInfo><SerialNo>7</SerialNo></DeviceInfo></KeyPackage>`, nil, "no key"},
		{"a device with too many keys", `<KeyPackage>` + strings.Repeat("<Key/>", 65) + `</KeyPackage>`, nil, "more than 64 keys"},
		{
			"manufacturer, model, owner of the device", strings.Replace(pack("7", "hotp", format+data("")), "</SerialNo>", "</SerialNo><Manufacturer>=cmd|'/c calc'!A1</Manufacturer><Model>M&amp;1</Model><UserId>alice</UserId>", 1),
			with(hotp, func(t *Token) { t.Manufacturer, t.Model, t.Owner = "=cmd|'/c calc'!A1", "M&1", "alice" }), "",
		},
		{"control character in the model", strings.Replace(pack("7", "hotp", format+data("")), "</SerialNo>", "</SerialNo><Model>a&#9;b</Model>", 1), nil, "the model contains"},
		{"long serial number", pack(strings.Repeat("7", 65), "hotp", format+data("")), nil, "longer than 64"},
		{"policy for one-time passwords", pack("7", "hotp", policy("<KeyUsage>Integrity</KeyUsage><KeyUsage> OTP </KeyUsage>")), &hotp, ""},
		{"policy for encryption only", pack("7", "hotp", policy("<KeyUsage>Encrypt</KeyUsage>")), nil, "does not allow"},
		{"policy with something unknown", pack("7", "hotp", policy("<Moon>full</Moon>")), nil, "not known"},
		{"policy with something foreign", pack("7", "hotp", policy(`<e:Moon xmlns:e="urn:e"/>`)), nil, "not known"},
		{"limited number of uses", pack("7", "hotp", policy("<NumberOfTransactions>4</NumberOfTransactions>")), nil, "how often"},
		{"PIN in the code", pack("7", "hotp", policy(`<PINPolicy PINUsageMode="Append"/>`)), nil, "PIN"},
		{"PIN at the token", pack("7", "hotp", policy(`<PINPolicy PINUsageMode="Local"/>`)), &hotp, ""},
		{
			"dates with zones and without", pack("7", "hotp", policy("<StartDate>2024-01-01T02:00:00+02:00</StartDate><ExpiryDate>2034-01-01T00:00:00</ExpiryDate>")),
			with(hotp, func(t *Token) { t.StartDate, t.ExpiryDate = day(2024, 1, 1), day(2034, 1, 1) }), "",
		},
		{
			"narrower dates of the device", strings.Replace(pack("7", "hotp", policy("<StartDate>2024-01-01T00:00:00Z</StartDate><ExpiryDate>2034-01-01T00:00:00Z</ExpiryDate>")), "</SerialNo>", "</SerialNo><StartDate>2025-01-01T00:00:00Z</StartDate><ExpiryDate>2035-01-01T00:00:00Z</ExpiryDate>", 1),
			with(hotp, func(t *Token) { t.StartDate, t.ExpiryDate = day(2025, 1, 1), day(2034, 1, 1) }), "",
		},
		{"date not a date", pack("7", "hotp", policy("<ExpiryDate>01/02/2034</ExpiryDate>")), nil, "ExpiryDate"},
		{"expires before it starts", pack("7", "hotp", policy("<StartDate>2034-01-01T00:00:00Z</StartDate><ExpiryDate>2024-01-01T00:00:00Z</ExpiryDate>")), nil, "expires before"},
		{"encrypted without a MAC method", pack("7", "hotp", format+"<Data><Secret>"+encrypt(make([]byte, 16), []byte("m"), []byte("x"))+"</Secret></Data>"), nil, "no MAC"},
		{"triple DES", pack("7", "hotp", format+`<Data><Secret><EncryptedValue><x:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#tripledes-cbc"/></EncryptedValue></Secret></Data>`), nil, "triple DES"},
		{"key wrap", pack("7", "hotp", format+`<Data><Secret><EncryptedValue><x:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#kw-aes128"/></EncryptedValue></Secret></Data>`), nil, "CBC"},
		{"no cipher named", pack("7", "hotp", format+`<Data><Secret><EncryptedValue/></Secret></Data>`), nil, "CBC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens, bad, err := read(head+tt.row+tail, Keys{})
			switch {
			case err != nil:
				t.Errorf("Read: %v", err)
			case tt.want != nil && (len(bad) != 0 || !reflect.DeepEqual(tokens, []Token{*tt.want})):
				t.Errorf("Read = %+v, bad %+v\nwant %+v", tokens, bad, *tt.want)
			case tt.want == nil && (len(tokens) != 0 || len(bad) != 1 || bad[0].Line != 2 || !strings.Contains(bad[0].Reason, tt.reason)):
				t.Errorf("Read = %+v, bad %+v; want one bad row on line 2 that says %q", tokens, bad, tt.reason)
			}
		})
	}
}

func read(document string, keys Keys) ([]Token, []BadRow, error) {
	return Read(strings.NewReader(document), keys)
}

// TestDrafts reads the forms of PSKC before it was an RFC that vendors still
// ship (made, after the schemas of the drafts).
func TestDrafts(t *testing.T) {
	want := []Token{{Line: 3, Serial: "98765432187", Manufacturer: "Maker", Kind: HOTP, Algorithm: "SHA1", Digits: 6, Counter: 42, Key: Key("12345678901234567890")}}
	document := func(method string) string {
		return `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:container:1.0">` + method + `
<Device><DeviceId><Manufacturer>Maker</Manufacturer><SerialNo>98765432187</SerialNo></DeviceId>
<Key KeyAlgorithm="http://www.ietf.org/keyprov/pskc#hotp" KeyId="98765432187"><Usage OTP="true"><ResponseFormat Format="DECIMAL" Length="6"/></Usage>
<Data Name="SECRET"><Value>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</Value></Data><Data Name="COUNTER"><Value>AAAAAAAAACo=</Value></Data><Data Name="OTHER"><Value>x</Value></Data>
</Key></Device></KeyContainer>`
	}
	tokens, bad, err := read(document(`<EncryptionMethod algorithm="NONE"/>`), Keys{})
	if err != nil || len(bad) != 0 || !reflect.DeepEqual(tokens, want) {
		t.Errorf("Read = %+v, %+v, %v; want %+v", tokens, bad, err, want)
	}
	tokens, bad, err = read(document(`<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>`), Keys{})
	if err != nil || len(tokens) != 0 || len(bad) != 1 || !strings.Contains(bad[0].Reason, "manner of a draft") {
		t.Errorf("Read of an encrypted draft = %+v, %+v, %v; want a bad row", tokens, bad, err)
	}
}

// TestEncrypted opens what encrypt made, with all sizes of keys and both ways
// to have one, encrypted numbers included.
func TestEncrypted(t *testing.T) {
	macKey := []byte("a MAC key that is as long as can be wished for")
	pre128, pre192, pre256 := make([]byte, 16), make([]byte, 24), make([]byte, 32)
	for _, k := range [][]byte{pre128, pre192, pre256} {
		rand.Read(k)
	}
	// Computed with: openssl kdf -keylen N -kdfopt digest:D -kdfopt pass:password
	// -kdfopt salt:salt -kdfopt iter:4096 PBKDF2. The first is also RFC 6070's
	// third test vector, cut to 16 octets.
	sha1of16 := unhex("4b007901b765489abead49d926f721d0")
	sha256of32 := unhex("c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a")
	const prf = `<y:PRF Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/>`

	tests := []struct {
		name          string
		key           []byte
		encryptionKey string
		keys          Keys
	}{
		{"pre-shared, AES-128", pre128, preShared, Keys{PreShared: pre128}},
		{"pre-shared, AES-192", pre192, preShared, Keys{PreShared: pre192}},
		{"pre-shared, AES-256", pre256, preShared, Keys{PreShared: pre256}},
		{"password, HMAC-SHA-1, AES-128", sha1of16, derivedKey("4096", "<y:KeyLength>16</y:KeyLength>", ""), Keys{Password: "password"}},
		{"password, HMAC-SHA-256, AES-256, length not said", sha256of32, derivedKey("4096", "", prf), Keys{Password: "password"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			value := func(b ...byte) string { return encrypt(tt.key, macKey, b) }
			seed := "<Secret>" + value([]byte("12345678901234567890")...) + "</Secret>"
			document := encryptedHead(tt.key, macKey, tt.encryptionKey) +
				pack("1", "hotp", format+"<Data>"+seed+"<Counter>"+value(0, 0, 0, 0, 0, 0, 1, 44)+"</Counter></Data>") +
				pack("2", "hotp", format+"<Data>"+seed+"<Counter>"+value(1, 44)+"</Counter></Data>") +
				pack("3", "totp", format+"<Data>"+seed+"<TimeInterval>"+value(0, 0, 0, 60)+"</TimeInterval><TimeDrift>"+value(255, 255, 255, 254)+"</TimeDrift></Data>") +
				pack("4", "totp", format+"<Data>"+seed+"<TimeInterval>"+value('6', '0')+"</TimeInterval></Data>") +
				pack("5", "hotp", format+"<Data>"+seed+"<Counter>"+value('7')+"</Counter></Data>") + // 7 or 55
				pack("6", "hotp", format+"<Data>"+seed+"<Counter>"+value(128, 0, 0, 0, 0, 0, 0, 0)+"</Counter></Data>") +
				tail
			token := Token{Kind: HOTP, Algorithm: "SHA1", Digits: 6, Key: Key("12345678901234567890")}
			var want []Token
			for i, change := range []func(*Token){
				func(t *Token) { t.Counter = 300 },
				func(t *Token) { t.Counter = 300 },
				func(t *Token) { t.Kind, t.Period, t.TimeDrift = TOTP, time.Minute, -2 },
				func(t *Token) { t.Kind, t.Period = TOTP, time.Minute },
			} {
				w := token
				w.Line, w.Serial = 3+i, fmt.Sprint(1+i)
				change(&w)
				want = append(want, w)
			}
			wantBad := []BadRow{
				{7, "5", "the counter is not a number, out of range or ambiguous"},
				{8, "6", "the counter is not a number, out of range or ambiguous"},
			}
			tokens, bad, err := read(document, tt.keys)
			if err != nil || !reflect.DeepEqual(tokens, want) || !reflect.DeepEqual(bad, wantBad) {
				t.Errorf("Read = %+v\nbad %+v, %v\nwant %+v\nbad %+v", tokens, bad, err, want, wantBad)
			}
		})
	}
}

// TestBadEncryption reads a file of one encrypted key and a plain one. The
// plain one must always come out.
func TestBadEncryption(t *testing.T) {
	key, macKey := []byte("0123456789abcdef"), []byte("mac key")
	seed := "<Data><Secret>" + encrypt(key, macKey, []byte("12345678901234567890")) + "</Secret></Data>"
	good := encryptedHead(key, macKey, preShared)
	unpadded := func() string { // right MAC, wrong padding
		value, _ := encryptParts(key, macKey, make([]byte, 15))
		_, after, _ := strings.Cut(value, "<x:CipherValue>")
		text, _, _ := strings.Cut(after, "<")
		var r reading
		data := r.base64(text, "test")
		data[15] ^= 1 ^ 17 // the last octet of the IV turns padding 1 into 17
		h := hmac.New(sha256.New, macKey)
		h.Write(data)
		return "<Data><Secret><EncryptedValue>" + strings.Replace(value, text, b64(data), 1) + "</EncryptedValue><ValueMAC>" + b64(h.Sum(nil)) + "</ValueMAC></Secret></Data>"
	}()
	cut := func(s, from, to string) string {
		before, rest, ok := strings.Cut(s, from)
		_, after, ok2 := strings.Cut(rest, to)
		if !ok || !ok2 {
			panic("nothing to cut")
		}
		return before + after
	}
	tests := []struct {
		name       string
		head, data string
		keys       Keys
		reason     string
	}{
		{"no key given", good, seed, Keys{}, "not given"},
		{"wrong key", good, seed, Keys{PreShared: []byte("0123456789abcdeF")}, "does not open"},
		{"key of another size", good, seed, Keys{PreShared: make([]byte, 32)}, "256 bits"},
		{"no ValueMAC", good, cut(seed, "<ValueMAC>", "</ValueMAC>"), Keys{PreShared: key}, "no MAC"},
		{"no MACMethod", head + preShared, seed, Keys{PreShared: key}, "no MAC"},
		{"MAC that is not Base64", good, strings.Replace(seed, "<ValueMAC>", "<ValueMAC>*", 1), Keys{PreShared: key}, "MAC is not Base64"},
		{"MAC with MD5", strings.Replace(good, "hmac-sha256", "hmac-md5", 1), seed, Keys{PreShared: key}, "MAC is not HMAC with"},
		{"MAC key elsewhere", cut(good, "<MACKey>", "</MACKey>")[:len(head)+len(preShared)] + `<MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"><MACKeyReference>x</MACKeyReference></MACMethod>`, seed, Keys{PreShared: key}, "key of the MAC is not in the file"},
		{"MAC with the encryption key by mistake", good, strings.ReplaceAll(seed, "<ValueMAC>", "<ValueMAC>AAAA"), Keys{PreShared: key}, "does not open"},
		{"right MAC, wrong padding", good, unpadded, Keys{PreShared: key}, "wrong padding"},
		{"half a block", good, "<Data><Secret>" + strings.Replace(encrypt(key, macKey, []byte("x")), "<x:CipherValue>", "<x:CipherValue>AAAA", 1) + "</Secret></Data>", Keys{PreShared: key}, "wrong length"},
		{"no ciphertext", good, cut(seed, "<x:CipherData>", "</x:CipherData>"), Keys{PreShared: key}, "missing"},
		{"plain beside encrypted", good, strings.Replace(seed, "<EncryptedValue>", "<PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue><EncryptedValue>", 1), Keys{PreShared: key}, "more than once"},
		{"short secret", good, "<Data><Secret>" + encrypt(key, macKey, make([]byte, 15)) + "</Secret></Data>", Keys{PreShared: key}, "120 bits"},
		{"no password", encryptedHead(key, macKey, derivedKey("1000", "", "")), seed, Keys{PreShared: key}, "not given"},
		{"wrong password", encryptedHead(key, macKey, derivedKey("1000", "", "")), seed, Keys{Password: "x"}, "does not open"},
		{"no iterations", encryptedHead(key, macKey, derivedKey("0", "", "")), seed, Keys{Password: "x"}, "iteration count"},
		{"iterations not a number", encryptedHead(key, macKey, derivedKey("many", "", "")), seed, Keys{Password: "x"}, "iteration count"},
		{"too many iterations", encryptedHead(key, macKey, derivedKey("10000001", "", "")), seed, Keys{Password: "x"}, "more than is allowed"},
		{"iterations that overflow", encryptedHead(key, macKey, derivedKey("99999999999999999999", "", "")), seed, Keys{Password: "x"}, "iteration count"},
		{"key length that does not fit", encryptedHead(key, macKey, derivedKey("1000", "<y:KeyLength>32</y:KeyLength>", "")), seed, Keys{Password: "x"}, "does not fit"},
		{"PRF with MD5", encryptedHead(key, macKey, derivedKey("1000", "", `<y:PRF Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-md5"/>`)), seed, Keys{Password: "x"}, "PRF"},
		{"another derivation", encryptedHead(key, macKey, strings.Replace(derivedKey("1000", "", ""), "#pbkdf2", "#scrypt", 1)), seed, Keys{Password: "x"}, "PBKDF2"},
		{"no salt", encryptedHead(key, macKey, strings.Replace(derivedKey("1000", "", ""), "c2FsdA==", "", 1)), seed, Keys{Password: "x"}, "salt"},
		{"certificate", encryptedHead(key, macKey, "<EncryptionKey><d:X509Data/></EncryptionKey>"), seed, Keys{PreShared: key}, "certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			document := tt.head + pack("bad", "hotp", format+tt.data) + pack("good", "hotp", format+"<Data>"+secret+"</Data>") + tail
			tokens, bad, err := read(document, tt.keys)
			if err != nil || len(bad) != 1 || bad[0].Serial != "bad" || !strings.Contains(bad[0].Reason, tt.reason) {
				t.Errorf("bad rows %+v, %v; want one that says %q", bad, err, tt.reason)
			}
			if len(tokens) != 1 || tokens[0].Serial != "good" {
				t.Errorf("tokens %+v; want the good one", tokens)
			}
		})
	}
}

// TestRightKeyForBadRows: where one MAC was right, so was the key, and the rows
// say what is wrong with each.
func TestRightKeyForBadRows(t *testing.T) {
	key, macKey := []byte("0123456789abcdef"), []byte("mac key")
	row := func(serial string, macKey, secret []byte) string {
		return pack(serial, "hotp", format+"<Data><Secret>"+encrypt(key, macKey, secret)+"</Secret></Data>")
	}
	document := encryptedHead(key, macKey, preShared) + row("1", macKey, make([]byte, 15)) + row("2", key, make([]byte, 20)) + tail
	tokens, bad, err := read(document, Keys{PreShared: key})
	want := []BadRow{{3, "1", "the key has 120 bits; at least 128 are needed"}, {4, "2", errRefused.Error()}}
	if err != nil || len(tokens) != 0 || !reflect.DeepEqual(bad, want) {
		t.Errorf("Read = %+v, %+v, %v; want bad rows %+v", tokens, bad, err, want)
	}
}

// TestMACKeyLeftOut: without a MACKey the encryption key is meant, that of each
// value: a row for another size of key must not spoil the next one.
func TestMACKeyLeftOut(t *testing.T) {
	key, other := []byte("0123456789abcdef"), make([]byte, 32)
	row := func(serial string, key []byte) string {
		return pack(serial, "hotp", format+"<Data><Secret>"+encrypt(key, key, []byte("12345678901234567890"))+"</Secret></Data>")
	}
	document := head + preShared + `<MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/>` +
		row("1", other) + row("2", key) + tail
	tokens, bad, err := read(document, Keys{PreShared: key})
	if err != nil || len(bad) != 1 || bad[0].Serial != "1" || len(tokens) != 1 || tokens[0].Serial != "2" || string(tokens[0].Key) != "12345678901234567890" {
		t.Errorf("Read = %+v, %+v, %v; want the second row as a token", tokens, bad, err)
	}
}

// TestNoTokenFile lists files that cannot be read at all.
func TestNoTokenFile(t *testing.T) {
	good := pack("1", "hotp", format+"<Data>"+secret+"</Data>")
	entity := `<!DOCTYPE KeyContainer [<!ENTITY a "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=">]>`
	tests := []struct {
		name     string
		document string
		want     string // part of the error
	}{
		{"empty", "", "not a token seed file"},
		{"only a byte order mark", "\ufeff", "not a token seed file"},
		{"UTF-16", "\xff\xfe<\x00", "UTF-16"},
		{"a picture", "\x89PNG\r\n\x1a\n\x00\x00", "not a token seed file"},
		{"CSV without a header", "1001,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,M,T1\n", "not a token seed file"},
		{"CSV with another header", "name,mail\nalice,alice@example.com\n", "not a token seed file"},
		{"CSV with an unknown column", "serial number,secret key,time interval,digits\n", "unknown column 4"},
		{"CSV with a column twice", "serial number,secret key,time interval,secret-key\n", "second time"},
		{"other XML", "<html/>", "root element"},
		{"right root, wrong namespace", `<KeyContainer xmlns="urn:e"/>`, "root element"},
		{"no namespace", `<KeyContainer/>`, "root element"},
		{"version 2", `<KeyContainer Version="2.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"/>`, "version"},
		{"two roots", head + good + tail + head + good + tail, "root element"},
		{"text behind the root", head + good + tail + "x", "outside"},
		{"end missing", head + good, "not well-formed"},
		{"cut off", (head + good)[:len(head)+20], "not well-formed"},
		{"mismatched tags", head + "<KeyPackage></Key>" + tail, "not well-formed"},
		{"document type", entity + head + good + tail, "document type"},
		{"document type in the middle", head + entity + good + tail, "document type"},
		{"entity", head + strings.Replace(good, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "&a;", 1) + tail, "not well-formed"},
		{"other character set", `<?xml version="1.0" encoding="ISO-8859-1"?>` + head + good + tail, "UTF-8"},
		{"nested deeply", head + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + tail, "nested"},
		{"large element", head + "<KeyPackage><Key>" + strings.Repeat(" ", maxElement) + "</Key></KeyPackage>" + tail, "larger than 1024 KiB"},
		{"large tag", head + `<KeyPackage a="` + strings.Repeat(" ", maxElement) + `"/>` + tail, "larger than 1024 KiB"},
		{"two EncryptionKeys", head + preShared + preShared + tail, "more than one EncryptionKey"},
		{"two MACMethods", head + "<MACMethod/><MACMethod/>" + tail, "more than one MACMethod"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens, bad, err := read(tt.document, Keys{})
			if err == nil || tokens != nil || bad != nil {
				t.Fatalf("Read = %+v, %+v, %v; want only an error", tokens, bad, err)
			}
			if !strings.HasPrefix(err.Error(), "pskc: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q; want one that says %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "MTIz") || strings.Contains(err.Error(), "GEZD") {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
	broken := errors.New("disk on fire")
	if _, _, err := Read(iotest.ErrReader(broken), Keys{}); !errors.Is(err, broken) {
		t.Errorf("Read of a broken reader: %v; want %v", err, broken)
	}
	endless := io.MultiReader(strings.NewReader(head), blanks{})
	if _, _, err := Read(endless, Keys{}); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("Read of an endless file: %v", err)
	}
	rows := strings.Repeat("x\n", maxRows+1)
	if _, _, err := read(csvE2+rows, Keys{}); !errors.Is(err, errTooManyRows) {
		t.Errorf("Read of %d rows: %v", maxRows+1, err)
	}
	if _, bad, err := read(csvE2+rows[2:], Keys{}); err != nil || len(bad) != maxRows {
		t.Errorf("Read of %d rows: %d bad rows, %v", maxRows, len(bad), err)
	}
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestHostileDocumentIsCheap gives documents that would take many seconds or
// minutes if some step took time in proportion to the square of their size, or
// were done for each row. They may take 3 seconds and 15 times as long as an
// ordinary file of their size takes on this machine.
func TestHostileDocumentIsCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	bigSalt := strings.Replace(derivedKey("1000", "", ""), "c2FsdA==", strings.Repeat("AAAA", 200_000), 1)
	key := []byte("0123456789abcdef")
	row := pack("1", "hotp", format+"<Data><Secret>"+encrypt(key, key, make([]byte, 20))+"</Secret></Data>")
	slow, err := pbkdf2.Key(sha256.New, "x", []byte("salt"), 200_000, 16)
	if err != nil {
		t.Fatal(err)
	}
	slowRow := pack("1", "hotp", format+"<Data><Secret>"+encrypt(slow, key, make([]byte, 10))+"</Secret></Data>")
	ordinary := head + strings.Repeat(pack("1", "hotp", format+"<Data>"+secret+"</Data>"), 4000) + tail
	start := time.Now()
	if tokens, bad, err := read(ordinary, Keys{}); len(tokens) != 1 || len(bad) != 3999 || err != nil {
		t.Fatal(len(tokens), len(bad), err)
	}
	perByte := float64(time.Since(start)) / float64(len(ordinary))

	documents := map[string]string{
		"password for many rows": encryptedHead(slow, key, derivedKey("200000", "", `<y:PRF Algorithm="#hmac-sha256"/>`)) + strings.Repeat(slowRow, 500) + tail,
		"text in many pieces":    head + strings.Repeat("<KeyPackage><Key><Data>"+strings.Repeat("a<!---->", 120_000)+"</Data></Key></KeyPackage>", 20) + tail,
		"many children":          head + "<KeyPackage>" + strings.Repeat("<DeviceInfo/>", 70_000) + strings.Repeat("<Key/>", 60) + "</KeyPackage>" + tail,
		"many keys":              head + "<KeyPackage>" + strings.Repeat("<Key/>", 170_000) + "</KeyPackage>" + tail,
		"salt of 600 KB":         encryptedHead(key, key, bigSalt) + strings.Repeat(row, 8000) + tail,
		"MAC key of 600 KB":      head + preShared + `<MACMethod Algorithm="#hmac-sha1"><MACKey><x:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/><x:CipherData><x:CipherValue>` + strings.Repeat("AAAA", 200_000) + "</x:CipherValue></x:CipherData></MACKey></MACMethod>" + strings.Repeat(row, 8000) + tail,
		"many quotation marks":   csvE2 + strings.Repeat(strings.Repeat(`""`, 8000)+"\n", 100),
	}
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			tokens, _, err := read(document, Keys{Password: "x", PreShared: key})
			if len(tokens) != 0 {
				t.Errorf("Read = %d tokens, %v", len(tokens), err)
			}
			limit := 3*time.Second + time.Duration(15*perByte*float64(len(document)))
			if took := time.Since(start); took > limit {
				t.Errorf("took %v; want at most %v", took, limit)
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	tokens, _, err := read(head+pack("1", "hotp", format+"<Data>"+secret+"</Data>")+tail, Keys{})
	if err != nil || len(tokens) != 1 {
		t.Fatal(tokens, err)
	}
	keys := Keys{PreShared: Key("12345678901234567890"), Password: "12345678901234567890"}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "token", tokens[0], "keys", keys)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "token", &tokens[0], "keys", &keys)
	asJSON, err := json.Marshal(map[string]any{"tokens": tokens, "keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	said := []string{logged.String(), string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c", "%U"} {
		said = append(said, fmt.Sprintf(verb, tokens), fmt.Sprintf(verb, tokens[0].Key), fmt.Sprintf(verb, keys), fmt.Sprintf(verb, &keys))
	}
	for _, s := range said {
		for _, trace := range []string{"123456789", "313233", "[49", "49 50 51", "MTIzNDU2", "61 62", "U+0031 U+0032"} {
			if strings.Contains(s, trace) {
				t.Errorf("the key shows in %q", s)
			}
		}
		if !strings.Contains(s, hidden) {
			t.Errorf("%q does not say that something is hidden", s)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var x, c strings.Builder
	x.WriteString(head)
	c.WriteString(csvE2)
	for i := range 1000 {
		serial := fmt.Sprintf("%08d", i)
		x.WriteString(pack(serial, "hotp", format+"<Data>"+secret+"</Data>"))
		c.WriteString(serial + ",GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Maker,T1\n")
	}
	x.WriteString(tail)
	for _, f := range []struct{ name, document string }{{"PSKC", x.String()}, {"CSV", c.String()}} {
		b.Run(f.name+"/1000", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(f.document)))
			for b.Loop() {
				if tokens, bad, err := read(f.document, Keys{}); len(tokens) != 1000 || len(bad) != 0 || err != nil {
					b.Fatal(len(tokens), bad, err)
				}
			}
		})
	}
}
