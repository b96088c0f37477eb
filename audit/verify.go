package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"sallyport/admin"
)

// A Report is what a verification found.
type Report struct {
	First   uint64 `json:"first"` // events there are; 0 if none
	Last    uint64 `json:"last"`
	Anchors int    `json:"anchors"` // anchors that were compared and fit
	// Newest is the newest event that an anchor bears witness to. What comes
	// after it could be cut off without being missed here.
	Newest   uint64   `json:"newest_anchored"`
	Findings []string `json:"findings"` // what does not fit; empty if all is whole
	Notes    []string `json:"notes"`    // what a reader should know that is no fault
	more     int
}

// Whole reports whether nothing was found.
func (r *Report) Whole() bool { return len(r.Findings) == 0 }

// findingsMost bounds a report; the first finding tells most.
const findingsMost = 20

func (r *Report) found(format string, args ...any) {
	if len(r.Findings) == findingsMost {
		r.more++
		return
	}
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

func (r *Report) note(format string, args ...any) {
	if len(r.Notes) < findingsMost {
		r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
	}
}

func (r *Report) end() Report {
	if r.more > 0 {
		r.Findings = append(r.Findings, fmt.Sprintf("and %d more", r.more))
		r.more = 0
	}
	if r.Findings == nil {
		r.Findings = []string{}
	}
	if r.Notes == nil {
		r.Notes = []string{}
	}
	return *r
}

// unanchoredMost is how long after an event an anchor must bear witness to it:
// they are written every minute, and a server can be busy.
const unanchoredMost = 3 * time.Minute

// Anchors are what a verification of a database compares it with.
type Anchors struct {
	own     []Anchor // of the installation's own file, in its order
	foreign []Anchor // kept elsewhere
	report  Report
}

// ReadOwn reads the file of anchors of a node. A file that is not there counts
// as one without lines.
func (a *Anchors) ReadOwn(path string, mac MAC) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		a.report.note("there is no file of anchors %s", path)
		return nil
	} else if err != nil {
		return fmt.Errorf("audit: read anchors: %w", err)
	}
	defer f.Close()
	return a.readOwn(f, mac)
}

func (a *Anchors) readOwn(r io.Reader, mac MAC) error {
	err := lines(r, func(n int, line []byte) {
		x, err := ownAnchor(line, mac)
		if err != nil {
			a.report.found("line %d of the file of anchors: %v", n, err)
			return
		}
		switch {
		case len(a.own) == 0 && x.Previous != "":
			a.report.note("the file of anchors begins at %s; what was before it was taken away", stamp(x.Time))
		case len(a.own) > 0 && x.Previous != a.own[len(a.own)-1].Signature:
			a.report.found("line %d of the file of anchors does not follow the one before it: lines are missing, were added or changed places", n)
		}
		a.own = append(a.own, x)
	})
	if err != nil {
		return fmt.Errorf("audit: read anchors: %w", err)
	}
	return nil
}

// ownAnchor reads a line that must be nothing but an anchor of ours.
func ownAnchor(line []byte, mac MAC) (Anchor, error) {
	if !Authentic(line, mac) {
		return Anchor{}, errSignature
	}
	h, rest, err := parseLine(line)
	if err != nil {
		return Anchor{}, err
	}
	if h.Kind != kindAnchor || len(rest) != len(bytes.TrimRight(line, "\r\n")) {
		return Anchor{}, errors.New("it is not an anchor")
	}
	return parseAnchor(rest)
}

var errSignature = errors.New("its signature is not of this installation, or it was changed")

// AddLine adds an anchor that somebody else has kept, such as a line of an
// export; other lines are passed over, and so are anchors of which there is
// nothing but a false copy, which bear witness to nothing.
func (a *Anchors) AddLine(line []byte, mac MAC) {
	h, line, err := parseLine(line)
	if err != nil || h.Kind != kindAnchor {
		return
	}
	if !Authentic(line, mac) {
		a.report.found("an anchor for event %d that was kept elsewhere: %v", h.Seq, errSignature)
		return
	}
	if x, err := parseAnchor(line); err == nil {
		a.foreign = append(a.foreign, x)
	}
}

// Verify walks the chain of events of a database and compares it with the
// anchors. It tells progress, if that is not nil, now and then the newest event
// that was read. An error means that the database could not be read.
func Verify(ctx context.Context, s Source, anchors *Anchors, progress func(seq uint64)) (Report, error) {
	wanted := make(map[uint64][]byte, len(anchors.own)+len(anchors.foreign))
	for _, list := range [][]Anchor{anchors.own, anchors.foreign} {
		for _, x := range list {
			wanted[x.Seq] = nil
		}
	}
	n := 0
	chain, err := s.Verify(ctx, func(l admin.Link) {
		if _, ok := wanted[l.Seq]; ok {
			wanted[l.Seq] = bytes.Clone(l.Hash)
		}
		if n++; n%progressEvery == 0 && progress != nil {
			progress(l.Seq)
		}
	})
	if err != nil {
		return Report{}, fmt.Errorf("audit: read the events: %w", err)
	}
	r := anchors.judge(chain, wanted)
	// What nothing bears witness to must be young, or anchors were cut off.
	if chain.Head.Seq > r.Newest && len(chain.Head.Hash) > 0 {
		after, err := s.Events(ctx, admin.EventFilter{After: max(r.Newest, chain.Cut.Seq), Limit: 1})
		if err != nil {
			return Report{}, fmt.Errorf("audit: read the first event without an anchor: %w", err)
		}
		newest, err := s.Events(ctx, admin.EventFilter{Newest: true, Limit: 1})
		if err != nil {
			return Report{}, fmt.Errorf("audit: read the newest event: %w", err)
		}
		if len(after) > 0 && len(newest) > 0 {
			if age := newest[0].Time.Sub(after[0].Time); age > unanchoredMost {
				r.found("no anchor bears witness to event %d of %s and what follows, although events went on for %s: anchors were cut off, or could not be written",
					after[0].Seq, stamp(after[0].Time), age.Round(time.Second))
			} else {
				r.note("events %d to %d are newer than the newest anchor", after[0].Seq, chain.Head.Seq)
			}
		}
	}
	return r.end(), nil
}

// progressEvery is after how many rows progress is told.
const progressEvery = 1000

// judge compares a chain with the anchors. at has the hashes of the chain at
// the anchors' events.
func (a *Anchors) judge(chain admin.Chain, at map[uint64][]byte) *Report {
	r := &a.report
	r.First, r.Last = chain.First, chain.Last
	if chain.Broken != "" {
		r.found("the chain of events is broken: %s", chain.Broken)
	}
	if chain.Cut.Seq > 0 {
		r.note("events up to %d were deleted by the rule on how long they are kept; the chain goes on from there", chain.Cut.Seq)
	}
	var lost *Anchor // the newest one beyond the end
	for _, list := range [][]Anchor{a.own, a.foreign} {
		for i := range list {
			x := &list[i]
			switch {
			case x.Seq > chain.Head.Seq:
				if lost == nil || x.Seq > lost.Seq {
					lost = x
				}
			case x.Seq == chain.Cut.Seq && !bytes.Equal(x.Hash, chain.Cut.Hash):
				r.found("the anchor of %s does not fit where old events were deleted, at event %d", stamp(x.Time), x.Seq)
			case x.Seq <= chain.Cut.Seq: // too old to be compared
			case at[x.Seq] == nil && chain.Broken == "":
				r.found("the anchor of %s names event %d, where no link of the chain ends, so events about it were replaced, or an old copy of the database was gone on with", stamp(x.Time), x.Seq)
			case at[x.Seq] == nil: // the chain broke before it
			case !bytes.Equal(at[x.Seq], x.Hash):
				r.found("the anchor of %s does not fit: at event %d the chain is another than it was then, so events before it were replaced, or an old copy of the database was gone on with", stamp(x.Time), x.Seq)
			default:
				r.Anchors++
				r.Newest = max(r.Newest, x.Seq)
			}
		}
	}
	if lost != nil {
		r.found("events %d to %d are missing at the end: they were there on %s, when the anchor was written", chain.Head.Seq+1, lost.Seq, stamp(lost.Time))
	}
	return r
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// An ExportCheck judges the lines that a receiver has kept of one export, given
// in the order in which they came. Lines that came twice are no fault. From is
// the event with which the export must begin, 0 for any.
type ExportCheck struct {
	From uint64

	report   Report
	begun    bool
	previous map[string]string // newest anchor's signature by node
	repeated int
}

// Line judges one line. authentic says whether Authentic holds for Record of
// it.
func (c *ExportCheck) Line(n int, line []byte, authentic bool) {
	h, line, err := parseLine(line)
	r := &c.report
	switch {
	case err != nil:
		r.found("line %d: %v", n, err)
		return
	case !authentic:
		r.found("line %d, which says that it is %s %d: %v", n, h.Kind, h.Seq, errSignature)
		return
	}
	if h.Kind == kindAnchor {
		c.anchor(n, line)
		return
	}
	switch {
	case !c.begun:
		c.begun = true
		r.First, r.Last = h.Seq, h.Seq
		if c.From > 0 && h.Seq != c.From {
			r.found("it begins with event %d and not with %d: what was before is missing", h.Seq, c.From)
		}
	case h.Seq == r.Last+1:
		r.Last = h.Seq
	case h.Seq <= r.Last && h.Seq >= r.First:
		c.repeated++
	case h.Seq < r.First:
		r.found("line %d: event %d comes after event %d", n, h.Seq, r.Last)
	default:
		r.found("line %d: events %d to %d are missing before event %d", n, r.Last+1, h.Seq-1, h.Seq)
		r.Last = h.Seq
	}
}

func (c *ExportCheck) anchor(n int, line []byte) {
	r := &c.report
	x, err := parseAnchor(line)
	if err != nil {
		r.found("line %d: %v", n, err)
		return
	}
	if c.previous == nil {
		c.previous = make(map[string]string)
	}
	if before, seen := c.previous[x.Node]; seen && before != x.Previous && before != x.Signature {
		r.note("line %d: an anchor of %s is missing before this one; that happens when a server is killed or another one takes over", n, x.Node)
	}
	c.previous[x.Node] = x.Signature
	if c.begun && x.Seq > r.Last {
		r.found("line %d: an anchor of %s says that there were events up to %d, and only those up to %d came before it", n, stamp(x.Time), x.Seq, r.Last)
	}
	r.Anchors++
	r.Newest = max(r.Newest, x.Seq)
}

// End judges the end of the export, given the newest anchor that is known from
// elsewhere, the zero Anchor if there is none, and returns the report.
func (c *ExportCheck) End(newest Anchor) Report {
	r := &c.report
	if newest.Seq > r.Last {
		r.found("events %d to %d are missing at the end: the anchor of %s says that they were there", r.Last+1, newest.Seq, stamp(newest.Time))
	}
	if r.Last > max(r.Newest, newest.Seq) {
		r.note("no anchor bears witness to events %d to %d; if more followed, nothing here shows it", max(r.Newest, newest.Seq)+1, r.Last)
	}
	if c.repeated > 0 {
		r.note("%d events came more than once, which is allowed", c.repeated)
	}
	return r.end()
}

// Record returns the part of a line that Authentic is about: without what a
// receiver has put before it. It is nil if there is none.
func Record(line []byte) []byte {
	_, record, err := parseLine(line)
	if err != nil {
		return nil
	}
	return record
}
