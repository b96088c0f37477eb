package audit

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
)

// history makes a database of n minutes with events in each, and the anchors
// that were written meanwhile.
func history(t testing.TB, n int) (*model, []byte) {
	t.Helper()
	m := newModel()
	path := filepath.Join(t.TempDir(), "anchors")
	f, err := openAnchors(path, "node-a", mac)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	for i := range n {
		at := noon.Add(time.Duration(i) * time.Minute)
		for j := range 3 {
			m.commit(at.Add(time.Duration(j)*time.Second), 1+(i+j)%4)
		}
		if _, made, err := f.add(m.head(), at.Add(30*time.Second)); err != nil || !made {
			t.Fatal(made, err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return m, b
}

func verify(t testing.TB, m Source, own []byte, foreign ...[]byte) Report {
	t.Helper()
	var a Anchors
	if err := a.readOwn(bytes.NewReader(own), mac); err != nil {
		t.Fatal(err)
	}
	for _, line := range foreign {
		a.AddLine(line, mac)
	}
	r, err := Verify(context.Background(), m, &a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerify(t *testing.T) {
	m, anchors := history(t, 10)
	last := m.head().Seq
	if r := verify(t, m, anchors); !r.Whole() || len(r.Notes) > 0 || r.First != 1 || r.Last != last || r.Anchors != 10 || r.Newest != last {
		t.Errorf("a whole history: %+v", r)
	}
	more := m.clone()
	more.commit(noon.Add(10*time.Minute), 2)
	if r := verify(t, more, anchors); !r.Whole() || len(r.Notes) != 1 {
		t.Errorf("with events after the newest anchor: %+v", r)
	}
	kept := m.clone()
	kept.retain(7)
	if r := verify(t, kept, anchors); !r.Whole() || r.First != kept.cut.Seq+1 || !strings.Contains(strings.Join(r.Notes, " "), "were deleted") {
		t.Errorf("after retention: %+v", r)
	}
	if r := verify(t, newModel(), nil); !r.Whole() {
		t.Errorf("an empty database: %+v", r)
	}
	lines := bytes.SplitAfter(anchors, []byte("\n"))
	tests := []struct {
		name    string
		db      *model
		own     []byte
		foreign [][]byte
		want    string
	}{
		{"the newest events cut off", func() *model { c := m.clone(); c.rows = c.rows[:len(c.rows)-1]; return c }(), anchors, nil, "are missing at the end"},
		{"all events cut off", newModel(), anchors, nil, "events 1 to"},
		{"cut off, and the anchors too, but one was kept elsewhere", func() *model { c := m.clone(); c.rows = c.rows[:6]; return c }(), bytes.Join(lines[:2], nil), [][]byte{lines[5]}, "are missing at the end"},
		{"an old copy gone on with", func() *model {
			c := m.clone()
			c.rows = c.rows[:12]
			for i := range 8 {
				c.commit(noon.Add(time.Duration(20+i)*time.Minute), 5)
			}
			return c
		}(), anchors, nil, "an old copy of the database was gone on with"},
		{"the anchors cut off", m, bytes.Join(lines[:4], nil), nil, "anchors were cut off"},
		{"the anchors gone", m, nil, nil, "anchors were cut off"},
		{"an anchor taken out", m, slices.Concat(bytes.Join(lines[:4], nil), bytes.Join(lines[5:], nil)), nil, "does not follow the one before it"},
		{"two anchors changed places", m, slices.Concat(lines[0], lines[2], lines[1], bytes.Join(lines[3:], nil)), nil, "does not follow"},
		{"an anchor changed", m, bytes.Replace(anchors, []byte("12:03:30"), []byte("12:03:31"), 1), nil, "its signature is not of this installation"},
		{"a false anchor from elsewhere", m, anchors, [][]byte{bytes.Replace(lines[3], []byte("12:03:30"), []byte("12:03:31"), 1)}, "kept elsewhere"},
		{"an event changed", func() *model {
			c := m.clone()
			c.rows[4].body = bytes.Replace(c.rows[4].body, []byte("vpn"), []byte("wiki"), 1)
			return c
		}(), anchors, nil, "the chain of events is broken"},
		{"more deleted than the rule says", func() *model {
			c := m.clone()
			c.retain(7)
			c.rows = c.rows[3:]
			return c
		}(), anchors, nil, "the chain of events is broken"},
		{"deleted to another point than it says", func() *model {
			c := m.clone()
			c.retain(9)
			c.cut.Hash = bytes.Repeat([]byte{7}, 32)
			return c
		}(), anchors, nil, "where old events were deleted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := verify(t, tt.db, tt.own, tt.foreign...)
			if !strings.Contains(strings.Join(r.Findings, "\n"), tt.want) {
				t.Errorf("%+v; want %q", r, tt.want)
			}
		})
	}
}

// Progress is told, and ends below the last event.
func TestVerifyTellsProgress(t *testing.T) {
	m := newModel()
	for range 3500 {
		m.commit(noon, 1)
	}
	var told []uint64
	var a Anchors
	if _, err := Verify(t.Context(), m, &a, func(seq uint64) { told = append(told, seq) }); err != nil || !slices.Equal(told, []uint64{1000, 2000, 3000}) {
		t.Errorf("told %v, %v", told, err)
	}
}

// A file of anchors goes on over restarts, and what happens to it in between
// shows.
func TestAnchorFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "anchors")
	link := func(n uint64) admin.Link { return admin.Link{Seq: n, Hash: bytes.Repeat([]byte{byte(n)}, 32)} }
	write := func(f *anchorFile, n uint64, want bool) {
		t.Helper()
		if _, made, err := f.add(link(n), noon.Add(time.Duration(n)*time.Minute)); made != want || err != nil {
			t.Fatalf("anchor %d: %t, %v; want %t", n, made, err, want)
		}
	}
	open := func() *anchorFile {
		t.Helper()
		f, err := openAnchors(path, "node-a", mac)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.close() })
		return f
	}
	findings := func() string {
		t.Helper()
		var a Anchors
		if err := a.ReadOwn(path, mac); err != nil {
			t.Fatal(err)
		}
		return strings.Join(append(a.report.Findings, a.report.Notes...), "\n")
	}
	f := open()
	write(f, 0, false) // nothing has happened
	write(f, 1, true)
	write(f, 1, false) // nothing more
	write(f, 2, true)
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	f = open()
	write(f, 2, false)
	write(f, 3, true)
	if got := findings(); got != "" {
		t.Errorf("after a restart: %s", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A line that a crash has torn is none.
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f.close()
	for _, torn := range []string{`{`, `{"kind":"anchor","seq":4,"ti`} {
		if err := os.WriteFile(path, append(bytes.Clone(whole), torn...), 0o600); err != nil {
			t.Fatal(err)
		}
		f = open()
		f.close()
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, whole) {
			t.Errorf("torn %q: %s", torn, got)
		}
	}
	f = open()
	write(f, 4, true)
	// Cut while the server runs: the next line does not follow.
	if err := os.Truncate(path, int64(len(whole))); err != nil {
		t.Fatal(err)
	}
	write(f, 5, true)
	if got := findings(); !strings.Contains(got, "does not follow") {
		t.Errorf("cut under a running server: %q", got)
	}
	// Moved away while the server runs: it goes on in a new file, which says so.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(f, 6, true)
	if got := findings(); !strings.Contains(got, "what was before it was taken away") {
		t.Errorf("moved away under a running server: %q", got)
	}
	if _, err := openAnchors(dir, "node-a", mac); err == nil {
		t.Error("a folder was opened as a file of anchors")
	}
}

func TestExportCheck(t *testing.T) {
	lines := export(t, 6)
	n := uint64(0)
	for _, l := range lines {
		if h, _, err := parseLine(l); err == nil && h.Kind == kindEvent {
			n = h.Seq
		}
	}
	judge := func(lines [][]byte, newest Anchor) Report {
		c := ExportCheck{From: 1}
		for i, l := range lines {
			c.Line(i+1, l, Authentic(Record(l), mac))
		}
		return c.End(newest)
	}
	if r := judge(lines, Anchor{}); !r.Whole() || r.Last != n || len(r.Notes) > 0 {
		t.Fatalf("a whole export: %+v", r)
	}
	repeated := slices.Concat(lines[:9], lines[4:])
	if r := judge(repeated, Anchor{}); !r.Whole() || !strings.Contains(strings.Join(r.Notes, " "), "more than once") {
		t.Errorf("with repeats: %+v", r)
	}
	prefixed := make([][]byte, len(lines))
	for i, l := range lines {
		prefixed[i] = append([]byte("2026-11-22T12:00:00Z node-a sallyport: "), l...)
	}
	if r := judge(prefixed, Anchor{}); !r.Whole() {
		t.Errorf("with what a receiver puts before: %+v", r)
	}
	tests := []struct {
		name   string
		lines  [][]byte
		newest Anchor
		want   string
	}{
		{"the beginning cut off", lines[1:], Anchor{}, "it begins with event 2 and not with 1"},
		{"one taken out", slices.Delete(slices.Clone(lines), 1, 2), Anchor{}, "events 2 to 2 are missing"},
		{"two changed places", slices.Concat(lines[:1], lines[2:3], lines[1:2], lines[3:]), Anchor{}, "only those up to 1 came before it"},
		{"the end cut off", lines[:len(lines)-4], Anchor{Seq: n, Time: noon}, "are missing at the end"},
		{"one made up", slices.Concat(lines, [][]byte{[]byte(`{"kind":"event","seq":99}`)}), Anchor{}, "its signature is not of this installation"},
		{"something else", slices.Concat(lines, [][]byte{[]byte(`hello`)}), Anchor{}, "it is not a record of an export"},
	}
	for _, tt := range tests {
		if r := judge(tt.lines, tt.newest); !strings.Contains(strings.Join(r.Findings, "\n"), tt.want) {
			t.Errorf("%s: %+v; want %q", tt.name, r, tt.want)
		}
	}
}

// export returns what a receiver has kept after n minutes.
func export(t testing.TB, n int) [][]byte {
	t.Helper()
	m, s := newModel(), &sink{}
	tr := &Trail{o: Options{Source: m, MAC: mac, Node: "node-a", Reference: noReference, Now: func() time.Time { return noon }, Log: discard}, pace: quick}
	f, err := openAnchors(filepath.Join(t.TempDir(), "anchors"), "node-a", mac)
	if err != nil {
		t.Fatal(err)
	}
	tr.anchors = f
	defer f.close()
	tr.add("siem", s)
	for i := range n {
		m.commit(noon.Add(time.Duration(i)*time.Minute), 2+i%3)
		for range 2 { // the events, then the anchor
			if _, _, err := tr.exporters[0].step(context.Background()); err != nil {
				t.Fatal(err)
			}
			tr.Anchor(context.Background())
		}
	}
	if _, _, err := tr.exporters[0].step(context.Background()); err != nil {
		t.Fatal(err)
	}
	return linesOf(s.records())
}

// Random mutations of exports, anchors and copies of the database are all
// found. What is allowed to go unnoticed is only the loss of a tail that no
// anchor bears witness to, which is a minute's, and of a copy of an anchor that
// says nothing new.
func TestMutationsCampaign(t *testing.T) {
	rounds := 2000
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		rounds = 10_000
	}
	m, own := history(t, 40)
	lines := export(t, 40)
	newest := m.head().Seq
	random := rand.New(rand.NewPCG(1, uint64(rounds)))
	found := make(map[string]int)
	for i := range rounds {
		var what string
		var r Report
		noted := false // a note is enough
		switch random.IntN(3) {
		case 0:
			var mutated *model
			if mutated, what = mutateDatabase(random, m); mutated == nil {
				continue
			}
			r = verify(t, mutated, own)
		case 1:
			var mutated []byte
			var beheaded bool
			mutated, what, beheaded = mutateAnchors(random, own)
			if bytes.Equal(mutated, own) {
				continue
			}
			r = verify(t, m, mutated)
			noted = beheaded
			if what == "anchors: cut the end" {
				// Bounded: at most three minutes of anchors can go unnoticed.
				if lost := newest - r.Newest; r.Whole() && lost > 4*12 {
					t.Fatalf("round %d: %s: %d events lost their anchors unnoticed: %+v", i, what, lost, r)
				}
				noted = true
			}
		default:
			var mutated [][]byte
			mutated, what, noted = mutateExport(random, lines)
			c := ExportCheck{From: 1}
			for n, l := range mutated {
				c.Line(n+1, l, Authentic(Record(l), mac))
			}
			r = c.End(Anchor{Seq: lastEvent(lines), Time: noon})
		}
		if r.Whole() && !(noted && (len(r.Notes) > 0 || r.Newest < newest || strings.HasSuffix(what, "anchor"))) {
			t.Fatalf("round %d: not found: %s: %+v", i, what, r)
		}
		found[what]++
	}
	t.Logf("%d rounds, all found: %v", rounds, found)
	for _, kind := range []string{"database: ", "anchors: ", "export: "} {
		n := 0
		for what, k := range found {
			if strings.HasPrefix(what, kind) {
				n += k
			}
		}
		if n < rounds/5 {
			t.Errorf("only %d rounds of %s", n, kind)
		}
	}
}

// lastEvent returns the event that came last.
func lastEvent(lines [][]byte) (seq uint64) {
	for _, l := range slices.Backward(lines) {
		if h, _, err := parseLine(l); err == nil && h.Kind == kindEvent {
			return h.Seq
		}
	}
	return 0
}

// mutateDatabase returns nil if it happened to change nothing.
func mutateDatabase(random *rand.Rand, m *model) (*model, string) {
	c := m.clone()
	i, j := random.IntN(len(c.rows)), random.IntN(len(c.rows))
	switch random.IntN(9) {
	case 0:
		flip(random, c.rows[i].body)
		return c, "database: change an event"
	case 1:
		flip(random, c.rows[i].hash)
		return c, "database: change a hash"
	case 2:
		c.rows = slices.Delete(c.rows, i, i+1)
		return c, "database: delete a row"
	case 3:
		if i == j {
			return nil, ""
		}
		c.rows[i], c.rows[j] = c.rows[j], c.rows[i]
		return c, "database: swap rows"
	case 4:
		if i == j {
			return nil, ""
		}
		c.rows[i].body, c.rows[j].body = c.rows[j].body, c.rows[i].body
		return c, "database: swap contents"
	case 5:
		c.rows = c.rows[:i]
		return c, "database: cut the end"
	case 6:
		if c.rows[i].last++; random.IntN(2) == 0 {
			c.rows[i].first++
		}
		return c, "database: renumber"
	case 7:
		c.rows = slices.Insert(c.rows, i, c.rows[j])
		return c, "database: insert a copy"
	default:
		c.rows = c.rows[:max(1, i)]
		for c.head().Seq <= m.head().Seq { // an old copy gone on with
			c.commit(noon.Add(41*time.Minute), 4)
		}
		return c, "database: fork"
	}
}

func mutateAnchors(random *rand.Rand, own []byte) (mutated []byte, what string, beheaded bool) {
	lines := bytes.SplitAfter(bytes.TrimSuffix(own, []byte("\n")), []byte("\n"))
	i, j := random.IntN(len(lines)), random.IntN(len(lines))
	switch random.IntN(6) {
	case 0:
		b := bytes.Clone(own)
		flip(random, b[:len(b)-1])
		return b, "anchors: change an octet", false
	case 1:
		return bytes.Join(lines[:i], nil), "anchors: cut the end", false
	case 2:
		if i == 0 {
			return own, "", false
		}
		return bytes.Join(lines[i:], nil), "anchors: cut the beginning", true
	case 3:
		if i == len(lines)-1 {
			return own, "", false
		}
		return bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil), "anchors: delete a line", i == 0
	case 4:
		if i == j {
			return own, "", false
		}
		swapped := slices.Clone(lines)
		swapped[i], swapped[j] = ended(swapped[j]), ended(swapped[i])
		return bytes.Join(swapped, nil), "anchors: swap lines", false
	default:
		at := random.IntN(len(own) - 1)
		return own[:at], "anchors: cut the end", false
	}
}

func ended(line []byte) []byte {
	return append(bytes.TrimSuffix(bytes.Clone(line), []byte("\n")), '\n')
}

func mutateExport(random *rand.Rand, lines [][]byte) (mutated [][]byte, what string, noted bool) {
	c := slices.Clone(lines)
	i := random.IntN(len(c))
	isAnchor := bytes.HasPrefix(c[i], []byte(`{"kind":"anchor"`))
	switch random.IntN(6) {
	case 0:
		c[i] = bytes.Clone(c[i])
		flip(random, c[i])
		return c, "export: change an octet", false
	case 1:
		if isAnchor { // says nothing that the events do not
			return slices.Delete(c, i, i+1), "export: delete an anchor", true
		}
		return slices.Delete(c, i, i+1), "export: delete an event", false
	case 2:
		return c[:i], "export: cut the end", i == len(lines)-1 && isAnchor
	case 3:
		for i < len(c) && bytes.HasPrefix(c[i], []byte(`{"kind":"anchor"`)) {
			i++
		}
		return c[min(i+1, len(c)):], "export: cut the beginning", false
	case 4:
		forged := bytes.Replace(c[i], []byte(`"seq":`), []byte(`"seq":1`), 1)
		return slices.Insert(c, i, forged), "export: insert a forgery", false
	default:
		end := min(len(c), i+1+random.IntN(5))
		for k := i; k < end; k++ {
			if !bytes.HasPrefix(c[k], []byte(`{"kind":"anchor"`)) {
				return slices.Delete(c, i, end), "export: delete lines", false
			}
		}
		return slices.Delete(c, i, end), "export: delete an anchor", true
	}
}

// flip changes one bit.
func flip(random *rand.Rand, b []byte) { b[random.IntN(len(b))] ^= 1 << random.IntN(8) }
