package pskc

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound checks what holds for every file: each token can be used as it is, no
// two have one serial number, rows are in order, and an error comes alone.
func sound(t *testing.T, tokens []Token, bad []BadRow, err error) {
	t.Helper()
	if err != nil && (tokens != nil || bad != nil) {
		t.Fatalf("%d tokens and %d bad rows beside error %v", len(tokens), len(bad), err)
	}
	serials := make(map[string]bool)
	line := 0
	for _, tok := range tokens {
		folded := strings.ToLower(tok.Serial)
		if err := tok.check(); err != nil || serials[folded] || tok.Line < line {
			t.Fatalf("token %+v: %v, serial seen before: %t, previous line %d", tok, err, serials[folded], line)
		}
		if (tok.Kind == HOTP) != (tok.Period == 0) || tok.Kind == TOTP && tok.Counter != 0 || tok.Counter >= 1<<63 {
			t.Fatalf("token %+v contradicts itself", tok)
		}
		serials[folded], line = true, tok.Line
	}
	line = 0
	for _, b := range bad {
		if b.Reason == "" || b.Line < line || text(b.Serial, maxSerial) != nil {
			t.Fatalf("bad row %+v behind line %d", b, line)
		}
		line = b.Line
	}
}

// noLines returns tokens without their lines, which move when rows are added.
func noLines(tokens []Token) []Token {
	tokens = slices.Clone(tokens)
	for i := range tokens {
		tokens[i].Line = 0
	}
	return tokens
}

// FuzzCSV checks that rows do not touch each other. Good rows read alone give
// the same tokens as beside the bad rows they came with; and rows known to be
// good give the same tokens with anything at all between them.
func FuzzCSV(f *testing.F) {
	for _, file := range []string{ // made
		csvE1 + "helga@contoso.example,1234567," + base32Key + ",30,Contoso,HardwareKey\r\n",
		csvE2 + "1," + base32Key + ",30,M,T\n# 2,x,30,M,T\n\"3," + base32Key + ",30,M,T\n4,short,60,M,T\n5," + base32Key + ",60,M,T\n",
		"\ufeffsep=;\nSerial Number;Secret Key;Time Interval\n1;\"" + base32Key + "\";30\n;;\n2;" + base32Key + ";30\r1;" + base32Key + ";60",
		csvE2 + "1234567,1234567abcdef1234567abcdef,60,Contoso,HardwareKey\n",
		csvE2 + "=1+1," + base32Key + ",30,\"a \"\"b\"\"\",@x,,\n",
		"\n\n# x\n" + csvE2 + ",,,,\n1.2E+11," + base32Key + ",30,,\n",
	} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file string) {
		tokens, bad, err := read(file, Keys{})
		sound(t, tokens, bad, err)

		if err == nil && !strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(file, "\ufeff"), " \t\r\n"), "<") {
			// Keep what stands above the first row, and the rows of the tokens.
			firstRow, keep := 1<<30, make(map[int]bool)
			for _, b := range bad {
				firstRow = min(firstRow, b.Line)
			}
			for _, tok := range tokens {
				firstRow = min(firstRow, tok.Line)
				keep[tok.Line] = true
			}
			var kept strings.Builder
			rest := []byte(file)
			for n := 1; len(rest) > 0; n++ {
				var row []byte
				row, rest = cutLine(rest)
				if n < firstRow || keep[n] {
					kept.Write(row)
					kept.WriteByte('\n')
				}
			}
			alone, badAlone, err := read(kept.String(), Keys{})
			if err != nil || len(badAlone) != 0 || !reflect.DeepEqual(noLines(alone), noLines(tokens)) {
				t.Fatalf("good rows alone: %+v, bad %+v, %v\nwith the others: %+v", alone, badAlone, err, tokens)
			}
		}

		// The same text between good rows of ours.
		ours := []Token{csvToken(0, "", "fuzz-1", 30*time.Second, "M", "T"), csvToken(0, "", "fuzz-2", time.Minute, "M", "T")}
		tokens, bad, err = read(csvE2+"fuzz-1,"+base32Key+",30,M,T\n"+file+"\nfuzz-2,"+base32Key+",60,M,T\n", Keys{})
		sound(t, tokens, bad, err)
		if err != nil {
			t.Fatalf("a bad row spoiled the file: %v", err)
		}
		if theirs, _, _ := read(csvE2+file, Keys{}); holdsFuzzSerial(theirs) {
			return
		}
		if len(tokens) < 2 || !reflect.DeepEqual(noLines([]Token{tokens[0], tokens[len(tokens)-1]}), ours) {
			t.Fatalf("our rows became %+v", tokens)
		}
	})
}

func holdsFuzzSerial(tokens []Token) bool {
	return slices.ContainsFunc(tokens, func(t Token) bool {
		return strings.HasPrefix(strings.ToLower(t.Serial), "fuzz-")
	})
}

// FuzzPSKC checks that what is put between two good key packages, one of them
// encrypted, leaves their tokens alone or makes the document unreadable as a
// whole; and that a document of its own gives only sound tokens.
func FuzzPSKC(f *testing.F) {
	for _, document := range []string{figure2, figure3, figure4, figure5, figure6, figure7, figure8, figure9, figure10()} {
		f.Add(document)
	}
	for _, fragment := range []string{ // made
		pack("1", "totp", format+"<Data>"+secret+"<TimeInterval><PlainValue>60</PlainValue></TimeInterval></Data>"),
		pack("fuzz-2", "hotp", format+"<Data>"+secret+"</Data>"),
		"<KeyPackage/>", "<!-- -->", "<![CDATA[<Key/>]]>", "&#60;KeyPackage/&#62;", "</KeyContainer>", "text",
		`<!DOCTYPE x [<!ENTITY a "b">]>`, "<KeyPackage><Key>&a;</Key></KeyPackage>", "<?xml version=\"1.0\"?>",
		preShared, `<MACMethod Algorithm="#hmac-sha256"/>`, `<e:KeyPackage xmlns:e="urn:e"><Key/></e:KeyPackage>`,
		`<Device xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><Key KeyAlgorithm="HOTP"><Data Name="SECRET"><Value>AA==</Value></Data></Key></Device>`,
	} {
		f.Add(fragment)
	}
	key, macKey := []byte("0123456789abcdef"), []byte("mac key")
	keys := Keys{PreShared: key}
	start := encryptedHead(key, macKey, preShared)
	before := start + pack("fuzz-1", "hotp", format+"<Data>"+secret+"</Data>")
	after := pack("fuzz-2", "totp", format+"<Data><Secret>"+encrypt(key, macKey, []byte("12345678901234567890"))+"</Secret></Data>") + tail
	ours, bad, err := read(before+after, keys)
	if err != nil || len(ours) != 2 || len(bad) != 0 {
		f.Fatalf("our own rows: %+v, %+v, %v", ours, bad, err)
	}
	f.Fuzz(func(t *testing.T, fragment string) {
		keys := Keys{PreShared: figure6Keys.PreShared}
		if !strings.Contains(fragment, "Iteration") || strings.Contains(fragment, "<IterationCount>1000<") {
			keys.Password = figure7Keys.Password // anything else would measure PBKDF2
		}
		tokens, bad, err := read(fragment, keys)
		sound(t, tokens, bad, err)

		keys = Keys{PreShared: key}
		tokens, bad, err = read(before+fragment+after, keys)
		sound(t, tokens, bad, err)
		if err != nil {
			return // the document is broken as a whole, and nothing came out
		}
		if theirs, _, _ := read(start+fragment+tail, keys); holdsFuzzSerial(theirs) {
			return
		}
		if len(tokens) < 2 || !reflect.DeepEqual(noLines([]Token{tokens[0], tokens[len(tokens)-1]}), noLines(ours)) {
			t.Fatalf("our rows became %+v, bad %+v", tokens, bad)
		}
	})
}
