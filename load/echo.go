package load

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Echo sends every datagram that comes to c back to where it came from, octet
// for octet, until ctx ends, and closes c. It is the least a UDP server can do
// and so the measure of every other: one goroutine, no batches, no memory
// claimed per datagram.
func Echo(ctx context.Context, c *net.UDPConn) error {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer c.Close()
	// More room only makes it lose less; the kernel may give less than this.
	_ = c.SetReadBuffer(socketBuffer)
	buffer := make([]byte, 64<<10)
	for failures := 0; ; {
		n, from, err := c.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			// Some systems report here that an answer could not be delivered.
			if failures++; errors.Is(err, net.ErrClosed) || failures == 1000 {
				return fmt.Errorf("load: echo: %w", err)
			}
			continue
		}
		failures = 0
		// An answer that cannot be sent is lost; UDP promises nothing else.
		_, _ = c.WriteToUDPAddrPort(buffer[:n], from)
	}
}

// socketBuffer is asked for: room for a burst of some thousand packets.
const socketBuffer = 4 << 20
