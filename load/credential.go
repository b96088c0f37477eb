package load

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"sallyport/otp"
)

// A Credential is what one account logs in with.
type Credential struct {
	Name     string
	Password string        // "" for none
	Token    otp.Enrolment // its Key is nil for none
}

// none stands in a credentials file for a password or token that is not there.
const none = "-"

// ReadCredentials reads one account per line: name, password and otpauth URI
// of a TOTP token, divided by spaces or tabs, with "-" for a password or token
// that the account does not have. Empty lines and lines that begin with # do
// not count. An error names the line, and never what is on it.
func ReadCredentials(r io.Reader) ([]Credential, error) {
	var all []Credential
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		fields := strings.Fields(text)
		if len(fields) != 3 {
			return nil, fmt.Errorf("load: credentials, line %d: it has %d fields; it wants name, password and otpauth URI", n, len(fields))
		}
		c := Credential{Name: fields[0]}
		if fields[1] != none {
			c.Password = fields[1]
		}
		if fields[2] != none {
			var err error
			if c.Token, err = otp.ParseURI(fields[2]); err != nil {
				return nil, fmt.Errorf("load: credentials, line %d: %w", n, err)
			}
			if c.Token.Params.Period == 0 {
				return nil, fmt.Errorf("load: credentials, line %d: the token counts events (HOTP); only TOTP serves here, because its codes come back by themselves", n)
			}
		}
		all = append(all, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("load: read credentials: %w", err)
	}
	return all, nil
}
