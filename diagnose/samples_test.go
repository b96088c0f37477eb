package diagnose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/intake"
)

// A sampleBlock is one block of a file in testdata/samples: lines as they stand
// in one log, and what they show.
type sampleBlock struct {
	file, id, origin, source string
	finds                    []string
	noise                    bool // some lines are of no product
	text                     string
}

// sampleBlocks reads every sample.
func sampleBlocks(t testing.TB) []sampleBlock {
	t.Helper()
	files, err := filepath.Glob("testdata/samples/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var all []sampleBlock
	ids := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b *sampleBlock
		for line := range strings.Lines(string(raw)) {
			head, ok := strings.CutPrefix(line, "== ")
			if !ok {
				if b != nil {
					b.text += line
				}
				continue
			}
			parts := strings.Split(strings.TrimSpace(head), " | ")
			if len(parts) < 4 || !strings.HasPrefix(parts[3], "finds: ") || parts[1] != "real" && parts[1] != "made" || len(parts) > 4 && parts[4] != "noise" {
				t.Fatalf("%s: cannot read the heading %q", file, head)
			}
			all = append(all, sampleBlock{file: filepath.Base(file), id: parts[0], origin: parts[1], source: parts[2], noise: len(parts) > 4})
			b = &all[len(all)-1]
			if ids[b.id] {
				t.Errorf("%s: a second sample %s", file, b.id)
			}
			ids[b.id] = true
			if f := strings.TrimPrefix(parts[3], "finds: "); f != "nothing" {
				b.finds = strings.Split(f, ", ")
				slices.Sort(b.finds)
			}
		}
	}
	return all
}

// sampleTime is when samples are diagnosed.
var sampleTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func diagnosed(t testing.TB, name, text string) (*Diagnosis, *Report) {
	t.Helper()
	d := New(Options{Now: sampleTime})
	if err := d.Read(t.Context(), intake.Text(name, text)); err != nil {
		t.Fatal(err)
	}
	return d, d.Report()
}

func causesOf(r *Report) []string {
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.Cause)
	}
	slices.Sort(ids)
	return ids
}

// TestSamples reads every sample as a log by itself. Exactly the causes that its
// heading names must be found, and every line must be known.
func TestSamples(t *testing.T) {
	found := map[string]bool{}
	for _, b := range sampleBlocks(t) {
		t.Run(b.file+"/"+b.id, func(t *testing.T) {
			d := New(Options{Now: sampleTime})
			known := map[int]bool{}
			d.watch = func(l *Line, _ *Format) { known[l.Number] = true }
			if err := d.Read(t.Context(), intake.Text(b.id, b.text)); err != nil {
				t.Fatal(err)
			}
			r := d.Report()
			if got := causesOf(r); !slices.Equal(got, b.finds) {
				t.Errorf("found %q; want %q in\n%s", got, b.finds, b.text)
				for _, f := range r.Findings {
					t.Logf("%s (%s: %s): %v", f.Cause, f.Confidence, f.Why, f.Evidence)
				}
			}
			for i, line := range strings.Split(b.text, "\n") {
				if strings.TrimSpace(line) != "" && !known[i+1] && !b.noise {
					t.Errorf("line %d is not recognised: %s", i+1, line)
				}
			}
			for _, f := range r.Findings {
				found[f.Cause] = true
				if len(f.Evidence) == 0 || f.Count == 0 || f.Confidence == "" || f.Why == "" {
					t.Errorf("a finding without evidence, count or reason: %+v", f)
				}
			}
		})
	}
	for _, c := range causes {
		if (len(c.Signs) > 0 || c.Find != nil) && !found[c.ID] {
			t.Errorf("no sample shows the cause %s", c.ID)
		}
	}
}
