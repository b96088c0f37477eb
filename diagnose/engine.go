package diagnose

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/intake"
)

const (
	// maxKept bounds the memory that attempts take, in octets. Those beyond it are
	// counted and named in findings, but not listed, nor compared with others.
	maxKept = 32 << 20
	// maxEvidence is how many lines prove a finding in a report.
	maxEvidence = 12
	// maxDistinct is up to how many people of a finding are told apart, and
	// maxNamed how many names it lists.
	maxDistinct = 10_000
	maxNamed    = 20
	// maxText is how much of a line is kept, and maxName of a name.
	maxText = 1000
	maxName = 300
	// maxLoose bounds for how many causes and files together is counted apart what
	// is in no attempt, and maxLooseText the octets of lines that prove it, beside
	// one line for each.
	maxLoose     = 30_000
	maxLooseText = 16 << 20
	// maxHeld is how many octets of lines a reader may hold in open attempts.
	maxHeld = 32 << 20
	// maxBeside is among how many attempts of one person in one log another's
	// explanation is looked for.
	maxBeside = 1000
)

// Options say how logs are read.
type Options struct {
	// Zone is in which times are read that do not say so; nil for UTC.
	Zone *time.Location
	// Now is the time of the diagnosis: years are added to dates by it, and no
	// log is believed to be newer.
	Now time.Time
	// Workers is how many goroutines search; 0 for one.
	Workers int
	// Attempt is told of each attempt as soon as it is finished, with the causes
	// that it shows by itself. It may be nil.
	Attempt func(Tried)
}

// A Diagnosis reads logs, one after the other, and then says what they show. It
// is used by one goroutine.
type Diagnosis struct {
	options Options
	index   *index

	files    []FileSummary
	totals   Totals
	kept     []*kept
	room     int // octets that are left of maxKept
	overflow int // attempts that are not in kept
	found    map[*Cause]*tally
	loose    map[*Cause]map[string]*tally // by file: what is in no attempt
	looseIn  map[string]map[*Cause]bool   // causes by file, in attempts or not
	names    map[string]string            // interned

	// What is left of maxLoose and maxLooseText, for causes in files that are known
	// to be together, and how often there was no room.
	looseLeft, looseRoom, noteLeft, unlisted int

	// watch is told of each line that some format or sign knows, in tests.
	watch func(*Line, *Format)
}

// A kept is an attempt with the causes that it shows.
type kept struct {
	attempt   *Attempt
	shows     []shown
	explained bool // by the attempt of another log
}

// A shown is a cause and how sure it is.
type shown struct {
	cause *Cause
	sure  Confidence
	why   string
	lines []*Line // those that prove it; nil for all of the attempt
}

// An index is everything that is known, arranged for the search.
type index struct {
	literals *literals
	texts    []string
	formats  []uint64  // by text: the formats that have it as a mark, a bit each
	signs    [][]*sign // by text
	codes    map[string][]*sign
	hidden   map[string][]*Cause // by ID: which causes hide it
	finders  []*Cause
}

// A sign is one Sign of one cause, as the engine looks for it.
type sign struct {
	*Sign
	cause *Cause
}

// know arranges formats and causes. There are at most 64 formats.
var know = sync.OnceValue(func() *index {
	x := &index{codes: map[string][]*sign{}, hidden: map[string][]*Cause{}}
	ids := map[string]int{}
	text := func(t string) int {
		t = strings.ToLower(t)
		id, ok := ids[t]
		if !ok {
			id = len(x.texts)
			ids[t] = id
			x.texts = append(x.texts, t)
			x.formats = append(x.formats, 0)
			x.signs = append(x.signs, nil)
		}
		return id
	}
	for i := range formats {
		for _, m := range formats[i].Marks {
			x.formats[text(m)] |= 1 << i
		}
	}
	for i := range causes {
		c := &causes[i]
		for j := range c.Signs {
			s := &sign{Sign: &c.Signs[j], cause: c}
			if s.Code != "" {
				x.codes[s.Code] = append(x.codes[s.Code], s)
				continue
			}
			id := text(s.Text)
			x.signs[id] = append(x.signs[id], s)
		}
		for _, id := range c.Hides {
			x.hidden[id] = append(x.hidden[id], c)
		}
		if c.Find != nil {
			x.finders = append(x.finders, c)
		}
	}
	x.literals = newLiterals(x.texts)
	return x
})

// New begins a diagnosis.
func New(o Options) *Diagnosis {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	return &Diagnosis{
		options: o, index: know(), room: maxKept, looseLeft: maxLoose, looseRoom: maxLooseText, noteLeft: 4 * maxLoose,
		found: map[*Cause]*tally{}, loose: map[*Cause]map[string]*tally{},
		looseIn: map[string]map[*Cause]bool{}, names: map[string]string{},
	}
}

// Read reads one file to its end. What cannot be read is in the report; an
// error is only that of ctx.
func (d *Diagnosis) Read(ctx context.Context, f *intake.File) error {
	r := d.reading(f)
	var err error
	if d.options.Workers > 1 {
		err = d.readParallel(ctx, f, r)
	} else {
		var m search
		for err == nil {
			var c intake.Chunk
			if c, err = f.Next(); err == nil {
				r.take(d.index.find(f.Name, c, &m))
				c.Release()
				err = ctx.Err()
			}
		}
	}
	r.close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(err, io.EOF) {
		r.summary.Error = err.Error()
	}
	d.files = append(d.files, r.summary)
	return nil
}

// readParallel lets several goroutines search chunks, and takes what they find
// in the order of the file.
func (d *Diagnosis) readParallel(ctx context.Context, f *intake.File, r *reading) error {
	type job struct {
		chunk  intake.Chunk
		err    error
		memory *search
		done   chan struct{}
	}
	ahead := 2 * d.options.Workers
	order, work := make(chan *job, ahead), make(chan *job, ahead)
	memory := sync.Pool{New: func() any { return new(search) }}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	defer wait.Wait()
	defer close(stop)
	wait.Go(func() {
		defer close(work)
		defer close(order)
		for {
			j := &job{done: make(chan struct{})}
			j.chunk, j.err = f.Next()
			select {
			case order <- j:
			case <-stop:
				return
			}
			if j.err != nil {
				close(j.done)
				return
			}
			work <- j // never blocks for ever: the workers end only after it is closed
		}
	})
	for range d.options.Workers {
		wait.Go(func() {
			for j := range work {
				j.memory = memory.Get().(*search)
				d.index.find(f.Name, j.chunk, j.memory)
				close(j.done)
			}
		})
	}
	for j := range order {
		<-j.done
		if j.err != nil {
			return j.err
		}
		r.take(j.memory)
		memory.Put(j.memory)
		j.chunk.Release()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return io.EOF
}

// A reading is one file being read.
type reading struct {
	d       *Diagnosis
	name    string
	summary FileSummary
	readers []Reader // by format, made when first needed
	held    []int    // by format, octets of lines that its reader holds
	last    int      // the format that took the last line
	sink    Sink
	handed  []*Attempt // during the present call of a reader
	signed  []*Line    // with signs, that a reader keeps for an attempt, and some that were handed over
	waiting int        // how many of them waited when that was last looked at
}

func (d *Diagnosis) reading(f *intake.File) *reading {
	r := &reading{
		d: d, name: f.Name, readers: make([]Reader, len(formats)), held: make([]int, len(formats)),
		summary: FileSummary{Name: f.Name, Encoding: f.Encoding, Formats: map[string]int{}},
		sink:    Sink{Zone: d.options.Zone, Newest: d.options.Now},
	}
	if modified := time.Unix(f.ModTime, 0); f.ModTime > 0 && modified.Before(d.options.Now) {
		// A clock that runs on while a log is copied is a day at most.
		r.sink.Newest = modified.Add(24 * time.Hour)
	}
	r.sink.attempt = func(a *Attempt) { r.handed = append(r.handed, a) }
	return r
}

// A candidate is a line that holds a text.
type candidate struct {
	line   *Line
	marked uint64  // formats that have a mark in it, a bit each
	signs  []*sign // whose text is in it, whatever else they ask for
}

// find searches a chunk for lines that hold a text. They are in m until it is
// used again.
func (x *index) find(name string, c intake.Chunk, m *search) *search {
	m.octets, m.lines, m.first = len(c.Text), bytes.Count(c.Text, newline), c.First
	m.found = m.found[:0]
	for _, h := range x.literals.scan(c.Text, m) {
		k := candidate{line: &Line{File: name, Number: c.First + h.before, Text: string(c.Text[h.start:h.end])}}
		for _, id := range h.texts {
			k.marked |= x.formats[id]
			k.signs = append(k.signs, x.signs[id]...)
		}
		m.found = append(m.found, k)
	}
	return m
}

// take reads the lines that were found in a chunk.
func (r *reading) take(m *search) {
	r.summary.Bytes += int64(m.octets)
	r.summary.Lines = m.first + m.lines - 1
	for i := range m.found {
		r.line(&m.found[i])
		m.found[i] = candidate{}
	}
}

// line gives a line to the format that understands it, and judges its signs.
func (r *reading) line(k *candidate) {
	l, marked := k.line, k.marked
	format, made := (*Format)(nil), NotMine
	if marked != 0 {
		if marked&(1<<r.last) != 0 {
			made = r.ask(r.last, l)
			marked &^= 1 << r.last
		}
		for i := 0; made == NotMine && marked != 0; i++ {
			if marked&(1<<i) != 0 {
				marked &^= 1 << i
				if made = r.ask(i, l); made != NotMine {
					r.last = i
				}
			}
		}
		if made != NotMine {
			format = &formats[r.last]
			r.summary.Formats[format.Name]++
			if made == Kept {
				l.holder = r.last + 1
				r.held[r.last] += len(l.Text) + lineCost
			}
		}
	}
	for _, s := range k.signs {
		if s.holds(l.Text, format) {
			l.signs = append(l.signs, s)
		}
	}
	if r.d.watch != nil && (format != nil || len(l.signs) > 0) {
		r.d.watch(l, format)
	}
	if made == Kept && len(l.signs) > 0 {
		r.signed = append(r.signed, l)
	}
	alone := made != Kept && len(l.signs) > 0
	for _, a := range r.handed {
		alone = alone && !slices.Contains(a.Lines, l)
	}
	r.finish()
	if alone {
		r.d.alone(l)
	}
	if r.held[r.last] > maxHeld {
		// Too much is open: it ends with what is known.
		r.readers[r.last].Close(&r.sink)
		r.finish()
		r.forgotten(r.last)
		r.readers[r.last], r.held[r.last] = nil, 0
	}
	if len(r.signed) > 2*r.waiting+1000 {
		r.signed = slices.DeleteFunc(r.signed, func(l *Line) bool { return l.holder == 0 })
		r.waiting = len(r.signed)
	}
}

// forgotten takes the lines with signs that a reader kept and, now that it was
// closed, has handed over in no attempt: as one event that was written into the
// middle of another. What they show is not lost.
func (r *reading) forgotten(format int) {
	for _, l := range r.signed {
		if l.holder == format+1 {
			l.holder = 0
			r.d.alone(l)
		}
	}
}

// lineCost is about what a line takes beside its text.
const lineCost = 100

func (r *reading) ask(format int, l *Line) Reading {
	if r.readers[format] == nil {
		r.readers[format] = formats[format].New()
	}
	return r.readers[format].Read(l, &r.sink)
}

// close ends the file.
func (r *reading) close() {
	for i, reader := range r.readers {
		if reader != nil {
			reader.Close(&r.sink)
			r.finish()
			r.forgotten(i)
		}
	}
}

// finish judges the attempts that were handed over.
func (r *reading) finish() {
	for i, a := range r.handed {
		for _, l := range a.Lines {
			if l.holder > 0 {
				r.held[l.holder-1] -= len(l.Text) + lineCost
				l.holder = 0
			}
		}
		r.d.finish(a)
		r.handed[i] = nil
	}
	r.handed = r.handed[:0]
}

// holds reports whether a line shows the sign; its Text is known to be there.
func (s *sign) holds(line string, format *Format) bool {
	if len(s.Formats) > 0 && (format == nil || !slices.Contains(s.Formats, format.Name)) {
		return false
	}
	for _, t := range s.And {
		if !containsFold(line, t) {
			return false
		}
	}
	for _, t := range s.Not {
		if containsFold(line, t) {
			return false
		}
	}
	return true
}

// containsFold is strings.Contains without regard to the case of ASCII letters.
func containsFold(s, part string) bool {
	if part == "" {
		return true
	}
	lower, upper := fold(part[0]), part[0]
	if lower >= 'a' && lower <= 'z' {
		upper = lower - ('a' - 'A')
	}
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i] != lower && s[i] != upper {
			continue
		}
		same := true
		for j := 1; j < len(part) && same; j++ {
			same = fold(s[i+j]) == fold(part[j])
		}
		if same {
			return true
		}
	}
	return false
}

// finish judges one attempt and keeps it, or counts it if there is no room.
func (d *Diagnosis) finish(a *Attempt) {
	d.totals.add(a.Verdict)
	k := &kept{attempt: a}
	for _, l := range a.Lines {
		for _, s := range l.signs {
			k.show(shown{s.cause, s.Confidence, s.Why, []*Line{l}})
		}
	}
	for _, code := range a.Codes {
		for _, s := range d.index.codes[code] {
			if s.fits(a.Verdict) {
				k.show(shown{s.cause, s.Confidence, s.Why, nil})
			}
		}
	}
	size := 500
	for _, l := range a.Lines {
		size += min(len(l.Text), maxText) + lineCost
	}
	if size > d.room && d.options.Attempt == nil && len(k.shows) == 0 && a.Verdict != Refused && a.Verdict != Faulty {
		d.overflow++ // nothing of it is looked at again
		return
	}
	d.detach(a)
	if d.options.Attempt != nil {
		now := kept{attempt: a, shows: slices.Clone(k.shows)}
		d.settle(&now)
		d.options.Attempt(now.tried())
	}
	if size > d.room {
		d.overflow++
		d.settle(k)
		if len(k.shows) > 0 {
			a.shorten()
			d.count(d.found, k)
		}
		return
	}
	a.shorten()
	d.room -= size
	d.kept = append(d.kept, k)
	for _, s := range k.shows {
		d.note(a.Lines[0].File, s.cause)
	}
}

// detach takes an attempt's words out of the memory of the lines that they were
// cut from, without secrets in them, and its times back to what can be believed.
func (d *Diagnosis) detach(a *Attempt) {
	for _, s := range []*string{&a.User, &a.Host, &a.Client, &a.From, &a.Method} {
		*s = d.intern(*s)
	}
	for i, c := range a.Codes {
		a.Codes[i] = d.keep(c, c) // words of ours, which may look like a secret's name: totp:wrong-code
	}
	a.Time, a.End = believable(a.Time), believable(a.End)
	a.ZoneAssumed = a.ZoneAssumed && !a.Time.IsZero()
}

// believable is t, or the zero time if no log can be of then: what lies between
// two times that are left is a Duration, and each can be written (RFC 3339 has
// years of four digits, and zones of less than a day).
func believable(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	if _, offset := t.Zone(); offset <= -24*3600 || offset >= 24*3600 {
		t = t.UTC()
	}
	if year := t.UTC().Year(); year < 1971 || year > 2260 {
		return time.Time{}
	}
	return t
}

// shorten does so with all lines.
func (a *Attempt) shorten() {
	for _, l := range a.Lines {
		l.shorten(a.Codes...)
	}
}

// fits reports whether a code counts in an attempt that ended so.
func (s *Sign) fits(v Verdict) bool {
	if len(s.Verdicts) == 0 {
		return v != Accepted
	}
	return slices.Contains(s.Verdicts, v)
}

// alone takes a line with signs that is in no attempt.
func (d *Diagnosis) alone(l *Line) {
	l.shorten()
	k := &kept{}
	for _, s := range l.signs {
		k.show(shown{s.cause, s.Confidence, s.Why, []*Line{l}})
	}
	d.hide(k)
	for _, s := range k.shows {
		d.note(l.File, s.cause)
		byFile := d.loose[s.cause]
		if byFile == nil {
			byFile = map[string]*tally{}
			d.loose[s.cause] = byFile
		}
		t := byFile[l.File]
		if t == nil {
			if d.looseLeft == 0 {
				d.unlisted++
				continue
			}
			d.looseLeft--
			t = &tally{}
			byFile[l.File] = t
		}
		if len(t.evidence) > 0 && len(t.evidence) < maxEvidence {
			if d.looseRoom -= len(l.Text) + lineCost; d.looseRoom < 0 {
				s.lines = []*Line{}
			}
		}
		t.add(nil, s)
	}
	if d.options.Attempt != nil && len(k.shows) > 0 {
		t := Tried{File: l.File, Line: l.Number}
		for _, s := range k.shows {
			t.Causes = append(t.Causes, s.cause.ID)
		}
		d.options.Attempt(t)
	}
}

func (d *Diagnosis) note(file string, c *Cause) {
	in := d.looseIn[file]
	if in == nil {
		if d.noteLeft == 0 {
			return
		}
		in = map[*Cause]bool{}
		d.looseIn[file] = in
	}
	if !in[c] && d.noteLeft > 0 {
		d.noteLeft--
		in[c] = true
	}
}

// intern returns a name from memory that all attempts share, and apart from the
// line that it was cut out of, without secrets in it.
func (d *Diagnosis) intern(s string) string {
	if s == "" {
		return ""
	}
	if have, ok := d.names[s]; ok {
		return have
	}
	return d.keep(s, withoutSecrets(s[:min(len(s), maxName)]))
}

// keep remembers that s is to be name from now on, and returns that.
func (d *Diagnosis) keep(s, name string) string {
	if have, ok := d.names[s]; ok {
		return have
	}
	name = strings.Clone(strings.ToValidUTF8(name[:min(len(name), maxName)], "")) // no cut character
	if len(d.names) < 10*maxDistinct && len(s) <= maxName {
		d.names[strings.Clone(s)] = name
	}
	return name
}

// shorten makes a line fit to be kept, once it was read: without secrets, and if
// it is long cut to what is around its first sign, or else around the first of
// the codes that it names.
func (l *Line) shorten(codes ...string) {
	if l.short {
		return
	}
	l.short = true
	l.Text = withoutSecrets(l.Text)
	if len(l.Text) <= maxText {
		return
	}
	at := -1
	if len(l.signs) > 0 {
		at = indexFold(l.Text, strings.ToLower(l.signs[0].Text))
	}
	for i := 0; at < 0 && i < len(codes); i++ {
		_, code, _ := strings.Cut(codes[i], ":")
		at = lastWord(l.Text, code)
	}
	from := max(0, min(at-maxText/2, len(l.Text)-maxText))
	text := strings.ToValidUTF8(l.Text[from:from+maxText], "") // no cut character
	if from > 0 {
		text = "… " + text
	}
	if from+maxText < len(l.Text) {
		text += " …"
	}
	l.Text = strings.Clone(text)
}

// lastWord is where word stands last in s by itself, -1 if it does not. The last,
// because what decides stands behind the times and numbers of a record's head.
func lastWord(s, word string) int {
	for end := len(s); word != ""; {
		at := strings.LastIndex(s[:end], word)
		if at < 0 {
			return -1
		}
		after := at + len(word)
		if (at == 0 || !isWordByte(s[at-1])) && (after == len(s) || !isWordByte(s[after])) {
			return at
		}
		end = after - 1
	}
	return -1
}

// show adds a cause, or makes it surer.
func (k *kept) show(s shown) {
	for i := range k.shows {
		have := &k.shows[i]
		if have.cause != s.cause {
			continue
		}
		if have.lines != nil && s.lines != nil {
			have.lines = append(have.lines, s.lines...)
		}
		if s.sure.weight() > have.sure.weight() {
			have.sure, have.why = s.sure, s.why
		}
		return
	}
	k.shows = append(k.shows, s)
}

func (c Confidence) weight() int {
	switch c {
	case Proven:
		return 3
	case Likely:
		return 2
	case Possible:
		return 1
	}
	return 0
}

// settle hides symptoms, and says of a failure without a cause that it has none.
func (d *Diagnosis) settle(k *kept) {
	d.hide(k)
	if len(k.shows) == 0 && !k.explained && (k.attempt.Verdict == Refused || k.attempt.Verdict == Faulty) {
		k.shows = append(k.shows, shown{&unexplainedCauses[0], Possible, "The log says that it failed, and nothing that is known says why.", nil})
	}
}

// hide takes away the causes that others in the same place explain.
func (d *Diagnosis) hide(k *kept) {
	if len(k.shows) < 2 {
		return
	}
	all := slices.Clone(k.shows)
	k.shows = slices.DeleteFunc(k.shows, func(s shown) bool {
		return slices.ContainsFunc(all, func(o shown) bool { return o.cause.hides(s.cause) })
	})
}

func (c *Cause) hides(o *Cause) bool { return c != o && slices.Contains(c.Hides, o.ID) }

// Report says what was found. The Diagnosis may read on after it.
func (d *Diagnosis) Report() *Report {
	r := &Report{
		Schema: "sallyport-diagnosis/1", Made: d.options.Now, Files: slices.Clone(d.files), Totals: d.totals,
		Findings: []Finding{}, Attempts: make([]Tried, 0, len(d.kept)),
	}
	all := make([]*kept, len(d.kept))
	for i, k := range d.kept {
		all[i] = &kept{attempt: k.attempt, shows: slices.Clone(k.shows)}
	}
	slices.SortStableFunc(all, func(a, b *kept) int { return a.attempt.Time.Compare(b.attempt.Time) })
	found := map[*Cause]*tally{}
	for c, t := range d.found {
		found[c] = t.clone()
	}
	d.compare(all, found)
	d.explain(all)
	for _, k := range all {
		d.settle(k)
		d.count(found, k)
		r.Attempts = append(r.Attempts, k.tried())
	}
	for c, byFile := range d.loose {
		for _, file := range slices.Sorted(maps.Keys(byFile)) {
			if slices.ContainsFunc(d.index.hidden[c.ID], func(o *Cause) bool { return d.looseIn[file][o] }) {
				continue
			}
			tallyOf(found, c).merge(byFile[file])
		}
	}
	for c, t := range found {
		r.Findings = append(r.Findings, t.finding(c))
	}
	slices.SortFunc(r.Findings, pressing)
	if d.overflow > 0 {
		r.Warnings = append(r.Warnings, "Of "+count(d.totals.Attempts, "attempt")+", "+count(d.overflow, "was", "were")+
			" counted but not listed, nor compared with others: there were more than memory is allowed for. Read a shorter time to see them.")
	}
	if d.unlisted > 0 {
		r.Warnings = append(r.Warnings, count(d.unlisted, "line")+" that show a cause in no attempt to log in were not counted: too many files show too many causes. Read fewer files at a time to see them.")
	}
	return r
}

// compare lets causes look at all attempts together.
func (d *Diagnosis) compare(all []*kept, found map[*Cause]*tally) {
	attempts := make([]*Attempt, len(all))
	of := make(map[*Attempt]*kept, len(all))
	for i, k := range all {
		attempts[i], of[k.attempt] = k.attempt, k
	}
	for _, c := range d.index.finders {
		for _, m := range c.Find(attempts) {
			s := shown{c, m.Confidence, m.Why, m.Lines}
			if s.lines == nil {
				for _, a := range m.Attempts {
					s.lines = append(s.lines, a.Lines...)
				}
			}
			// The occurrence counts once, with its first attempt; the others show it.
			tallyOf(found, c).add(m.Attempts[0], s)
			for _, a := range m.Attempts {
				k := of[a]
				if !slices.ContainsFunc(k.shows, func(s shown) bool { return s.cause == c }) {
					k.shows = append(k.shows, shown{cause: c}) // weightless: counted above
				}
			}
		}
	}
}

// near is how far apart two logs may tell of the same login.
const near = 3 * time.Minute

// explain takes symptoms away from attempts whose login the log of another
// product explains.
func (d *Diagnosis) explain(all []*kept) {
	type who struct {
		user, product string
		slot          int64
	}
	slotOf := func(t time.Time) int64 { return int64(t.Sub(t.Truncate(quarter)) / near) }
	const slots = int64(quarter / near)
	byWho := map[who][]*kept{}
	explaining := map[*Cause]map[string]bool{} // by cause, the products that tell of it
	others := map[string]bool{}                // all of those
	for _, k := range all {
		for _, s := range k.shows {
			if len(s.cause.Hides) == 0 {
				continue
			}
			products := explaining[s.cause]
			if products == nil {
				products = map[string]bool{}
				explaining[s.cause] = products
			}
			products[k.attempt.Product], others[k.attempt.Product] = true, true
			key := who{account(k.attempt.User), k.attempt.Product, slotOf(k.attempt.Time)}
			if list := byWho[key]; len(list) == 0 || list[len(list)-1] != k {
				byWho[key] = append(list, k)
			}
		}
	}
	explains := func(c *Cause, product string) bool {
		for p := range explaining[c] {
			if p != product {
				return true
			}
		}
		return false
	}
	for _, k := range all {
		a := k.attempt
		k.shows = slices.DeleteFunc(k.shows, func(s shown) bool {
			by := d.index.hidden[s.cause.ID]
			if !slices.ContainsFunc(by, func(c *Cause) bool { return explains(c, a.Product) || d.loose[c] != nil }) {
				return false
			}
			if a.User == "" || a.Time.IsZero() {
				// Nothing tells whose it is: any log beside it may explain it.
				k.explained = true
				return true
			}
			user, slot := account(a.User), slotOf(a.Time)
			for product := range others {
				if product == a.Product {
					continue
				}
				for _, at := range []int64{slot, (slot + 1) % slots, (slot + slots - 1) % slots} {
					for _, o := range beside(byWho[who{user, product, at}], a.Time) {
						if together(a, o.attempt) && slices.ContainsFunc(o.shows, func(os shown) bool { return slices.Contains(by, os.cause) }) {
							k.explained = true
							return true
						}
					}
				}
			}
			return false
		})
	}
}

// quarter is the finest difference between two time zones.
const quarter = 15 * time.Minute

// farthest is how far two times of one moment can lie apart, if one is in a zone
// that is not known.
const farthest = 14*time.Hour + near

// beside is the part of a list, which is in the order of time, that may tell of
// the moment t: the last maxBeside of what is not too far away.
func beside(list []*kept, t time.Time) []*kept {
	at := func(o *kept, t time.Time) int { return o.attempt.Time.Compare(t) }
	to, _ := slices.BinarySearchFunc(list, t.Add(farthest+1), at)
	from, _ := slices.BinarySearchFunc(list, t.Add(-farthest), at)
	return list[max(from, to-maxBeside):to]
}

// together reports whether two logs may tell of one moment: where one does not
// say its zone, the same minutes of an hour are enough.
func together(a, b *Attempt) bool {
	apart := a.Time.Sub(b.Time).Abs()
	if apart <= near {
		return true
	}
	if !a.ZoneAssumed && !b.ZoneAssumed || apart > farthest {
		return false
	}
	rest := apart % quarter
	return rest <= near || rest >= quarter-near
}

// account is a user name without its domain, in lower case.
func account(name string) string {
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	if i := strings.IndexByte(name, '@'); i > 0 {
		name = name[:i]
	}
	return strings.ToLower(name)
}

// count adds what an attempt shows to the tallies.
func (d *Diagnosis) count(found map[*Cause]*tally, k *kept) {
	for _, s := range k.shows {
		if s.sure != "" {
			tallyOf(found, s.cause).add(k.attempt, s)
		}
	}
}

func (k *kept) tried() Tried {
	a := k.attempt
	t := Tried{
		Time: a.Time, End: a.End, ZoneAssumed: a.ZoneAssumed, Product: a.Product, User: a.User, Host: a.Host,
		Client: a.Client, From: a.From, Method: a.Method, Stage: string(a.Stage), Verdict: a.Verdict,
		Codes: a.Codes, File: a.Lines[0].File, Line: a.Lines[0].Number,
	}
	for _, s := range k.shows {
		if !slices.Contains(t.Causes, s.cause.ID) {
			t.Causes = append(t.Causes, s.cause.ID)
		}
	}
	return t
}
