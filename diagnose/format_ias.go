package diagnose

import (
	"strconv"
	"strings"
	"time"

	"sallyport/auth"
)

// iasName is the name of iasFormat.
const iasName = "nps-log"

// iasFormat reads the text logs of NPS, formerly IAS, in the three forms that its
// properties offer: "DTS compliant" (a record of XML in each line), "ODBC
// (legacy)" (columns in a fixed order) and "IAS (legacy)" (six columns, then
// pairs of an attribute's number and its value). NPS logs the request and the
// answer as records of their own; the attribute Class joins them. Times are those
// of the server's zone.
//
// https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/cc771748(v=ws.10)
// https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/dd197432(v=ws.10)
var iasFormat = Format{
	Name:  iasName,
	Title: "Network Policy Server log file (IN*.log: DTS compliant, ODBC or IAS format)",
	Marks: []string{"<Event><Timestamp data_type=", `","IAS",`, `","NPS",`, ",IAS,", ",NPS,"},
	New: func() Reader {
		r := &iasReader{}
		r.open.give = giveIAS
		r.asked.give = giveIAS
		return r
	},
}

// An iasRecord is one record, reduced to what is asked of it.
type iasRecord struct {
	time           time.Time
	server         string
	packet, reason int
	class          string
	user           string // as it was sent
	account        string // as NPS understood it, with domain
	client         string // friendly name
	address        string // of the client
	from           string // Calling-Station-Id
}

// An iasReader joins requests and answers. A challenge is not the end of a login:
// it waits for the request that comes back.
type iasReader struct {
	open  waiting // requests, by class
	asked waiting // challenged, by who and where from
}

func (r *iasReader) Close(out *Sink) {
	r.open.giveAll(out)
	r.asked.giveAll(out)
}

func giveIAS(a *Attempt, out *Sink) { out.Attempt(a) }

// The kinds of packets that the log has (RFC 2865, Section 3).
const (
	iasRequest   = 1
	iasAccept    = 2
	iasReject    = 3
	iasChallenge = 11
)

func (r *iasReader) Read(l *Line, out *Sink) Reading {
	rec, ok := parseIAS(l.Text, out)
	if !ok {
		return NotMine
	}
	key := rec.class
	if key == "" {
		key = "client " + rec.address
	}
	switch rec.packet {
	case iasRequest:
		a := r.asked.take(rec.who())
		if a != nil && (len(a.Lines)+1 >= maxAttemptLines || late(a.End, rec.time)) {
			r.asked.give(a, out)
			a = nil
		}
		if a == nil {
			a = &Attempt{Product: iasName, Time: rec.time, ZoneAssumed: true}
		}
		a.Verdict = Abandoned
		a.Lines = append(a.Lines, l)
		rec.tell(a)
		r.open.put(key, a, out)
		return Kept
	case iasAccept, iasReject, iasChallenge:
		a := r.open.take(key)
		if a == nil {
			a = r.open.take("client " + rec.address)
		}
		if a == nil {
			a = &Attempt{Product: iasName, Time: rec.time, ZoneAssumed: true}
		}
		a.Lines = append(a.Lines, l)
		a.End = rec.time
		rec.tell(a)
		switch rec.packet {
		case iasAccept:
			a.Verdict, a.Stage = Accepted, auth.StageVerdict
		case iasReject:
			a.Verdict = Refused
			npsReasoned(a, 0, strconv.Itoa(rec.reason))
		case iasChallenge:
			a.Verdict, a.Stage = Challenged, auth.StageFactor
			r.asked.put(whoOf(a), a, out)
			return Kept
		}
		out.Attempt(a)
		return Noted
	}
	return Noted // accounting
}

// who is the key that a login has between a challenge and the request after it.
func (rec *iasRecord) who() string {
	a := &Attempt{}
	rec.tell(a)
	return whoOf(a)
}

func whoOf(a *Attempt) string {
	return account(a.User) + "\x00" + a.Client + "\x00" + a.From
}

// tell adds what a record knows to an attempt.
func (rec *iasRecord) tell(a *Attempt) {
	user := rec.account
	if user == "" || strings.ContainsAny(rec.user, `\@`) {
		user = rec.user
	}
	if a.User == "" {
		a.User = user
	}
	if a.Client == "" {
		a.Client = rec.client
	}
	if a.Client == "" {
		a.Client = rec.address
	}
	if a.From == "" {
		a.From = rec.from
	}
	if a.Host == "" {
		a.Host = rec.server
	}
}

// parseIAS reads a record in any of the three forms.
func parseIAS(s string, out *Sink) (iasRecord, bool) {
	switch {
	case strings.HasPrefix(s, "<Event><Timestamp data_type="):
		return parseDTS(s, out)
	case strings.HasPrefix(s, `"`):
		return parseODBC(s, out)
	}
	return parsePairs(s, out)
}

// parseDTS reads a record in XML: <Name data_type="n">value</Name> for each
// attribute, in an order of its own.
func parseDTS(s string, out *Sink) (iasRecord, bool) {
	rec := iasRecord{reason: -1}
	ok := false
	for rest := s[len("<Event>"):]; ; {
		name, _, after, more := nextTag(rest)
		if !more || name == "/Event" {
			break
		}
		rest = after
		if strings.HasPrefix(name, "/") {
			continue
		}
		end := strings.IndexByte(rest, '<')
		if end < 0 {
			break // the record was cut inside a value
		}
		value := rest[:end]
		rest = rest[end:]
		switch name {
		case "Timestamp":
			rec.time, ok = iasTime(value, out)
		case "Computer-Name":
			rec.server = xmlText(value)
		case "User-Name":
			rec.user = xmlText(value)
		case "SAM-Account-Name":
			rec.account = xmlText(value)
		case "Fully-Qualifed-User-Name", "Fully-Qualified-User-Name": // the log has the first
			if rec.account == "" {
				rec.account = xmlText(value)
			}
		case "Client-Friendly-Name":
			rec.client = xmlText(value)
		case "Client-IP-Address", "Client-IPv6-Address":
			rec.address = value
		case "Calling-Station-Id":
			rec.from = xmlText(value)
		case "Class":
			rec.class = value
		case "Packet-Type":
			rec.packet = number(value)
		case "Reason-Code":
			rec.reason = number(value)
		}
	}
	return rec, ok
}

// parseODBC reads a record of columns:
//
//	0 computer, 1 service, 2 date, 3 time, 4 packet type, 5 user name, 6 fully
//	qualified name, 8 calling station, 15 client address, 16 client's friendly
//	name, 24 policy, 25 reason, 26 class
func parseODBC(s string, out *Sink) (iasRecord, bool) {
	var column [27]string
	all := splitCSV(s, ',')
	if len(all) < 5 || all[1] != "IAS" && all[1] != "NPS" {
		return iasRecord{}, false
	}
	copy(column[:], all)
	t, ok := iasTime(column[2]+" "+column[3], out)
	return iasRecord{
		time: t, server: column[0], packet: number(column[4]), user: column[5], account: column[6], from: column[8],
		address: column[15], client: column[16], reason: number(column[25]), class: column[26],
	}, ok
}

// The numbers that NPS gives to what is no attribute of RADIUS.
//
// https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2003/cc781314(v=ws.10)
const (
	iasClientAddress = "4108"
	iasClientName    = "4128"
	iasSAMAccount    = "4129"
	iasFullName      = "4130"
	iasPacketType    = "4136"
	iasReasonCode    = "4142"
)

// parsePairs reads a record of six columns - client address, user, date, time,
// service, computer - and pairs of number and value.
func parsePairs(s string, out *Sink) (iasRecord, bool) {
	all := splitCSV(s, ',')
	if len(all) < 6 || all[4] != "IAS" && all[4] != "NPS" {
		return iasRecord{}, false
	}
	t, ok := iasTime(all[2]+" "+all[3], out)
	rec := iasRecord{time: t, address: all[0], user: all[1], server: all[5], reason: -1}
	for i := 6; i+1 < len(all); i += 2 {
		value := all[i+1]
		switch all[i] {
		case "1":
			rec.user = value
		case "25":
			rec.class = value
		case "31":
			rec.from = value
		case iasClientAddress:
			rec.address = value
		case iasClientName:
			rec.client = value
		case iasSAMAccount:
			rec.account = value
		case iasFullName:
			if rec.account == "" {
				rec.account = value
			}
		case iasPacketType:
			rec.packet = number(value)
		case iasReasonCode:
			rec.reason = number(value)
		}
	}
	return rec, ok
}

// iasTime reads "05/19/2014 15:21:44.008", the month first whatever the country.
func iasTime(s string, out *Sink) (time.Time, bool) {
	if len(s) < len("05/19/2014 15:21:44") || s[2] != '/' || s[5] != '/' || s[10] != ' ' {
		return time.Time{}, false
	}
	month, day, year := number(s[:2]), number(s[3:5]), number(s[6:10])
	c, _, ok := clockOf(s[11:])
	if !ok || month < 1 || month > 12 || day < 1 || day > 31 || year < 0 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, c.hour, c.minute, c.second, c.nano, out.zone()), true
}
