package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// maxDiagnosisMemory is what reading hostile logs may take, however large they
// are: 256 MiB.
const maxDiagnosisMemory = 256 << 20

// TestCampaignDiagnoseHostileInput feeds the program what no log should be. It must say
// a clear word, end by itself and stay within its memory.
func TestCampaignDiagnoseHostileInput(t *testing.T) {
	size := int64(300 << 20)
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		size = 10 << 30
	}
	tests := []struct {
		name  string
		write func(w io.Writer, n int64) error
		exit  int
	}{
		{"a million distinct people who all fail", func(w io.Writer, n int64) error {
			for i := int64(0); n > 0; i++ {
				k, err := fmt.Fprintf(w, "Nov 21 %02d:%02d:%02d gate sshd[%d]: Failed password for invalid user u%dx from 10.%d.%d.%d port %d ssh2\n",
					i/3600%24, i/60%60, i%60, i%30000, i, i>>16&255, i>>8&255, i&255, 1024+i%60000)
				if n -= int64(k); err != nil {
					return err
				}
			}
			return nil
		}, 1},
		{"logins that begin and never end", func(w io.Writer, n int64) error {
			for i := int64(0); n > 0; i++ {
				k, err := fmt.Fprintf(w, "2026-11-21T%02d:%02d:%02d.000000Z|0|%d|%d|pfrad|Calling pfAuthUser('CORP\\u%d', '', 1)\n", i/3600%24, i/60%60, i%60, i, i, i)
				if n -= int64(k); err != nil {
					return err
				}
			}
			return nil
		}, 0},
		{"one line without an end", func(w io.Writer, n int64) error {
			part := strings.Repeat("Failed password for root from 10.0.0.1 port 22 ssh2 ", 1<<10)
			for n > 0 {
				k, err := io.WriteString(w, part)
				if n -= int64(k); err != nil {
					return err
				}
			}
			return nil
		}, 0},
		{"escapes for the terminal in every line", func(w io.Writer, n int64) error {
			for i := int64(0); n > 0; i++ {
				k, err := fmt.Fprintf(w, "Nov 21 10:00:00 gate sshd[1]: Failed password for invalid user \x1b]0;pwned\x07\x1b[2J\u202ex%d from 10.0.0.1 port 22 ssh2\n", i)
				if n -= int64(k); err != nil {
					return err
				}
			}
			return nil
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, peak, exit := diagnoseStream(t, func(w io.Writer) error { return tt.write(w, size) }, "diagnose", "-")
			if exit != tt.exit {
				t.Errorf("exit code %d; want %d\n%.2000s", exit, tt.exit, out)
			}
			if peak > maxDiagnosisMemory {
				t.Errorf("%d MiB of memory for %d MiB of log; want %d at most", peak>>20, size>>20, maxDiagnosisMemory>>20)
			}
			if strings.ContainsAny(out, "\x1b\x07\u202e") {
				t.Errorf("it passes on what commands a terminal: %.2000q", out)
			}
			t.Logf("%d MiB of log, %d MiB of memory", size>>20, peak>>20)
		})
	}
}

// diagnoseStream runs a command with what write makes as its input, and returns
// what it printed, its largest resident memory in octets, and how it ended.
func diagnoseStream(t *testing.T, write func(io.Writer) error, args ...string) (out string, peak int64, exit int) {
	t.Helper()
	cmd := command("", nil, args)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var printed, said capture
	cmd.Stdout, cmd.Stderr = &printed, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := bufio.NewWriterSize(in, 1<<20)
	if err := errors.Join(write(b), b.Flush(), in.Close()); err != nil {
		t.Errorf("it stopped reading: %v", err)
	}
	err = cmd.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if s := said.String(); strings.Contains(s, "panic") || strings.Contains(s, "goroutine ") {
		t.Fatalf("it crashed:\n%s", s)
	}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not tell how much memory it took")
	}
	return printed.String() + said.String(), used.Maxrss << 10, cmd.ProcessState.ExitCode()
}

// TestDiagnoseZipBomb gives it 1 GiB of blanks in a small file. It says so and
// reads what lies beside it.
func TestDiagnoseZipBomb(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "bomb.log.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	blank := make([]byte, 1<<20)
	for i := range blank {
		blank[i] = ' '
	}
	for range 1 << 10 {
		if _, err := z.Write(blank); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	const beside = "Nov 21 10:00:00 gate sshd[1]: Failed password for alice from 10.0.0.1 port 22 ssh2\n"
	if err := os.WriteFile(filepath.Join(dir, "auth.log"), []byte(beside), 0o600); err != nil {
		t.Fatal(err)
	}
	out, peak, exit := diagnoseStream(t, func(io.Writer) error { return nil }, "diagnose", "--json", dir)
	if exit != 1 || peak > maxDiagnosisMemory {
		t.Errorf("exit code %d, %d MiB of memory; want 1, at most %d", exit, peak>>20, maxDiagnosisMemory>>20)
	}
	var r struct {
		Files  []struct{ Name, Error string }
		Totals struct{ Refused int }
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&r); err != nil {
		t.Fatalf("%v in\n%.2000s", err, out)
	}
	if r.Totals.Refused != 1 {
		t.Errorf("%d refused; want the one that lies beside the bomb", r.Totals.Refused)
	}
	told := false
	for _, file := range r.Files {
		told = told || strings.Contains(file.Name, "bomb") && strings.Contains(file.Error, "unpacks to more")
	}
	if !told {
		t.Errorf("it does not say what is wrong with the bomb: %+v", r.Files)
	}
}
