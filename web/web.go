// Package web holds the pages of the console, the portal and sign-in as
// `npm run build` leaves them in dist, compressed files (.gz, .br) beside each.
// It hides how they are made. In a build without them, dist has nothing but a
// README.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Pages returns the built front end: index.html, in which __NONCE__ stands for
// the nonce of the content security policy, and assets, whose names change with
// their content. There is no index.html if the pages have not been built.
func Pages() fs.FS {
	pages, err := fs.Sub(dist, "dist")
	if err != nil { // only a malformed path is an error, and this one is constant
		panic("web: " + err.Error())
	}
	return pages
}
