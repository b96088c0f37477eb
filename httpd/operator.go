package httpd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"

	"sallyport/admin"
)

// An Operator serves the operator API, POST /operator/NAME for each operation,
// to whoever administers this machine. Its fields are read-only once it
// serves.
type Operator struct {
	Admin *admin.Admin
	// KeyFile is the path of the file with the key-encryption key, which
	// backups are told not to hold.
	KeyFile string
	// Rekey puts a new key-encryption key in place of the old one, in the key
	// file and wherever it wraps keys, and returns the new one's ID. It is not
	// called twice at a time.
	Rekey    func(context.Context) (id string, err error)
	Auditing *Auditing // nil for none
	Log      *slog.Logger

	rekeying chan struct{} // made by Serve; holds a token while Rekey runs
}

// Serve answers on l, which ListenSocket has made, until ctx ends. Connections
// are served only to root and to the user that this process runs as. When ctx
// ends, streams end at once, other requests have a few seconds. It closes l.
func (o *Operator) Serve(ctx context.Context, l net.Listener) error {
	return o.serveAs(ctx, l, uint32(os.Geteuid()))
}

// serveAs is Serve for a server of that user.
func (o *Operator) serveAs(ctx context.Context, l net.Listener, self uint32) error {
	o.rekeying = make(chan struct{}, 1)
	return serve(ctx, l, &http.Server{
		Handler:     handler(operator, site{operator: o, log: o.Log, stop: ctx}, func(r *http.Request) (admin.Actor, error) { return identify(r, self) }),
		ConnContext: withPeer,
	}, o.Log)
}

// A peer is who made a connection.
type peer struct {
	uid uint32
	err error
}

type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	var p peer
	p.uid, p.err = peerUser(c)
	return context.WithValue(ctx, peerKey{}, p)
}

// identify names the operator for the record, and refuses everybody but root
// and self. The mode of the socket and its directory should keep them out;
// both can be changed by mistake.
func identify(r *http.Request, self uint32) (admin.Actor, error) {
	p, ok := r.Context().Value(peerKey{}).(peer)
	if !ok {
		return admin.Actor{}, fmt.Errorf("httpd: a connection without a peer")
	}
	if p.err != nil {
		return admin.Actor{}, p.err
	}
	if p.uid != 0 && p.uid != self {
		return admin.Actor{}, &Problem{
			Type: "/problems/forbidden", Title: "Not permitted", Status: http.StatusForbidden,
			Detail: fmt.Sprintf("uid %d may not administer this server", p.uid),
			Hint:   fmt.Sprintf("run the command as root or as uid %d", self),
		}
	}
	uid := strconv.FormatUint(uint64(p.uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return admin.Operator(fmt.Sprintf("uid %s (%s) over the admin socket", uid, u.Username)), nil
	}
	return admin.Operator(fmt.Sprintf("uid %s over the admin socket", uid)), nil
}
