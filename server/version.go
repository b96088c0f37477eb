package server

import (
	"cmp"
	"runtime/debug"
	"strings"
)

// version is the release, set when the program is linked
// (-ldflags "-X sallyport/server.version=1.2.3"). It stands here rather than in
// main so that the command, the pages and the list of nodes say the same.
var version string

// Version returns the version of the program: the release that it was linked
// with; else what the go command has noted of its module, for instance
// v0.0.0-20260304120042-0123456789ab; "devel" if there is neither.
func Version() string { return versionOf(debug.ReadBuildInfo()) }

func versionOf(b *debug.BuildInfo, ok bool) string {
	var noted string
	if ok {
		noted = strings.Trim(b.Main.Version, "()") // "(devel)" outside of a repository
	}
	return cmp.Or(version, noted, "devel")
}
