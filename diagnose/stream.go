package diagnose

import "sallyport/intake"

// A Stream reads a file that is still being written, as its lines appear. It is
// used by one goroutine, as is its Diagnosis.
type Stream struct {
	reading *reading
	memory  search
}

// Stream begins to read f, whose chunks come to Take instead of from f.Next.
func (d *Diagnosis) Stream(f *intake.File) *Stream { return &Stream{reading: d.reading(f)} }

// Take reads the lines of c. Attempts that they end are told to Options.Attempt
// before it returns.
func (s *Stream) Take(c intake.Chunk) {
	s.reading.take(s.reading.d.index.find(s.reading.name, c, &s.memory))
}

// Close ends the file: attempts that are still open end as far as is known. err
// is why it could not be read to its end, nil if it was.
func (s *Stream) Close(err error) {
	s.reading.close()
	if err != nil {
		s.reading.summary.Error = err.Error()
	}
	s.reading.d.files = append(s.reading.d.files, s.reading.summary)
}
