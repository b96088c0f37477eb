package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"sallyport/server"
)

type versionView struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // whether the commit is not the whole truth
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  takes(),
	}
	c.RunE = func(*cobra.Command, []string) error {
		v := versionView{Version: server.Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, s := range info.Settings {
				switch s.Key {
				case "vcs.revision":
					v.Commit = s.Value
				case "vcs.modified":
					v.Modified = s.Value == "true"
				}
			}
		}
		if a.json {
			return a.printJSON(v)
		}
		fmt.Fprintf(a.out, "sallyport %s", v.Version)
		if v.Commit != "" {
			fmt.Fprintf(a.out, " (%.12s)", v.Commit)
		}
		fmt.Fprintf(a.out, " %s %s\n", v.Go, v.Platform)
		return nil
	}
	return a.printsRecords(c)
}
