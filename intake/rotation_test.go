package intake

import (
	"archive/zip"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRotationOrder(t *testing.T) {
	tests := []struct {
		name string
		want []string
	}{
		{"numbers of logrotate", []string{"foo.log.10.gz", "foo.log.9.gz", "foo.log.2.gz", "foo.log.1", "foo.log"}},
		{"dates of logrotate", []string{"foo.log-20251231.gz", "foo.log-20261101", "foo.log-20261102", "foo.log"}},
		{"dates with hours", []string{"foo.log-2026110109", "foo.log-2026110110", "foo.log-2026110201"}},
		{"dates before the ending", []string{"foo-2026-10-31.log", "foo-2026-11-01.log.gz", "foo.log"}},
		{"dates between points", []string{"foo.20261031.log", "foo.20261101.log", "foo.log"}},
		{"dates with numbers", []string{"foo-2026-11-01.2.log", "foo-2026-11-01.10.log", "foo-2026-11-02.1.log"}},
		{"archived event logs", []string{"Archive-Security-2026-11-01-03-04-05-123.evtx", "Archive-Security-2026-11-01-13-04-05-123.evtx", "Security.evtx"}},
		{"two logs", []string{"bar.log.1", "bar.log", "foo.log.1", "foo.log"}},
		{"no dates", []string{"v-2026-13-01.log", "v-20269999.log", "v.log"}},
		{"names only", []string{"IN261101.log", "IN261102.log", "host12345678.log"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			var members []member
			shuffled := slices.Clone(tt.want)
			rand.New(rand.NewSource(1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			for _, name := range shuffled {
				members = append(members, member{"logs/" + name, []byte("x\n")})
				if err := os.WriteFile(filepath.Join(folder, name), []byte("x\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{folder, write(t, "x.zip", zipped(zip.Store, members...))} {
				var order []string
				for _, g := range walk(t, []string{path}, nil, Options{}) {
					order = append(order, g.Name[strings.LastIndexByte(g.Name, '/')+1:])
				}
				if diff := cmp.Diff(tt.want, order); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			}
		})
	}
}
