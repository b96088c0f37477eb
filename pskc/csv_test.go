package pskc

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// The headers of the two layouts.
const (
	csvE1 = "upn,serial number,secret key,time interval,manufacturer,model\n"
	csvE2 = "serial number,secret key,time interval,manufacturer,model\n"

	// The key "12345678901234567890".
	base32Key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
)

// csvToken is a token as CSV rows describe it.
func csvToken(line int, owner, serial string, period time.Duration, manufacturer, model string) Token {
	return Token{
		Line: line, Serial: serial, Manufacturer: manufacturer, Model: model, Owner: owner,
		Kind: TOTP, Algorithm: "SHA1", Digits: 6, Period: period, Key: Key("12345678901234567890"),
	}
}

// Samples (made) of what people upload: both layouts as programs and
// spreadsheets in several countries write them.
func TestCSVLayouts(t *testing.T) {
	e1 := []Token{
		csvToken(2, "helga@contoso.example", "1234567", 30*time.Second, "Contoso", "HardwareKey"),
		csvToken(3, "", "00042", time.Minute, "Contoso", "HardwareKey"),
	}
	e2 := []Token{csvToken(2, "", "2308000001", 30*time.Second, "Token Maker Co.,Ltd", "c200")}
	e1Rows := "helga@contoso.example,1234567," + base32Key + ",30,Contoso,HardwareKey\n" +
		",00042,gezd gnbv gy3t qojq gezd gnbv gy3t qojq,60,Contoso,HardwareKey\n"
	e2Row := `2308000001,` + base32Key + `,30,"Token Maker Co.,Ltd",c200` + "\n"
	lines := func(tokens []Token, by int) []Token {
		moved := append([]Token(nil), tokens...)
		for i := range moved {
			moved[i].Line += by
		}
		return moved
	}
	tests := []struct {
		name string
		file string
		want []Token
	}{
		{"E1", csvE1 + e1Rows, e1},
		{"E2", csvE2 + e2Row, e2},
		{"byte order mark", "\ufeff" + csvE1 + e1Rows, e1},
		{"CR LF", strings.ReplaceAll(csvE1+e1Rows, "\n", "\r\n"), e1},
		{"CR", strings.ReplaceAll(csvE1+e1Rows, "\n", "\r"), e1},
		{"no line end behind the last row", strings.TrimSpace(csvE1 + e1Rows), e1},
		{"semicolons", strings.ReplaceAll(csvE1+e1Rows, ",", ";"), e1},
		{"tabs", strings.ReplaceAll(csvE1+e1Rows, ",", "\t"), e1},
		{"separator line of Excel", "sep=;\r\n" + strings.ReplaceAll(csvE1+e1Rows, ",", ";"), lines(e1, 1)},
		{"header in another case", strings.ToUpper(csvE1) + e1Rows, e1},
		{"header with underscores", strings.ReplaceAll(csvE1, " ", "_") + e1Rows, e1},
		{"header in one word", strings.ReplaceAll(csvE1, " ", "") + e1Rows, e1},
		{"header quoted, with spaces", `"UPN", "Serial Number" ,"Secret Key","Time Interval","Manufacturer","Model"` + "\n" + e1Rows, e1},
		{"all quoted", csvE2 + `"2308000001","` + base32Key + `","30","Token Maker Co.,Ltd","c200"` + "\n", e2},
		{"columns in another order", "model;time interval;secret key;manufacturer;serial number\nc200;30;" + base32Key + ";Token Maker Co.,Ltd;2308000001\n", e2},
		{"separators at the end", strings.ReplaceAll(csvE2+e2Row, "\n", ",,,\n"), e2},
		{"empty lines", "\n  \n" + csvE2 + "\n" + e2Row + ",,,,\n\n", lines(e2, 3)},
		{"comment above the header", "# batch 7\n" + csvE2 + e2Row, lines(e2, 1)},
		{"padded key", csvE2 + strings.Replace(e2Row, base32Key, "MFRGGZDFMZTWQ2LKNNWG23TPOA======", 1), func() []Token {
			t := lines(e2, 0)
			t[0].Key = Key("abcdefghijklmnop")
			return t
		}()},
		{"longest key", csvE2 + strings.Replace(e2Row, base32Key, strings.Repeat("GEZDGNBV", 16), 1), func() []Token {
			t := lines(e2, 0)
			t[0].Key = Key(strings.Repeat("12345", 16))
			return t
		}()},
		{"only a header", csvE2, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens, bad, err := read(tt.file, Keys{})
			if err != nil || len(bad) != 0 || !reflect.DeepEqual(tokens, tt.want) {
				t.Errorf("Read = %+v\nbad %+v, %v\nwant %+v", tokens, bad, err, tt.want)
			}
		})
	}
}

// TestCSVBadRows puts each bad row between two good ones, in front of them and
// behind them. In oath-toolkit (CVE-2013-7322) a comment line made the mark
// "used" land on another row.
func TestCSVBadRows(t *testing.T) {
	tests := []struct {
		name   string
		row    string
		serial string
		reason string // part of it
	}{
		{"comment", "# 1003," + base32Key + ",30,M,T", "", "comment"},
		{"comment behind spaces", "  #1003," + base32Key + ",30,M,T", "", "comment"},
		{"too few cells", "1003," + base32Key + ",30,M", "", "4 cells"},
		{"too many cells", "1003," + base32Key + ",30,M,T,x", "", "6 cells"},
		{"other separator", "1003;" + base32Key + ";30;M;T", "", "1 cells"},
		{"quotation mark not closed", `"1003,` + base32Key + `,30,M,T`, "", "not closed"},
		{"quotation mark closed late", `1003,` + base32Key + `,30,"M,T`, "", "not closed"},
		{"quotation mark inside", `10"03,` + base32Key + `,30,M,T`, "", "inside a cell"},
		{"text behind a quoted cell", `"1003"x,` + base32Key + `,30,M,T`, "", "follows"},
		{"no serial number", "," + base32Key + ",30,M,T", "", "serial number is missing"},
		{"serial number rounded by a spreadsheet", "2.30800E+09," + base32Key + ",30,M,T", "2.30800E+09", "rounded"},
		{"serial number rounded in another country", `"2,308E+09",` + base32Key + ",30,M,T", "2,308E+09", "rounded"},
		{"long serial number", strings.Repeat("1", 65) + "," + base32Key + ",30,M,T", "", "longer than 64"},
		{"serial number used above", "1001," + base32Key + ",30,M,T", "1001", "already on line"},
		{"no key", "1003,,30,M,T", "1003", "missing"},
		{"sample key of the layout's own manual, not Base32", "1003,1234567abcdef1234567abcdef,60,M,T", "1003", "not Base32"},
		{"key with the digit 0", "1003,0EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,M,T", "1003", "not Base32"},
		{"key in hexadecimal", "1003,3132333435363738393031323334353637383930,30,M,T", "1003", "not Base32"},
		{"key with a letter missing", "1003,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO,30,M,T", "1003", "characters are missing"},
		{"key of 80 bits", "1003,GEZDGNBVGY3TQOJQ,30,M,T", "1003", "80 bits"},
		{"key of 136 characters", "1003," + strings.Repeat("A", 136) + ",30,M,T", "1003", "more than 128"},
		{"key of 1000 characters", "1003," + strings.Repeat("A", 1000) + ",30,M,T", "1003", "more than 128"},
		{"key that is only padding", "1003,========,30,M,T", "1003", "0 bits"},
		{"45 seconds", "1003," + base32Key + ",45,M,T", "1003", "time interval"},
		{"30.0 seconds", "1003," + base32Key + ",30.0,M,T", "1003", "time interval"},
		{"no seconds", "1003," + base32Key + ",,M,T", "1003", "time interval"},
		{"NUL", "1003\x00," + base32Key + ",30,M,T", "", "do not print"},
		{"not UTF-8", "1003," + base32Key + ",30,M\xfcller,T", "1003", "manufacturer is not UTF-8"},
		{"writing direction reversed", "1003," + base32Key + ",30,M,\u202eT", "1003", "model contains"},
		{"long line", "1003," + base32Key + ",30,M," + strings.Repeat("T", 17000), "", "longer than"},
		{"XML", "<Key>1003</Key>", "", "1 cells"},
	}
	first := "1001," + base32Key + ",30,M,T\n"
	second := "1002," + base32Key + ",60,M,T\n"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, end := range []string{"\n", "\r\n"} {
				for place, file := range []string{
					csvE2 + first + tt.row + end + second,
					csvE2 + first + second + tt.row + end,
					csvE2 + tt.row + end + first + second,
				} {
					if place == 2 && tt.reason == "already on line" {
						continue // there, it is the first
					}
					badLine := []int{3, 4, 2}[place]
					firstLine, secondLine := []int{2, 2, 3}[place], []int{4, 3, 4}[place]
					want := []Token{
						csvToken(firstLine, "", "1001", 30*time.Second, "M", "T"),
						csvToken(secondLine, "", "1002", time.Minute, "M", "T"),
					}
					tokens, bad, err := read(file, Keys{})
					if err != nil || !reflect.DeepEqual(tokens, want) {
						t.Errorf("place %d: tokens %+v, %v; want %+v", place, tokens, err, want)
					}
					if len(bad) != 1 || bad[0].Line != badLine || bad[0].Serial != tt.serial || !strings.Contains(bad[0].Reason, tt.reason) {
						t.Errorf("place %d: bad rows %+v; want line %d, %q, %q", place, bad, badLine, tt.serial, tt.reason)
					}
					for _, b := range bad {
						if strings.Contains(b.Reason, "GEZD") || strings.Contains(b.Reason, "1234567abc") {
							t.Errorf("the reason shows the key: %q", b.Reason)
						}
					}
				}
			}
		})
	}
}

// TestBadRowDoesNotTakeASerial: only a usable row reserves its serial number.
func TestBadRowDoesNotTakeASerial(t *testing.T) {
	tokens, bad, err := read(csvE2+
		"1001,short,30,M,T\n"+
		"1001,"+base32Key+",30,M,T\n"+
		"1001,"+base32Key+",60,M,T\n"+
		"a7,"+base32Key+",30,M,T\n"+
		"A7,"+base32Key+",30,M,T\n", Keys{})
	want := []Token{csvToken(3, "", "1001", 30*time.Second, "M", "T"), csvToken(5, "", "a7", 30*time.Second, "M", "T")}
	if err != nil || !reflect.DeepEqual(tokens, want) {
		t.Errorf("Read = %+v, %v; want %+v", tokens, err, want)
	}
	if len(bad) != 3 || bad[0].Line != 2 || bad[1].Reason != "the serial number was already on line 3" || bad[2].Reason != "the serial number was already on line 5" {
		t.Errorf("bad rows %+v", bad)
	}
}

// TestFormulaCellsAreData: what a spreadsheet would run is kept as it is.
func TestFormulaCellsAreData(t *testing.T) {
	tokens, bad, err := read(csvE1+
		`=1+1,"=""0042""",`+base32Key+`,30,@SUM(A1),"+cmd|' /c calc'!A0"`+"\n", Keys{})
	want := []Token{csvToken(2, "=1+1", `="0042"`, 30*time.Second, "@SUM(A1)", "+cmd|' /c calc'!A0")}
	if err != nil || len(bad) != 0 || !reflect.DeepEqual(tokens, want) {
		t.Errorf("Read = %+v, %+v, %v; want %+v", tokens, bad, err, want)
	}
}
