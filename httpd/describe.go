package httpd

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
)

// Describe returns the description of the API, OpenAPI 3.1 as JSON, indented
// for people who compare two. It is what a server of that version serves.
func Describe(version string) ([]byte, error) {
	site := &Site{Version: version, Log: slog.New(slog.DiscardHandler)}
	description, err := site.newAPI(http.NewServeMux(), apiOperations())
	if err != nil {
		return nil, err
	}
	// By way of a map, so that names stand in one order.
	text, err := json.Marshal(description)
	if err != nil {
		return nil, fmt.Errorf("httpd: describe the API: %w", err)
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, fmt.Errorf("httpd: describe the API: %w", err)
	}
	text, err = json.MarshalIndent(whole, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("httpd: describe the API: %w", err)
	}
	return append(text, '\n'), nil
}
