package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"testing"
)

// The pages, and the list of nodes in the database, say what the command says.
func TestVersionIsTheSameEverywhere(t *testing.T) {
	was := version
	t.Cleanup(func() { version = was }) // after the server has ended
	version = "1.2.3"
	s := start(t, testConfig(t.TempDir()))
	resp, err := http.Get(fmt.Sprintf("http://localhost:%d/v1/config", portOf(s.local)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct{ Version string }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || page.Version != Version() {
		t.Errorf("GET /v1/config: version %q (%v), want %q", page.Version, err, Version())
	}
	nodes, err := s.Store.Nodes(context.Background())
	if err != nil || len(nodes) != 1 || nodes[0].Version != Version() {
		t.Errorf("nodes %+v (%v), want one of version %q", nodes, err, Version())
	}
}

func TestVersionOf(t *testing.T) {
	noted := func(v string) *debug.BuildInfo { return &debug.BuildInfo{Main: debug.Module{Version: v}} }
	tests := []struct {
		name   string
		linked string
		built  *debug.BuildInfo
		want   string
	}{
		{"a release", "1.2.3", noted("v0.0.0-20260304120042-0123456789ab"), "1.2.3"},
		{"a release without notes of the build", "1.2.3", nil, "1.2.3"},
		{"go build in a repository", "", noted("v0.0.0-20260304120042-0123456789ab+dirty"), "v0.0.0-20260304120042-0123456789ab+dirty"},
		{"go run, or go build elsewhere", "", noted("(devel)"), "devel"},
		{"a build without a version", "", noted(""), "devel"},
		{"neither", "", nil, "devel"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			was := version
			defer func() { version = was }()
			version = tt.linked
			if got := versionOf(tt.built, tt.built != nil); got != tt.want {
				t.Errorf("versionOf(%v) linked with %q = %q, want %q", tt.built, tt.linked, got, tt.want)
			}
		})
	}
}
