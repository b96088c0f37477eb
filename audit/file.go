package audit

import (
	"bytes"
	"context"
	"fmt"
	"os"
)

// A file receiver appends lines to a file. When the file was moved away, as
// rotation does, it goes on in a new one of the same name.
type file struct {
	path string
	f    *os.File
}

func (r *file) brief() bool { return false }

func (r *file) deliver(_ context.Context, batch []record) error {
	if !same(r.f, r.path) {
		r.close()
		f, err := openAppend(r.path)
		if err != nil {
			return fmt.Errorf("open the file: %w", err)
		}
		r.f = f
	}
	var b bytes.Buffer
	for _, rec := range batch {
		b.Write(rec.line)
		b.WriteByte('\n')
	}
	_, err := r.f.Write(b.Bytes())
	if err == nil {
		err = r.f.Sync()
	}
	if err != nil {
		r.close() // a torn line is cut off when it is opened again
		return fmt.Errorf("write the file: %w", err)
	}
	return nil
}

func (r *file) close() {
	if r.f != nil {
		r.f.Close()
		r.f = nil
	}
}
