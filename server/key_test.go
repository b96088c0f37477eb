package server

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/admin"
	"sallyport/seal"
)

// A rotation of the key file that a crash cut off at any point leaves an
// installation that starts and reads its secrets.
func TestRotationSurvivesACrash(t *testing.T) {
	crash := errors.New("power cut")
	tests := []struct {
		name string
		cut  func(t *testing.T, s *Server, path string)
	}{
		{"before anything was wrapped anew", func(t *testing.T, _ *Server, path string) {
			if _, err := rotate(path, func(seal.KEK) error { return crash }); !errors.Is(err, crash) {
				t.Fatal(err)
			}
		}},
		{"after everything was wrapped anew", func(t *testing.T, s *Server, path string) {
			_, err := rotate(path, func(k seal.KEK) error { return errors.Join(s.Store.Rewrap(t.Context(), k), crash) })
			if !errors.Is(err, crash) {
				t.Fatal(err)
			}
		}},
		{"not at all", func(t *testing.T, s *Server, path string) {
			if _, err := s.rekey(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(nextKEK(path)); !os.IsNotExist(err) {
				t.Errorf("the waiting key is still there: %v", err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			log := slog.New(slog.NewTextHandler(io.Discard, nil))
			s, err := Start(t.Context(), cfg, log)
			if err != nil {
				t.Fatal(err)
			}
			populate(t, s, 1, admin.NewClient{})
			tt.cut(t, s, cfg.KEKPath())
			s.Close()

			again, err := Start(t.Context(), cfg, log)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if got := string([]byte(again.Store.Settings().Client("nas").Secrets[0])); got != gateway {
				t.Error("the client's secret is not what it was")
			}
		})
	}
}

func TestDatabaseWithoutItsKeyIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := Start(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.Rename(cfg.KEKPath(), filepath.Join(t.TempDir(), "kept")); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), cfg, log); err == nil || !strings.Contains(err.Error(), "put your copy of it back") {
		t.Errorf("started without the key: %v", err)
	}
	if _, err := os.Stat(cfg.KEKPath()); !os.IsNotExist(err) {
		t.Error("a new key was made for an old database")
	}
}
