package load

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many datagrams one system call moves at most.
const batch = 64

// A wire is a number of connected UDP sockets, read and written in batches by
// one goroutine on one thread, without the runtime's poller in between: what
// the generator spends on itself is not there for the load.
type wire struct {
	refused uint64 // times the host said that nobody listens

	polls   []unix.PollFd
	out, in [batch]message
	outData [batch]unix.Iovec
	inData  [batch]unix.Iovec
	buffers [batch][4096]byte
}

// A message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

func dial(server netip.AddrPort, source netip.Addr, sockets int) (*wire, error) {
	w := &wire{polls: make([]unix.PollFd, 0, sockets)}
	for i := range batch {
		w.inData[i].Base = &w.buffers[i][0]
		w.inData[i].SetLen(len(w.buffers[i]))
		w.in[i].header.Iov = &w.inData[i]
		w.in[i].header.SetIovlen(1)
		w.out[i].header.Iov = &w.outData[i]
		w.out[i].header.SetIovlen(1)
	}
	server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	for range sockets {
		family := unix.AF_INET6
		if server.Addr().Is4() {
			family = unix.AF_INET
		}
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			w.close()
			return nil, fmt.Errorf("load: open socket: %w", err)
		}
		w.polls = append(w.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		// The first needs a privilege; the second is cut to net.core.rmem_max.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
		}
		if source.IsValid() {
			if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(source.Unmap(), 0))); err != nil {
				w.close()
				return nil, fmt.Errorf("load: send from %s: %w", source, err)
			}
		}
		if err := unix.Connect(fd, sockaddr(server)); err != nil {
			w.close()
			return nil, fmt.Errorf("load: send to %s: %w", server, err)
		}
	}
	// Waits end when they should and not up to 50 us later.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return w, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func (w *wire) close() {
	for _, p := range w.polls {
		_ = unix.Close(int(p.Fd))
	}
}

// send sends up to batch packets from one socket.
func (w *wire) send(socket int, packets [][]byte) error {
	for i, p := range packets {
		w.outData[i].Base = &p[0]
		w.outData[i].SetLen(len(p))
	}
	for sent := 0; sent < len(packets); {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(w.polls[socket].Fd),
			uintptr(unsafe.Pointer(&w.out[sent])), uintptr(len(packets)-sent), 0, 0, 0)
		switch errno {
		case 0:
			sent += int(n)
		case unix.EINTR:
		case unix.ECONNREFUSED: // about an earlier packet; asking clears it
			w.refused++
		case unix.EAGAIN, unix.ENOBUFS:
			one := []unix.PollFd{{Fd: w.polls[socket].Fd, Events: unix.POLLOUT}}
			if _, err := unix.Poll(one, 10); err != nil && err != unix.EINTR {
				return fmt.Errorf("load: wait to send: %w", err)
			}
		default:
			return fmt.Errorf("load: send: %w", errno)
		}
	}
	return nil
}

// wait returns when something may be there to receive, or after d.
func (w *wire) wait(d time.Duration) error {
	timeout := unix.NsecToTimespec(max(int64(d), 0))
	if _, err := unix.Ppoll(w.polls, &timeout, nil); err != nil && err != unix.EINTR {
		return fmt.Errorf("load: wait for answers: %w", err)
	}
	return nil
}

// receive hands what has come since the last wait to take, which must not
// keep it.
func (w *wire) receive(take func(socket int, datagram []byte)) error {
	for i := range w.polls {
		if w.polls[i].Revents == 0 {
			continue
		}
		w.polls[i].Revents = 0
		for again := true; again; {
			n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(w.polls[i].Fd),
				uintptr(unsafe.Pointer(&w.in[0])), batch, unix.MSG_DONTWAIT, 0, 0)
			switch errno {
			case 0:
				for j := range int(n) {
					take(i, w.buffers[j][:w.in[j].length])
				}
				again = n == batch
			case unix.EINTR:
			case unix.EAGAIN:
				again = false
			case unix.ECONNREFUSED:
				w.refused++
			default:
				return fmt.Errorf("load: receive: %w", errno)
			}
		}
	}
	return nil
}
