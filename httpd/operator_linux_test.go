package httpd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/admin"
	"sallyport/auth"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("HTTPD_TEST_DIAL"); dir != "" {
		os.Exit(askAsSomebodyElse(dir))
	}
	goleak.VerifyTestMain(m)
}

// A house is an operator API on a socket in a directory of its own.
type house struct {
	t     *testing.T
	dir   string
	store *memory
	o     *Operator
	http  *http.Client
	stop  func() error // ends Serve and returns what it returned
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "httpd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &house{t: t, dir: dir, store: &memory{}}
	h.o = &Operator{
		Admin: &admin.Admin{
			Store:      h.store,
			Factors:    []auth.Factor{note{"password"}, note{"oath"}, note{"recovery"}},
			Limits:     auth.DefaultLimits,
			References: auth.NewReferences([]byte("key")),
			Pseudonym:  func(string) string { return "?somebody" },
			Attribute: func(at auth.ReplyAttribute) error {
				if at.Name != "Filter-Id" {
					return fmt.Errorf("there is no attribute %q", at.Name)
				}
				return nil
			},
			Now: func() time.Time { return start },
		},
		KeyFile: filepath.Join(dir, "a key"),
		Log:     slog.New(slog.DiscardHandler),
	}
	l, err := ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.o.Serve(ctx, l) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return DialSocket(ctx, dir) }}
	h.http = &http.Client{Transport: transport}
	h.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := h.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return h
}

// post asks for an operation and returns status, body and trailer.
func (h *house) post(operation, body string) (int, string, http.Header) {
	h.t.Helper()
	resp, err := h.http.Post("http://sallyport/operator/"+operation, "application/json", strings.NewReader(body))
	if err != nil {
		h.t.Fatalf("%s: %v", operation, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("%s: %v", operation, err)
	}
	return resp.StatusCode, string(b), resp.Trailer
}

// fields returns the values of an object at dotted names, joined by spaces.
func fields(t *testing.T, object string, names ...string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	var got []string
	for _, n := range names {
		v, ok := m[n]
		if !ok {
			v = "(none)"
		}
		got = append(got, fmt.Sprint(v))
	}
	return strings.Join(got, " ")
}

// The operations one after the other, as an operator sets up a server.
func TestOperations(t *testing.T) {
	h := newHouse(t)
	h.store.log("alice", auth.OATHCodeIncorrect)
	reference := string(h.o.Admin.References.Of(1))
	steps := []struct {
		operation, body string
		status          int
		names, want     string // fields of the answer
	}{
		{"group.add", `{"name":"staff","attributes":[{"Name":"Filter-Id","Value":"staff"}]}`, 200, "name attributes", "staff [Filter-Id=staff]"},
		{"group.add", `{"name":"x","attributes":[{"Name":"Nope","Value":"1"}]}`, 422, "type detail", `/problems/invalid there is no attribute "Nope"`},
		{"application.add", `{"name":"vpn"}`, 200, "name created", "vpn 2026-03-04T05:06:07Z"},
		{"client.add", `{"name":"nas","application":"vpn","source":"192.0.2.1","secret":"sixteen letters!"}`, 200, "name source mode secret warnings", "nas 192.0.2.1/32 challenge (none) []"},
		{"client.add", `{"name":"nas2","application":"vpn","source":"192.0.2.2","lax":true}`, 200, "name secrets", "nas2 1"},
		{"client.add", `{"name":"nas3","application":"nope","source":"192.0.2.2"}`, 404, "detail hint", `there is no application "nope" sallyport application add nope`},
		{"client.rotate", `{"name":"nas","secret":"another sixteen!"}`, 200, "name secret", "nas (none)"},
		{"client.rotate-finish", `{"name":"nas"}`, 200, "", ""},
		{"client.rotate-finish", `{"name":"nas"}`, 422, "type", "/problems/invalid"},
		{"client.remove", `{"name":"nas2"}`, 200, "", ""},
		{"client.remove", `{"name":"nas2"}`, 404, "type title detail status", `/problems/not-found Not found no client "nas2" 404`},
		{"account.add", `{"name":"Alice","aliases":["al"],"groups":["staff"],"password":"p"}`, 200, "name aliases groups enabled", "alice [al] [staff] true"},
		{"account.add", `{"name":"alice"}`, 409, "type detail", "/problems/exists an account is already called alice"},
		{"account.show", `{"name":"CORP\\alice"}`, 200, "name failures", "alice map[code:0 password:0 stopped:false]"},
		{"account.disable", `{"name":"alice"}`, 200, "enabled", "false"},
		{"account.enable", `{"name":"alice"}`, 200, "enabled", "true"},
		{"account.block", `{"name":"alice","reason":"lost","until":"2026-03-05T00:00:00Z"}`, 200, "blocked block_reason blocked_until", "true lost 2026-03-05T00:00:00Z"},
		{"account.block", `{"name":"alice","until":"2025-03-05T00:00:00Z"}`, 422, "hint", "give a time in the future, or none"},
		{"account.unblock", `{"name":"alice"}`, 200, "blocked", "false"},
		{"account.unlock", `{"name":"alice"}`, 200, "name", "alice"},
		{"account.password", `{"name":"alice","password":"q"}`, 200, "name", "alice"},
		{"account.password", `{"name":"alice"}`, 400, "detail", "give either a password or the hash of one"},
		{"account.password", `{"name":"alice","password":"q","password_hash":"h"}`, 400, "detail", "give either a password or the hash of one"},
		{"authenticator.recovery-codes", `{"name":"alice"}`, 422, "type", "/problems/invalid"},
		{"authenticator.add", `{"account":"alice","factor":"oath","label":"phone"}`, 200, "uri", "otpauth://totp/x"},
		{"authenticator.recovery-codes", `{"name":"alice"}`, 200, "codes uri", "[AAAAA-BBBBB] (none)"},
		{"authenticator.import", `{"file":"` + seeds + `"}`, 200, "added unassigned bad", "1 1 [map[line:3 reason:the secret key is missing serial:T2]]"},
		{"authenticator.assign", `{"id":"T1","account":"alice"}`, 200, "", ""},
		{"authenticator.assign", `{"id":"T1","account":"alice"}`, 422, "detail", "somebody holds token T1 already"},
		{"authenticator.resync", `{"id":"T1","first":"111111","second":"222222"}`, 200, "", ""},
		{"authenticator.resync", `{"id":"T1","first":"111111","second":"333333"}`, 422, "type", "/problems/invalid"},
		{"authenticator.revoke", `{"id":"T1"}`, 200, "", ""},
		{"authenticator.revoke", `{"id":"T1"}`, 404, "detail", `no authenticator "T1"`},
		{"event.why", `{"reference":"` + reference + `"}`, 200, "code outcome stage person reference", "138 oath-code-incorrect answer Sign-in failed. " + reference},
		{"event.why", `{"reference":"junk"}`, 422, "type", "/problems/invalid"},
		{"store.reseal", `{}`, 200, "records", "3"},
		{"store.reseal", ``, 200, "records", "3"},
	}
	for _, s := range steps {
		status, body, _ := h.post(s.operation, s.body)
		if status != s.status {
			t.Errorf("%s %s = %d %s; want %d", s.operation, s.body, status, body, s.status)
			continue
		}
		if got := fields(t, body, strings.Fields(s.names)...); got != s.want {
			t.Errorf("%s %s = %s; want %s = %s", s.operation, s.body, body, s.names, s.want)
		}
	}
	by := fmt.Sprintf("uid %d", os.Getuid())
	for _, act := range h.store.acts {
		if !strings.HasPrefix(act.Actor, by) || !strings.HasSuffix(act.Actor, "over the admin socket") {
			t.Errorf("act %s was recorded for %q; want %s ... over the admin socket", act.Action, act.Actor, by)
		}
	}
	if last := h.store.acts[len(h.store.acts)-1]; last.Action != "store.reseal" || last.Detail != "3 records" {
		t.Errorf("the last act is %+v; want store.reseal", last)
	}
}

// seeds is a CSV file with a good row and a bad one, in base 64 as JSON carries it.
var seeds = func() string {
	b, err := json.Marshal([]byte("upn,serial number,secret key,time interval,manufacturer,model\n,T1,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Acme,X\n,T2,,30,Acme,X\n"))
	if err != nil {
		panic(err)
	}
	return strings.Trim(string(b), `"`)
}()

func TestRequestsThatMakeNoSense(t *testing.T) {
	h := newHouse(t)
	tests := []struct {
		name, operation, body string
		status                int
		detail                string
	}{
		{"a field that does not exist", "account.add", `{"name":"a","admin":true}`, 400, `unknown field "admin"`},
		{"two values", "account.add", `{"name":"a"}{"name":"b"}`, 400, "more than one JSON value"},
		{"not JSON", "account.add", `name=a`, 400, "invalid character"},
		{"a wrong type", "account.add", `{"name":7}`, 400, "cannot unmarshal number"},
		{"not UTF-8", "account.add", "{\"name\":\"a\",\"password\":\"\xe4\xf6\xfc\"}", 400, "not UTF-8"},
		{"too large", "account.add", `{"name":"` + strings.Repeat("a", smallBody) + `"}`, 413, "octets at most"},
		{"an operation that does not exist", "account.explode", `{}`, 404, "there is nothing at /operator/account.explode"},
		{"a negative limit", "event.list", `{"limit":-1}`, 400, "a limit is from 1 to"},
		{"a negative number of acts", "act.list", `{"limit":-1}`, 400, "cannot be negative"},
		{"an outcome that does not exist", "event.list", `{"outcome":"nope"}`, 422, `there is no outcome "nope"`},
		{"following an outcome that does not exist", "event.list", `{"outcome":"nope","follow":true}`, 422, `there is no outcome "nope"`},
		{"a list with arguments", "account.list", `{"limit":3}`, 400, `unknown field "limit"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			status, body, _ := h.post(tt.operation, tt.body)
			if detail := fields(t, body, "detail"); status != tt.status || !strings.Contains(detail, tt.detail) {
				t.Errorf("%s %.60s = %d %s; want %d ... %s", tt.operation, tt.body, status, body, tt.status, tt.detail)
			}
		})
	}
	t.Run("a method that is not POST", func(t *testing.T) {
		resp, err := h.http.Get("http://sallyport/operator/account.list")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
			t.Errorf("GET = %d, Allow %q; want 405, POST", resp.StatusCode, resp.Header.Get("Allow"))
		}
	})
}

func TestFaultsAreTold(t *testing.T) {
	h := newHouse(t)
	h.store.fail = errors.New("store: apply: no space is left for the database")
	if status, body, _ := h.post("application.add", `{"name":"vpn"}`); status != 500 || fields(t, body, "type", "detail") != "/problems/fault store: apply: no space is left for the database" {
		t.Errorf("on a full disk = %d %s", status, body)
	}
	h.store.fail = fmt.Errorf("password: %w", auth.ErrBusy)
	if status, body, _ := h.post("application.add", `{"name":"vpn"}`); status != 503 || fields(t, body, "type") != "/problems/busy" {
		t.Errorf("without capacity = %d %s", status, body)
	}
	h.store.fail = nil
	if status, _, _ := h.post("account.add", `{"name":"alice"}`); status != 200 {
		t.Fatalf("account.add = %d", status)
	}
	h.store.panics = true
	if status, body, _ := h.post("account.show", `{"name":"alice"}`); status != 500 || strings.Contains(body, "throttle is broken") {
		t.Errorf("after a panic = %d %s; want 500 without the panic's words", status, body)
	}
}

func TestListsAreWhole(t *testing.T) {
	h := newHouse(t)
	const n = 2*page + 1
	for i := range n {
		h.store.accounts = append(h.store.accounts, auth.Account{ID: fmt.Sprint(i), Name: fmt.Sprintf("user%05d", i), Enabled: true})
		h.store.acts = append(h.store.acts, admin.Act{Seq: uint64(i + 1), Action: "x"})
		h.store.log("alice", auth.OATHCodeIncorrect)
	}
	tests := []struct {
		operation, body string
		lines           int
		first, last     string
	}{
		{"account.list", `{}`, n, "user00000", "user02000"},
		{"act.list", `{}`, n, "1", "2001"},
		{"act.list", `{"limit":1500}`, 1500, "1", "1500"},
		{"act.list", `{"after":1999}`, 2, "2000", "2001"},
		{"event.list", `{}`, n, "1", "2001"},
		{"event.list", `{"limit":3}`, 3, "1999", "2001"},
		{"event.list", `{"after":2000}`, 1, "2001", "2001"},
		{"event.list", `{"since":"2026-03-04T05:39:27Z"}`, 1, "2001", "2001"},
		{"event.list", `{"outcome":"138","limit":1}`, 1, "2001", "2001"},
		{"authenticator.list", `{"account":""}`, 0, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.operation+tt.body, func(t *testing.T) {
			h.t = t
			status, body, trailer := h.post(tt.operation, tt.body)
			if status != 200 || trailer.Get(TrailerComplete) != "yes" {
				t.Fatalf("status %d, trailer %v; want 200 and complete", status, trailer)
			}
			lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
			if body == "" {
				lines = nil
			}
			if len(lines) != tt.lines {
				t.Fatalf("%d lines; want %d", len(lines), tt.lines)
			}
			if tt.lines == 0 {
				return
			}
			key := "seq"
			if tt.operation == "account.list" {
				key = "name"
			}
			if first, last := fields(t, lines[0], key), fields(t, lines[len(lines)-1], key); first != tt.first || last != tt.last {
				t.Errorf("from %s to %s; want %s to %s", first, last, tt.first, tt.last)
			}
		})
	}
}

// A list whose end the store cannot read must not look like a whole one.
func TestListThatBreaksOff(t *testing.T) {
	h := newHouse(t)
	for range page + 1 {
		h.store.log("alice", auth.OATHCodeIncorrect)
	}
	h.store.failEvents = 2
	status, body, trailer := h.post("event.list", `{}`)
	if status != 200 || strings.Count(body, "\n") != page {
		t.Fatalf("status %d, %d lines; want 200 and the first page", status, strings.Count(body, "\n"))
	}
	if trailer.Get(TrailerComplete) != "" || fields(t, trailer.Get(TrailerProblem), "detail") != "store: list events: the disk is gone" {
		t.Errorf("trailer %v; want a problem", trailer)
	}
}

func TestBackup(t *testing.T) {
	h := newHouse(t)
	content := bytes.Repeat([]byte("sallyport"), 100_000)
	h.store.backup = func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
	resp, err := h.http.Post("http://sallyport/operator/store.backup", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, content) || resp.Trailer.Get(TrailerComplete) != "yes" {
		t.Errorf("%d octets, trailer %v, error %v; want %d and complete", len(got), resp.Trailer, err, len(content))
	}
	if key := resp.Header.Get(HeaderKeyFile); !strings.HasSuffix(key, "a%20key") {
		t.Errorf("key file %q", key)
	}
	if len(h.store.acts) != 1 || h.store.acts[0].Action != "store.backup" {
		t.Errorf("acts %+v; want that a backup was taken", h.store.acts)
	}

	h.store.backup = func(w io.Writer) error {
		w.Write(content[:1000])
		return errors.New("store: back up: the disk is gone")
	}
	if _, body, trailer := h.post("store.backup", ""); len(body) != 1000 || trailer.Get(TrailerComplete) != "" || trailer.Get(TrailerProblem) == "" {
		t.Errorf("a backup that broke off: %d octets, trailer %v", len(body), trailer)
	}
	h.store.backup = func(io.Writer) error { return errors.New("store: back up: no room") }
	if status, body, _ := h.post("store.backup", ""); status != 500 || fields(t, body, "detail") != "store: back up: no room" {
		t.Errorf("a backup that never began: %d %s", status, body)
	}
	// Nobody gets a backup that is not on record.
	h.store.fail = errors.New("store: apply: no")
	before := h.store.backupCalls
	if status, _, _ := h.post("store.backup", ""); status != 500 || h.store.backupCalls != before {
		t.Errorf("without a record: %d, backup called %d times", status, h.store.backupCalls-before)
	}
}

func TestFollow(t *testing.T) {
	h := newHouse(t)
	h.store.log("alice", auth.OATHCodeIncorrect)
	h.store.log("alice", auth.OATHCodeIncorrect)
	tests := []struct {
		name, body string
		old        []string // seqs that come at once
	}{
		{"from now on", `{"follow":true}`, nil},
		{"only what matches, from now on", `{"follow":true,"outcome":"139"}`, nil},
		{"since a time", `{"follow":true,"since":"2026-03-04T05:06:08Z"}`, []string{"2"}},
		{"with the newest before", `{"follow":true,"limit":1}`, []string{"2"}},
	}
	var readers []*bufio.Scanner
	for _, tt := range tests {
		resp, err := h.http.Post("http://sallyport/operator/event.list", "application/json", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("%s: status %d", tt.name, resp.StatusCode)
		}
		lines := bufio.NewScanner(resp.Body)
		for _, want := range tt.old {
			if !lines.Scan() || fields(t, lines.Text(), "seq") != want {
				t.Errorf("%s: first %s; want event %s", tt.name, lines.Text(), want)
			}
		}
		readers = append(readers, lines)
		defer func() {
			for lines.Scan() {
			}
			if p := resp.Trailer.Get(TrailerProblem); p == "" || fields(t, p, "type") != "/problems/stopping" {
				t.Errorf("%s: trailer %v; want that the server stops", tt.name, resp.Trailer)
			}
		}()
	}
	h.store.log("alice", auth.DuplicateOATHCode)
	for i, lines := range readers {
		if !lines.Scan() || fields(t, lines.Text(), "seq", "code") != "3 139" {
			t.Errorf("%s: then %s, %v; want event 3", tests[i].name, lines.Text(), lines.Err())
		}
	}
	began := time.Now()
	if err := h.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if d := time.Since(began); d > grace/2 {
		t.Errorf("followers held up the end for %v", d)
	}
}

func TestRekeyRunsOnceAtATimeAndToItsEnd(t *testing.T) {
	h := newHouse(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	h.o.Rekey = func(ctx context.Context) (string, error) {
		close(begun)
		<-finish
		return "0badcafe", ctx.Err()
	}
	type result struct {
		status int
		body   string
	}
	first := make(chan result)
	go func() {
		status, body, _ := h.post("store.rekey", "{}")
		first <- result{status, body}
	}()
	<-begun
	if status, body, _ := h.post("store.rekey", "{}"); status != 409 || fields(t, body, "type") != "/problems/busy" {
		t.Errorf("a second rekey = %d %s; want busy", status, body)
	}
	stopped := make(chan error)
	go func() { stopped <- h.stop() }()
	time.AfterFunc(50*time.Millisecond, func() { close(finish) }) // while the server shuts down
	if r := <-first; r.status != 200 || fields(t, r.body, "key_id", "key_file") != "0badcafe "+h.o.KeyFile {
		t.Errorf("rekey during a shutdown = %d %s; want it finished", r.status, r.body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestIdentify(t *testing.T) {
	as := func(p any) *http.Request {
		r, err := http.NewRequestWithContext(context.WithValue(context.Background(), peerKey{}, p), "POST", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := []struct {
		name string
		peer any
		want string
		ok   bool
	}{
		{"root", peer{uid: 0}, "uid 0 (root) over the admin socket", true},
		{"the server's own user", peer{uid: 4242}, "uid 4242 over the admin socket", true},
		{"somebody else", peer{uid: 4243}, "", false},
		{"the kernel does not say", peer{err: errors.New("no")}, "", false},
		{"no peer at all", nil, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			by, err := identify(as(tt.peer), 4242)
			if by.Name != tt.want || (err == nil) != tt.ok {
				t.Errorf("identify = %q, %v; want %q, ok %t", by, err, tt.want, tt.ok)
			}
		})
	}
}

// Even with the modes of socket and directory opened by mistake, another user
// is refused. It takes root to become another user.
func TestAnotherUserIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user; TestIdentify covers the rule")
	}
	h := newHouse(t)
	for _, name := range []string{h.dir, filepath.Join(h.dir, SocketName)} {
		if err := os.Chmod(name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	readable := filepath.Join(h.dir, "program")
	if err := os.WriteFile(readable, program, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(readable)
	c.Env = []string{"HTTPD_TEST_DIAL=" + h.dir}
	c.Dir = h.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.HasPrefix(string(out), "403 ") || !strings.Contains(string(out), "uid 65534 may not administer this server") {
		t.Errorf("as uid 65534: %s; want 403", out)
	}
	if len(h.store.settings.Applications) != 0 {
		t.Error("another user has made an application")
	}
}

func askAsSomebodyElse(dir string) int {
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return DialSocket(ctx, dir) }}}
	resp, err := c.Post("http://sallyport/operator/application.add", "application/json", strings.NewReader(`{"name":"mine"}`))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(b))
	return 0
}
