package load

import (
	"strings"
	"testing"
)

const aliceURI = "otpauth://totp/Test:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Test"

func TestReadCredentials(t *testing.T) {
	tests := []struct {
		name, text string
		want       []Credential // the token is told by whether there is one
		wantError  string
	}{
		{"name, password, token", "alice secret " + aliceURI, []Credential{{Name: "alice", Password: "secret"}}, ""},
		{"tabs, comments and empty lines", "# who\n\n alice\tsecret\t" + aliceURI + "\n", []Credential{{Name: "alice", Password: "secret"}}, ""},
		{"no password", "alice - " + aliceURI, []Credential{{Name: "alice"}}, ""},
		{"nothing", "", nil, ""},
		{"two fields", "alice - " + aliceURI + "\nbob hunter2", nil, "line 2: it has 2 fields"},
		{"a counting token", "alice - otpauth://hotp/alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&counter=1", nil, "line 1: the token counts events"},
		{"no URI", "alice hunter2 hunter2", nil, "line 1: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadCredentials(strings.NewReader(tt.text))
			if tt.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantError) {
					t.Fatalf("ReadCredentials(%q) = %v; want an error with %q", tt.text, err, tt.wantError)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error %q tells a password", err)
				}
				return
			}
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("ReadCredentials(%q) = %d credentials, %v; want %d", tt.text, len(got), err, len(tt.want))
			}
			for i := range got {
				if got[i].Name != tt.want[i].Name || got[i].Password != tt.want[i].Password || string(got[i].Token.Key) != "12345678901234567890" {
					t.Errorf("credential %d = %q, %q, key of %d octets; want %q, %q, the key of the URI", i, got[i].Name, got[i].Password, len(got[i].Token.Key), tt.want[i].Name, tt.want[i].Password)
				}
			}
		})
	}
	got, err := ReadCredentials(strings.NewReader("alice secret -"))
	if err != nil || len(got) != 1 || got[0].Token.Key != nil {
		t.Errorf("ReadCredentials with no token = %d credentials, %v; want one without key", len(got), err)
	}
}

// FuzzReadCredentials checks that whatever is read has a name, and is divided
// as the text was: as many credentials as lines that count.
func FuzzReadCredentials(f *testing.F) {
	f.Add("alice secret " + aliceURI)
	f.Add("# comment\n\nalice - " + aliceURI + "\r\nbob pw -\n")
	f.Add("a b c d")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ReadCredentials(strings.NewReader(text))
		if err != nil {
			return
		}
		lines := 0
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				lines++
			}
		}
		if len(all) != lines {
			t.Errorf("%d credentials of %d lines that count in %q", len(all), lines, text)
		}
		for _, c := range all {
			if c.Name == "" || c.Token.Key != nil && c.Token.Params.Period == 0 {
				t.Errorf("ReadCredentials(%q) gave %q with a token that cannot be used", text, c.Name)
			}
		}
	})
}
